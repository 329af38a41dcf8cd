//! Whether AWS is asked before a role is put in force, and where.

use clap::{Args, ValueEnum};
use jiff::SignedDuration;
use podidentity_api::PreflightPolicy;
use podidentity_cluster::preflight::Place;
use podidentity_core::sts::{Endpoint, Region};

/// The variable by which AWS's own tools are told their region.
const AWS_REGION: &str = "AWS_REGION";

/// AWS takes some time itself until a change is the same everywhere.
const LEAST_RECHECK: SignedDuration = SignedDuration::from_mins(1);

/// Whether AWS is asked before a role is put in force.
#[derive(Debug, Args)]
#[command(next_help_heading = "Preflight")]
pub(crate) struct PreflightArgs {
    /// Whether AWS is asked about bindings that do not say so in spec.preflight. It takes the right to have tokens made in
    /// the namespace: see config/preflight.
    #[arg(long, env = "PODIDENTITY_PREFLIGHT", value_name = "POLICY", default_value = "Never", ignore_case = true)]
    preflight: Policy,

    /// What happens to a binding that requires an answer while AWS cannot be asked.
    #[arg(long, env = "PODIDENTITY_PREFLIGHT_ON_UNAVAILABLE", value_name = "WHAT", default_value = "wait")]
    preflight_on_unavailable: OnUnavailable,

    /// How long after an answer AWS is asked again about a role in force, for example 24h; at least 1m. The operator
    /// reports the answer and undoes nothing. Default: never.
    #[arg(long, env = "PODIDENTITY_PREFLIGHT_RECHECK", value_name = "DURATION", value_parser = recheck)]
    pub(crate) preflight_recheck: Option<SignedDuration>,

    /// Region whose STS is asked. Where not given: that of an EKS issuer, or else the variable AWS_REGION.
    #[arg(long, env = "PODIDENTITY_STS_REGION", value_name = "REGION", value_parser = region)]
    sts_region: Option<Region>,

    /// Where STS is, if not at AWS's public address: a VPC endpoint, for example. Tokens are sent there.
    #[arg(long, env = "PODIDENTITY_STS_ENDPOINT", value_name = "URL", value_parser = endpoint)]
    sts_endpoint: Option<Endpoint>,
}

/// Whether AWS is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Policy {
    /// The operator asks nothing.
    #[value(name = "Never")]
    Never,
    /// The operator asks, reports the answer, and goes on whatever it is.
    #[value(name = "Report")]
    Report,
    /// While AWS refuses, the operator annotates nothing and restarts nothing.
    #[value(name = "Require")]
    Require,
}

/// What happens to a binding that requires an answer while there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum OnUnavailable {
    /// It waits until AWS answers.
    Wait,
    /// It goes on and says so. A refusal holds it back all the same.
    Proceed,
}

impl PreflightArgs {
    /// For bindings that do not say it themselves.
    pub(crate) fn policy(&self) -> PreflightPolicy {
        match self.preflight {
            Policy::Never => PreflightPolicy::Never,
            Policy::Report => PreflightPolicy::Report,
            Policy::Require => PreflightPolicy::Require,
        }
    }

    /// Whether a binding goes on where there is no answer to be had.
    pub(crate) fn proceeds(&self) -> bool {
        self.preflight_on_unavailable == OnUnavailable::Proceed
    }

    /// Where AWS is asked. An error if all bindings are asked about, and it is not known where.
    pub(crate) fn place(&self, issuer: Option<&str>) -> Result<Place, String> {
        self.place_with(issuer, std::env::var(AWS_REGION).ok().filter(|region| !region.is_empty()))
    }

    fn place_with(&self, issuer: Option<&str>, aws_region: Option<String>) -> Result<Place, String> {
        if let Some(endpoint) = &self.sts_endpoint {
            return Ok(Place::Endpoint(endpoint.clone()));
        }
        if let Some(region) = self.sts_region.clone().or_else(|| issuer.and_then(Region::of_issuer)) {
            return Ok(Place::Region(region));
        }
        let from_environment = aws_region.map(|region| region.parse::<Region>());
        match from_environment {
            Some(Ok(region)) => Ok(Place::Region(region)),
            _ if self.preflight == Policy::Never => Ok(Place::Unknown),
            Some(Err(error)) => Err(format!("{AWS_REGION}: {error}; or name the region by --sts-region")),
            None => Err(format!(
                "--preflight asks AWS STS, and it is not known in which region: the issuer{} is not one of EKS; set \
                 --sts-region, or the variable {AWS_REGION}",
                issuer.map_or_else(String::new, |issuer| format!(" {issuer}"))
            )),
        }
    }
}

fn recheck(text: &str) -> Result<SignedDuration, String> {
    let parsed = text.parse::<SignedDuration>().ok();
    parsed
        .filter(|it| *it >= LEAST_RECHECK)
        .ok_or_else(|| "must be a duration of at least 1m, for example 24h".to_owned())
}

fn region(text: &str) -> Result<Region, String> {
    text.parse().map_err(|error| format!("{error}"))
}

fn endpoint(text: &str) -> Result<Endpoint, String> {
    Endpoint::custom(text, None).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::Args;

    const EKS: &str = "https://oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLE";

    fn args(flags: &[&str]) -> PreflightArgs {
        Args::try_parse_from(["podidentity-operator"].iter().chain(flags)).unwrap().preflight
    }

    fn region(flags: &[&str], issuer: Option<&str>, variable: Option<&str>) -> String {
        match args(flags).place_with(issuer, variable.map(str::to_owned)) {
            Ok(Place::Region(region)) => region.to_string(),
            Ok(Place::Endpoint(endpoint)) => endpoint.url().to_owned(),
            Ok(Place::Unknown) => "unknown".to_owned(),
            Err(error) => error,
        }
    }

    #[test]
    fn the_region_is_that_of_the_flag_or_the_issuer_or_the_environment() {
        assert_eq!(region(&["--sts-region=eu-north-1"], Some(EKS), Some("us-east-1")), "eu-north-1");
        assert_eq!(region(&[], Some(EKS), Some("us-east-1")), "eu-west-1");
        assert_eq!(region(&[], Some("https://example.com"), Some("us-east-1")), "us-east-1");
        assert_eq!(region(&["--sts-endpoint=https://sts.example.com"], Some(EKS), None), "https://sts.example.com/");
    }

    #[test]
    fn an_unknown_region_is_an_error_only_where_all_bindings_are_asked_about() {
        assert_eq!(region(&[], None, Some("nowhere")), "unknown");
        let error = region(&["--preflight=Report"], Some("https://example.com"), None);
        assert!(error.contains("https://example.com is not one of EKS; set --sts-region"), "{error}");
        let error = region(&["--preflight=require"], None, Some("nowhere"));
        assert!(error.contains("AWS_REGION: nowhere is no"), "{error}");
    }

    #[test]
    fn policies_are_those_of_the_binding() {
        assert_eq!(args(&[]).policy(), PreflightPolicy::Never);
        assert_eq!(args(&["--preflight=Report"]).policy(), PreflightPolicy::Report);
        assert_eq!(args(&["--preflight=require"]).policy(), PreflightPolicy::Require);
        assert!(!args(&[]).proceeds() && args(&["--preflight-on-unavailable=proceed"]).proceeds());
    }
}
