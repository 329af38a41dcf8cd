//! AWS partitions: the regions of each, and the domain of its services.
//!
//! Source: partitions.json of the SDKs.

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
    /// The partition of a region; `None` if the region is not known.
    pub fn of_region(region: &str) -> Option<&'static Self> {
        PARTITIONS.iter().find(|it| it.regions.iter().any(|start| region.starts_with(start)))
    }

    /// The partition with this name in ARNs; `None` if it is not known.
    pub fn named(name: &str) -> Option<&'static Self> {
        PARTITIONS.iter().find(|it| it.name == name)
    }
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
}
