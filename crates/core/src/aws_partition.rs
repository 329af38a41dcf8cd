//! AWS partitions: the regions of each, and the domain of its services.
//!
//! Source: partitions.json of the SDKs.

use crate::likeness::closest;

/// An AWS partition: a part of AWS with its own accounts, roles and regions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partition {
    /// Name of the partition in ARNs, for example `aws-us-gov`.
    pub name: &'static str,
    /// Suffix of the services' host names, for example `amazonaws.com`.
    pub dns_suffix: &'static str,
    /// Prefixes of region names, for example `us-gov-`.
    regions: &'static [&'static str],
}

const PARTITIONS: [Partition; 8] = [
    Partition { name: "aws-cn", dns_suffix: "amazonaws.com.cn", regions: &["cn-"] },
    Partition { name: "aws-us-gov", dns_suffix: "amazonaws.com", regions: &["us-gov-"] },
    Partition { name: "aws-iso", dns_suffix: "c2s.ic.gov", regions: &["us-iso-"] },
    Partition { name: "aws-iso-b", dns_suffix: "sc2s.sgov.gov", regions: &["us-isob-"] },
    Partition { name: "aws-iso-e", dns_suffix: "cloud.adc-e.uk", regions: &["eu-isoe-"] },
    Partition { name: "aws-iso-f", dns_suffix: "csp.hci.ic.gov", regions: &["us-isof-"] },
    Partition { name: "aws-eusc", dns_suffix: "amazonaws.eu", regions: &["eusc-"] },
    // Must come last: `us-` is also a prefix of other partitions' regions.
    Partition {
        name: "aws",
        dns_suffix: "amazonaws.com",
        regions: &["us-", "eu-", "ap-", "sa-", "ca-", "me-", "af-", "il-", "mx-"],
    },
];

impl Partition {
    /// The partition of a region; `None` if the text is no region, or one that is not known.
    pub fn of_region(region: &str) -> Option<&'static Self> {
        PARTITIONS
            .iter()
            .filter(|_| is_region(region))
            .find(|it| it.regions.iter().any(|start| region.starts_with(start)))
    }

    /// The partition with this name in ARNs; `None` if it is not known.
    pub fn named(name: &str) -> Option<&'static Self> {
        PARTITIONS.iter().find(|it| it.name == name)
    }

    /// The partition that a name which is none most likely means, for example `aws-us-gov` for
    /// `aws-gov`.
    pub fn meant(name: &str) -> Option<&'static Self> {
        let has = |it: &Self| name.split('-').all(|word| it.name.split('-').any(|part| part == word));
        let known = PARTITIONS.map(|it| it.name);
        let near = || Self::named(closest(name, &known)?);
        PARTITIONS.iter().find(|it| has(it)).or_else(near)
    }
}

/// Whether the text has the form of a region, of this day or of a later one: words of lower-case
/// letters, and a number. SDKs also take the names of the global endpoints, and `fips` beside the
/// region.
pub fn is_region(text: &str) -> bool {
    if text.starts_with("aws") && text.ends_with("-global") {
        return true;
    }
    let text = text.strip_prefix("fips-").or_else(|| text.strip_suffix("-fips")).unwrap_or(text);
    let mut words = text.split('-').rev();
    let number = words.next().unwrap_or_default();
    let is_number = (1..=2).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit());
    let is_word = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase());
    is_number && words.clone().count() >= 2 && words.all(is_word)
}

/// The region that a text which is none most likely means: that of an availability zone, or the
/// same in lower case and without blanks.
pub fn region_meant(text: &str) -> Option<String> {
    let plain = text.trim().trim_matches(['"', '\'']).to_ascii_lowercase().replace('_', "-");
    let mut region = String::new();
    for c in plain.chars() {
        let after_number = region.ends_with(|last: char| last.is_ascii_digit());
        if after_number && !c.is_ascii_digit() {
            break;
        }
        if c.is_ascii_digit() && region.ends_with(|last: char| last.is_ascii_lowercase()) {
            region.push('-');
        }
        region.push(c);
    }
    (region != text && is_region(&region)).then_some(region)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_have_their_partition() {
        for (region, partition) in [
            ("eu-west-1", "aws"),
            ("us-east-1", "aws"),
            ("us-gov-west-1", "aws-us-gov"),
            ("cn-north-1", "aws-cn"),
            ("us-iso-east-1", "aws-iso"),
            ("us-isob-east-1", "aws-iso-b"),
            ("eu-isoe-west-1", "aws-iso-e"),
            ("us-isof-south-1", "aws-iso-f"),
            ("eusc-de-east-1", "aws-eusc"),
        ] {
            assert_eq!(Partition::of_region(region).map(|it| it.name), Some(partition), "{region}");
            assert_eq!(Partition::named(partition).map(|it| it.name), Some(partition));
        }
        assert_eq!(Partition::of_region("xx-north-1"), None);
        assert_eq!(Partition::named("azure"), None);
    }

    #[test]
    fn what_is_no_region_has_one_that_is_meant() {
        for region in ["zz-south-1", "ap-southeast-12", "us-isob-east-1", "aws-global", "us-gov-west-1-fips"] {
            assert!(is_region(region), "{region}");
        }
        for (text, meant) in [
            ("us-east-1a", Some("us-east-1")),
            (" us-east-1 ", Some("us-east-1")),
            ("US-EAST-1", Some("us-east-1")),
            ("us_east_1", Some("us-east-1")),
            ("us-east1", Some("us-east-1")),
            ("us-west-2-lax-1a", Some("us-west-2")),
            ("$(REGION)", None),
            ("us-east", None),
            ("minio", None),
            ("us-east-", None),
        ] {
            assert!(!is_region(text), "{text}");
            assert_eq!(region_meant(text).as_deref(), meant, "{text}");
            assert_eq!(Partition::of_region(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_no_partition_has_one_that_is_meant() {
        let named = |name: &str| Partition::meant(name).map(|it| it.name);
        for (name, meant) in
            [("aws-gov", "aws-us-gov"), ("aws-us", "aws-us-gov"), ("aws-gov-us", "aws-us-gov"), ("aws-cm", "aws-cn")]
        {
            assert_eq!(named(name), Some(meant), "{name}");
        }
        assert_eq!(named("aws-antarctica"), None);
    }
}
