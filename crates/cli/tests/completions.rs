//! The completion scripts that a release has beside the plugin: what the plugin prints for each shell.

#![cfg(unix)]
#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

/// Shells, and where each looks for a script.
const SCRIPTS: [(&str, &str); 4] = [
    ("bash", "kubectl-podidentity"),
    ("zsh", "_kubectl-podidentity"),
    ("fish", "kubectl-podidentity.fish"),
    ("powershell", "kubectl-podidentity.ps1"),
];

#[test]
fn the_scripts_of_the_repository_are_those_that_the_plugin_prints() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("completions");
    for (shell, name) in SCRIPTS {
        let mut plugin = Command::new(env!("CARGO_BIN_EXE_kubectl-podidentity"));
        // The script calls what the plugin was called.
        let output = plugin.arg0("kubectl-podidentity").env("COMPLETE", shell).output().unwrap();
        assert!(output.status.success(), "{shell}: {}", String::from_utf8_lossy(&output.stderr));
        assert!(!output.stdout.is_empty(), "{shell} has no script");
        if std::env::var_os("UPDATE").is_some() {
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join(name), &output.stdout).unwrap();
        }
        let stored = fs::read(folder.join(name)).unwrap_or_default();
        let stale = "crates/cli/completions is stale: UPDATE=1 cargo test -p kubectl-podidentity --test completions";
        assert!(stored == output.stdout, "{stale} ({name})");
    }
    assert_eq!(fs::read_dir(&folder).unwrap().count(), SCRIPTS.len(), "scripts of shells that are gone");
}
