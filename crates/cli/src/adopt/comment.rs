//! Comments in the YAML that `adopt` prints.
//!
//! A comment ends where a YAML reader sees the end of a line, and readers differ on which
//! characters end a line. So a comment contains no foreign text: only this program's own words,
//! numbers, timestamps, and names whose every character has been checked.

use std::fmt::{self, Display, Formatter, Write as _};

use jiff::Timestamp;

/// One comment line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Comment(String);

/// Text that is safe to put in a comment.
pub(crate) trait Own: Display {}

impl Own for &'static str {}
impl Own for usize {}
impl Own for Timestamp {}
impl Own for Name {}

impl Comment {
    pub(crate) fn of(parts: &[&dyn Own]) -> Self {
        let mut comment = Self(String::new());
        comment.push(parts);
        comment
    }

    pub(crate) fn push(&mut self, parts: &[&dyn Own]) {
        for part in parts {
            // Writing to a String cannot fail.
            let _ = write!(self.0, "{part}");
        }
    }
}

/// Starts with the number sign.
impl Display for Comment {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "# {}", self.0)
    }
}

/// The maximum length of an object name.
const LONGEST: usize = 253;

/// The name of an object. The API server has validated it, and [`Name::of`] validates it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Name(Option<String>);

impl Name {
    pub(crate) fn of(name: &str) -> Self {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
        Self((name.len() <= LONGEST && name.chars().all(plain)).then(|| name.to_owned()))
    }
}

impl Display for Name {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_deref().unwrap_or("(not a name of Kubernetes)"))
    }
}
