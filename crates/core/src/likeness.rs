//! Suggestions for misspelt names.

/// Minimum likeness of a suggestion.
const ALIKE: f64 = 0.75;
/// Maximum number of suggestions.
const MOST: usize = 3;

/// How alike two texts are, from 0 to 1.
pub fn likeness(one: &str, other: &str) -> f64 {
    strsim::jaro_winkler(one, other)
}

/// The known names that are like this one, the most alike first; at most a few.
pub fn alike<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut alike: Vec<(f64, &str)> = known
        .map(|other| (likeness(name, other), other))
        .filter(|(likeness, other)| *likeness >= ALIKE || other.contains(name) && name.len() > 2)
        .collect();
    alike.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    alike.dedup_by(|a, b| a.1 == b.1);
    alike.into_iter().take(MOST).map(|(_, name)| name).collect()
}

/// Whether two names differ only by a slip: case, separators, or one or two letters. Names with
/// different digits are different names.
pub fn is_slip(one: &str, other: &str) -> bool {
    let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
    if digits(one) != digits(other) {
        return false;
    }
    let letters = |text: &str| text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    let (one, other): (String, String) = (letters(one), letters(other));
    let allowed = if one.chars().count() < 6 { 1 } else { 2 };
    one == other || strsim::osa_distance(&one, &other) <= allowed && one.chars().count() > 3
}

/// The known word that is nearest to this one, if it is near enough.
pub(crate) fn closest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let lower = word.to_ascii_lowercase();
    let distance = |known: &str| strsim::osa_distance(&lower, &known.to_ascii_lowercase());
    let nearest = known.iter().map(|known| (distance(known), *known)).min_by_key(|(distance, _)| *distance)?;
    (nearest.0 <= 2).then_some(nearest.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_alike_come_first() {
        let known = ["my-app", "my-api", "database"];
        assert_eq!(alike("my-ap", known.into_iter()), ["my-api", "my-app"]);
        assert_eq!(alike("data", known.into_iter()), ["database"]);
        assert!(alike("xyz", known.into_iter()).is_empty());
    }

    #[test]
    fn a_slip_is_a_letter_or_a_separator() {
        for (one, other) in [("externaldns", "external-dns"), ("Web_App", "web-app"), ("reporst", "reports")] {
            assert!(is_slip(one, other), "{one} {other}");
        }
        for (one, other) in
            [("web", "app"), ("a", "b"), ("reader", "writer"), ("blue", "green"), ("worker-1", "worker-2")]
        {
            assert!(!is_slip(one, other), "{one} {other}");
        }
    }
}
