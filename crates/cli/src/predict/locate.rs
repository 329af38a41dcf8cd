//! The place in a manifest that a finding comes from.

use podidentity_core::finding::{Finding, FindingReason};
use podidentity_core::injection::{REGIONS, ROLE_ARN, SKIP_CONTAINERS, SKIP_LABEL, STS_ENDPOINTS, TOKEN_FILE, VOLUME};
use podidentity_core::settings::{IdentityAnnotation, Settings};

use crate::yaml::{Node, Position};

/// The position of a finding. Tries the best place first, and skips places that the manifest lacks.
pub(super) fn position(template: &Node, finding: &Finding, settings: &Settings) -> Position {
    let places = Places { template, container: container(template, finding.container.as_deref()) };
    let found = match finding.reason {
        FindingReason::RoleEnvPreset | FindingReason::StaleRole | FindingReason::TokenEnvMissing => {
            places.env(&[ROLE_ARN])
        }
        FindingReason::RoleEnvMissing | FindingReason::TokenEnvMismatch | FindingReason::MountMissing => {
            places.env(&[TOKEN_FILE, ROLE_ARN])
        }
        FindingReason::ForeignTokenVolume
        | FindingReason::AudienceMismatch
        | FindingReason::TokenUnreadable
        | FindingReason::TokenMayBeUnreadable => places.volume(),
        FindingReason::TokenPathLinked | FindingReason::ApiServerToken => places.env(&[TOKEN_FILE]),
        FindingReason::TokenPathOfUnix => places.spec("os").or_else(|| places.spec("affinity")),
        FindingReason::RegionMismatch | FindingReason::RegionInvalid => places.env(&REGIONS),
        FindingReason::SessionNameInvalid => places.env(&["AWS_ROLE_SESSION_NAME"]),
        FindingReason::TokenExpirationMismatch => places
            .meta("annotations", &settings.annotation(IdentityAnnotation::TokenExpiration))
            .or_else(|| places.volume()),
        FindingReason::TokenNotRefreshed => places.key("volumeMounts"),
        FindingReason::StsEndpointMismatch | FindingReason::RegionMissing => places.env(&[STS_ENDPOINTS]),
        FindingReason::StaticCredentialsShadow => {
            let names = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_DEFAULT_PROFILE"];
            let files = ["AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"];
            let old = ["AWS_ACCESS_KEY", "AWS_SECRET_KEY"];
            let set = places.env(&names).or_else(|| places.env(&files)).or_else(|| places.env(&old));
            set.or_else(|| places.key("envFrom")).or_else(|| places.key("volumeMounts"))
        }
        FindingReason::EnvFromOpaque => places.key("envFrom"),
        FindingReason::ContainerSkipped => places.meta("annotations", &settings.key(SKIP_CONTAINERS)),
        FindingReason::WebhookSkipped => places.meta("labels", SKIP_LABEL),
        FindingReason::PodIdentityActive => places.meta("labels", "eks.amazonaws.com/pod-identity"),
        FindingReason::NodeRoleReachable => places.spec("hostNetwork"),
        FindingReason::InjectionRefused if finding.container.is_none() => places.spec("volumes"),
        _ => None,
    };
    found.or_else(|| places.container.map(|container| container.at)).unwrap_or(template.at)
}

fn container<'a>(template: &'a Node, name: Option<&str>) -> Option<&'a Node> {
    let name = name?;
    let lists = ["containers", "initContainers"];
    lists.into_iter().find_map(|list| template.at_path(&["spec", list])?.named(name))
}

struct Places<'a> {
    template: &'a Node,
    container: Option<&'a Node>,
}

impl Places<'_> {
    fn env(&self, names: &[&str]) -> Option<Position> {
        let env = self.container?.get("env")?;
        names.iter().find_map(|name| env.named(name)).map(|var| var.at)
    }

    fn key(&self, key: &str) -> Option<Position> {
        self.container?.entry(key).map(|(key, _)| key.at)
    }

    fn volume(&self) -> Option<Position> {
        self.template.at_path(&["spec", "volumes"])?.named(VOLUME).map(|volume| volume.at)
    }

    fn meta(&self, field: &str, key: &str) -> Option<Position> {
        self.template.at_path(&["metadata", field])?.entry(key).map(|(key, _)| key.at)
    }

    fn spec(&self, key: &str) -> Option<Position> {
        self.template.get("spec")?.entry(key).map(|(key, _)| key.at)
    }
}
