//! Endpoints of STS: one for each region.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use http::Uri;
use thiserror::Error;

use crate::arn::RoleArn;
use crate::aws_partition::Partition;
use crate::foreign::shown;

/// The name of a region, for example `eu-central-1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Region {
    name: String,
    partition: &'static Partition,
}

/// Why a text is not a region.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RegionError {
    /// It does not have the form of a region, and would become part of a host name.
    #[error("{} is no AWS region: write one such as eu-central-1", shown(.0))]
    NoRegion(String),
    /// It has the form of a region, but belongs to no known partition.
    #[error("{} is of no partition of AWS that is known: is it spelled as in eu-central-1?", shown(.0))]
    NoPartition(String),
}

impl FromStr for Region {
    type Err = RegionError;

    fn from_str(text: &str) -> Result<Self, RegionError> {
        let is_word = |word: &str| {
            !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        };
        let ends_with_number =
            text.rsplit('-').next().is_some_and(|word| word.bytes().all(|byte| byte.is_ascii_digit()));
        let right =
            text.len() <= 32 && text.split('-').count() >= 3 && text.split('-').all(is_word) && ends_with_number;
        if !right {
            return Err(RegionError::NoRegion(text.to_owned()));
        }
        match Partition::of_region(text) {
            Some(partition) => Ok(Self { name: text.to_owned(), partition }),
            None => Err(RegionError::NoPartition(text.to_owned())),
        }
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl Region {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.name
    }

    /// The region in the host of an EKS issuer, such as `https://oidc.eks.eu-central-1.amazonaws.com/id/EXAMPLE`; `None`
    /// for every other issuer.
    pub fn of_issuer(issuer: &str) -> Option<Self> {
        let host = issuer.strip_prefix("https://")?.split('/').next()?;
        let (region, suffix) = host.strip_prefix("oidc.eks.")?.split_once('.')?;
        let region: Self = region.parse().ok()?;
        // In China, EKS also has issuers under api.amazonwebservices.com.cn.
        (suffix == region.partition().dns_suffix || suffix.ends_with("amazonwebservices.com.cn")).then_some(region)
    }

    /// The partition of the region.
    pub fn partition(&self) -> &'static Partition {
        self.partition
    }
}

/// Where a request is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    url: String,
    region: Option<Region>,
}

/// Why there is no endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EndpointError {
    /// STS of one partition does not know the roles of another.
    #[error(
        "region {region} is of the partition {}, and the role is of {role}: choose a region of {role}, or mend the ARN",
        .region.partition.name
    )]
    OtherPartition {
        /// The region.
        region: Region,
        /// The partition of the role.
        role: String,
    },
    /// The text is not the URL of a server.
    #[error("{} is no endpoint: write scheme and host, as in https://sts.eu-central-1.amazonaws.com", shown(.0))]
    NoUrl(String),
    /// Anyone on the network path could read the token.
    #[error("{} is neither https nor of this machine: the token would be sent for everybody to read; write https", shown(.0))]
    NotSecure(String),
}

impl Endpoint {
    /// The public endpoint of a region, for a role of its partition. `fips`: whether to use the
    /// endpoint with validated cryptography.
    pub fn regional(region: &Region, role: &RoleArn, fips: bool) -> Result<Self, EndpointError> {
        let partition = region.partition();
        if partition.name != role.partition() {
            let role = role.partition().to_owned();
            return Err(EndpointError::OtherPartition { region: region.clone(), role });
        }
        // In aws-us-gov, the plain name is the endpoint with FIPS, and there is no other.
        let name = if fips && partition.name != "aws-us-gov" { "sts-fips" } else { "sts" };
        let url = format!("https://{name}.{region}.{}/", partition.dns_suffix);
        Ok(Self { url, region: Some(region.clone()) })
    }

    /// A custom endpoint: a VPC endpoint, or a test server on this machine. Only the latter may do
    /// without TLS.
    pub fn custom(url: &str, region: Option<&Region>) -> Result<Self, EndpointError> {
        let wrong = || EndpointError::NoUrl(url.to_owned());
        let uri: Uri = url.parse().map_err(|_| wrong())?;
        let authority = uri.authority().ok_or_else(wrong)?;
        let plain = uri.path_and_query().is_none_or(|path| path == "/") && !authority.as_str().contains('@');
        if !plain || authority.host().is_empty() {
            return Err(wrong());
        }
        match uri.scheme_str() {
            Some("https") => {}
            Some("http") if is_loopback(authority.host()) => {}
            Some("http") => return Err(EndpointError::NotSecure(url.to_owned())),
            _ => return Err(wrong()),
        }
        let scheme = uri.scheme_str().unwrap_or_default();
        Ok(Self { url: format!("{scheme}://{authority}/"), region: region.cloned() })
    }

    /// The URL that the request is posted to.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The region, if it is known.
    pub fn region(&self) -> Option<&Region> {
        self.region.as_ref()
    }

    /// The host, with its port if it has one.
    pub fn host(&self) -> &str {
        let rest = self.url.split_once("://").map_or(self.url.as_str(), |(_, rest)| rest);
        rest.trim_end_matches('/')
    }
}

/// Whether a host is this machine, so that nobody else sees the request.
pub fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(region: &str, partition: &str, fips: bool) -> String {
        let role: RoleArn = format!("arn:{partition}:iam::111122223333:role/r").parse().unwrap();
        match Endpoint::regional(&region.parse().unwrap(), &role, fips) {
            Ok(endpoint) => endpoint.url().to_owned(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn each_partition_has_its_domain() {
        for (region, partition, host) in [
            ("eu-central-1", "aws", "sts.eu-central-1.amazonaws.com"),
            ("us-gov-west-1", "aws-us-gov", "sts.us-gov-west-1.amazonaws.com"),
            ("cn-north-1", "aws-cn", "sts.cn-north-1.amazonaws.com.cn"),
            ("us-iso-east-1", "aws-iso", "sts.us-iso-east-1.c2s.ic.gov"),
            ("us-isob-east-1", "aws-iso-b", "sts.us-isob-east-1.sc2s.sgov.gov"),
            ("eu-isoe-west-1", "aws-iso-e", "sts.eu-isoe-west-1.cloud.adc-e.uk"),
            ("us-isof-south-1", "aws-iso-f", "sts.us-isof-south-1.csp.hci.ic.gov"),
            ("eusc-de-east-1", "aws-eusc", "sts.eusc-de-east-1.amazonaws.eu"),
        ] {
            assert_eq!(url(region, partition, false), format!("https://{host}/"));
        }
    }

    #[test]
    fn fips_has_a_name_of_its_own_where_the_plain_one_has_it_not() {
        assert_eq!(url("us-east-2", "aws", true), "https://sts-fips.us-east-2.amazonaws.com/");
        assert_eq!(url("us-gov-east-1", "aws-us-gov", true), "https://sts.us-gov-east-1.amazonaws.com/");
    }

    #[test]
    fn a_region_of_another_partition_is_refused() {
        let said = url("cn-north-1", "aws", false);
        assert!(said.contains("region cn-north-1 is of the partition aws-cn, and the role is of aws"), "{said}");
    }

    #[test]
    fn what_is_no_region_gets_into_no_host_name() {
        for text in [
            "",
            "eu",
            "eu-west",
            "eu-west-1.evil.example.com",
            "EU-WEST-1",
            "eu-west-1/",
            "eu-west-1#",
            "eu--1",
            "a-b-c",
        ] {
            assert!(matches!(text.parse::<Region>(), Err(RegionError::NoRegion(_))), "{text}");
        }
        assert_eq!("xx-west-1".parse::<Region>(), Err(RegionError::NoPartition("xx-west-1".to_owned())));
    }

    #[test]
    fn the_issuer_of_eks_tells_the_region() {
        let region = |issuer: &str| Region::of_issuer(issuer).map(|region| region.to_string());
        let eks = |host: &str| region(&format!("https://{host}/id/EXAMPLE"));
        assert_eq!(eks("oidc.eks.eu-west-1.amazonaws.com").as_deref(), Some("eu-west-1"));
        assert_eq!(eks("oidc.eks.cn-north-1.amazonaws.com.cn").as_deref(), Some("cn-north-1"));
        assert_eq!(eks("oidc.eks.eu-west-1.example.com"), None);
        assert_eq!(eks("oidc.example.com"), None);
        assert_eq!(region("http://oidc.eks.eu-west-1.amazonaws.com/id/1"), None);
    }

    #[test]
    fn endpoints_of_ones_own_are_secure_or_here() {
        for (text, expected) in [
            ("https://vpce-1.sts.eu-west-1.vpce.amazonaws.com", "https://vpce-1.sts.eu-west-1.vpce.amazonaws.com/"),
            ("http://127.0.0.1:8080/", "http://127.0.0.1:8080/"),
            ("http://[::1]:8080", "http://[::1]:8080/"),
            ("http://localhost:1", "http://localhost:1/"),
        ] {
            assert_eq!(Endpoint::custom(text, None).unwrap().url(), expected);
        }
        for text in ["http://sts.amazonaws.com", "http://127.0.0.1.example.com", "http://10.0.0.1"] {
            assert!(matches!(Endpoint::custom(text, None), Err(EndpointError::NotSecure(_))), "{text}");
        }
        for text in
            ["", "sts.amazonaws.com", "https://", "https://u:p@h", "https://h/path", "https://h/?a=b", "ftp://h"]
        {
            assert!(matches!(Endpoint::custom(text, None), Err(EndpointError::NoUrl(_))), "{text}");
        }
    }
}
