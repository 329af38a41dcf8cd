//! Cleans texts from a server that was given a token, before they are kept.

use std::fmt::Write as _;

/// Maximum number of characters of a text that are kept.
const LIMIT: usize = 1000;
/// No word of a message and no role name is longer. Signatures and session tokens are.
const LONGEST_WORD: usize = 64;
/// How a token begins: `{"` in base64.
const TOKEN_START: &str = "eyJ";
const REDACTED: &str = "[redacted]";

/// The text in one line, bounded, with everything redacted that might be a token or a part of one:
/// a server may send back the token that it was sent.
pub(super) fn kept(text: &str) -> String {
    let mut out = String::new();
    for (number, part) in text.split_whitespace().enumerate() {
        if number > 0 {
            out.push(' ');
        }
        out.push_str(&without_secrets(part));
        if out.chars().count() >= LIMIT {
            break;
        }
    }
    out.chars().take(LIMIT).collect()
}

fn without_secrets(part: &str) -> String {
    let mut out = String::new();
    let mut rest = part;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !is_of_secret(c)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        if word.len() > LONGEST_WORD || word.contains(TOKEN_START) {
            out.push_str(REDACTED);
        } else {
            out.push_str(word);
        }
        let next = after.find(is_of_secret).unwrap_or(after.len());
        let _ = write!(out, "{}", &after[..next]);
        rest = &after[next..];
    }
    out
}

/// Whether the character can be part of a token: base64 of both kinds, and percent-encoding.
fn is_of_secret(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '+' | '=' | '%')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn words_of_aws_are_kept() {
        let text = "No OpenIDConnect provider found in your account for https://oidc.eks.eu-west-1.amazonaws.com/id/\
                    EXAMPLED539D4633E53DE1B71EXAMPLE";
        assert_eq!(kept(text), text);
        assert_eq!(kept(" a\n  b\t"), "a b");
    }

    #[test]
    fn tokens_are_not() {
        let signature = "x".repeat(342);
        assert_eq!(
            kept(&format!("bad token eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJ.{signature}!")),
            "bad token [redacted].[redacted].[redacted]!"
        );
        assert_eq!(kept(&"long words ".repeat(1000)).chars().count(), LIMIT);
    }

    proptest! {
        #[test]
        fn no_signature_gets_through(before in "\\PC{0,40}", signature in "[A-Za-z0-9_-]{86,400}", after in "\\PC{0,40}") {
            let found = kept(&format!("{before}{signature}{after}"));
            prop_assert!(!found.contains(&signature[10..76]), "{found}");
        }
    }
}
