//! What the EKS pod identity webhook does to a pod, as a pure function.
//!
//! ```text
//! pod or template, annotations of its service account, settings ──► Injection ──► typed or raw pod spec
//! ```
//!
//! Both methods of the webhook are modelled: web identity (IRSA) and container credentials (EKS Pod
//! Identity). The webhook uses container credentials if the cluster has an association for the
//! service account. It then picks the lifetime of the token at random, so the lifetime is known
//! only if an annotation sets it.

mod apply;
mod association;
mod given;
mod go_parsing;
mod reasons;
#[cfg(test)]
mod tests;
mod validate;

use std::borrow::Cow;
use std::collections::BTreeSet;

use crate::objects::{
    Container, EnvVar, Map, Pod, PodSpec, PodTemplate, ProjectedSource, ProjectedVolume, ServiceAccountToken, Volume,
    VolumeMount,
};
use crate::settings::{IdentityAnnotation, Settings};

pub use crate::webhook_config::{CONFIG_MAP, Entries, Entry};
pub use apply::ShapeError;
pub(crate) use association::is_injected_volume;
pub use association::{
    AGENT_AUDIENCE, AGENT_LABEL, AGENT_URIS, AGENT_VOLUME, AUTHORIZATION_TOKEN_FILE, CREDENTIALS_URI, has_agent_volume,
};
use association::{AGENT_MOUNT_PATH, AGENT_TOKEN_PATH};
pub use given::Given;
pub use reasons::{Addition, Reasons, reasons};
pub use validate::{Refusal, RefusalKind};

/// The variable that names the role.
pub const ROLE_ARN: &str = "AWS_ROLE_ARN";
/// The variable that names the token's file.
pub const TOKEN_FILE: &str = "AWS_WEB_IDENTITY_TOKEN_FILE";
/// The variable that chooses between the regional and the global STS endpoint.
pub const STS_ENDPOINTS: &str = "AWS_STS_REGIONAL_ENDPOINTS";
/// The variables that name the region, in the order in which they are added.
pub const REGIONS: [&str; 2] = ["AWS_DEFAULT_REGION", "AWS_REGION"];
/// The name of the volume and of its mounts.
pub const VOLUME: &str = "aws-iam-token";
/// The path of the token file in the volume.
pub const TOKEN_PATH: &str = "token";
/// The shortest lifetime of a token, in seconds; the webhook raises shorter ones to it.
pub const MIN_TOKEN_EXPIRATION: i64 = 600;
/// The label by which a pod opts out of the webhook. The webhook configuration fixes the key, so
/// the key does not follow the annotation domain.
pub const SKIP_LABEL: &str = "eks.amazonaws.com/skip-pod-identity-webhook";
/// The suffix of the pod annotation that names containers to leave alone.
pub const SKIP_CONTAINERS: &str = "skip-containers";
/// The suffix of the annotation that sets the token's lifetime.
pub const TOKEN_EXPIRATION: &str = IdentityAnnotation::TokenExpiration.name();

/// The target of an injection: a pod about to be created, or the pod that a template describes.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// Labels.
    pub labels: &'a Map,
    /// Annotations.
    pub annotations: &'a Map,
    /// Specification.
    pub spec: &'a PodSpec,
}

impl<'a> From<&'a Pod> for Target<'a> {
    fn from(pod: &'a Pod) -> Self {
        let shared = &pod.metadata.shared;
        Self { labels: &shared.labels, annotations: &shared.annotations, spec: &pod.spec }
    }
}

impl<'a> From<&'a PodTemplate> for Target<'a> {
    fn from(template: &'a PodTemplate) -> Self {
        let meta = &template.metadata;
        Self { labels: &meta.labels, annotations: &meta.annotations, spec: &template.spec }
    }
}

impl<'a> Target<'a> {
    /// The value of an annotation.
    pub fn annotation(&self, key: &str) -> Option<&'a str> {
        self.annotations.get(key).map(String::as_str)
    }

    /// Whether the pod opts out of the webhook; the label's value does not matter.
    pub fn is_skipped(&self) -> bool {
        self.labels.contains_key(SKIP_LABEL)
    }

    /// The containers that the pod's annotation tells the webhook to leave alone.
    pub fn skipped_containers(&self, settings: &Settings) -> BTreeSet<String> {
        let names = self.annotation(&settings.key(SKIP_CONTAINERS)).and_then(go_parsing::first_csv_record);
        names.into_iter().flatten().collect()
    }

    /// Whether the webhook treats the pod as a Windows pod. It looks at the node selector only.
    pub fn selects_windows(&self) -> bool {
        let selects = |key: &str| self.spec.node_selector.get(key).is_some_and(|os| os == "windows");
        selects("kubernetes.io/os") || selects("beta.kubernetes.io/os")
    }
}

/// What the webhook adds to a pod. It only ever adds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Injection {
    /// One for each init container, in their order; empty if nothing is injected at all.
    pub init_containers: Vec<ContainerInjection>,
    /// One for each container, in their order; empty if nothing is injected at all.
    pub containers: Vec<ContainerInjection>,
    /// The token's volume, inserted before all others; `None` if the pod has a volume of that name.
    pub volume: Option<Volume>,
    /// The label that the webhook adds to a pod with the credentials of an association.
    pub label: Option<(&'static str, &'static str)>,
}

/// What the webhook adds to a container.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ContainerInjection {
    /// Variables to append, in this order.
    pub env: Vec<EnvVar>,
    /// The mount to append.
    pub mount: Option<VolumeMount>,
}

impl ContainerInjection {
    /// Whether nothing is added.
    pub fn is_empty(&self) -> bool {
        self.env.is_empty() && self.mount.is_none()
    }
}

impl Injection {
    /// Whether nothing is added.
    pub fn is_empty(&self) -> bool {
        let mut containers = self.init_containers.iter().chain(&self.containers);
        self.volume.is_none() && self.label.is_none() && containers.all(ContainerInjection::is_empty)
    }
}

/// What the webhook adds to the pod when it is created, given the source of its service account's
/// identity.
pub fn inject<'a, 'b>(
    target: impl Into<Target<'a>>,
    service_account: impl Into<Given<'b>>,
    settings: &Settings,
) -> Injection {
    let target = target.into();
    let Some(identity) = Identity::of(service_account.into(), &target, settings).filter(|_| !target.is_skipped())
    else {
        return Injection::default();
    };
    let skipped = target.skipped_containers(settings);
    let add = |container: &Container| {
        if skipped.contains(&container.name) { ContainerInjection::default() } else { identity.add(container) }
    };
    let has_volume = target.spec.volumes.iter().any(|volume| volume.name == identity.volume);
    Injection {
        init_containers: target.spec.init_containers.iter().map(add).collect(),
        containers: target.spec.containers.iter().map(add).collect(),
        volume: (!has_volume).then(|| identity.volume()),
        label: identity.label.filter(|(key, value)| target.labels.get(*key).map(String::as_str) != Some(value)),
    }
}

/// The path at which the webhook tells SDKs to find the token.
pub fn token_file(target: &Target<'_>, settings: &Settings) -> String {
    file_in(target, &settings.mount_path, TOKEN_PATH)
}

fn file_in(target: &Target<'_>, mount_path: &str, token_path: &str) -> String {
    let path = go_parsing::join(mount_path, token_path);
    if target.selects_windows() { format!("C:{}", path.replace('/', "\\")) } else { path }
}

/// The seconds that the webhook reads from an annotation. `None` if it cannot parse the text; it
/// then ignores the annotation.
pub fn reads_seconds(text: &str) -> Option<i64> {
    go_parsing::parse_int(text)
}

/// The boolean that the webhook reads from an annotation. `None` if it cannot parse the text; it
/// then ignores the annotation.
pub fn reads_bool(text: &str) -> Option<bool> {
    go_parsing::parse_bool(text)
}

/// The container names that the webhook reads from an annotation. `None` if it cannot parse the
/// text; it then skips no container.
pub fn names_in(text: &str) -> Option<Vec<String>> {
    go_parsing::first_csv_record(text)
}

/// Everything that the webhook takes from annotations and flags.
struct Identity<'a> {
    /// The two variables that tell SDKs where the credentials are. If a container sets either of
    /// them, the webhook adds neither.
    variables: [(&'static str, Cow<'a, str>); 2],
    volume: &'static str,
    mount_path: &'a str,
    token_path: &'static str,
    audience: &'a str,
    expiration: i64,
    regional_sts: bool,
    region: Option<&'a str>,
    label: Option<(&'static str, &'static str)>,
}

impl<'a> Identity<'a> {
    /// `None` if the service account has no role. Values that Go cannot parse are ignored, and the
    /// shape of the ARN is not checked.
    fn of(given: Given<'a>, pod: &Target<'_>, settings: &'a Settings) -> Option<Self> {
        let identity = match given {
            Given::Annotations(annotations) => Self::annotated(annotations, pod, settings)?,
            Given::Entry(entry) => Self::listed(entry, pod, settings)?,
            Given::Association(annotations) => Self::associated(annotations, pod, settings),
        };
        let own_expiration =
            pod.annotation(&settings.annotation(IdentityAnnotation::TokenExpiration)).and_then(go_parsing::parse_int);
        let own_expiration = own_expiration.map(|seconds| seconds.max(MIN_TOKEN_EXPIRATION));
        Some(Self { expiration: own_expiration.unwrap_or(identity.expiration), ..identity })
    }

    fn annotated(annotations: &'a Map, pod: &Target<'_>, settings: &'a Settings) -> Option<Self> {
        let annotation = |it| annotations.get(&settings.annotation(it)).map(String::as_str);
        let role_arn = settings.role(annotation(IdentityAnnotation::RoleArn).filter(|arn| settings.names_role(arn))?);
        let (expiration, regional_sts) = Self::common(annotations, settings);
        let audience = annotation(IdentityAnnotation::Audience).unwrap_or(&settings.audience);
        Some(Self { audience, expiration, regional_sts, ..Self::web_identity(role_arn, pod, settings) })
    }

    /// Takes an entry of the ConfigMap as it is.
    fn listed(entry: &'a Entry, pod: &Target<'_>, settings: &'a Settings) -> Option<Self> {
        let default = settings.token_expiration.max(MIN_TOKEN_EXPIRATION);
        (!entry.role_arn.is_empty()).then(|| Self {
            audience: &entry.audience,
            expiration: if entry.token_expiration == 0 { default } else { entry.token_expiration },
            regional_sts: entry.regional_sts,
            ..Self::web_identity(Cow::Borrowed(&entry.role_arn), pod, settings)
        })
    }

    /// The association wins over an annotated role.
    fn associated(annotations: &'a Map, pod: &Target<'_>, settings: &'a Settings) -> Self {
        let (expiration, regional_sts) = Self::common(annotations, settings);
        let file = file_in(pod, AGENT_MOUNT_PATH, AGENT_TOKEN_PATH);
        Self {
            variables: [(CREDENTIALS_URI, Cow::Borrowed(AGENT_URIS[0])), (AUTHORIZATION_TOKEN_FILE, Cow::Owned(file))],
            volume: AGENT_VOLUME,
            mount_path: AGENT_MOUNT_PATH,
            token_path: AGENT_TOKEN_PATH,
            audience: AGENT_AUDIENCE,
            expiration,
            regional_sts,
            region: settings.region(),
            label: Some((AGENT_LABEL, "enabled")),
        }
    }

    /// Lifetime of the token and regional STS endpoint, which annotations set for both methods.
    fn common(annotations: &Map, settings: &Settings) -> (i64, bool) {
        let annotation = |it| annotations.get(&settings.annotation(it)).map(String::as_str);
        let expiration = annotation(IdentityAnnotation::TokenExpiration)
            .and_then(go_parsing::parse_int)
            .unwrap_or(settings.token_expiration);
        let regional = annotation(IdentityAnnotation::StsRegionalEndpoints).and_then(go_parsing::parse_bool);
        (expiration.max(MIN_TOKEN_EXPIRATION), regional.unwrap_or(settings.sts_regional_endpoints))
    }

    /// The part that is the same for all service accounts with a role by IRSA.
    fn web_identity(role_arn: Cow<'a, str>, pod: &Target<'_>, settings: &'a Settings) -> Self {
        Self {
            variables: [(ROLE_ARN, role_arn), (TOKEN_FILE, Cow::Owned(token_file(pod, settings)))],
            volume: VOLUME,
            mount_path: &settings.mount_path,
            token_path: TOKEN_PATH,
            audience: "",
            expiration: 0,
            regional_sts: false,
            region: settings.region(),
            label: None,
        }
    }

    fn add(&self, container: &Container) -> ContainerInjection {
        // The webhook compares names only; it looks at neither values nor `envFrom`.
        let has = |name: &str| container.env.iter().any(|var| var.name == name);
        let has_identity = self.variables.iter().any(|(name, _)| has(name));
        let has_region = REGIONS.into_iter().any(has);
        let has_sts = has(STS_ENDPOINTS);
        if has_identity && has_region && has_sts {
            return ContainerInjection::default(); // not even the mount
        }
        let mut env = Vec::new();
        if self.regional_sts && !has_sts {
            env.push(variable(STS_ENDPOINTS, "regional"));
        }
        if let Some(region) = self.region.filter(|_| !has_region) {
            env.extend(REGIONS.map(|name| variable(name, region)));
        }
        if !has_identity {
            env.extend(self.variables.iter().map(|(name, value)| variable(name, value)));
        }
        let has_mount = container.volume_mounts.iter().any(|mount| mount.name == self.volume);
        ContainerInjection { env, mount: (!has_mount).then(|| self.mount()) }
    }

    fn mount(&self) -> VolumeMount {
        VolumeMount {
            name: self.volume.to_owned(),
            mount_path: self.mount_path.to_owned(),
            read_only: Some(true),
            ..VolumeMount::default()
        }
    }

    fn volume(&self) -> Volume {
        let token = ServiceAccountToken {
            // Go omits an empty audience, and the token then gets the audience of the API server.
            audience: Some(self.audience).filter(|audience| !audience.is_empty()).map(str::to_owned),
            expiration_seconds: Some(self.expiration),
            path: self.token_path.to_owned(),
        };
        let source = ProjectedSource { service_account_token: Some(token), ..ProjectedSource::default() };
        let projected = ProjectedVolume { sources: vec![source], ..ProjectedVolume::default() };
        Volume { name: self.volume.to_owned(), projected: Some(projected), ..Volume::default() }
    }
}

fn variable(name: &str, value: &str) -> EnvVar {
    EnvVar { name: name.to_owned(), value: Some(value.to_owned()), value_from: None }
}
