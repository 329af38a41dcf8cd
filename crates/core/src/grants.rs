//! The roles that a namespace lets its bindings use, from its annotation
//! `podidentity.dev/allowed-role-arns`.
//!
//! The admission policies in `config/grants` read the annotation in the same way; an end-to-end
//! test compares the two.

use podidentity_api::names;

use crate::objects::Namespace;
use crate::snapshot::Snapshot;

/// Maximum length of an annotation in a command that a message offers to copy, in characters.
const LONGEST_COMMAND: usize = 2000;

/// A namespace's grants: ARNs of roles, which may contain `*`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants {
    entries: Vec<String>,
}

impl Grants {
    /// The grants of a namespace; empty without the annotation.
    pub fn of(namespace: &Namespace) -> Self {
        let annotations = namespace.metadata.annotations.as_ref();
        annotations
            .and_then(|all| all.get(names::ALLOWED_ROLES_ANNOTATION))
            .map_or_else(Self::default, |text| Self::parse(text))
    }

    /// Parses the annotation: entries separated by commas, without the white space around them.
    pub fn parse(text: &str) -> Self {
        let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        Self { entries: entries.map(str::to_owned).collect() }
    }

    /// Whether one of the entries grants the role. The entry `*` grants every role. In other
    /// entries `*` matches any characters except colons, so it stays within its part of the ARN, as
    /// in IAM's `ArnLike`.
    pub fn allow(&self, role: &str) -> bool {
        self.entries.iter().any(|entry| entry == "*" || !entry.contains('\\') && matches(entry, role))
    }

    /// The annotation with the role added, for a command that an administrator copies. `None` if
    /// there is no safe command: a comma in the role's name would separate two entries, and the
    /// present annotation may be too long or contain more than ARNs.
    pub fn and(&self, role: &str) -> Option<String> {
        let all: Vec<&str> = self.entries.iter().map(String::as_str).chain([role]).collect();
        let is_plain = |c: char| c.is_ascii_alphanumeric() || ":/_+=.@*-".contains(c);
        let text = all.join(",");
        let plain = !role.is_empty() && all.iter().all(|entry| entry.chars().all(is_plain));
        (plain && text.len() <= LONGEST_COMMAND).then_some(text)
    }

    /// The entries, as they are written.
    pub fn entries(&self) -> &[String] {
        &self.entries
    }
}

/// Compares the ARNs part by part. Both must have the same number of parts.
fn matches(pattern: &str, role: &str) -> bool {
    pattern.split(':').count() == role.split(':').count()
        && pattern.split(':').zip(role.split(':')).all(|(pattern, part)| matches_part(pattern, part))
}

/// The texts between the stars have to occur in their order, the first at the beginning and the last at the end.
fn matches_part(pattern: &str, part: &str) -> bool {
    let Some((first, others)) = pattern.split_once('*') else { return pattern == part };
    let (middle, last) = others.rsplit_once('*').unwrap_or(("", others));
    let rest = part.strip_prefix(first).and_then(|rest| rest.strip_suffix(last));
    let found = rest
        .and_then(|rest| middle.split('*').try_fold(rest, |rest, text| rest.split_once(text).map(|(_, after)| after)));
    found.is_some()
}

/// Whether the namespace grants the role that a binding wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grant {
    /// The operator does not require a grant.
    NotRequired,
    /// The namespace grants the role.
    Given,
    /// The namespace does not grant the role. The value holds what it grants.
    Missing(Grants),
    /// The operator has not observed the namespace yet.
    Unknown,
}

impl Grant {
    /// Whether the namespace of a snapshot grants a role.
    pub fn of(snapshot: &Snapshot, role: &str) -> Self {
        if !snapshot.config.require_grants {
            return Self::NotRequired;
        }
        let Some(namespace) = &snapshot.namespace_object else { return Self::Unknown };
        let grants = Grants::of(namespace);
        if grants.allow(role) { Self::Given } else { Self::Missing(grants) }
    }

    /// Whether the operator may write the role.
    pub fn permits(&self) -> bool {
        matches!(self, Self::NotRequired | Self::Given)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROLE: &str = "arn:aws:iam::111122223333:role/team-a/web";

    #[test]
    fn stars_stand_for_anything_within_their_part_of_the_arn() {
        for (text, allowed) in [
            ("", false),
            (" , ,", false),
            (ROLE, true),
            (" arn:aws:iam::999999999999:role/x ,\n arn:aws:iam::111122223333:role/team-a/web\t", true),
            ("*", true),
            ("**", false),
            ("arn:aws:iam::111122223333:role/*", true),
            ("arn:aws:iam::111122223333:*", true),
            ("arn:aws:iam::*:role/team-a/*", true),
            ("arn:*:iam::*:*", true),
            ("arn:aws:iam::1111*3333:role/*/w*b", true),
            ("arn:aws:iam::111122223333:role/team-a/web*", true),
            ("arn:aws:iam::111122223333:role/*team-a*/*web*", true),
            ("arn:aws:iam::111122223333:role/team-a/w*eb*b", false),
            ("arn:aws:iam::111122223333:role/team-a/we", false),
            ("arn:aws:iam::111122223333:role/team-a/web2", false),
            ("arn:aws:iam::111122223333:role/team-b/*", false),
            ("arn:aws:iam::111122223333:role/team-?/web", false),
            ("arn:aws:iam::1111222233334:role/*", false),
            ("arn:*:role/*", false),
            ("arn:aws:iam:*/team-a/web", false),
            ("ARN:aws:iam::111122223333:role/*", false),
        ] {
            assert_eq!(Grants::parse(text).allow(ROLE), allowed, "{text:?}");
        }
    }

    #[test]
    fn what_is_to_be_copied_grants_the_role_and_nothing_else() {
        let granted = Grants::parse("arn:aws:iam::111122223333:role/a");
        let both = granted.and(ROLE).unwrap();
        assert_eq!(Grants::parse(&both).entries(), ["arn:aws:iam::111122223333:role/a", ROLE]);
        // In the annotation, the comma would grant the role `admin`.
        assert_eq!(granted.and("arn:aws:iam::111122223333:role/admin,x"), None);
        assert_eq!(Grants::parse("a'; rm -rf / #").and(ROLE), None);
        assert_eq!(Grants::parse(&"a,".repeat(2000)).and(ROLE), None);
    }

    #[test]
    fn texts_between_stars_do_not_overlap() {
        for (pattern, part, expected) in [
            ("a*a", "a", false),
            ("a*a", "aa", true),
            ("ab*ba", "aba", false),
            ("*ab*ab*", "abab", true),
            ("*ab*ab*", "abb", false),
            ("*b", "ab", true),
            ("*", "", true),
            ("a**b", "ab", true),
            ("*a*", "bab", true),
        ] {
            assert_eq!(matches_part(pattern, part), expected, "{pattern} {part}");
        }
    }
}
