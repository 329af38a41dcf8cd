//! Names that were meant.

/// Less alike is not meant.
const ALIKE: f64 = 0.75;
/// So many are offered.
const MOST: usize = 3;

/// `; did you mean a, b?`, or nothing if no name is like it.
pub(crate) fn did_you_mean<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    let mut alike: Vec<(f64, &str)> = known
        .map(|other| (strsim::jaro_winkler(name, other), other))
        .filter(|(likeness, other)| *likeness >= ALIKE || other.contains(name) && name.len() > 2)
        .collect();
    alike.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    alike.dedup_by(|a, b| a.1 == b.1);
    let names: Vec<&str> = alike.iter().take(MOST).map(|(_, name)| *name).collect();
    if names.is_empty() { String::new() } else { format!("; did you mean {}?", names.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_alike_are_offered() {
        let known = ["my-app", "my-api", "database"];
        assert_eq!(did_you_mean("my-ap", known.into_iter()), "; did you mean my-api, my-app?");
        assert_eq!(did_you_mean("data", known.into_iter()), "; did you mean database?");
        assert_eq!(did_you_mean("xyz", known.into_iter()), "");
    }
}
