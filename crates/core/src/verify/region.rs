//! Regions: whether one is set if SDKs need it, whether it is one, and whether it is in the role's
//! partition.

use super::container::{PROFILES, Problem};
use super::env::{Env, Seen};
use crate::arn::RoleArn;
use crate::aws_partition::{Partition, is_region, region_meant};
use crate::expectation::Expectation;
use crate::injection::{REGIONS, STS_ENDPOINTS};

/// The variables in the order in which SDKs look at them.
const BY_RANK: [&str; 2] = [REGIONS[1], REGIONS[0]];
/// The partition whose roles the global endpoint of STS knows.
const OF_GLOBAL_ENDPOINT: &str = "aws";

/// What is wrong with the container's region.
pub(super) fn problem(env: &Env<'_>, expected: &Expectation) -> Option<Problem> {
    let regions = BY_RANK.map(|name| (name, env.get(name)));
    let set: Vec<&(&'static str, Seen)> = regions.iter().filter(|(_, seen)| !seen.is_unset()).collect();
    if set.is_empty() {
        return missing(env, expected);
    }
    no_region(&set).or_else(|| elsewhere(&set, expected))
}

/// A variable whose value is not a region.
fn no_region(set: &[&(&'static str, Seen)]) -> Option<Problem> {
    let certain = set.iter().all(|(_, seen)| seen.known().is_some_and(is_impossible));
    set.iter().find_map(|(variable, seen)| {
        let value = seen.known().filter(|value| !is_region(value))?;
        Some(Problem::NotARegion { variable, value: value.to_owned(), meant: region_meant(value), certain })
    })
}

/// Whether no service of AWS is found with the text as its region. A plain word may be the region
/// of another maker's service.
fn is_impossible(value: &str) -> bool {
    let is_plain = value.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    !is_region(value) && (!is_plain || region_meant(value).is_some())
}

/// A variable whose region is of another partition than the role.
fn elsewhere(set: &[&(&'static str, Seen)], expected: &Expectation) -> Option<Problem> {
    let role: RoleArn = expected.identity.role_arn.parse().ok()?;
    let partition = |region: &str| Partition::of_region(region).map(|partition| partition.name);
    let foreign = |seen: &Seen| seen.known().and_then(partition).filter(|partition| *partition != role.partition());
    let certain = set.iter().all(|(_, seen)| foreign(seen).is_some());
    set.iter().find_map(|(variable, seen)| {
        let partition = foreign(seen)?;
        let region = seen.known().unwrap_or_default().to_owned();
        Some(Problem::RegionElsewhere { variable, region, partition, certain })
    })
}

/// The problem of a container in which no variable sets a region: the regional endpoint is asked
/// for, or the role is of a partition that the global endpoint does not know. `None` if a profile
/// or a source that cannot be seen may set the region.
fn missing(env: &Env<'_>, expected: &Expectation) -> Option<Problem> {
    if PROFILES.iter().any(|name| !env.get(name).is_unset()) || !env.opaque_sources(&REGIONS).is_empty() {
        return None;
    }
    if env.get(STS_ENDPOINTS).known().is_some_and(|value| value.eq_ignore_ascii_case("regional")) {
        return Some(Problem::NoRegion { partition: None });
    }
    let role: RoleArn = expected.identity.role_arn.parse().ok()?;
    let partition = Partition::named(role.partition()).filter(|it| it.name != OF_GLOBAL_ENDPOINT)?;
    Some(Problem::NoRegion { partition: Some(partition.name) })
}
