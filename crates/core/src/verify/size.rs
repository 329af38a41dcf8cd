//! The maximum size of a pod that is judged.
//!
//! The API server accepts an object of 1.5 MB. Such a pod may have a container with ten thousand
//! mounts, or thousands of containers. Findings about it help nobody, and a workload may have a
//! thousand such pods.

use crate::objects::{Container, PodSpec};

/// Maximum number of containers and init containers in a pod that is judged. Each has findings of
/// its own.
pub(crate) const MOST_CONTAINERS: usize = 200;
/// Maximum number of parts in a pod that is judged: variables, their sources, mounts, volumes, and
/// the sources and items that volumes project.
pub(crate) const MOST_PARTS: usize = 10_000;

/// Whether a pod is too large to be judged.
pub(crate) fn is_too_large(spec: &PodSpec) -> bool {
    let containers = spec.init_containers.len() + spec.containers.len();
    containers > MOST_CONTAINERS || parts(spec) > MOST_PARTS
}

fn parts(spec: &PodSpec) -> usize {
    let of_container = |it: &Container| it.env.len() + it.env_from.len() + it.volume_mounts.len();
    let in_containers: usize = spec.all_containers().map(of_container).sum();
    let sources = spec.volumes.iter().filter_map(|volume| volume.projected.as_ref()).flat_map(|it| &it.sources);
    let projected = sources.map(|source| {
        let items = [&source.secret, &source.config_map, &source.downward_api].into_iter().flatten();
        1 + items.map(|projected| projected.items.len()).sum::<usize>()
    });
    in_containers + spec.volumes.len() + projected.sum::<usize>()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn parts_of(spec: Value) -> usize {
        parts(&serde_json::from_value(spec).unwrap())
    }

    #[test]
    fn the_largest_number_of_containers_is_judged() {
        let with = |init: usize, others: usize| -> PodSpec {
            let some = |count: usize| vec![json!({"name": "c"}); count];
            serde_json::from_value(json!({"initContainers": some(init), "containers": some(others)})).unwrap()
        };
        for (init, others) in [(0, 200), (200, 0), (1, 199), (100, 100)] {
            assert!(!is_too_large(&with(init, others)), "{init} and {others}");
            assert!(is_too_large(&with(init, others + 1)), "{init} and {others}, and one more");
            assert!(is_too_large(&with(init + 1, others)), "one more than {init}, and {others}");
        }
        assert!(is_too_large(&with(0, 500)));
    }

    #[test]
    fn the_largest_number_of_parts_is_judged() {
        let with = |variables: usize| -> PodSpec {
            let env = vec![json!({"name": "V", "value": "v"}); variables];
            serde_json::from_value(json!({"containers": [{"name": "c", "env": env}]})).unwrap()
        };
        assert!(!is_too_large(&with(10_000)));
        assert!(is_too_large(&with(10_001)));
        assert!(is_too_large(&with(20_000)));
    }

    /// Different numbers of each kind, so that nothing but their sum is right.
    #[test]
    fn every_kind_of_part_counts_once() {
        let many = |part: Value, count: usize| vec![part; count];
        let container = json!({
            "name": "c",
            "env": many(json!({"name": "V"}), 2),
            "envFrom": many(json!({"secretRef": {"name": "s"}}), 3),
            "volumeMounts": many(json!({"name": "v", "mountPath": "/v"}), 5),
        });
        assert_eq!(parts_of(json!({"containers": [container]})), 10);
        assert_eq!(parts_of(json!({"initContainers": [container], "containers": [container]})), 20);
        let items = |count: usize| json!({"items": many(json!({"key": "k", "path": "p"}), count)});
        let source = json!({"secret": items(2), "configMap": items(3), "downwardAPI": items(4)});
        let token = json!({"serviceAccountToken": {"path": "token"}});
        let volumes = json!([{"name": "empty"}, {"name": "v", "projected": {"sources": [source, token]}}]);
        assert_eq!(parts_of(json!({"containers": [], "volumes": volumes})), 2 + 10 + 1);
        assert_eq!(parts_of(json!({"containers": [container], "volumes": volumes})), 10 + 2 + 10 + 1);
    }
}
