//! Completion in real shells, by the Tab key in a real terminal, with names that only the cluster
//! knows.

use std::ffi::OsString;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use e2e::terminal::{Terminal, installed};
use e2e::{binaries, repository};

use crate::plugin::Plugin;

/// A shell: how to start it without user settings, and the setup command from the documentation.
#[derive(Clone, Copy)]
pub(crate) struct Shell {
    pub(crate) name: &'static str,
    start: &'static [&'static str],
    setup: &'static str,
}

pub(crate) const SHELLS: [Shell; 3] = [
    Shell {
        name: "bash",
        start: &["bash", "--norc", "--noprofile", "-i"],
        setup: "source <(COMPLETE=bash kubectl-podidentity)",
    },
    Shell {
        name: "zsh",
        start: &["zsh", "-f", "-i"],
        setup: "autoload -U compinit && compinit -u -D && source <(COMPLETE=zsh kubectl-podidentity)",
    },
    Shell { name: "fish", start: &["fish", "--no-config", "-i"], setup: "COMPLETE=fish kubectl-podidentity | source" },
];

impl Shell {
    /// Whether this machine can run the test.
    pub(crate) fn is_there(self) -> bool {
        installed(self.name) && installed("tmux")
    }

    /// Types words, presses Tab, and checks the completed line.
    pub(crate) fn completes(self, plugin: &Plugin) -> Result<()> {
        let home = tempfile::tempdir()?;
        let home = home.path().to_str().context("the path is no text")?;
        let (path, kubeconfig) = (path(plugin)?, plugin.kubeconfig().to_string_lossy());
        let path = path.to_str().context("PATH is no text")?;
        let env = [("HOME", home), ("PATH", path), ("KUBECONFIG", &kubeconfig), ("TERM", "screen"), ("PS1", "> ")];
        let terminal = Terminal::open((160, 40), self.start, &env)?;
        terminal.write(&format!("{}; printf 'is-%s' ready", self.setup))?;
        terminal.press(&["Enter"])?;
        terminal.until("the shell is ready", |screen| screen.contains("is-ready"))?;
        for (typed, expected) in [
            ("stat", "kubectl-podidentity status"),
            ("status rollout-rev", "status rollout-reverted"),
            ("explain deploy/stale-", "explain deploy/stale-role"),
            ("verify -o ju", "verify -o junit"),
            ("status -n kube-pub", "status -n kube-public"),
        ] {
            terminal.write(&format!("kubectl-podidentity {typed}"))?;
            terminal.press(&["Tab"])?;
            terminal.until(&format!("{typed:?} is completed"), |screen| screen.contains(expected))?;
            // A key clears the line, not an interrupt: text typed after an interrupt may arrive
            // before it.
            terminal.press(&["C-u"])?;
        }
        Ok(())
    }
}

/// Puts the plugin, kubectl, and the completion command that kubectl runs for a plugin in front of
/// the path.
fn path(plugin: &Plugin) -> Result<OsString> {
    let own = plugin.program().parent().context("the plugin lies in no folder")?.to_owned();
    let before = [own, binaries::folder()?.to_owned(), repository().join("crates/cli/krew")];
    let path = std::env::var_os("PATH").unwrap_or_default();
    Ok(std::env::join_paths(before.into_iter().chain(std::env::split_paths(&path)))?)
}

/// Asks like kubectl's own completion, which runs `kubectl_complete-podidentity`.
pub(crate) fn by_kubectl(plugin: &Plugin) -> Result<()> {
    let complete = |words: &[&str]| -> Result<String> {
        let mut command = Command::new(binaries::folder()?.join("kubectl"));
        command.args(["__complete", "podidentity"]).args(words);
        let output = command.env("PATH", path(plugin)?).env("KUBECONFIG", plugin.kubeconfig()).output()?;
        Ok(String::from_utf8(output.stdout)?)
    };
    for (words, expected) in [
        (&["status", "rollout-rev"][..], "rollout-reverted\n:4\n"),
        (&["explain", "deploy/stale-"], "deploy/stale-role\n:4\n"),
        (&["explain", "dep"], "deploy/\n:6\n"),
        (&["status", "-n", "kube-pub"], "kube-public\n:4\n"),
    ] {
        let found = complete(words)?;
        ensure!(found == expected, "{words:?} is completed to {found:?}");
    }
    Ok(())
}
