//! Child processes that never outlive the harness.
//!
//! Three mechanisms, because each has a gap: `Drop` ends a process in the normal course and on a
//! panic, [`crate::signals`] on Ctrl-C and SIGTERM, and the kernel's parent-death signal (through
//! `setpriv`, where it exists) when the harness itself is killed.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, WaitOptions, kill_process_group};

/// How to start a process; kept for restarts.
#[derive(Clone, Debug)]
pub struct Spec {
    /// Short name, used in messages.
    pub name: String,
    /// The binary.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
    /// Environment variables, on top of the harness's own.
    pub env: Vec<(String, String)>,
    /// File that receives stdout and stderr; appended to.
    pub log: PathBuf,
}

/// A process in its own process group.
#[derive(Debug)]
pub struct Process {
    spec: Spec,
    child: Mutex<Option<Child>>,
    /// The process was asked to end, so its end is no accident.
    ending: AtomicBool,
}

impl Process {
    /// Starts the process.
    pub fn start(spec: Spec) -> Result<Self> {
        let child = spawn(&spec)?;
        Ok(Self { spec, child: Mutex::new(Some(child)), ending: AtomicBool::new(false) })
    }

    /// The short name.
    pub fn name(&self) -> &str {
        &self.spec.name
    }

    /// The file that holds its output.
    pub fn log(&self) -> &Path {
        &self.spec.log
    }

    /// The process id while it runs.
    pub fn id(&self) -> Option<u32> {
        lock(&self.child).as_ref().map(Child::id)
    }

    /// The exit status, if the process has ended by itself.
    pub fn exited(&self) -> Option<ExitStatus> {
        lock(&self.child).as_mut().and_then(|child| child.try_wait().ok().flatten())
    }

    /// Returns an error with the end of the log if the process has ended by itself.
    pub fn check(&self) -> Result<()> {
        if self.ending.load(Ordering::SeqCst) {
            return Ok(());
        }
        if let Some(status) = self.exited() {
            bail!(
                "{} ended by itself ({status}); the end of {}:\n{}",
                self.name(),
                self.log().display(),
                self.tail(20)
            );
        }
        Ok(())
    }

    /// The last lines of the log.
    pub fn tail(&self, lines: usize) -> String {
        let text = std::fs::read(self.log()).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let all: Vec<&str> = text.lines().collect();
        all[all.len().saturating_sub(lines)..].iter().fold(String::new(), |mut tail, line| {
            let _ = writeln!(tail, "  | {line}");
            tail
        })
    }

    /// Ends the process group with SIGKILL and reaps it.
    pub fn kill(&self) {
        let Some(mut child) = lock(&self.child).take() else {
            return;
        };
        signal(child.id(), Signal::KILL);
        let _ = child.wait();
        lock(&GROUPS).remove(&child.id());
    }

    /// Sends a signal to the process group.
    pub fn signal(&self, what: Signal) {
        if let Some(id) = self.id() {
            signal(id, what);
        }
    }

    /// Sends SIGTERM and waits for the end. After `grace`, kills the process and returns an error.
    pub async fn terminate(&self, grace: Duration) -> Result<ExitStatus> {
        let id = self.id().with_context(|| format!("{} does not run", self.name()))?;
        self.ending.store(true, Ordering::SeqCst);
        signal(id, Signal::TERM);
        let began = Instant::now();
        loop {
            if let Some(status) = self.exited() {
                self.kill();
                return Ok(status);
            }
            if began.elapsed() > grace {
                self.kill();
                bail!(
                    "{} did not end within {grace:?} after SIGTERM; the end of its log:\n{}",
                    self.name(),
                    self.tail(20)
                );
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Starts the process again with the same arguments and log. Kills it first if it still runs.
    pub fn restart(&self) -> Result<()> {
        self.kill();
        *lock(&self.child) = Some(spawn(&self.spec)?);
        self.ending.store(false, Ordering::SeqCst);
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Kills every process that was started here. For the signal handler, which cannot wait for `Drop`.
pub(crate) fn kill_all() {
    let groups = lock(&GROUPS);
    for group in groups.iter() {
        signal(*group, Signal::KILL);
    }
    // Their folder can be removed safely only after they are gone.
    for pid in groups.iter().filter_map(|group| pid(*group)) {
        let _ = rustix::process::waitpgid(pid, WaitOptions::empty());
    }
}

static GROUPS: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

fn spawn(spec: &Spec) -> Result<Child> {
    let log = OpenOptions::new().create(true).append(true).open(&spec.log);
    let log: File = log.with_context(|| format!("cannot write {}", spec.log.display()))?;
    let mut command = command(spec);
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).process_group(0);
    let child = on_lasting_thread(command)
        .with_context(|| format!("cannot start {} ({})", spec.name, spec.program.display()))?;
    lock(&GROUPS).insert(child.id());
    Ok(child)
}

fn command(spec: &Spec) -> Command {
    let mut command = match &*SETPRIV {
        Some(setpriv) => {
            let mut command = Command::new(setpriv);
            command.args(["--pdeathsig", "KILL"]).arg(&spec.program);
            command
        }
        None => Command::new(&spec.program),
    };
    command.args(&spec.args).envs(spec.env.iter().map(|(name, value)| (name, value)));
    command
}

static SETPRIV: LazyLock<Option<PathBuf>> = LazyLock::new(|| {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join("setpriv")).find(|file| file.is_file())
});

type Job = (Command, mpsc::Sender<std::io::Result<Child>>);

/// Spawns on a thread that lives as long as the harness. The kernel sends the parent-death signal
/// when the *thread* that started a process ends, and the threads of tests and of tokio's blocking
/// pool do end.
fn on_lasting_thread(command: Command) -> std::io::Result<Child> {
    static SPAWNER: LazyLock<Mutex<mpsc::Sender<Job>>> = LazyLock::new(|| {
        let (sender, jobs) = mpsc::channel::<Job>();
        std::thread::spawn(move || {
            for (mut command, answer) in jobs {
                let _ = answer.send(command.spawn());
            }
        });
        Mutex::new(sender)
    });
    let gone = || std::io::Error::other("the thread that starts processes has ended");
    let (answer, result) = mpsc::channel();
    lock(&SPAWNER).send((command, answer)).map_err(|_| gone())?;
    result.recv().map_err(|_| gone())?
}

fn signal(group: u32, signal: Signal) {
    if let Some(pid) = pid(group) {
        // An error means that the group is gone, which is the purpose of the signal.
        let _ = kill_process_group(pid, signal);
    }
}

fn pid(group: u32) -> Option<Pid> {
    i32::try_from(group).ok().and_then(Pid::from_raw)
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
