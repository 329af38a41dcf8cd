//! Credentials that SDKs use, or may use, before the role.

use super::container::{KEYS, PROFILES, Problem};
use super::env::Env;
use crate::objects::{Container, PodSpec, VolumeMount};
use crate::step_counter::step;

/// Older names of the static credentials, in the order of [`KEYS`].
///
/// Source: `config/env_config.go` of the SDK for Go 2, `aws/session/env_config.go` of version 1, and
/// `SDKGlobalConfiguration` of the SDK for Java 1.
const OLD_KEYS: [&str; 2] = ["AWS_ACCESS_KEY", "AWS_SECRET_KEY"];
/// The folder of a home directory in which SDKs look for files of profiles, and these files.
const PROFILE_FOLDER: &str = ".aws";
const PROFILE_FILES: [&str; 2] = ["credentials", "config"];

/// The problems of variables and files that SDKs use, or may use, before the role.
pub(super) fn problems(spec: &PodSpec, container: &Container, env: &Env<'_>) -> Vec<Problem> {
    [variables(env), old_keys(env), files(spec, container)].into_iter().flatten().collect()
}

fn variables(env: &Env<'_>) -> Option<Problem> {
    let set = KEYS.iter().chain(&PROFILES).filter(|name| !env.get(name).is_unset());
    let names: Vec<String> = set.map(|name| (*name).to_owned()).collect();
    let certain = KEYS.iter().all(|name| env.is_certain(name));
    let optional = names.iter().all(|name| env.is_optional(name));
    let from = env.bringing(&names);
    (!names.is_empty()).then_some(Problem::Static { names, certain, optional, from })
}

/// Both static credentials, of which at least one has its older name.
fn old_keys(env: &Env<'_>) -> Option<Problem> {
    let is_set = |name: &str| !env.get(name).is_unset();
    let set = |index: usize| [KEYS[index], OLD_KEYS[index]].into_iter().find(|name| is_set(name));
    let names = [set(0)?, set(1)?];
    let has_old = names.iter().any(|name| OLD_KEYS.contains(name));
    has_old.then(|| {
        let names = names.map(str::to_owned);
        let from = env.bringing(&names);
        Problem::OldKeys { names, from }
    })
}

/// A Secret or ConfigMap that is mounted where SDKs look for files of profiles.
fn files(spec: &PodSpec, container: &Container) -> Option<Problem> {
    let mut mounts = container.volume_mounts.iter().filter(|mount| is_of_profiles(mount));
    mounts.find_map(|mount| {
        let volume = spec.volumes.iter().inspect(|_| step()).find(|volume| volume.name == mount.name)?;
        let source = volume.keys_of()?;
        Some(Problem::ProfileFile { path: mount.mount_path.clone(), volume: volume.name.clone(), source })
    })
}

/// Whether the mount is at the place of files of profiles, in whatever home directory.
pub(crate) fn is_of_profiles(mount: &VolumeMount) -> bool {
    let mut parts = mount.mount_path.split(['/', '\\']).filter(|part| !part.is_empty()).rev();
    match parts.next() {
        Some(PROFILE_FOLDER) => true,
        Some(file) => PROFILE_FILES.contains(&file) && parts.next() == Some(PROFILE_FOLDER),
        None => false,
    }
}
