//! Regions: whether one is set where SDKs need it, and whether it is of the role's partition.

use super::container::{PROFILES, Problem};
use super::env::{Env, Seen};
use crate::arn::RoleArn;
use crate::injection::{REGIONS, STS_ENDPOINTS};
use crate::partition::Partition;
use crate::wanted::Wanted;

/// The variables in the order in which SDKs look at them.
const BY_RANK: [&str; 2] = [REGIONS[1], REGIONS[0]];

/// What is wrong with the container's region.
pub(super) fn problem(env: &Env<'_>, wanted: &Wanted) -> Option<Problem> {
    let regions = BY_RANK.map(|name| (name, env.get(name)));
    if regions.iter().all(|(_, seen)| seen.is_unset()) {
        return missing(env).then_some(Problem::NoRegion);
    }
    let role: RoleArn = wanted.role_arn.parse().ok()?;
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

/// Whether the regional endpoint of no region is asked for, and nothing that is not seen may set one.
fn missing(env: &Env<'_>) -> bool {
    let regional = env.get(STS_ENDPOINTS).known().is_some_and(|value| value.eq_ignore_ascii_case("regional"));
    regional && PROFILES.iter().all(|name| env.get(name).is_unset()) && env.opaque_sources(&REGIONS).is_empty()
}
