//! Whether the API server accepts a pod after injection: the part of its validation that concerns
//! mounts and tokens, whoever wrote them.
//!
//! Source: `ValidateVolumes`, `ValidateVolumeMounts`, `validateVolumeDevices` and
//! `validateProjectionSources` in `pkg/apis/core/validation` of Kubernetes.

use std::collections::{HashMap, HashSet};
use std::fmt;

use super::{ContainerInjection, Injection, MIN_TOKEN_EXPIRATION};
use crate::objects::{Container, PodSpec, Volume};
use crate::step_counter::step;

/// The longest lifetime of a token that the API server accepts, in seconds.
const MAX_TOKEN_EXPIRATION: i64 = 1 << 32;

/// Why the API server would refuse the pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The container whose mounts collide; `None` if the problem concerns a volume.
    pub container: Option<String>,
    /// What is wrong.
    pub problem: RefusalKind,
}

/// What would be wrong with the pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RefusalKind {
    /// Another volume is mounted at the path where injection mounts the token.
    MountPathTaken {
        /// The path.
        path: String,
        /// The volume, or the block device.
        volume: String,
    },
    /// The pod itself has two mounts at one path.
    MountPathTwice {
        /// The path.
        path: String,
        /// The volumes, or the block devices.
        volumes: [String; 2],
    },
    /// The pod itself has two volumes of this name.
    VolumeTwice(String),
    /// The token's lifetime in seconds, which the API server does not accept.
    Lifetime {
        /// The lifetime.
        seconds: i64,
        /// The pod's own volume that asks for it; `None` if injection does.
        volume: Option<String>,
    },
}

impl Refusal {
    /// Whether the API server refuses the pod as it is written, with and without the injection.
    pub fn is_own(&self) -> bool {
        match &self.problem {
            RefusalKind::MountPathTaken { .. } => false,
            RefusalKind::MountPathTwice { .. } | RefusalKind::VolumeTwice(_) => true,
            RefusalKind::Lifetime { volume, .. } => volume.is_some(),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let container = self.container.as_deref().unwrap_or_default();
        match &self.problem {
            RefusalKind::MountPathTaken { path, volume } => write!(
                f,
                "container {container} mounts {volume} at {path}, where the token is mounted by injection (mountPath must \
                 be unique)"
            ),
            RefusalKind::MountPathTwice { path, volumes: [one, other] } => {
                write!(f, "container {container} mounts {one} and {other} at {path} (mountPath must be unique)")
            }
            RefusalKind::VolumeTwice(name) => write!(f, "two volumes have the name {name}"),
            RefusalKind::Lifetime { seconds, volume } => {
                let (than, limit) = if *seconds > MAX_TOKEN_EXPIRATION {
                    ("longer", MAX_TOKEN_EXPIRATION)
                } else {
                    ("shorter", MIN_TOKEN_EXPIRATION)
                };
                let of = volume.as_ref().map(|name| format!(" in the volume {name}")).unwrap_or_default();
                write!(f, "the token's lifetime of {seconds} s{of} is {than} than {limit} s")
            }
        }
    }
}

impl Injection {
    /// Why the API server would refuse a pod with this injection; `None` if it accepts the pod.
    /// `spec` is the spec that the injection was made for.
    pub fn refusal(&self, spec: &PodSpec) -> Option<Refusal> {
        self.refusals(spec).into_iter().next()
    }

    /// All reasons why the API server would refuse a pod with this injection: first those that the
    /// injection brings, then those that the pod has without it.
    pub fn refusals(&self, spec: &PodSpec) -> Vec<Refusal> {
        let init = spec.init_containers.iter().zip(&self.init_containers);
        let containers = init.chain(spec.containers.iter().zip(&self.containers));
        let taken = containers.filter_map(|(container, added)| path_taken(container, added));
        let injected = self.volume.iter().filter_map(|volume| lifetime(volume, None));
        let mut refusals: Vec<Refusal> = taken.chain(injected).collect();
        refusals.extend(spec.all_containers().filter_map(path_twice));
        refusals.extend(volume_twice(spec));
        refusals.extend(spec.volumes.iter().filter_map(|volume| lifetime(volume, Some(volume.name.clone()))));
        refusals
    }

    /// The injection without what would make the API server refuse the pod: it leaves out each
    /// container that mounts something at the path of the token, and everything if the API server
    /// does not accept the token's lifetime. The webhook has no such care.
    #[must_use]
    pub fn accepted(mut self, spec: &PodSpec) -> Self {
        if self.volume.as_ref().is_some_and(|volume| lifetime(volume, None).is_some()) {
            return Self::default();
        }
        let mut leaves_out = false;
        let init = spec.init_containers.iter().zip(&mut self.init_containers);
        for (container, added) in init.chain(spec.containers.iter().zip(&mut self.containers)) {
            if path_taken(container, added).is_some() {
                *added = ContainerInjection::default();
                leaves_out = true;
            }
        }
        let has_more = self.init_containers.iter().chain(&self.containers).any(|added| !added.is_empty());
        if has_more || !leaves_out { self } else { Self::default() }
    }
}

/// The refusal if the API server does not accept the lifetime of a token in the volume. `own`: the
/// name of the volume if the pod has it without injection.
fn lifetime(volume: &Volume, own: Option<String>) -> Option<Refusal> {
    let mut tokens = volume.projected.iter().flat_map(|it| &it.sources).inspect(|_| step()).filter_map(|it| {
        let seconds = it.service_account_token.as_ref()?.expiration_seconds?;
        (!(MIN_TOKEN_EXPIRATION..=MAX_TOKEN_EXPIRATION).contains(&seconds)).then_some(seconds)
    });
    let seconds = tokens.next()?;
    Some(Refusal { container: None, problem: RefusalKind::Lifetime { seconds, volume: own } })
}

/// The refusal if another mount or a block device takes the path. Like the API server, this
/// compares paths as they are written.
fn path_taken(container: &Container, added: &ContainerInjection) -> Option<Refusal> {
    let path = &added.mount.as_ref()?.mount_path;
    let (_, volume) = paths(container).find(|(taken, _)| taken == path)?;
    let problem = RefusalKind::MountPathTaken { path: path.clone(), volume };
    Some(Refusal { container: Some(container.name.clone()), problem })
}

/// The refusal if the container itself uses a path twice.
fn path_twice(container: &Container) -> Option<Refusal> {
    let mut seen = HashMap::new();
    let (path, volumes) = paths(container)
        .find_map(|(path, volume)| seen.insert(path, volume.clone()).map(|before| (path, [before, volume])))?;
    let problem = RefusalKind::MountPathTwice { path: path.to_owned(), volumes };
    Some(Refusal { container: Some(container.name.clone()), problem })
}

/// The paths that a container uses, each with the volume or the block device.
fn paths(container: &Container) -> impl Iterator<Item = (&str, String)> {
    let mounts = container.volume_mounts.iter().map(|it| (it.mount_path.as_str(), format!("volume {}", it.name)));
    let devices = container.volume_devices.iter().map(|it| (it.device_path.as_str(), "a block device".to_owned()));
    mounts.chain(devices).inspect(|_| step())
}

/// The refusal if two volumes have one name.
fn volume_twice(spec: &PodSpec) -> Option<Refusal> {
    let mut seen = HashSet::new();
    let twice = spec.volumes.iter().inspect(|_| step()).find(|volume| !seen.insert(volume.name.as_str()))?;
    Some(Refusal { container: None, problem: RefusalKind::VolumeTwice(twice.name.clone()) })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::injection::inject;
    use crate::objects::{Map, PodTemplate};
    use crate::settings::Settings;

    fn refusal(template: &serde_json::Value, annotations: &[(&str, &str)]) -> Option<Refusal> {
        let template: PodTemplate = serde_json::from_value(template.clone()).unwrap();
        let annotations: Map = annotations.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
        inject(&template, &annotations, &Settings::default()).refusal(&template.spec)
    }

    const ROLE: (&str, &str) = ("eks.amazonaws.com/role-arn", "arn:aws:iam::111122223333:role/r");
    const PATH: &str = "/var/run/secrets/eks.amazonaws.com/serviceaccount";

    #[test]
    fn a_taken_mount_path_is_refused_in_any_container() {
        let own = json!({"name": "own", "volumeMounts": [{"name": "mine", "mountPath": PATH}]});
        for spec in [json!({"containers": [own]}), json!({"initContainers": [own], "containers": [{"name": "app"}]})] {
            let found = refusal(&json!({"spec": spec}), &[ROLE]).unwrap();
            assert_eq!(found.container.as_deref(), Some("own"));
            assert_eq!(refusal(&json!({"spec": spec}), &[]), None, "nothing is injected");
        }
        let device = json!({"name": "own", "volumeDevices": [{"name": "disk", "devicePath": PATH}]});
        assert!(refusal(&json!({"spec": {"containers": [device]}}), &[ROLE]).is_some());
    }

    #[test]
    fn another_path_the_injected_name_and_a_skipped_container_are_fine() {
        let mounts = |name: &str, path: &str| json!({"spec": {"containers": [{"name": "app", "volumeMounts": [{"name": name, "mountPath": path}]}]}});
        assert_eq!(refusal(&mounts("mine", "/elsewhere"), &[ROLE]), None);
        assert_eq!(refusal(&mounts("mine", &format!("{PATH}/")), &[ROLE]), None);
        assert_eq!(refusal(&mounts("aws-iam-token", PATH), &[ROLE]), None);
        let mut skipped = mounts("mine", PATH);
        skipped["metadata"] = json!({"annotations": {"eks.amazonaws.com/skip-containers": "app"}});
        assert_eq!(refusal(&skipped, &[ROLE]), None);
    }

    #[test]
    fn a_lifetime_that_the_api_server_does_not_take_is_refused() {
        let plain = json!({"spec": {"containers": [{"name": "app"}]}});
        let with = |seconds| refusal(&plain, &[ROLE, ("eks.amazonaws.com/token-expiration", seconds)]);
        assert_eq!(with("4294967296"), None);
        assert_eq!(with("4294967297").unwrap().problem, RefusalKind::Lifetime { seconds: 4_294_967_297, volume: None });
    }

    #[test]
    fn what_the_pod_itself_has_twice_is_refused_with_and_without_a_role() {
        let mount = |name: &str, path: &str| json!({"name": name, "mountPath": path});
        let token = |seconds: i64| json!({"projected": {"sources": [{"serviceAccountToken": {"path": "t", "expirationSeconds": seconds}}]}});
        let named = |name: &str, mut volume: serde_json::Value| {
            volume["name"] = json!(name);
            volume
        };
        let twice = json!({"name": "app", "volumeMounts": [mount("aws-iam-token", PATH), mount("mine", PATH)]});
        let device =
            json!({"name": "app", "volumeMounts": [mount("a", "/d")], "volumeDevices": [{"devicePath": "/d"}]});
        for (spec, words) in [
            (json!({"containers": [twice]}), "mounts volume aws-iam-token and volume mine at"),
            (json!({"initContainers": [device], "containers": []}), "mounts volume a and a block device at /d"),
            (json!({"containers": [], "volumes": [named("a", json!({})), named("a", json!({}))]}), "the name a"),
            (json!({"containers": [], "volumes": [named("a", token(599))]}), "599 s in the volume a is shorter"),
            (json!({"containers": [], "volumes": [named("a", token(1 << 33))]}), "is longer than 4294967296 s"),
        ] {
            for annotations in [&[][..], &[ROLE][..]] {
                let found = refusal(&json!({"spec": spec}), annotations).unwrap();
                assert!(found.to_string().contains(words) && found.is_own(), "{found}");
            }
        }
        let fine = json!({"spec": {"containers": [], "volumes": [named("a", token(600)), named("b", token(1 << 32))]}});
        assert_eq!(refusal(&fine, &[ROLE]), None);
    }

    #[test]
    fn an_accepted_injection_leaves_out_what_would_be_refused() {
        let template: PodTemplate = serde_json::from_value(json!({"spec": {"containers": [
            {"name": "own", "volumeMounts": [{"name": "mine", "mountPath": PATH}]}, {"name": "app"},
        ]}}))
        .unwrap();
        let annotations = |all: &[(&str, &str)]| all.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect::<Map>();
        let whole = inject(&template, &annotations(&[ROLE]), &Settings::default());
        let accepted = whole.clone().accepted(&template.spec);
        assert!(accepted.containers[0].is_empty() && accepted.containers[1] == whole.containers[1]);
        assert_eq!((accepted.refusals(&template.spec), accepted.volume), (Vec::new(), whole.volume));
        let mut alone = template.clone();
        alone.spec.containers.truncate(1);
        let long = annotations(&[ROLE, ("eks.amazonaws.com/token-expiration", "4294967297")]);
        for (template, annotations) in [(&alone, annotations(&[ROLE])), (&template, long)] {
            let none = inject(template, &annotations, &Settings::default()).accepted(&template.spec);
            assert!(none.is_empty());
        }
    }
}
