//! Suggestions for misspelled names.

use podidentity_core::likeness::alike;

/// `; did you mean a, b?`, or an empty string if no known name is similar.
pub(crate) fn did_you_mean<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    let names = alike(name, known);
    if names.is_empty() { String::new() } else { format!("; did you mean {}?", names.join(", ")) }
}

/// The same for an object that is not in `place`, which is that of [`super::Session::place`].
pub(crate) fn not_there<'a>(name: &str, place: &str, known: impl Iterator<Item = &'a str>) -> String {
    let meant = did_you_mean(name, known);
    let may_be_elsewhere = meant.is_empty() && place.starts_with("in namespace");
    if may_be_elsewhere { "; if it is in another namespace, give that by -n".to_owned() } else { meant }
}
