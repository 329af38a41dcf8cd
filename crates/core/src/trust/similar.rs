//! What somebody meant who wrote something else.

/// The known word that is nearest, if one is near.
pub(super) fn closest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let lower = word.to_ascii_lowercase();
    let distance = |known: &str| strsim::osa_distance(&lower, &known.to_ascii_lowercase());
    let nearest = known.iter().map(|known| (distance(known), *known)).min_by_key(|(distance, _)| *distance)?;
    (nearest.0 <= 2).then_some(nearest.1)
}
