//! Judges a container as an SDK in it sees it: whether it finds the wanted role and a usable token.

use std::collections::BTreeSet;

use super::association::has_credentials;
use super::env::{Env, Seen};
use super::token::{self, Found, Mounts, Os};
use super::{region, shadow, sts};
use crate::expectation::Expectation;
use crate::injection::{ROLE_ARN, TOKEN_FILE, Target};
use crate::objects::{Container, PodSpec, ServiceAccountToken, Volume, WINDOWS_BUILD};
use crate::settings::Settings;
use crate::step_counter::step;

/// Static credentials, which SDKs use before the role if both are set.
pub(super) const KEYS: [&str; 2] = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];
/// Profiles and the files that have them, which some SDKs use before the role.
pub(super) const PROFILES: [&str; 4] =
    ["AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"];
/// The API server's default lifetime of a token, in seconds.
pub(super) const DEFAULT_LIFETIME: i64 = 3600;
/// The bit of a file mode that lets the file's group read.
const GROUP_READABLE: i32 = 0o040;
/// The bit of a file mode that lets others read.
const WORLD_READABLE: i32 = 0o004;
/// The file mode of a projected volume that does not set one.
const DEFAULT_MODE: i32 = 0o644;

/// What is wrong with a container, before it is put into words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Problem {
    /// Neither role nor token file.
    NoIdentity,
    /// Neither role nor token file, but credentials of EKS Pod Identity.
    PodIdentity,
    /// No credentials of EKS Pod Identity, although they are wanted.
    NoAssociation,
    /// A web identity, although credentials of EKS Pod Identity are wanted. `beside`: whether those
    /// are there as well.
    WebIdentity { role: Seen, beside: bool },
    /// The credentials do not come from the agent of EKS Pod Identity, or their source cannot be
    /// seen.
    CredentialsUri(Seen),
    /// The container names another agent, which SDKs ask first.
    RelativeUri,
    /// A token file, but no role.
    RoleMissing,
    /// A role other than the wanted one, an empty role, or a role that cannot be seen.
    RoleDiffers(Seen),
    /// The role, but no token file.
    TokenFileMissing,
    /// The token file's variable cannot be seen, or the token is somewhere else, or the path is
    /// relative.
    TokenElsewhere { seen: Seen, token: Option<String> },
    /// No volume is mounted where the token file should be.
    NotMounted { path: String, covering: Option<String> },
    /// The volume that is mounted there has no token.
    Foreign { path: String, volume: String },
    /// The token has another audience; an empty one is that of the API server.
    Audience { seen: String },
    /// The token has another lifetime, in seconds.
    Lifetime { seen: i64 },
    /// The token is not renewed in the container.
    Frozen { path: String },
    /// The STS endpoint is not the declared one.
    StsEndpoint(Seen),
    /// The user may not be able to read the token, or certainly cannot.
    Unreadable { mode: i32, certain: bool },
    /// The path of the token is that for the API server, whose token STS refuses.
    ApiServerToken { path: String },
    /// The path leads to the token only if `/var/run` is a link to `/run`.
    Linked { path: String },
    /// A path without a drive in a Windows container. `selected`: the webhook sees that the pod is for Windows.
    WindowsPath { path: String, selected: bool },
    /// No region is set, although a regional STS endpoint is asked for, or the role is of this
    /// partition, which the global endpoint does not know.
    NoRegion { partition: Option<&'static str> },
    /// The value of a variable for the region is none. `meant`: the region that it most likely
    /// means. `certain`: no other variable has one, and AWS has nothing under that name.
    NotARegion { variable: &'static str, value: String, meant: Option<String>, certain: bool },
    /// STS does not take the name of the session.
    SessionName(String),
    /// Neither `legacy` nor `regional`.
    StsEndpointUnknown(String),
    /// The region is in another partition than the role. `certain`: this holds for every region
    /// variable that is set.
    RegionElsewhere { variable: &'static str, region: String, partition: &'static str, certain: bool },
    /// No identity, because the pod's annotation opts the container out.
    Skipped,
    /// No identity, because the pod's label opts the pod out.
    SkippedPod,
    /// Static credentials or profiles are set, in these variables. `certain`: SDKs use them before
    /// the role. `optional`: they come from keys of Secrets that may be absent. `from`: the
    /// ConfigMaps and Secrets that set them.
    Static { names: Vec<String>, certain: bool, optional: bool, from: Vec<String> },
    /// Static credentials under these names, of which at least one is an older one that few SDKs
    /// read. `from`: the ConfigMaps and Secrets that set them.
    OldKeys { names: [String; 2], from: Vec<String> },
    /// A Secret or ConfigMap is mounted where SDKs look for files of profiles.
    ProfileFile { path: String, volume: String, source: &'static str },
    /// The role is not the ARN of one. For a role that only the template names.
    NoArn(String),
    /// These sources might set AWS variables.
    Opaque(Vec<String>),
}

impl Problem {
    /// Whether the container lacks the identity because of the problem.
    pub(super) fn is_error(&self) -> bool {
        match self {
            Self::NoIdentity
            | Self::PodIdentity
            | Self::NoAssociation
            | Self::WebIdentity { .. }
            | Self::CredentialsUri(_)
            | Self::RelativeUri
            | Self::RoleMissing
            | Self::RoleDiffers(_)
            | Self::TokenFileMissing
            | Self::TokenElsewhere { .. }
            | Self::NotMounted { .. }
            | Self::Foreign { .. }
            | Self::ApiServerToken { .. }
            | Self::SessionName(_)
            | Self::NoArn(_)
            | Self::Audience { .. } => true,
            Self::Static { certain, .. }
            | Self::Unreadable { certain, .. }
            | Self::NotARegion { certain, .. }
            | Self::RegionElsewhere { certain, .. } => *certain,
            Self::Lifetime { .. }
            | Self::Frozen { .. }
            | Self::StsEndpoint(_)
            | Self::SkippedPod
            | Self::Linked { .. }
            | Self::WindowsPath { .. }
            | Self::NoRegion { .. }
            | Self::StsEndpointUnknown(_)
            | Self::OldKeys { .. }
            | Self::ProfileFile { .. }
            | Self::Skipped
            | Self::Opaque(_) => false,
        }
    }
}

/// The parts of a pod that matter for its containers.
pub(super) struct Judge<'a> {
    spec: &'a PodSpec,
    pub(super) expected: &'a Expectation,
    settings: &'a Settings,
    os: Os,
    selects_windows: bool,
    pod_skipped: bool,
    skipped: BTreeSet<String>,
    /// The user that all containers run as, if it is the same one.
    one_user: Option<i64>,
}

impl<'a> Judge<'a> {
    pub(super) fn new(target: Target<'a>, expected: &'a Expectation, settings: &'a Settings) -> Self {
        let spec = target.spec;
        Self {
            spec,
            expected,
            settings,
            os: os(&target),
            selects_windows: target.selects_windows(),
            pod_skipped: target.is_skipped(),
            skipped: target.skipped_containers(settings),
            one_user: one_user(spec),
        }
    }

    /// All problems of a container of the pod.
    pub(super) fn problems<'c>(&'c self, container: &'c Container) -> Vec<Problem> {
        let env = Env::of(container);
        // An opt-out excuses a missing identity, not a wrong one.
        if self.has_nothing(&env) {
            if self.pod_skipped {
                return vec![Problem::SkippedPod];
            }
            if self.skipped.contains(&container.name) {
                return vec![Problem::Skipped];
            }
        }
        let mut problems = if self.expected.identity.is_of_association() {
            self.association_problems(container, &env)
        } else {
            self.web_identity_problems(container, &env)
        };
        problems.extend(shadow::problems(self.spec, container, &env));
        let opaque = env.opaque_sources(&BY_SOURCES);
        problems.extend((!opaque.is_empty()).then_some(Problem::Opaque(opaque)));
        problems
    }

    fn web_identity_problems<'c>(&'c self, container: &'c Container, env: &Env<'c>) -> Vec<Problem> {
        let (role, file) = (env.get(ROLE_ARN), env.get(TOKEN_FILE));
        if role.is_unset() && file.is_unset() {
            return vec![Self::without_identity(env, role, &file)];
        }
        let mut problems: Vec<Problem> = self.role_problem(role, &file).into_iter().collect();
        problems.extend(self.token_problems(container, env, file));
        problems.extend(sts::endpoint(env, self.expected));
        problems.extend(sts::session_name(env));
        problems.extend(region::problem(env, self.expected));
        problems
    }

    /// The container's role, for finding out who set it.
    pub(super) fn role(container: &Container) -> Seen {
        Env::of(container).get(ROLE_ARN)
    }

    /// The problem if both variables are absent or empty. An empty variable does the same harm as a
    /// wrong one: the webhook does not set a variable whose name exists.
    fn without_identity(env: &Env<'_>, role: Seen, file: &Seen) -> Problem {
        if has_credentials(env) {
            return Problem::PodIdentity;
        }
        match (&role, file) {
            (Seen::Absent, Seen::Absent) => Problem::NoIdentity,
            (Seen::Absent, _) => Problem::RoleMissing,
            _ => Problem::RoleDiffers(role),
        }
    }

    fn role_problem(&self, role: Seen, file: &Seen) -> Option<Problem> {
        if role.known() == Some(&self.expected.identity.role_arn) {
            return file.is_unset().then_some(Problem::TokenFileMissing);
        }
        // Without a role, the SDK never asks for the token. It makes no difference whether the
        // variable is absent or empty.
        Some(if role.is_unset() { Problem::RoleMissing } else { Problem::RoleDiffers(role) })
    }

    pub(super) fn token_problems<'c>(&'c self, container: &'c Container, env: &Env<'c>, file: Seen) -> Vec<Problem> {
        if file.is_unset() {
            return Vec::new();
        }
        let audience = self.expected.effective_audience(self.settings);
        let mounts = Mounts { container, env, spec: self.spec, os: self.os };
        let Seen::Known(path) = &file else {
            return vec![Problem::TokenElsewhere { seen: file, token: mounts.elsewhere(audience) }];
        };
        let found = mounts.find(path);
        let is_wanted = |token: &ServiceAccountToken| token.audience.as_deref().unwrap_or_default() == audience;
        if token::is_api_server_token(path) && !matches!(&found, Found::Token { token, .. } if is_wanted(token)) {
            return vec![Problem::ApiServerToken { path: path.clone() }];
        }
        let covering = match found {
            Found::Token { token, volume, frozen, linked } => {
                let posix = self.os == Os::Windows && path.starts_with('/');
                let more = [
                    frozen.then(|| Problem::Frozen { path: path.clone() }),
                    linked.then(|| Problem::Linked { path: path.clone() }),
                    posix.then(|| Problem::WindowsPath { path: path.clone(), selected: self.selects_windows }),
                ];
                let more = more.into_iter().flatten();
                return self.of_token(container, token, volume).into_iter().chain(more).collect();
            }
            Found::Relative => return vec![Problem::TokenElsewhere { token: mounts.elsewhere(audience), seen: file }],
            Found::Other { volume, meant } => Some((volume.to_owned(), meant)),
            Found::Nothing => None,
        };
        let path = path.clone();
        vec![match (mounts.elsewhere(audience), covering) {
            (Some(token), _) => Problem::TokenElsewhere { seen: file, token: Some(token) },
            (None, Some((volume, true))) => Problem::Foreign { path, volume },
            (None, covering) => Problem::NotMounted { path, covering: covering.map(|(volume, _)| volume) },
        }]
    }

    fn of_token(&self, container: &Container, token: &ServiceAccountToken, volume: &Volume) -> Vec<Problem> {
        let mut problems = Vec::new();
        let audience = token.audience.as_deref().unwrap_or_default();
        if audience != self.expected.effective_audience(self.settings) {
            problems.push(Problem::Audience { seen: audience.to_owned() });
        }
        let lifetime = token.expiration_seconds.unwrap_or(DEFAULT_LIFETIME);
        if self.expected.identity.token_expiration.is_some_and(|wanted| wanted != lifetime) {
            problems.push(Problem::Lifetime { seen: lifetime });
        }
        let mode = volume.projected.as_ref().and_then(|projected| projected.default_mode).unwrap_or(DEFAULT_MODE);
        if mode & WORLD_READABLE == 0 && self.os != Os::Windows && self.may_not_own(container) {
            problems.push(Problem::Unreadable { mode, certain: self.cannot_read(container, mode) });
        }
        problems
    }

    /// Whether the container's user certainly cannot read the file, if the kubelet does not make
    /// that user its owner: the user is not root, and is not in root's group if that group may read
    /// the file.
    fn cannot_read(&self, container: &Container, mode: i32) -> bool {
        let pod = self.spec.security_context.as_ref();
        let own = container.security_context.as_ref();
        let user = own.and_then(|own| own.run_as_user).or(pod.and_then(|pod| pod.run_as_user));
        let no_root = own.and_then(|own| own.run_as_non_root).or(pod.and_then(|pod| pod.run_as_non_root));
        let is_other = user.map_or(no_root == Some(true), |user| user != 0);
        let group = own.and_then(|own| own.run_as_group).or(pod.and_then(|pod| pod.run_as_group));
        let in_group =
            group.is_none_or(|group| group == 0) || pod.is_some_and(|pod| pod.supplemental_groups.contains(&0));
        is_other && (mode & GROUP_READABLE == 0 || !in_group)
    }

    /// Whether the container's user may be neither root nor the owner of the file. The kubelet
    /// gives the file to the group if there is an `fsGroup`, and to a user if all containers run as
    /// that user.
    fn may_not_own(&self, container: &Container) -> bool {
        let own = user(self.spec, container);
        let grouped = self.spec.security_context.as_ref().is_some_and(|context| context.fs_group.is_some());
        let shared = own.is_some() && own == self.one_user;
        !grouped && !shared && own != Some(0)
    }
}

/// The user that a container of the pod runs as; `None` if the pod does not say.
fn user(spec: &PodSpec, container: &Container) -> Option<i64> {
    let of_pod = spec.security_context.as_ref().and_then(|context| context.run_as_user);
    container.security_context.as_ref().and_then(|context| context.run_as_user).or(of_pod)
}

/// The user that all containers run as; `None` if they differ, or the pod does not say.
fn one_user(spec: &PodSpec) -> Option<i64> {
    let mut users = spec.all_containers().inspect(|_| step()).map(|it| user(spec, it));
    let first = users.next()?;
    first.filter(|_| users.all(|other| other == first))
}

/// Variables that affect the identity and that a whole Secret or ConfigMap might set.
pub(super) const BY_SOURCES: [&str; 8] =
    [ROLE_ARN, TOKEN_FILE, KEYS[0], KEYS[1], PROFILES[0], PROFILES[1], PROFILES[2], PROFILES[3]];

pub(super) fn os(target: &Target<'_>) -> Os {
    let spec = target.spec;
    let demanded = spec.affinity.as_ref().is_some_and(|affinity| affinity.demands_windows());
    let named = spec.os.as_ref().map(|os| os.name.as_str());
    let selected = spec.node_selector.get("kubernetes.io/os").map(String::as_str);
    let of_windows = spec.node_selector.contains_key(WINDOWS_BUILD) || spec.is_host_process();
    if target.selects_windows() || named == Some("windows") || demanded || of_windows {
        Os::Windows
    } else if named == Some("linux") || selected == Some("linux") {
        Os::Linux
    } else {
        Os::Unsaid
    }
}
