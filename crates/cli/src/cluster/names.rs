//! Suggestions for misspelled names.

use podidentity_core::likeness::alike;

/// `; did you mean a, b?`, or an empty string if no known name is similar.
pub(crate) fn did_you_mean<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    let names = alike(name, known);
    if names.is_empty() { String::new() } else { format!("; did you mean {}?", names.join(", ")) }
}
