//! Placeholders in Git sources, which Flux (`${account_id}`), an ApplicationSet (`{{account}}`) or
//! `envsubst` fills in later.
//!
//! Each placeholder gets a value that is valid in its position, so that the rest of the manifest
//! can be checked.

use std::sync::LazyLock;

use regex::{Captures, Regex};

use crate::accounts::UNKNOWN_ACCOUNT;
use crate::read::Input;
use crate::yaml::{Kind, Node};

/// `${name}`, `${name:=default}`, `${name:-default}`, `${name-default}`, `{{ name }}`.
static PLACEHOLDER: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"\$\{[A-Za-z_][A-Za-z0-9_]*(?::?[-=](?<default>[^{}]*))?\}|\{\{[^{}]*\}\}").ok());

/// Fills all placeholders.
pub(super) fn fill(input: &mut Input) {
    let Some(pattern) = &*PLACEHOLDER else { return };
    for document in input.files.iter_mut().flat_map(|file| &mut file.documents) {
        if let Some(root) = &mut document.root {
            node(root, "", pattern);
        }
    }
}

fn node(filled: &mut Node, key: &str, pattern: &Regex) {
    match &mut filled.kind {
        Kind::Scalar { text, .. } => {
            if pattern.is_match(text) {
                *text = value(text, key, pattern);
            }
        }
        Kind::Sequence(items) => items.iter_mut().for_each(|item| node(item, key, pattern)),
        Kind::Mapping(entries) => {
            for (name, item) in entries {
                let key = name.text().unwrap_or_default().to_owned();
                node(item, &key, pattern);
            }
        }
    }
}

fn value(text: &str, key: &str, pattern: &Regex) -> String {
    let replaced = |captures: &Captures<'_>| {
        let whole = captures.get(0);
        let before = whole.map_or("", |found| &text[..found.start()]);
        let is_all = whole.is_some_and(|found| found.len() == text.len());
        match captures.name("default") {
            Some(default) => default.as_str().to_owned(),
            None => standing(before, key, is_all),
        }
    };
    pattern.replace_all(text, replaced).into_owned()
}

/// A value that is valid after this text, or as the whole value of this key.
fn standing(before: &str, key: &str, is_all: bool) -> String {
    let role = || format!("arn:aws:iam::{UNKNOWN_ACCOUNT}:role/placeholder");
    match key {
        _ if before.ends_with("arn:") => "aws".to_owned(),
        _ if before.ends_with("iam::") => UNKNOWN_ACCOUNT.to_owned(),
        "roleArn" if is_all => role(),
        _ if is_all && key.ends_with("/role-arn") => role(),
        // 600 is within the range of every numeric field of a binding.
        "maxConcurrent" | "replicas" => "600".to_owned(),
        _ if key.ends_with("Seconds") || key.ends_with("/token-expiration") => "600".to_owned(),
        "suspend" | "stsRegionalEndpoints" => "false".to_owned(),
        _ if key.ends_with("/sts-regional-endpoints") => "false".to_owned(),
        _ => "placeholder".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_gets_a_value_that_is_valid_where_it_stands() {
        let pattern = PLACEHOLDER.as_ref().unwrap();
        for (key, text, expected) in [
            ("roleArn", "arn:aws:iam::${account_id}:role/shop", "arn:aws:iam::000000000000:role/shop"),
            (
                "roleArn",
                "arn:${partition}:iam::{{account}}:role/a-${env}",
                "arn:aws:iam::000000000000:role/a-placeholder",
            ),
            ("roleArn", "${role_arn}", "arn:aws:iam::000000000000:role/placeholder"),
            ("eks.amazonaws.com/role-arn", "{{ .role }}", "arn:aws:iam::000000000000:role/placeholder"),
            ("tokenExpirationSeconds", "${ttl}", "600"),
            ("tokenExpirationSeconds", "${ttl:=3600}", "3600"),
            ("suspend", "${suspend}", "false"),
            ("name", "${app:-shop}-reader", "shop-reader"),
            ("image", "a:$(VAR) $X ${}", "a:$(VAR) $X ${}"),
        ] {
            assert_eq!(value(text, key, pattern), expected, "{key}: {text}");
        }
    }
}
