//! Which build this is.

use std::env::consts::{ARCH, OS};
use std::sync::LazyLock;

use git_version::git_version;

/// The commit of this build, with `-modified` if files had changed; `unknown` outside a repository.
/// An image build sets it by `PODIDENTITY_COMMIT`, because the image has no repository.
pub(crate) const COMMIT: &str = if let Some(commit) = option_env!("PODIDENTITY_COMMIT") {
    commit
} else {
    git_version!(args = ["--always", "--abbrev=12", "--exclude=*", "--dirty=-modified"], fallback = "unknown")
};

/// Version, commit and platform, for `--version`.
pub(crate) fn long() -> &'static str {
    static LONG: LazyLock<String> = LazyLock::new(|| {
        let profile = if cfg!(debug_assertions) { "debug" } else { "release" };
        let linked = if cfg!(target_feature = "crt-static") { ", static" } else { "" };
        format!("{}\ncommit: {COMMIT}\nbuild: {OS}/{ARCH}, {profile}{linked}", env!("CARGO_PKG_VERSION"))
    });
    &LONG
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commit_is_known_in_a_repository() {
        let hash = COMMIT.strip_suffix("-modified").unwrap_or(COMMIT);
        assert!(hash == "unknown" || hash.len() >= 7 && hash.chars().all(|c| c.is_ascii_hexdigit()), "{COMMIT}");
    }
}
