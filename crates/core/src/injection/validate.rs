//! Whether the API server accepts a pod after injection: the part of its validation that an
//! injection can violate.
//!
//! Source: `ValidateVolumeMounts`, `validateVolumeDevices` and `validateProjectionSources` in
//! `pkg/apis/core/validation` of Kubernetes.

use std::fmt;

use super::{ContainerInjection, Injection};
use crate::objects::{Container, PodSpec};

/// The longest lifetime of a token that the API server accepts, in seconds.
const MAX_TOKEN_EXPIRATION: i64 = 1 << 32;

/// Why the API server would refuse the pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The container whose mounts collide; `None` if the problem concerns the volume.
    pub container: Option<String>,
    /// What is wrong.
    pub problem: RefusalKind,
}

/// What would be wrong with the pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RefusalKind {
    /// Another volume is mounted at the path of the token.
    MountPathTaken {
        /// The path.
        path: String,
        /// The volume, or the block device.
        volume: String,
    },
    /// The token's lifetime in seconds, which exceeds the maximum that the API server accepts.
    LifetimeTooLong(i64),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.problem, &self.container) {
            (RefusalKind::MountPathTaken { path, volume }, container) => write!(
                f,
                "container {} mounts {volume} at {path}, where the token is mounted by injection (mountPath must be unique)",
                container.as_deref().unwrap_or_default()
            ),
            (RefusalKind::LifetimeTooLong(seconds), _) => {
                write!(f, "the token's lifetime of {seconds} s is longer than {MAX_TOKEN_EXPIRATION} s")
            }
        }
    }
}

impl Injection {
    /// Why the API server would refuse a pod with this injection; `None` if it accepts the pod.
    /// `spec` is the spec that the injection was made for.
    pub fn refusal(&self, spec: &PodSpec) -> Option<Refusal> {
        let init = spec.init_containers.iter().zip(&self.init_containers);
        let mut containers = init.chain(spec.containers.iter().zip(&self.containers));
        let taken = containers.find_map(|(container, added)| path_taken(container, added));
        taken.or_else(|| self.lifetime_too_long())
    }

    fn lifetime_too_long(&self) -> Option<Refusal> {
        let mut sources = self.volume.iter().flat_map(|it| &it.projected).flat_map(|it| &it.sources);
        let lifetime = sources.find_map(|it| it.service_account_token.as_ref()?.expiration_seconds)?;
        (lifetime > MAX_TOKEN_EXPIRATION)
            .then_some(Refusal { container: None, problem: RefusalKind::LifetimeTooLong(lifetime) })
    }
}

/// The refusal if another mount or a block device takes the path. Like the API server, this
/// compares paths as they are written.
fn path_taken(container: &Container, added: &ContainerInjection) -> Option<Refusal> {
    let injected = added.mount.as_ref()?;
    let path = &injected.mount_path;
    let mount = container.volume_mounts.iter().find(|mount| mount.mount_path == *path && mount.name != injected.name);
    let device = container.volume_devices.iter().find(|device| device.device_path == *path);
    let volume =
        mount.map(|mount| format!("volume {}", mount.name)).or_else(|| device.map(|_| "a block device".to_owned()))?;
    let problem = RefusalKind::MountPathTaken { path: path.clone(), volume };
    Some(Refusal { container: Some(container.name.clone()), problem })
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
        assert_eq!(with("4294967297").unwrap().problem, RefusalKind::LifetimeTooLong(4_294_967_297));
    }
}
