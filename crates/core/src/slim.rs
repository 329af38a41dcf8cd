//! Slimming: drops the parts of a pod or a template that no decision reads.
//!
//! Most of a pod consists of unrelated variables, mounts and labels, and of one mount with a
//! generated name. Without these, all pods of a template are equal, and an index can store their
//! common part once.
//!
//! The remaining parts are shrunk to fit: a decoded list has capacity for four entries, and an
//! emptied map for eleven.
//!
//! If it is not certain that a part does not matter, it stays. `tests/properties` checks that
//! verdicts do not change.

use std::collections::HashSet;
use std::sync::Arc;

use podidentity_api::names;

use crate::injection::{
    AGENT_LABEL, AUTHORIZATION_TOKEN_FILE, SKIP_CONTAINERS, SKIP_LABEL, TOKEN_EXPIRATION, TOKEN_FILE,
    is_injected_volume,
};
use crate::objects::{
    Container, Map, Pod, PodSpec, PodTemplate, ROLLOUT_HASH, Volume, VolumeMount, WINDOWS_BUILD, Workload, some,
};
use crate::step_counter::step;
use crate::verify::{is_of_profiles, variables_that_are_read};

/// Prefix of the operator's annotations on a workload.
const OURS: &str = "podidentity.dev/";
/// Node selector keys that identify Windows pods.
const SELECTORS: [&str; 3] = ["kubernetes.io/os", "beta.kubernetes.io/os", WINDOWS_BUILD];

impl Pod {
    /// The pod without the parts that no verdict depends on.
    #[must_use]
    pub fn slim(mut self) -> Self {
        let spec = Arc::make_mut(&mut self.spec);
        spec.slim();
        slim_mounts(spec);
        let shared = Arc::make_mut(&mut self.metadata.shared);
        slim_labels(&mut shared.labels);
        slim_annotations(&mut shared.annotations);
        self
    }
}

impl Workload {
    /// The workload without the parts that no verdict on it or its pods depends on. Its own labels
    /// stay because bindings select by them.
    #[must_use]
    pub fn slim(mut self) -> Self {
        self.template.slim();
        let annotations = self.metadata.annotations.take();
        self.metadata.annotations =
            annotations.and_then(|it| some(it, |key| key.starts_with(OURS) || crate::slip::concerns(key)));
        self
    }
}

impl PodTemplate {
    /// The template without the parts that no verdict depends on. Mounts and volumes stay because
    /// injection decides which of them matter.
    fn slim(&mut self) {
        self.spec.slim();
        slim_labels(&mut self.metadata.labels);
        slim_annotations(&mut self.metadata.annotations);
    }
}

impl PodSpec {
    fn slim(&mut self) {
        keep(&mut self.node_selector, |key| SELECTORS.contains(&key));
        self.affinity = self.affinity.take().filter(|affinity| affinity.demands_windows());
        for container in self.init_containers.iter_mut().chain(&mut self.containers) {
            let mut read = variables_that_are_read(container).into_iter();
            container.env.retain(|_| read.next().unwrap_or(true));
            container.env.shrink_to_fit();
            container.env_from.shrink_to_fit();
            container.volume_mounts.shrink_to_fit();
        }
        self.init_containers.shrink_to_fit();
        self.containers.shrink_to_fit();
        for projected in self.volumes.iter_mut().filter_map(|volume| volume.projected.as_mut()) {
            projected.sources.shrink_to_fit();
        }
        self.volumes.shrink_to_fit();
    }
}

fn slim_labels(labels: &mut Map) {
    keep(labels, |key| [SKIP_LABEL, AGENT_LABEL, ROLLOUT_HASH].contains(&key));
}

/// The annotation domain is a setting, so keys are matched by the name after the domain.
fn slim_annotations(annotations: &mut Map) {
    keep(annotations, |key| {
        let name = key.rsplit_once('/').map_or("", |(_, name)| name);
        key == names::IDENTITY_ANNOTATION
            || [SKIP_CONTAINERS, TOKEN_EXPIRATION].contains(&name)
            || crate::slip::concerns(key)
    });
}

/// Keeps the entries whose key passes `is_kept`.
fn keep(map: &mut Map, is_kept: impl Fn(&str) -> bool) {
    let mut entries = std::mem::take(map).into_tuple_vec();
    entries.retain(|(key, _)| is_kept(key));
    entries.shrink_to_fit();
    *map = Map::from_sorted_store_unchecked(entries);
}

/// Drops mounts that cannot cover a token, and then volumes that no container mounts.
fn slim_mounts(spec: &mut PodSpec) {
    let mut volumes = std::mem::take(&mut spec.volumes);
    let offering: HashSet<&str> = volumes.iter().filter(|it| offers(it)).map(|it| it.name.as_str()).collect();
    let has_token = |mount: &VolumeMount| offering.contains(mount.name.as_str());
    let mut mounted: HashSet<String> = HashSet::new();
    for container in spec.init_containers.iter_mut().chain(&mut spec.containers) {
        let tokens = container.volume_mounts.iter().filter(|mount| has_token(mount));
        let mut paths: Vec<String> = tokens.map(|mount| mount.mount_path.clone()).collect();
        for variable in [TOKEN_FILE, AUTHORIZATION_TOKEN_FILE] {
            match token_file(container, variable) {
                File::At(path) => paths.push(path),
                File::None => {}
                File::Unknown => paths.push("/".to_owned()),
            }
        }
        let paths = Paths::of(&paths);
        container.volume_mounts.retain(|mount| {
            is_injected_volume(&mount.name)
                || has_token(mount)
                || is_of_profiles(mount)
                || paths.may_touch(&mount.mount_path)
        });
        container.volume_mounts.shrink_to_fit();
        mounted.extend(container.volume_mounts.iter().map(|mount| mount.name.clone()));
    }
    volumes.retain(|it| is_injected_volume(&it.name) || offers(it) || mounted.contains(&it.name));
    volumes.shrink_to_fit();
    spec.volumes = volumes;
}

/// Whether the volume has a token for an audience other than the API server.
fn offers(volume: &Volume) -> bool {
    let sources = volume.projected.iter().flat_map(|projected| &projected.sources);
    let mut tokens = sources.filter_map(|source| source.service_account_token.as_ref());
    tokens.any(|token| token.audience.as_deref().is_some_and(|audience| !audience.is_empty()))
}

enum File {
    None,
    At(String),
    Unknown,
}

/// Where the container looks for its token, according to this variable.
fn token_file(container: &Container, name: &str) -> File {
    let Some(variable) = container.env.iter().rfind(|variable| variable.name == name) else { return File::None };
    match variable.value.as_deref() {
        Some(path) if path.contains(['$', '\\', ':']) => File::Unknown,
        Some(path) if !path.is_empty() => File::At(path.to_owned()),
        _ if variable.value_from.is_some() => File::Unknown,
        _ => File::None,
    }
}

/// Paths of a container that another path may be inside of, or around.
enum Paths {
    /// Sorted, and none is a prefix of another. So only the last path before another one can be a
    /// prefix of it.
    Plain(Vec<String>),
    /// One of the paths has an unusual spelling, so it may be anywhere.
    Anywhere,
}

impl Paths {
    fn of(paths: &[String]) -> Self {
        let Some(mut all) = paths.iter().map(|path| plain(path)).collect::<Option<Vec<_>>>() else {
            return Self::Anywhere;
        };
        all.sort_unstable();
        all.dedup_by(|path, before| path.starts_with(before.as_str()));
        Self::Plain(all)
    }

    /// Whether `other` may be inside one of the paths, or around one of them, however they are
    /// spelled. If in doubt, it says so.
    fn may_touch(&self, other: &str) -> bool {
        let Self::Plain(paths) = self else { return true };
        let Some(other) = plain(other) else { return !paths.is_empty() };
        let after = paths.partition_point(|path| {
            step();
            *path <= other
        });
        let before = after.checked_sub(1).and_then(|index| paths.get(index));
        before.is_some_and(|path| other.starts_with(path.as_str()))
            || paths.get(after).is_some_and(|path| path.starts_with(&other))
    }
}

/// The path in lower case, without slashes around it; `None` if its spelling is unusual. `/var/run`
/// counts as `/run`: in nearly every image, one is a link to the other.
fn plain(path: &str) -> Option<String> {
    let odd = path.contains("..") || path.contains("//") || path.contains("/.") || path.contains(['\\', ':']);
    let path = (!odd).then(|| path.trim_start_matches("./").trim_matches('/').to_lowercase())?;
    let inner = path.strip_prefix("var/").filter(|inner| *inner == "run" || inner.starts_with("run/"));
    Some(inner.map_or_else(|| path.clone(), str::to_owned))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The expected result: compares `other` with every path.
    fn touches(paths: &[String], other: &str) -> bool {
        paths.iter().any(|path| match (plain(path), plain(other)) {
            (Some(one), Some(other)) => one.starts_with(&other) || other.starts_with(&one),
            _ => true,
        })
    }

    /// Of a megabyte of variables that nothing reads, nothing stays in memory.
    #[test]
    fn what_no_verdict_reads_is_dropped() {
        let many: Vec<_> = (0..16_000).map(|n| serde_json::json!({"name": format!("V{n}"), "value": "$(B)"})).collect();
        let role =
            serde_json::json!([{"name": "B", "value": "x".repeat(16_384)}, {"name": "AWS_ROLE_ARN", "value": "r"}]);
        let env: Vec<_> = many.into_iter().chain(role.as_array().unwrap().clone()).collect();
        let mounts = serde_json::json!([{"name": "cache", "mountPath": "/cache"}]);
        let pod: Pod = serde_json::from_value(serde_json::json!({"metadata": {}, "spec": {
            "containers": [{"name": "c", "env": env, "volumeMounts": mounts}], "volumes": [{"name": "cache"}]}}))
        .unwrap();
        let pod = pod.slim();
        let names: Vec<&str> = pod.spec.containers[0].env.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names, ["AWS_ROLE_ARN"]);
        assert_eq!((pod.spec.containers[0].volume_mounts.len(), pod.spec.volumes.len()), (0, 0));
    }

    #[test]
    fn var_run_is_run() {
        let touch = |one: &str, other: &str| Paths::of(&[one.to_owned()]).may_touch(other);
        assert!(touch("/var/run/secrets", "/run/secrets/aws"));
        assert!(touch("/run/secrets/aws/token", "/VAR/run"));
        assert!(!touch("/var/runs", "/run"));
        assert!(!touch("/var/run/secrets", "/var/lib"));
    }

    proptest! {
        #[test]
        fn paths_touch_as_if_each_were_compared_with_each(
            paths in prop::collection::vec("(/?(var/)?run|[/ab.A]{0,6})[/ab.A]{0,3}", 0..6),
            other in "(/?(var/)?run|[/ab.A]{0,6})[/ab.A]{0,3}",
        ) {
            prop_assert_eq!(Paths::of(&paths).may_touch(&other), touches(&paths, &other));
        }
    }
}
