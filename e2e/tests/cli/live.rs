//! `status -w` in a real terminal, for a user who may not watch, and with its output in a file; and
//! `verify --wait`, which observes changes in the same way.
//!
//! These tests change the cluster, each in its own namespace. They therefore run after the tests
//! that compare snapshots of the whole cluster.

use std::fs;
use std::path::Path;

use anyhow::{Result, ensure};
use e2e::fixtures::{OTHER_ROLE, ROLE, role_annotation};
use e2e::process::{Process, Spec};
use e2e::terminal::{Terminal, installed};
use e2e::wait;
use tokio::runtime::Handle;

use crate::plugin::{LOOKER_NAME, Plugin};

/// A case by its name, and whether this machine can run it.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) run: fn(&Plugin) -> Result<()>,
    pub(crate) is_possible: bool,
}

/// All cases.
pub(crate) fn all() -> [Case; 5] {
    let tmux = installed("tmux");
    [
        Case { name: "status_live_in_a_terminal", run: in_a_terminal, is_possible: tmux },
        Case { name: "status_live_in_a_terminal_that_is_too_low", run: in_a_low_terminal, is_possible: tmux },
        Case { name: "status_live_for_somebody_who_may_not_watch", run: without_watches, is_possible: tmux },
        Case { name: "status_live_into_a_file", run: into_a_file, is_possible: true },
        Case { name: "verify_waits_for_what_does_not_exist_yet", run: verify_waits, is_possible: true },
    ]
}

/// A namespace with service accounts that have an annotation but no binding.
struct Accounts<'a> {
    plugin: &'a Plugin,
    namespace: &'static str,
}

impl<'a> Accounts<'a> {
    fn new(plugin: &'a Plugin, namespace: &'static str) -> Result<Self> {
        plugin.kubectl(&["create", "namespace", namespace])?;
        Ok(Self { plugin, namespace })
    }

    fn kubectl(&self, args: &[&str]) -> Result<()> {
        self.plugin.kubectl(&[&["-n", self.namespace], args].concat())
    }

    fn create(&self, name: &str) -> Result<()> {
        self.kubectl(&["create", "serviceaccount", name])?;
        self.annotate(name, ROLE)
    }

    fn annotate(&self, name: &str, role: &str) -> Result<()> {
        self.kubectl(&["annotate", "--overwrite", "serviceaccount", name, &format!("{}={role}", role_annotation())])
    }

    fn delete(&self, name: &str) -> Result<()> {
        self.kubectl(&["delete", "serviceaccount", name])
    }

    /// Starts the plugin with its output in a file.
    fn logged(&self, folder: &Path, args: &[&str]) -> Result<Process> {
        Process::start(Spec {
            name: args.join(" "),
            program: self.plugin.program().to_owned(),
            args: [args, &["-n", self.namespace]].concat().into_iter().map(str::to_owned).collect(),
            env: vec![("KUBECONFIG".to_owned(), self.plugin.kubeconfig().to_string_lossy().into_owned())],
            log: folder.join("out"),
        })
    }

    /// A terminal that runs the plugin, and shows its exit status in the end.
    fn shown(&self, rows: u16, args: &[&str]) -> Result<Terminal> {
        let (program, kubeconfig) = (self.plugin.program(), self.plugin.kubeconfig());
        let (program, kubeconfig) = (program.to_string_lossy(), kubeconfig.to_string_lossy());
        let and_then = "trap : INT; \"$0\" \"$@\"; echo \"exit status $?\"; exec cat";
        let command = [&["sh", "-c", and_then, &*program, "status", "-w", "-n", self.namespace], args].concat();
        Terminal::open((100, rows), &command, &[("KUBECONFIG", &kubeconfig), ("TERM", "screen")])
    }
}

/// Waits until the output of a process satisfies `check`.
fn until(process: &Process, what: &str, check: impl Fn(&str) -> bool) -> Result<()> {
    let look = || async {
        let all = fs::read_to_string(process.log()).map_err(|error| error.to_string())?;
        if check(&all) { Ok(()) } else { Err(format!("written is:\n{all}")) }
    };
    Handle::current().block_on(wait::until(what, look))
}

/// Presses Ctrl-C and returns the screen after that: the previous content is back, and the last
/// picture stays.
fn interrupted(terminal: &Terminal) -> Result<String> {
    let (alternate, cursor) = ("#{alternate_on}", "#{cursor_flag}");
    ensure!(
        (terminal.asked(alternate)?, terminal.asked(cursor)?) == ("1".to_owned(), "0".to_owned()),
        "while it shows"
    );
    terminal.press(&["C-c"])?;
    let screen = terminal.until("it ends", |screen| screen.contains("exit status"))?;
    ensure!((terminal.asked(alternate)?, terminal.asked(cursor)?) == ("0".to_owned(), "1".to_owned()), "afterwards");
    ensure!(screen.contains("exit status 0") && !screen.contains("Ctrl-C ends"), "{screen}");
    Ok(screen)
}

fn in_a_terminal(plugin: &Plugin) -> Result<()> {
    let accounts = Accounts::new(plugin, "live-terminal")?;
    accounts.create("app")?;
    let terminal = accounts.shown(20, &[])?;
    terminal
        .until("the account is shown", |screen| screen.contains("sa/app") && screen.contains(", live; Ctrl-C ends"))?;
    accounts.annotate("app", OTHER_ROLE)?;
    terminal.until("its new role is shown", |screen| screen.contains("my-other-role"))?;
    accounts.create("second")?;
    terminal.until("another one is shown", |screen| screen.contains("sa/second") && screen.contains("sa/app"))?;
    accounts.delete("app")?;
    terminal.until("it is gone", |screen| !screen.contains("sa/app"))?;
    let screen = interrupted(&terminal)?;
    ensure!(screen.matches("sa/second").count() == 1 && !screen.contains("sa/app"), "{screen}");
    Ok(())
}

fn in_a_low_terminal(plugin: &Plugin) -> Result<()> {
    let accounts = Accounts::new(plugin, "live-low")?;
    for name in ["one", "three", "two"] {
        accounts.create(name)?;
    }
    let terminal = accounts.shown(20, &[])?;
    terminal.until("all is shown", |screen| screen.contains("sa/two") && !screen.contains("more lines"))?;
    terminal.resize((100, 4))?;
    terminal.until("it says that there is more", |screen| {
        screen.contains("more lines") && screen.contains("Ctrl-C ends")
    })?;
    terminal.resize((100, 20))?;
    terminal.until("all is shown again", |screen| screen.contains("sa/two") && !screen.contains("more lines"))?;
    let screen = interrupted(&terminal)?;
    ensure!(["sa/one", "sa/three", "sa/two"].iter().all(|name| screen.contains(name)), "{screen}");
    Ok(())
}

fn without_watches(plugin: &Plugin) -> Result<()> {
    let accounts = Accounts::new(plugin, "live-unwatched")?;
    accounts.create("app")?;
    let terminal = accounts.shown(20, &["--as", LOOKER_NAME])?;
    let how = ", no right to watch: looks every 2s; Ctrl-C ends";
    terminal.until("the account is shown", |screen| screen.contains("sa/app") && screen.contains(how))?;
    accounts.annotate("app", OTHER_ROLE)?;
    terminal.until("its new role is shown", |screen| screen.contains("my-other-role") && screen.contains(how))?;
    accounts.delete("app")?;
    terminal.until("it is gone", |screen| !screen.contains("sa/app") && screen.contains(how))?;
    interrupted(&terminal).map(drop)
}

/// Each picture follows below the last one. None appears twice, and no terminal control codes
/// appear.
fn into_a_file(plugin: &Plugin) -> Result<()> {
    let accounts = Accounts::new(plugin, "live-file")?;
    accounts.create("app")?;
    let folder = tempfile::tempdir()?;
    let process = accounts.logged(folder.path(), &["status", "-w"])?;
    let until = |text: &str| until(&process, &format!("{text} is written"), |all| all.contains(text));
    until("role/my-role")?;
    // This change makes no visible difference.
    accounts.kubectl(&["label", "serviceaccount", "app", "team=a"])?;
    accounts.annotate("app", OTHER_ROLE)?;
    until("my-other-role")?;
    accounts.create("second")?;
    until("sa/second")?;
    let status = Handle::current().block_on(process.terminate(wait::DEADLINE))?;
    let all = fs::read_to_string(process.log())?;
    ensure!(status.success(), "{status}: {all}");
    ensure!(all == PICTURES, "{all}");
    Ok(())
}

fn verify_waits(plugin: &Plugin) -> Result<()> {
    let accounts = Accounts::new(plugin, "live-verify")?;
    let folder = tempfile::tempdir()?;
    let process = accounts.logged(folder.path(), &["verify", "sa/app", "--wait", "--timeout", "10m"])?;
    until(&process, "it waits", |all| all.contains("waiting: it does not exist yet"))?;
    accounts.create("other")?;
    accounts.create("app")?;
    let ended = || async { process.exited().ok_or_else(|| process.tail(10)) };
    let status = Handle::current().block_on(wait::until("it has ended", ended))?;
    let all = fs::read_to_string(process.log())?;
    ensure!(status.success() && all.contains("1 without pods") && !all.contains("other"), "{status}: {all}");
    Ok(())
}

const PICTURES: &str = "\
○ sa/app  role/my-role   0/0 pods  NoPods, no binding

0 bindings, 1 service account annotated without binding: 1 without pods; 0 of 0 pods have their role

○ sa/app  role/team/my-other-role   0/0 pods  NoPods, no binding

0 bindings, 1 service account annotated without binding: 1 without pods; 0 of 0 pods have their role

○ sa/app     role/team/my-other-role   0/0 pods  NoPods, no binding
○ sa/second  role/my-role              0/0 pods  NoPods, no binding

0 bindings, 2 service accounts annotated without binding: 2 without pods; 0 of 0 pods have their role
";
