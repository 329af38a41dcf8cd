//! Slips in the ConfigMap that the webhook watches.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::keys::{self, AUDIENCE, ROLE, STS};
use super::{At, Slip, SlipReason, audience, value};
use crate::finding::Severity;
use crate::foreign::shown;
use crate::injection::TOKEN_EXPIRATION;
use crate::likeness::is_slip;
use crate::settings::Settings;

/// The fields of an entry, each with the annotation that says the same.
const FIELDS: [(&str, &str); 4] =
    [("RoleARN", ROLE), ("Audience", AUDIENCE), ("UseRegionalSTS", STS), ("TokenExpiration", TOKEN_EXPIRATION)];

/// The slips in the entries, in the order of their keys; none if the webhook does not read the text
/// at all. `known`: the service accounts that there are, each as namespace and name.
pub fn of_entries(config: &str, known: &[(String, String)], settings: &Settings) -> Vec<Slip> {
    let parsed: Result<BTreeMap<String, Map<String, Value>>, _> = serde_json::from_str(config);
    let entries = parsed.unwrap_or_default();
    let slips = entries.iter().flat_map(|(key, fields)| {
        let entry = Entry { key, fields };
        entry.fields(settings).into_iter().chain(entry.account(known))
    });
    slips.collect()
}

struct Entry<'a> {
    key: &'a str,
    fields: &'a Map<String, Value>,
}

impl Entry<'_> {
    /// For messages, for example `the entry shop/web`.
    fn title(&self) -> String {
        format!("the entry {}", shown(self.key))
    }

    /// The text of a field, whose name the webhook reads in any case.
    fn text(&self, name: &str) -> Option<&str> {
        let field = self.fields.iter().find(|(field, _)| field.eq_ignore_ascii_case(name));
        field.and_then(|(_, value)| value.as_str()).filter(|text| !text.is_empty())
    }

    fn fields(&self, settings: &Settings) -> Vec<Slip> {
        let title = self.title();
        let role = self.text(FIELDS[0].0);
        let is_known = |name: &str| FIELDS.iter().any(|(field, _)| field.eq_ignore_ascii_case(name));
        let others = self.fields.keys().filter(|name| !is_known(name));
        let mut slips: Vec<Slip> = others.map(|name| unread(&title, name, role.is_some())).collect();
        match role {
            Some(role) => slips.extend(value::role(&format!("RoleARN of {title}"), "the entry", At::Object, role)),
            None if slips.iter().any(|slip| slip.severity == Severity::Error) => {}
            None => slips.push(Slip::new(
                SlipReason::RoleAnnotationEmpty,
                At::Object,
                format!(
                    "{title} has no RoleARN, or an empty one: the webhook takes that for no role and injects nothing."
                ),
                "Write the ARN of the role into it, or remove the entry.".to_owned(),
            )),
        }
        let unusual =
            self.text(FIELDS[1].0).and_then(|it| audience(&format!("Audience of {title}"), At::Object, it, settings));
        slips.extend(unusual);
        slips
    }

    /// The entry is for no service account that there is, but one of nearly its name.
    fn account(&self, known: &[(String, String)]) -> Option<Slip> {
        let (namespace, name) = self.key.split_once('/')?;
        let is_it = |(at, it): &(String, String)| it == name && (namespace == "*" || at == namespace);
        if known.iter().any(is_it) {
            return None;
        }
        let here = known.iter().find(|(at, it)| (namespace == "*" || at == namespace) && is_slip(it, name));
        let (at, meant) = here.or_else(|| known.iter().find(|(_, it)| it == name))?;
        let at = if namespace == "*" { "*" } else { at.as_str() };
        let seen = format!(
            "{} is for the service account {} of namespace {}, which is not among the files; {at}/{meant} is.",
            self.title(),
            shown(name),
            shown(namespace)
        );
        let next = format!("Correct the key of the entry: did you mean {at}/{meant}?");
        Some(Slip::new(SlipReason::ServiceAccountNotFound, At::Object, seen, next).severity(Severity::Warning))
    }
}

/// The webhook does not read the field.
fn unread(title: &str, name: &str, has_role: bool) -> Slip {
    let meant = keys::meant(name).and_then(|meant| FIELDS.iter().find(|(_, annotation)| *annotation == meant));
    let name = shown(name);
    let Some((right, annotation)) = meant else {
        let seen = format!("nothing reads the field {name} of {title}.");
        return Slip::new(SlipReason::AnnotationUnknown, At::Object, seen, "Remove it.".to_owned());
    };
    let severity = if *annotation == ROLE && !has_role { Severity::Error } else { Severity::Warning };
    let seen = format!("nothing reads the field {name} of {title}; did you mean {right}?");
    Slip::new(SlipReason::AnnotationMisspelt, At::Object, seen, format!("Write {right}.")).severity(severity)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(config: &str) -> Vec<String> {
        let known = [("shop".to_owned(), "shipping".to_owned())];
        let slips = of_entries(config, &known, &Settings::default());
        slips.iter().map(|slip| format!("{} {}", slip.reason, slip.message())).collect()
    }

    #[test]
    fn entries_that_the_webhook_takes_as_meant_are_fine() {
        let role = "arn:aws:iam::111122223333:role/r";
        for config in [
            format!(r#"{{"shop/shipping": {{"rolearn": "{role}", "Audience": "sts.amazonaws.com"}}}}"#),
            format!(r#"{{"*/shipping": {{"RoleARN": "{role}", "TokenExpiration": 3600, "UseRegionalSTS": true}}}}"#),
            format!(r#"{{"far/away": {{"RoleARN": "{role}"}}}}"#),
            "no JSON".to_owned(),
        ] {
            assert_eq!(told(&config), [""; 0], "{config}");
        }
    }

    #[test]
    fn each_slip_is_told() {
        let role = "arn:aws:iam::111122223333:role/r";
        for (config, words) in [
            (
                r#"{"shop/shipping": {"RoleARN": "my-role"}}"#.to_owned(),
                "InvalidRoleArn RoleARN of the entry shop/shipping",
            ),
            (r#"{"shop/shipping": {"RoleARN": ""}}"#.to_owned(), "RoleAnnotationEmpty the entry shop/shipping has no"),
            (r#"{"shop/shipping": {}}"#.to_owned(), "RoleAnnotationEmpty"),
            (
                format!(r#"{{"shop/shipping": {{"role-arn": "{role}"}}}}"#),
                "AnnotationMisspelt nothing reads the field role-arn",
            ),
            (format!(r#"{{"shop/shipping": {{"RoleARN": "{role}", "x": 1}}}}"#), "AnnotationUnknown"),
            (
                format!(r#"{{"shop/shipping": {{"RoleARN": "{role}", "Audience": "sts.amazon.com"}}}}"#),
                "AudienceUnusual",
            ),
            (format!(r#"{{"default/shipping": {{"RoleARN": "{role}"}}}}"#), "did you mean shop/shipping?"),
            (format!(r#"{{"shop/shiping": {{"RoleARN": "{role}"}}}}"#), "did you mean shop/shipping?"),
            (format!(r#"{{"*/shiping": {{"RoleARN": "{role}"}}}}"#), "did you mean */shipping?"),
        ] {
            let told = told(&config);
            assert!(told.len() == 1 && told[0].contains(words), "{config}: {told:?}");
        }
    }
}
