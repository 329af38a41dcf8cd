//! Comments in the YAML that `adopt` prints.
//!
//! A comment ends where the reader of the file takes a line to end, and readers differ. So no text of somebody else gets
//! into one: only words of this program, numbers, times, and names of which each character was looked at.

use std::fmt::{self, Display, Formatter, Write as _};

use jiff::Timestamp;

/// A line of comment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Comment(String);

/// What a comment may be made of.
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

/// With the number sign.
impl Display for Comment {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "# {}", self.0)
    }
}

/// The longest name of an object.
const LONGEST: usize = 253;

/// The name of an object, which the API server has checked, and which is checked again.
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
