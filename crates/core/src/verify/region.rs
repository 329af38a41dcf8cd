//! Regions: whether one is set if SDKs need it, and whether it is in the role's partition.

use super::container::{PROFILES, Problem};
use super::env::{Env, Seen};
use crate::arn::RoleArn;
use crate::expectation::Expectation;
use crate::injection::{REGIONS, STS_ENDPOINTS};
use crate::partition::Partition;

/// The variables in the order in which SDKs look at them.
const BY_RANK: [&str; 2] = [REGIONS[1], REGIONS[0]];

/// What is wrong with the container's region.
pub(super) fn problem(env: &Env<'_>, expected: &Expectation) -> Option<Problem> {
    let regions = BY_RANK.map(|name| (name, env.get(name)));
    if regions.iter().all(|(_, seen)| seen.is_unset()) {
        return missing(env).then_some(Problem::NoRegion);
    }
    let role: RoleArn = expected.identity.role_arn.parse().ok()?;
    let partition = |region: &str| Partition::of_region(region).map(|partition| partition.name);
    let foreign = |seen: &Seen| seen.known().and_then(partition).filter(|partition| *partition != role.partition());
    let set = || regions.iter().filter(|(_, seen)| !seen.is_unset());
    let certain = set().all(|(_, seen)| foreign(seen).is_some());
    set().find_map(|(variable, seen)| {
        let partition = foreign(seen)?;
        let region = seen.known().unwrap_or_default().to_owned();
        Some(Problem::RegionElsewhere { variable, region, partition, certain })
    })
}

/// Whether the regional endpoint is asked for, and neither a profile nor a source that cannot be
/// seen may set the region. For containers in which no variable sets one.
fn missing(env: &Env<'_>) -> bool {
    let regional = env.get(STS_ENDPOINTS).known().is_some_and(|value| value.eq_ignore_ascii_case("regional"));
    regional && PROFILES.iter().all(|name| env.get(name).is_unset()) && env.opaque_sources(&REGIONS).is_empty()
}
