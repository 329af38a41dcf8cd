//! References from variables to others: `$(NAME)`, as the kubelet reads them.

use std::collections::{BTreeMap, BTreeSet};

use super::env::Seen;
use crate::objects::{Container, EnvVar, Value};
use crate::step_counter::step;

/// Prefix of the variables that are read. Other variables are read only if one of these refers to
/// them.
const VARIABLES: &str = "AWS_";
/// Longer values are not evaluated. References can make a value of any length from a small pod.
const MAX_LENGTH: usize = 16 * 1024;
/// Maximum total length of a container's values with references, in bytes.
const MAX_TOTAL: usize = 256 * 1024;

/// Maximum number of lookups of names in the known sources of `envFrom`. Sources beyond that count
/// as unknown.
const MOST_LOOKUPS: usize = 100_000;

/// A part of a value.
enum Part<'a> {
    Text(&'a str),
    /// The name between the brackets.
    Reference(&'a str),
}

/// The parts of a value: `$$` is a dollar sign, and an incomplete reference is text.
struct Parts<'a> {
    rest: &'a str,
    /// Whether a closing bracket may still follow. Without this field, a text full of opening
    /// brackets would be searched to its end for each of them.
    closes: bool,
}

impl<'a> Parts<'a> {
    fn of(text: &'a str) -> Self {
        Self { rest: text, closes: true }
    }

    /// The name in the reference after a dollar sign, and the text after the reference.
    fn reference(&mut self, after: &'a str) -> Option<(&'a str, &'a str)> {
        let inner = after.strip_prefix('(').filter(|_| self.closes)?;
        let found = inner.split_once(')');
        self.closes = found.is_some();
        found
    }
}

impl<'a> Iterator for Parts<'a> {
    type Item = Part<'a>;

    fn next(&mut self) -> Option<Part<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        step();
        let Some(after) = self.rest.strip_prefix('$') else {
            let (text, rest) = self.rest.split_at(self.rest.find('$').unwrap_or(self.rest.len()));
            self.rest = rest;
            return Some(Part::Text(text));
        };
        if let Some((name, following)) = self.reference(after) {
            self.rest = following;
            return Some(Part::Reference(name));
        }
        self.rest = after.strip_prefix('$').unwrap_or(after);
        Some(Part::Text("$"))
    }
}

fn names(text: &str) -> impl Iterator<Item = &str> {
    Parts::of(text).filter_map(|part| match part {
        Part::Reference(name) => Some(name),
        Part::Text(_) => None,
    })
}

/// Which variables of a container are read: AWS variables, and the variables that these and the
/// paths of mounts refer to, directly or indirectly. A reference is to the last variable with its
/// name before it.
pub(crate) fn read(container: &Container) -> Vec<bool> {
    wanted(container).0
}

/// Like [`read`], and also the names of references that no earlier variable has.
fn wanted(container: &Container) -> (Vec<bool>, BTreeSet<&str>) {
    let paths = container.volume_mounts.iter().filter_map(|mount| mount.sub_path_expr.as_deref());
    let mut wanted: BTreeSet<&str> = paths.flat_map(names).collect();
    let mut read = vec![false; container.env.len()];
    for (variable, read) in container.env.iter().zip(&mut read).rev() {
        step();
        *read = wanted.remove(variable.name.as_str()) || variable.name.starts_with(VARIABLES);
        if *read {
            wanted.extend(names(variable.value.as_deref().unwrap_or_default()));
        }
    }
    (read, wanted)
}

/// The variables of a container that are read, with references expanded.
pub(super) struct Values<'a> {
    pub(super) by_name: BTreeMap<&'a str, Seen>,
    /// Whether `envFrom` has a Secret or ConfigMap that is not known.
    has_opaque: bool,
}

impl<'a> Values<'a> {
    pub(super) fn of(container: &'a Container) -> Self {
        let (read, outside) = wanted(container);
        let mut values = Self { by_name: BTreeMap::new(), has_opaque: false };
        values.take_sources(container, &outside);
        let mut left = MAX_TOTAL;
        for (variable, _) in container.env.iter().zip(read).filter(|(_, read)| *read) {
            let value = match variable.value.as_deref() {
                Some(text) if text.contains('$') => {
                    let value = values.expand(text, left);
                    left = left.saturating_sub(value.known().map_or(0, str::len));
                    value
                }
                _ => literal(variable),
            };
            values.by_name.insert(variable.name.as_str(), value);
        }
        values
    }

    /// Takes the names that are referred to from the known sources of `envFrom`, which the kubelet
    /// reads before `env`. The last of several sources wins.
    fn take_sources(&mut self, container: &'a Container, names: &BTreeSet<&'a str>) {
        let mut left = MOST_LOOKUPS;
        for source in container.env_from.iter().rev() {
            step();
            let Some(revealed) = source.revealed.as_ref().filter(|_| left >= names.len()) else {
                self.has_opaque = true;
                continue;
            };
            left -= names.len();
            for name in names {
                step();
                let key = name.strip_prefix(source.prefix.as_deref().unwrap_or_default());
                if let Some((key, value)) = key.and_then(|key| revealed.get_key_value(key)) {
                    self.by_name.entry(name).or_insert_with(|| Seen::of_key(source, key, value));
                }
            }
        }
    }

    /// Expands the `subPathExpr` of a mount.
    pub(super) fn expand_path(&self, text: &str) -> Seen {
        self.expand(text, MAX_LENGTH)
    }

    /// Expands the text as the kubelet does: a reference to a name that is not set before stays as
    /// it is written.
    fn expand(&self, text: &str, left: usize) -> Seen {
        let mut out = String::new();
        for part in Parts::of(text) {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Reference(name) => match self.by_name.get(name) {
                    Some(Seen::Known(value)) => out.push_str(value),
                    Some(unknown @ Seen::Unknown(_)) => return unknown.clone(),
                    _ if self.has_opaque || is_service_variable(name) => {
                        return Seen::Unknown(format!("the variable {name}, which the pod does not set"));
                    }
                    _ => out.extend(["$(", name, ")"]),
                },
            }
            if out.len() > MAX_LENGTH.min(left) {
                return Seen::Unknown("variables that make it very long".to_owned());
            }
        }
        Seen::Known(out)
    }
}

/// The value before references are expanded.
pub(super) fn literal(variable: &EnvVar) -> Seen {
    let value = variable.value.as_deref().unwrap_or_default();
    let Some(source) = variable.value_from.as_deref().filter(|_| value.is_empty()) else {
        return Seen::Known(value.to_owned());
    };
    match &source.revealed {
        Some(Value::Known(value)) => Seen::Known(value.clone()),
        Some(Value::Absent) => Seen::Absent,
        Some(Value::Hidden) | None => Seen::of_source(source),
    }
}

/// Whether the kubelet may set the variable for a Service of the namespace.
fn is_service_variable(name: &str) -> bool {
    name.contains("_SERVICE_") || name.contains("_PORT")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Value as Json, json};

    use super::*;
    use crate::objects::{EnvFromSource, Revealed};

    fn container(env: &[Json]) -> Container {
        serde_json::from_value(json!({"name": "c", "env": env})).unwrap()
    }

    /// The bytes of all values, as far as they are known.
    fn expanded(env: &[Json]) -> usize {
        let container = container(env);
        Values::of(&container).by_name.values().filter_map(Seen::known).map(str::len).sum()
    }

    fn variable(name: &str, value: &str) -> Json {
        json!({"name": name, "value": value})
    }

    /// Each variable is twice as long as the one before: twenty of them make 10 GB.
    #[test]
    fn values_that_double_are_not_expanded_beyond_a_bound() {
        let first = variable("AWS_0", &"x".repeat(MAX_LENGTH - 1));
        let others = (1..=20).map(|n| variable(&format!("AWS_{n}"), &format!("$(AWS_{0})$(AWS_{0})", n - 1)));
        let env: Vec<Json> = std::iter::once(first).chain(others).collect();
        assert_eq!(expanded(&env), MAX_LENGTH - 1);
    }

    /// 16,000 variables that refer to one of 16 KiB would have 256 MB.
    #[test]
    fn all_values_of_a_container_have_a_bound() {
        let big = variable("B", &"x".repeat(MAX_LENGTH - 1));
        let of = |prefix: &str| -> usize {
            let many = (0..16_000).map(|n| variable(&format!("{prefix}{n}"), "$(B)"));
            expanded(&std::iter::once(big.clone()).chain(many).collect::<Vec<_>>())
        };
        assert!(of("AWS_") <= MAX_TOTAL + MAX_LENGTH, "{}", of("AWS_"));
        // Nothing reads these, so nothing expands them.
        assert_eq!(of("V"), 0);
    }

    /// 16 KiB for a value with references, 256 KiB for all of them; a value without any has no bound.
    #[test]
    fn the_bounds_are_exact() {
        let of_length = |length: usize| [variable("AWS_A", &"x".repeat(length)), variable("AWS_V", "$(AWS_A)")];
        assert_eq!(expanded(&of_length(16_384)), 2 * 16_384);
        assert_eq!(expanded(&of_length(16_385)), 16_385);
        let many = (0..17).map(|n| variable(&format!("AWS_V{n}"), "$(AWS_A)"));
        let env: Vec<Json> = std::iter::once(variable("AWS_A", &"x".repeat(16_384))).chain(many).collect();
        assert_eq!(expanded(&env), 16_384 + 262_144);
    }

    /// Of two sources each may be asked for all names only if these are half as many.
    #[test]
    fn sources_are_asked_up_to_a_bound() {
        let keys = ["N0", "N1"].map(|name| (name.to_owned(), Value::Known("v".to_owned())));
        let keys: Arc<Revealed> = Arc::new(keys.into_iter().collect());
        let sources_of = |names: usize| {
            let text = (0..names).map(|n| format!("$(N{n})")).collect::<Vec<_>>().concat();
            let source = |prefix: &str| EnvFromSource {
                prefix: Some(prefix.to_owned()),
                revealed: Some(Arc::clone(&keys)),
                ..EnvFromSource::default()
            };
            let env_from = vec![source(""), source("N")];
            let container = Container { env_from, ..container(&[variable("AWS_V", &text)]) };
            let values = Values::of(&container);
            (values.has_opaque, values.by_name.contains_key("N1"))
        };
        assert_eq!(sources_of(50_000), (false, true));
        assert_eq!(sources_of(50_001), (true, false));
    }

    /// Without a closing bracket no further reference is looked for, or a text of a megabyte is
    /// searched to its end for each opening bracket.
    #[test]
    fn references_that_never_end_are_searched_once() {
        let mut parts = Parts::of("$(A) $(B $(C $(D");
        let found: Vec<bool> = std::iter::from_fn(|| parts.next().map(|_| parts.closes)).collect();
        assert_eq!((found.first(), found.last()), (Some(&true), Some(&false)), "{found:?}");
        let text = "$(".repeat(700_000);
        let began = std::time::Instant::now();
        assert_eq!(names(&text).count(), 0);
        assert!(began.elapsed() < std::time::Duration::from_secs(5), "{:?}", began.elapsed());
    }
}
