//! Describes what a container has, and which credentials an SDK in it would pick.
//! [`super::verify_pod`] judges it.

use super::association::has_credentials;
use super::container::{BY_SOURCES, DEFAULT_LIFETIME, KEYS, PROFILES, os};
use super::env::{Env, Seen};
use super::sdk::PROFILE_BEFORE_ROLE;
use super::token::{Found, Mounts};
use crate::injection::{
    AUTHORIZATION_TOKEN_FILE, CREDENTIALS_URI, REGIONS, ROLE_ARN, STS_ENDPOINTS, TOKEN_FILE, Target,
};
use crate::objects::Container;

/// The parts of a container that affect its identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed {
    /// `AWS_ROLE_ARN`.
    pub role: Seen,
    /// `AWS_WEB_IDENTITY_TOKEN_FILE`.
    pub token_file: Seen,
    /// `AWS_STS_REGIONAL_ENDPOINTS`.
    pub sts_endpoints: Seen,
    /// What is at the path of the token file.
    pub token: TokenSeen,
    /// `AWS_ACCESS_KEY_ID`.
    pub access_key: Seen,
    /// `AWS_SECRET_ACCESS_KEY`.
    pub secret_key: Seen,
    /// Whether the static credentials come from keys of Secrets that may be absent.
    pub optional_keys: bool,
    /// The variables that name a profile or a file of profiles, as far as they are set.
    pub profiles: Vec<(&'static str, Seen)>,
    /// `AWS_REGION`, or else `AWS_DEFAULT_REGION`.
    pub region: Seen,
    /// The address of the agent of EKS Pod Identity and the token for it, if both variables are
    /// set.
    pub agent: Option<(Seen, TokenSeen)>,
    /// Secrets and ConfigMaps in `envFrom` that are not known and may set AWS variables.
    pub opaque: Vec<String>,
    /// Whether the container shares the node's network.
    pub host_network: bool,
}

/// What is at the path of the token file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenSeen {
    /// No path is set, or it cannot be seen.
    NoPath,
    /// No volume is mounted there, or the path is relative.
    NotMounted,
    /// This volume is mounted there, but it has no token at the path.
    Foreign(String),
    /// A token of the pod's service account.
    Token {
        /// Audience; empty means the API server's own.
        audience: String,
        /// Lifetime in seconds.
        lifetime: i64,
        /// Name of the volume.
        volume: String,
        /// Whether it is mounted by `subPath`, so that it is never renewed in the container.
        frozen: bool,
    },
}

/// Describes a container of a pod, or of the pod that a template describes.
pub fn observe<'a>(target: impl Into<Target<'a>>, container: &Container) -> Observed {
    let target = target.into();
    let env = Env::of(container);
    let [key, secret] = KEYS;
    let set = PROFILES.into_iter().map(|name| (name, env.get(name))).filter(|(_, seen)| !seen.is_unset());
    let region = REGIONS.into_iter().rev().map(|name| env.get(name)).find(|seen| !seen.is_unset());
    let token_file = env.get(TOKEN_FILE);
    let mounts = Mounts { container, env: &env, spec: target.spec, os: os(&target) };
    let agent = || (env.get(CREDENTIALS_URI), token(&mounts, &env.get(AUTHORIZATION_TOKEN_FILE)));
    let agent = has_credentials(&env).then(agent);
    let token = token(&mounts, &token_file);
    Observed {
        role: env.get(ROLE_ARN),
        sts_endpoints: env.get(STS_ENDPOINTS),
        token,
        token_file,
        access_key: env.get(key),
        secret_key: env.get(secret),
        optional_keys: KEYS.iter().any(|name| env.is_optional(name)),
        profiles: set.collect(),
        region: region.unwrap_or(Seen::Absent),
        agent,
        opaque: env.opaque_sources(&BY_SOURCES),
        host_network: target.spec.host_network == Some(true),
    }
}

fn token(mounts: &Mounts<'_, '_>, file: &Seen) -> TokenSeen {
    match file.known().filter(|path| !path.is_empty()).map(|path| mounts.find(path)) {
        None => TokenSeen::NoPath,
        Some(Found::Nothing | Found::Relative) => TokenSeen::NotMounted,
        Some(Found::Other { volume, .. }) => TokenSeen::Foreign(volume.to_owned()),
        Some(Found::Token { token, volume, frozen, .. }) => TokenSeen::Token {
            audience: token.audience.clone().unwrap_or_default(),
            lifetime: token.expiration_seconds.unwrap_or(DEFAULT_LIFETIME),
            volume: volume.name.clone(),
            frozen,
        },
    }
}

/// After how many seconds the kubelet renews a token with this lifetime: after 80 % of it, but
/// after at most 24 hours.
///
/// Source: "ServiceAccount token volume projection" in the Kubernetes documentation.
pub fn renewed_after(lifetime: i64) -> i64 {
    (lifetime / 5).saturating_mul(4).min(24 * 60 * 60)
}

/// One place where an SDK looks for credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Which place.
    pub kind: SourceKind,
    /// Whether the SDK takes the credentials from it.
    pub state: SourceState,
    /// What was seen there, in words.
    pub detail: String,
}

/// The places, in the order in which the default chain of an SDK looks at them.
///
/// The order is that of most SDKs; some look at a profile after the web identity.
/// Source: "Standardized credential providers" in the AWS SDKs and Tools Reference Guide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceKind {
    /// `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`.
    StaticKeys,
    /// `AWS_PROFILE`, a profile of the shared configuration file.
    Profile,
    /// `AWS_ROLE_ARN` and `AWS_WEB_IDENTITY_TOKEN_FILE`.
    WebIdentity,
    /// The container credentials of EKS Pod Identity.
    PodIdentity,
    /// The instance metadata service of the node.
    NodeRole,
}

impl SourceKind {
    /// Name of the place, for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::StaticKeys => "static keys",
            Self::Profile => "profile",
            Self::WebIdentity => "web identity",
            Self::PodIdentity => "EKS Pod Identity",
            Self::NodeRole => "node's role",
        }
    }
}

/// Whether an SDK takes credentials from a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceState {
    /// It does: this is the first place that has any.
    Used,
    /// It would, if no earlier place had any.
    Later,
    /// There is nothing.
    Absent,
    /// There may be something that cannot be seen.
    Unknown,
}

impl Observed {
    /// The places where an SDK looks, in its order, and which of them it takes.
    pub fn credentials(&self) -> Vec<Source> {
        let found = [
            (SourceKind::StaticKeys, self.static_keys()),
            (SourceKind::Profile, self.named_profile()),
            (SourceKind::WebIdentity, self.web_identity()),
            (SourceKind::PodIdentity, self.container_credentials()),
            (SourceKind::NodeRole, (Some(true), self.node_role())),
        ];
        let mut used = false;
        let sources = found.into_iter().map(|(kind, (there, detail))| {
            let state = match there {
                Some(true) if used => SourceState::Later,
                Some(true) => SourceState::Used,
                Some(false) => SourceState::Absent,
                None => SourceState::Unknown,
            };
            used |= state == SourceState::Used;
            Source { kind, state, detail }
        });
        sources.collect()
    }

    fn static_keys(&self) -> (Option<bool>, String) {
        let [key, secret] = KEYS;
        match (self.access_key.is_unset(), self.secret_key.is_unset()) {
            (false, false) if self.optional_keys => {
                (None, format!("{key} and {secret} come from keys of Secrets that may be absent"))
            }
            (false, false) => (Some(true), format!("{key} and {secret} are set")),
            (false, true) => (Some(false), format!("{key} is set without {secret}")),
            (true, false) => (Some(false), format!("{secret} is set without {key}")),
            (true, true) if self.opaque.is_empty() => (Some(false), "not set".to_owned()),
            (true, true) => (None, format!("may come from {}, which cannot be seen", self.opaque.join(", "))),
        }
    }

    fn named_profile(&self) -> (Option<bool>, String) {
        if self.profiles.is_empty() {
            return (Some(false), format!("{} is not set", PROFILES[0]));
        }
        let set = self.profiles.iter().map(|(name, seen)| match seen {
            Seen::Known(value) => format!("{name} is {value}"),
            seen => format!("{name} is set {}", seen.shown()),
        });
        let set = set.collect::<Vec<_>>().join(", ");
        // Without the name of a profile, a file counts if it has a profile named `default`.
        let named = self.profiles.iter().any(|(name, _)| PROFILES[..2].contains(name));
        (named.then_some(true), format!("{set}; {PROFILE_BEFORE_ROLE}"))
    }

    fn web_identity(&self) -> (Option<bool>, String) {
        match (self.role.is_unset(), self.token_file.is_unset()) {
            (true, true) => return (Some(false), format!("{ROLE_ARN} and {TOKEN_FILE} are not set")),
            (true, false) => return (Some(false), format!("{TOKEN_FILE} is set without {ROLE_ARN}")),
            (false, true) => return (Some(false), format!("{ROLE_ARN} is set without {TOKEN_FILE}")),
            (false, false) => {}
        }
        let role = self.role.shown();
        let detail = match &self.token {
            TokenSeen::Token { .. } => role,
            TokenSeen::NoPath => format!("{role}, with a token whose path cannot be seen"),
            TokenSeen::NotMounted | TokenSeen::Foreign(_) => format!("{role}, but its token is not there: calls fail"),
        };
        (Some(true), detail)
    }

    fn container_credentials(&self) -> (Option<bool>, String) {
        let role = "the role of the pod identity association";
        match &self.agent {
            None => (Some(false), "no variables of it".to_owned()),
            Some((_, TokenSeen::Token { .. } | TokenSeen::NoPath)) => (Some(true), role.to_owned()),
            Some((_, TokenSeen::NotMounted | TokenSeen::Foreign(_))) => {
                (Some(true), format!("{role}, but its token is not there: calls fail"))
            }
        }
    }

    fn node_role(&self) -> String {
        if self.host_network {
            "in reach: the pod shares the node's network".to_owned()
        } else {
            "if the pod can reach the instance metadata service".to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::objects::Pod;
    use crate::verify::association::CONTAINER_CREDENTIALS;

    fn observed(container: &serde_json::Value, volumes: &serde_json::Value) -> Observed {
        let pod: Pod =
            serde_json::from_value(json!({"metadata": {}, "spec": {"containers": [container], "volumes": volumes}}))
                .unwrap();
        observe(&pod, &pod.spec.containers[0])
    }

    fn used(observed: &Observed) -> SourceKind {
        observed.credentials().into_iter().find(|source| source.state == SourceState::Used).unwrap().kind
    }

    fn env(pairs: &[(&str, &str)]) -> serde_json::Value {
        let env: Vec<_> = pairs.iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
        json!({"name": "main", "env": env})
    }

    const ROLE: (&str, &str) = (ROLE_ARN, "arn:aws:iam::111122223333:role/r");
    const FILE: (&str, &str) = (TOKEN_FILE, "/token/token");
    const KEYS: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", "a"), ("AWS_SECRET_ACCESS_KEY", "s")];

    #[test]
    fn the_first_place_that_has_credentials_is_used() {
        let none = json!([]);
        assert_eq!(used(&observed(&env(&[]), &none)), SourceKind::NodeRole);
        assert_eq!(used(&observed(&env(&[ROLE]), &none)), SourceKind::NodeRole);
        assert_eq!(used(&observed(&env(&[ROLE, FILE]), &none)), SourceKind::WebIdentity);
        assert_eq!(used(&observed(&env(&[ROLE, FILE, KEYS[0]]), &none)), SourceKind::WebIdentity);
        assert_eq!(used(&observed(&env(&[ROLE, FILE, KEYS[0], KEYS[1]]), &none)), SourceKind::StaticKeys);
        assert_eq!(used(&observed(&env(&[ROLE, FILE, ("AWS_PROFILE", "p")]), &none)), SourceKind::Profile);
        let both = [(CONTAINER_CREDENTIALS[0], "u"), (CONTAINER_CREDENTIALS[1], "f")];
        assert_eq!(used(&observed(&env(&both), &none)), SourceKind::PodIdentity);
    }

    #[test]
    fn a_token_is_found_through_its_mount() {
        let mut container = env(&[ROLE, FILE]);
        container["volumeMounts"] = json!([{"name": "t", "mountPath": "/token"}]);
        let token = json!({"serviceAccountToken": {"audience": "a", "path": "token"}});
        let found = observed(&container, &json!([{"name": "t", "projected": {"sources": [token]}}]));
        let expected =
            TokenSeen::Token { audience: "a".to_owned(), lifetime: 3600, volume: "t".to_owned(), frozen: false };
        assert_eq!(found.token, expected);
    }

    #[test]
    fn tokens_are_renewed_after_four_fifths_or_a_day() {
        assert_eq!(renewed_after(3600), 2880);
        assert_eq!(renewed_after(86400), 69120);
        assert_eq!(renewed_after(604_800), 86400);
    }
}
