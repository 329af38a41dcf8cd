//! Which STS endpoint to ask: the endpoint of a region, or a custom one.

use podidentity_core::arn::RoleArn;
use podidentity_core::sts::{Endpoint, Region};

use super::ProbeArgs;

/// The settings for the endpoint from the command line and the environment.
#[derive(Clone, Debug)]
pub(super) struct Choice {
    region: Option<Region>,
    /// AWS_REGION or AWS_DEFAULT_REGION: the name of the variable and its value.
    environment: Option<(&'static str, String)>,
    endpoint: Option<Endpoint>,
    fips: bool,
}

/// Where a region comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub(crate) enum Source {
    Flag,
    Issuer,
    Environment,
}

const VARIABLES: [&str; 2] = ["AWS_REGION", "AWS_DEFAULT_REGION"];

impl Choice {
    pub(super) fn of(args: &ProbeArgs) -> Self {
        let set = |name| std::env::var(name).ok().filter(|region| !region.is_empty()).map(|region| (name, region));
        Self {
            region: args.region.clone(),
            environment: VARIABLES.into_iter().find_map(set),
            endpoint: args.endpoint.clone(),
            fips: args.fips,
        }
    }

    /// The endpoint for tokens of this issuer and for this role.
    pub(super) fn endpoint(&self, issuer: &str, role: &RoleArn) -> Result<(Endpoint, Option<Source>), String> {
        if let Some(endpoint) = &self.endpoint {
            let endpoint = Endpoint::custom(endpoint.url(), self.region.as_ref()).map_err(|error| error.to_string())?;
            return Ok((endpoint, self.region.as_ref().map(|_| Source::Flag)));
        }
        let (region, source) = self.region(issuer)?;
        let endpoint = Endpoint::regional(&region, role, self.fips).map_err(|error| error.to_string())?;
        Ok((endpoint, Some(source)))
    }

    fn region(&self, issuer: &str) -> Result<(Region, Source), String> {
        if let Some(region) = &self.region {
            return Ok((region.clone(), Source::Flag));
        }
        if let Some(region) = Region::of_issuer(issuer) {
            return Ok((region, Source::Issuer));
        }
        match &self.environment {
            Some((name, region)) => match region.parse() {
                Ok(region) => Ok((region, Source::Environment)),
                Err(error) => Err(format!("{name}: {error}")),
            },
            None => Err(format!(
                "no region is known: the issuer {issuer} is not one of EKS, and neither AWS_REGION nor \
                 AWS_DEFAULT_REGION is set; give --region, that of the pods"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EKS: &str = "https://oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLE";
    const OTHER: &str = "https://oidc.example.com";

    fn asked(flag: Option<&str>, environment: Option<&str>, issuer: &str) -> Result<(String, Option<Source>), String> {
        let choice = Choice {
            region: flag.map(|region| region.parse().unwrap()),
            environment: environment.map(|region| ("AWS_REGION", region.to_owned())),
            endpoint: None,
            fips: false,
        };
        let role: RoleArn = "arn:aws:iam::111122223333:role/r".parse().unwrap();
        choice.endpoint(issuer, &role).map(|(endpoint, source)| (endpoint.host().to_owned(), source))
    }

    #[test]
    fn the_flag_counts_most_then_the_issuer_then_the_environment() {
        let host = |region: &str| format!("sts.{region}.amazonaws.com");
        let (flag, environment) = (Some("eu-central-1"), Some("us-east-1"));
        assert_eq!(asked(flag, environment, EKS), Ok((host("eu-central-1"), Some(Source::Flag))));
        assert_eq!(asked(None, environment, EKS), Ok((host("eu-west-1"), Some(Source::Issuer))));
        assert_eq!(asked(None, environment, OTHER), Ok((host("us-east-1"), Some(Source::Environment))));
        assert!(asked(None, None, OTHER).unwrap_err().contains("give --region"));
        assert!(asked(None, Some("us east"), OTHER).unwrap_err().starts_with("AWS_REGION: us east is no AWS region"));
        assert!(asked(Some("cn-north-1"), None, EKS).unwrap_err().contains("aws-cn"));
    }
}
