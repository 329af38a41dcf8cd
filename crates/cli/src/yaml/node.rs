//! A document as a tree.

/// Where something begins. Line and column count from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

/// How a scalar was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// Without quotes: may be a number, a boolean or null.
    Plain,
    SingleQuoted,
    DoubleQuoted,
    /// `|` or `>`.
    Block,
}

/// A node. Aliases and merge keys are resolved.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) kind: Kind,
    /// The tag as it is written, for example `!!str`.
    pub(crate) tag: Option<String>,
    /// Where the node begins. For a node from an alias, where the anchor is.
    pub(crate) at: Position,
}

#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Scalar { text: String, style: Style },
    Sequence(Vec<Node>),
    Mapping(Vec<(Node, Node)>),
}

/// Nodes are equal if they say the same. Their positions do not matter.
impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        let same = match (&self.kind, &other.kind) {
            (Kind::Scalar { text: a, style: x }, Kind::Scalar { text: b, style: y }) => {
                a == b && (*x == Style::Plain) == (*y == Style::Plain)
            }
            (Kind::Sequence(a), Kind::Sequence(b)) => a == b,
            (Kind::Mapping(a), Kind::Mapping(b)) => a == b,
            _ => false,
        };
        same && self.tag == other.tag
    }
}

impl Node {
    pub(crate) fn new(kind: Kind) -> Self {
        Self { kind, tag: None, at: Position::default() }
    }

    /// A string that every YAML reader reads as a string.
    pub(crate) fn string(text: &str) -> Self {
        let style = if is_safe_plain(text) { Style::Plain } else { Style::DoubleQuoted };
        Self::new(Kind::Scalar { text: text.to_owned(), style })
    }

    /// The text of a scalar.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// Whether the node is null or empty.
    pub(crate) fn is_null(&self) -> bool {
        self.tag.is_none()
            && matches!(&self.kind, Kind::Scalar { text, style: Style::Plain }
                if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }

    /// The value of a key. If the key occurs twice, the last value.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        self.entry(key).map(|(_, value)| value)
    }

    /// The key and value for a key. If the key occurs twice, the last entry.
    pub(crate) fn entry(&self, key: &str) -> Option<(&Self, &Self)> {
        let Kind::Mapping(entries) = &self.kind else { return None };
        entries.iter().rev().find(|(name, _)| name.text() == Some(key)).map(|(name, value)| (name, value))
    }

    /// The value of a key, for changes.
    pub(crate) fn get_mut(&mut self, key: &str) -> Option<&mut Self> {
        let Kind::Mapping(entries) = &mut self.kind else { return None };
        entries.iter_mut().rev().find(|(name, _)| name.text() == Some(key)).map(|(_, value)| value)
    }

    /// The value at the end of a path of keys.
    pub(crate) fn at_path(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self, |node, key| node.get(key))
    }

    /// The text at the end of a path of keys, unless it is empty or null.
    pub(crate) fn text_at(&self, path: &[&str]) -> Option<&str> {
        let node = self.at_path(path).filter(|node| !node.is_null())?;
        node.text().filter(|text| !text.is_empty())
    }

    /// Calls the function for every entry of every mapping, with the path of the mapping, for example
    /// `spec.containers[0]`. The function says whether to look into the entry's value.
    pub(crate) fn walk<'a>(&'a self, path: &str, visit: &mut impl FnMut(&str, &'a Self, &'a Self) -> bool) {
        match &self.kind {
            Kind::Mapping(entries) => {
                for (key, value) in entries {
                    if visit(path, key, value) {
                        let name = key.text().unwrap_or_default();
                        let path = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
                        value.walk(&path, visit);
                    }
                }
            }
            Kind::Sequence(items) => {
                for (index, item) in items.iter().enumerate() {
                    item.walk(&format!("{path}[{index}]"), visit);
                }
            }
            Kind::Scalar { .. } => {}
        }
    }

    /// The items of a sequence. Empty for every other node.
    pub(crate) fn items(&self) -> &[Self] {
        match &self.kind {
            Kind::Sequence(items) => items,
            _ => &[],
        }
    }

    /// The item of a sequence with this `name`. If the name occurs twice, the last item.
    pub(crate) fn named(&self, name: &str) -> Option<&Self> {
        self.items().iter().rev().find(|item| item.text_at(&["name"]) == Some(name))
    }
}

/// Whether a text can do without quotes in both YAML 1.1 and YAML 1.2. The check errs on the strict
/// side, because quotes never hurt.
fn is_safe_plain(text: &str) -> bool {
    let reserved = ["true", "false", "yes", "no", "on", "off", "y", "n", "null"];
    let starts_well = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/');
    starts_well
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "_-./:@+=".contains(c))
        && !text.ends_with(':')
        && !reserved.iter().any(|word| text.eq_ignore_ascii_case(word))
}
