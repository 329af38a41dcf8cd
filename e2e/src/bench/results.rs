//! Measurements as they are stored.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// One run.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Run {
    /// Time of the run, as an RFC 3339 timestamp.
    pub made: String,
    /// The command that made it.
    pub command: String,
    /// The machine that it ran on.
    pub machine: Machine,
    /// Versions of the measured programs.
    pub versions: BTreeMap<String, String>,
    /// Bindings.
    pub bindings: usize,
    /// Deployments of each binding.
    pub workloads: usize,
    /// Pods in total.
    pub pods: usize,
    /// Those of `pods` that belong to bound service accounts.
    pub bound_pods: usize,
    /// The operator's flags.
    pub flags: Vec<String>,
    /// From the first binding on, by the operator.
    pub onboarding: Option<Job>,
    /// Raw client, operator, raw client.
    pub rounds: Vec<Job>,
    /// Start of the operator in a populated cluster.
    pub startup: Option<Startup>,
    /// Nothing happens.
    pub silence: Option<Window>,
    /// The operator's metrics are scraped.
    pub scrapes: Option<Scrapes>,
    /// Pods come, go and change, and stay correct.
    pub churn: Option<Churn>,
    /// The annotation is stripped from every service account.
    pub drift: Option<Drift>,
    /// A shell loop does the same by hand.
    pub kubectl: Option<Loop>,
    /// The operator's memory over time.
    pub memory: Vec<Sample>,
}

/// The machine.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Machine {
    /// Model of the processor.
    pub processor: String,
    /// Cores.
    pub cores: usize,
    /// Memory in GiB.
    pub memory_gib: u64,
    /// Operating system and kernel.
    pub kernel: String,
    /// Load average of the last minute when the run began, which shows other work on the machine.
    pub load_before: f64,
}

/// The same change of all bindings, by one client.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Job {
    /// `raw client` or `operator`.
    pub by: String,
    /// From the first change sent until the last binding was ready.
    pub seconds: f64,
    /// From the first change sent until the last one was sent. The load and the client share the
    /// API server: with a slower client, the changes are sent sooner and wait longer.
    pub sent_seconds: f64,
    /// CPU seconds of the operator; for the raw client, see `harness_cpu`.
    pub operator_cpu: f64,
    /// CPU seconds of the load, the played controllers and, in its rounds, the raw client.
    pub harness_cpu: f64,
    /// CPU seconds of API server and etcd.
    pub server_cpu: f64,
    /// The client's requests.
    pub requests: Requests,
    /// From the change to the annotated service account.
    pub annotated: Latency,
    /// From the change to the last patched pod template.
    pub patched: Latency,
    /// From the change to Ready.
    pub ready: Latency,
    /// The operator's peak resident memory so far, in KiB.
    pub peak_kib: u64,
}

/// Single changes, each measured from the response to it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Single {
    /// Until the service account was annotated.
    pub annotated: Latency,
    /// Until the binding was Ready.
    pub ready: Latency,
}

/// Requests by kind.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Requests {
    /// Successful writes by resource, without events.
    pub writes: BTreeMap<String, usize>,
    /// Events.
    pub events: usize,
    /// Requests that the API server refused, for example because an object had changed.
    pub refused: usize,
    /// Requests for the Lease of the operator's leader election.
    pub leases: usize,
    /// LIST
    pub lists: usize,
    /// GET
    pub gets: usize,
    /// WATCH
    pub watches: usize,
}

impl Requests {
    /// Successful writes without events.
    pub fn written(&self) -> usize {
        self.writes.values().sum()
    }
}

/// A distribution in milliseconds.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Latency {
    /// Median.
    pub p50: f64,
    /// 99 of 100 values are below.
    pub p99: f64,
    /// The 0th, 1st, ... 100th percentile.
    pub percentiles: Vec<f64>,
}

impl Latency {
    /// The distribution of these values, in seconds.
    pub fn of(mut seconds: Vec<f64>) -> Self {
        if seconds.is_empty() {
            return Self::default();
        }
        seconds.sort_by(f64::total_cmp);
        let last = seconds.len() - 1;
        let percentiles: Vec<f64> =
            (0..=100).map(|percent| (seconds[last * percent / 100] * 1e5).round() / 100.0).collect();
        Self { p50: percentiles[50], p99: percentiles[99], percentiles }
    }
}

/// A start of the operator.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Startup {
    /// From the start of the process until all kinds were listed, if the operator tells that.
    pub listed_seconds: Option<f64>,
    /// From the start of the process until the response to its first write, for a binding that
    /// changed while it was down.
    pub first_write_seconds: f64,
    /// CPU seconds until then.
    pub cpu: f64,
    /// CPU seconds of API server and etcd until then.
    pub server_cpu: f64,
    /// Resident memory at rest, in KiB.
    pub resident_kib: u64,
    /// The peak, in KiB.
    pub peak_kib: u64,
    /// All its requests until it was at rest.
    pub requests: Requests,
}

/// A period of silence.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Window {
    /// Its length.
    pub seconds: f64,
    /// CPU seconds of the operator.
    pub cpu: f64,
    /// Its requests.
    pub requests: Requests,
}

/// Scrapes of the operator's metrics.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Scrapes {
    /// Seconds of each.
    pub seconds: f64,
    /// CPU seconds of the operator for each.
    pub cpu: f64,
    /// Size of the answer.
    pub bytes: usize,
}

/// Pods that come, go and change.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Churn {
    /// Its length.
    pub seconds: f64,
    /// Pods created, deleted, and changed in their status.
    pub events: usize,
    /// Identities that they belong to.
    pub identities: usize,
    /// CPU seconds of the operator.
    pub cpu: f64,
    /// Its requests.
    pub requests: Requests,
}

/// Annotations stripped from all service accounts.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Drift {
    /// Service accounts stripped.
    pub stripped: usize,
    /// How long that took.
    pub stripping_seconds: f64,
    /// From the first one stripped to the last one repaired.
    pub seconds: f64,
    /// From being stripped to being repaired.
    pub repaired: Latency,
    /// CPU seconds of the operator.
    pub cpu: f64,
    /// Its requests.
    pub requests: Requests,
}

/// A shell loop over kubectl.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Loop {
    /// Bindings, one after the other.
    pub bindings: usize,
    /// How long it took.
    pub seconds: f64,
    /// CPU seconds of kubectl and the shell.
    pub cpu: f64,
    /// Requests to the API server.
    pub requests: usize,
}

/// Memory at one moment.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Sample {
    /// Seconds since the beginning of the run.
    pub seconds: f64,
    /// Resident memory of the operator in KiB.
    pub resident_kib: u64,
    /// The current phase.
    pub phase: String,
}

/// A larger difference between the two rounds of the raw client means that something else used the
/// machine.
const TOLERANCE: f64 = 0.10;

impl Run {
    /// Whether the two rounds of the raw client differ so much that the comparison is meaningless.
    pub fn is_void(&self) -> bool {
        let [before, _, after] = self.rounds.as_slice() else { return false };
        (before.seconds - after.seconds).abs() > TOLERANCE * before.seconds.min(after.seconds)
    }

    /// The operator's time divided by the raw client's mean.
    pub fn ratio(&self, of: impl Fn(&Job) -> f64) -> Option<f64> {
        let [before, between, after] = self.rounds.as_slice() else { return None };
        Some(of(between) * 2.0 / (of(before) + of(after)))
    }

    /// The raw client's writes per binding: the fewest that do the job.
    pub fn fewest_writes(&self) -> usize {
        1 + self.workloads + 2
    }

    /// Begins a run: machine and versions.
    pub fn begin(versions: BTreeMap<String, String>) -> Self {
        let command = std::env::args().skip(1).collect::<Vec<_>>().join(" ");
        Self {
            made: jiff::Timestamp::now().round(jiff::Unit::Second).unwrap_or_default().to_string(),
            command: format!("cargo run --release -p e2e --bin bench -- {command}"),
            machine: Machine::this(),
            versions,
            ..Self::default()
        }
    }

    /// Whether any measurement finished.
    pub fn has_anything(&self) -> bool {
        let alone = self.startup.is_some()
            || self.silence.is_some()
            || self.scrapes.is_some()
            || self.churn.is_some()
            || self.drift.is_some();
        alone || !self.rounds.is_empty()
    }

    /// Writes the run to the folder.
    pub fn write(&self, folder: &Path) -> Result<PathBuf> {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        let path = folder.join(format!("bindings-{}-pods-{}.json", self.bindings, self.pods));
        std::fs::write(&path, serde_json::to_vec_pretty(self)?)
            .with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }
}

/// Reads all runs of a folder, smallest first.
pub fn read(folder: &Path) -> Result<Vec<Run>> {
    let mut runs = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            let text = std::fs::read(&path)?;
            runs.push(
                serde_json::from_slice::<Run>(&text).with_context(|| format!("{} is no result", path.display()))?,
            );
        }
    }
    runs.sort_by_key(|run| (run.bindings, run.pods));
    Ok(runs)
}

impl Machine {
    /// This machine, now.
    pub fn this() -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let of = |text: &str, name: &str| {
            let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
            line.split_once(':').map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
        };
        let memory = of(&read("/proc/meminfo"), "MemTotal");
        let memory: u64 = memory.split_whitespace().next().and_then(|kib| kib.parse().ok()).unwrap_or_default();
        Self {
            processor: of(&read("/proc/cpuinfo"), "model name"),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            memory_gib: memory.div_ceil(1024 * 1024),
            kernel: format!("Linux {}", read("/proc/sys/kernel/osrelease").trim()),
            load_before: read("/proc/loadavg").split(' ').next().and_then(|load| load.parse().ok()).unwrap_or_default(),
        }
    }
}

/// The versions of the measured programs.
pub fn versions(kubernetes: &str) -> BTreeMap<String, String> {
    let profile = if cfg!(debug_assertions) { "debug" } else { "release" };
    BTreeMap::from([
        ("podidentity".to_owned(), format!("{} ({profile})", described())),
        ("kubernetes".to_owned(), kubernetes.to_owned()),
        ("rustc".to_owned(), output("rustc", &["--version"])),
    ])
}

/// The commit of the source.
pub fn described() -> String {
    output("git", &["describe", "--always", "--dirty"])
}

fn output(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).current_dir(crate::repository()).output().ok();
    let text = output.and_then(|output| String::from_utf8(output.stdout).ok()).unwrap_or_default();
    text.trim().to_owned()
}
