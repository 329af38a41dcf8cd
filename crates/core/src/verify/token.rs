//! Where a container's token file really comes from: the path is resolved through mounts and projected volumes.

use std::collections::HashMap;

use super::env::{Env, Seen};
use crate::injection::is_injected_volume;
use crate::objects::{Container, PodSpec, ProjectedItem, ProjectedSource, ServiceAccountToken, Volume, VolumeMount};
use crate::step_counter::step;

/// Maximum number of places to search for a token that is mounted elsewhere. The result only serves
/// a message, and any other mount may cover each place.
const PLACES: usize = 16;

/// The rules for equal paths. On Windows, neither case nor the kind of slash matters, and drive
/// `C:` is the default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Os {
    Linux,
    Windows,
    /// The pod does not say. A path with a drive counts as a Windows path.
    Unsaid,
}

/// What is at the path of the token file.
#[derive(Debug, PartialEq)]
pub(super) enum Found<'a> {
    /// A token of the pod's service account.
    Token {
        token: &'a ServiceAccountToken,
        volume: &'a Volume,
        /// Mounted by `subPath`: the kubelet does not renew it.
        frozen: bool,
        /// The path leads there only if `/var/run` is a link to `/run`, as in nearly every image.
        linked: bool,
    },
    /// A volume is mounted there, but has no token at that path. `meant`: whether it seems to be
    /// mounted for this file.
    Other { volume: &'a str, meant: bool },
    /// No volume is mounted there.
    Nothing,
    /// The path is relative, so it depends on the working directory.
    Relative,
}

/// The mounts of a container, in the volumes of its pod.
pub(super) struct Mounts<'a, 'e> {
    pub(super) container: &'a Container,
    pub(super) env: &'e Env<'a>,
    pub(super) spec: &'a PodSpec,
    pub(super) os: Os,
}

impl<'a> Mounts<'a, '_> {
    /// What is at the path.
    pub(super) fn find(&self, path: &str) -> Found<'a> {
        let windows = self.is_windows(path);
        let plain = self.find_by(path, windows, false);
        if windows || matches!(plain, Found::Token { .. } | Found::Relative) {
            return plain;
        }
        match self.find_by(path, windows, true) {
            found @ Found::Token { .. } => found,
            _ => plain,
        }
    }

    /// Like [`Self::find`], with literal paths, or with `/var/run` as a link to `/run`.
    fn find_by(&self, path: &str, windows: bool, linked: bool) -> Found<'a> {
        let followed = |path: Vec<String>| if linked { followed(path) } else { path };
        let Some(file) = elements(path, windows).map(followed) else {
            return Found::Relative;
        };
        let mounts = self.container.volume_mounts.iter().filter_map(|mount| {
            let at = followed(mount_elements(mount, windows));
            let inside = file.strip_prefix(at.as_slice())?;
            Some((at.len(), mount, inside))
        });
        // The deepest mount covers the others. If two mounts have the same path, the later one
        // covers.
        let Some((depth, mount, inside)) = mounts.max_by_key(|(depth, ..)| *depth) else {
            return Found::Nothing;
        };
        let meant = depth + 1 >= file.len() || is_injected_volume(&mount.name);
        let other = Found::Other { volume: &mount.name, meant };
        let (Some(volume), Some(mut inner)) = (self.volume(mount), self.sub_path(mount, windows)) else {
            return other;
        };
        let frozen = !inner.is_empty();
        inner.extend_from_slice(inside);
        match token_at(volume, &inner, windows) {
            Some(token) => Found::Token { token, volume, frozen, linked },
            None => other,
        }
    }

    /// Another path at which the container has a token for this audience that no other mount
    /// covers. For messages.
    pub(super) fn elsewhere(&self, audience: &str) -> Option<String> {
        let is_wanted = |token: &&ServiceAccountToken| token.audience.as_deref().unwrap_or_default() == audience;
        let mut volumes: HashMap<&str, Vec<&ServiceAccountToken>> = HashMap::new();
        for volume in &self.spec.volumes {
            let wanted = || tokens(volume).filter(is_wanted).take(PLACES).collect();
            volumes.entry(&volume.name).or_insert_with(wanted);
        }
        let mounts = self.container.volume_mounts.iter().filter_map(|mount| {
            let tokens = volumes.get(mount.name.as_str()).filter(|tokens| !tokens.is_empty())?;
            Some((mount, tokens))
        });
        let mut paths = mounts.take(PLACES).flat_map(|(mount, tokens)| self.token_paths(mount, tokens)).take(PLACES);
        paths.find(|path| match self.find(path) {
            Found::Token { token, .. } => is_wanted(&token),
            Found::Other { .. } | Found::Nothing | Found::Relative => false,
        })
    }

    /// The paths of the tokens in a mount.
    fn token_paths(&self, mount: &VolumeMount, tokens: &[&ServiceAccountToken]) -> Vec<String> {
        let Some(inner) = self.sub_path(mount, false) else { return Vec::new() };
        let at = mount.mount_path.trim_end_matches('/');
        let below = tokens.iter().filter_map(|token| {
            let file = clean(&token.path, false);
            Some(file.strip_prefix(inner.as_slice())?.join("/"))
        });
        below.map(|below| if below.is_empty() { at.to_owned() } else { format!("{at}/{below}") }).collect()
    }

    fn is_windows(&self, path: &str) -> bool {
        match self.os {
            Os::Linux => false,
            Os::Windows => true,
            Os::Unsaid => drive(path).is_some(),
        }
    }

    fn volume(&self, mount: &VolumeMount) -> Option<&'a Volume> {
        self.spec.volumes.iter().inspect(|_| step()).find(|volume| volume.name == mount.name)
    }

    /// The part of the volume that is mounted; `None` if it depends on variables that cannot be
    /// seen.
    fn sub_path(&self, mount: &VolumeMount, windows: bool) -> Option<Vec<String>> {
        let path = match mount.sub_path_expr.as_deref().filter(|expression| !expression.is_empty()) {
            Some(expression) => match self.env.expand(expression) {
                Seen::Known(path) => path,
                Seen::Absent | Seen::Unknown(_) => return None,
            },
            None => mount.sub_path.clone().unwrap_or_default(),
        };
        Some(clean(&path, windows))
    }
}

/// The token at a path inside a volume. If several sources write to the path, the last one wins.
fn token_at<'a>(volume: &'a Volume, path: &[String], windows: bool) -> Option<&'a ServiceAccountToken> {
    let writes = |written: &str| clean(written, windows) == path;
    let sources = volume.projected.as_ref()?.sources.iter();
    let last = sources.rev().find(|source| files(source).any(writes))?;
    last.service_account_token.as_ref()
}

/// The files that a source is known to write.
fn files(source: &ProjectedSource) -> impl Iterator<Item = &str> {
    let items = [&source.secret, &source.config_map, &source.downward_api].into_iter().flatten();
    let items = items.flat_map(|projected| &projected.items).chain(&source.cluster_trust_bundle);
    let token = source.service_account_token.iter().map(|token| token.path.as_str());
    token.chain(items.map(|ProjectedItem { path }| path.as_str()))
}

/// All tokens that a volume projects.
fn tokens(volume: &Volume) -> impl Iterator<Item = &ServiceAccountToken> {
    volume
        .projected
        .iter()
        .flat_map(|projected| &projected.sources)
        .inspect(|_| step())
        .filter_map(|source| source.service_account_token.as_ref())
}

/// The elements of an absolute path; `None` if it is relative.
fn elements(path: &str, windows: bool) -> Option<Vec<String>> {
    let rooted = path.starts_with('/') || windows && (path.starts_with('\\') || drive(path).is_some());
    rooted.then(|| clean(path, windows))
}

/// The elements of a path, with `/var/run` as a link to `/run`.
fn followed(mut path: Vec<String>) -> Vec<String> {
    if path.first().is_some_and(|first| first == "var") && path.get(1).is_some_and(|second| second == "run") {
        path.remove(0);
    }
    path
}

/// Whether this is the path of the token for the API server, which the kubelet mounts into nearly every container.
pub(super) fn is_api_server_token(path: &str) -> bool {
    elements(path, false)
        .map(followed)
        .is_some_and(|path| path.join("/") == "run/secrets/kubernetes.io/serviceaccount/token")
}

/// The elements of a mount path; a relative one is taken from the root.
fn mount_elements(mount: &VolumeMount, windows: bool) -> Vec<String> {
    clean(&mount.mount_path, windows)
}

/// The elements of a path without empty, `.` and `..` ones.
fn clean(path: &str, windows: bool) -> Vec<String> {
    let path = match drive(path) {
        Some(('c' | 'C', rest)) if windows => rest,
        _ => path,
    };
    let mut parts: Vec<String> = Vec::new();
    for part in path.split(|c| c == '/' || windows && c == '\\') {
        step();
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            _ if windows => parts.push(part.to_lowercase()),
            _ => parts.push(part.to_owned()),
        }
    }
    parts
}

/// The drive of a Windows path, and the path on it.
fn drive(path: &str) -> Option<(char, &str)> {
    let (letter, rest) = path.split_once(':')?;
    let mut letters = letter.chars();
    let letter = letters.next().filter(char::is_ascii_alphabetic)?;
    let rooted = rest.starts_with(['/', '\\']);
    (rooted && letters.next().is_none()).then_some((letter, rest))
}
