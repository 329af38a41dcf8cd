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
