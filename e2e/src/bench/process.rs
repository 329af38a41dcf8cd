//! What a process uses, from `/proc`.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::results::Sample;
use crate::process::lock;

/// What a process has used so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// Seconds of CPU, in user and system mode.
    pub cpu: f64,
    /// The same of its children that have ended.
    pub children_cpu: f64,
    /// Resident memory in KiB.
    pub resident: u64,
    /// The most resident memory that it has had, in KiB.
    pub peak: u64,
}

/// Clock ticks of `/proc` in a second: the kernel's USER_HZ, the same on all architectures that Rust supports.
const TICKS: f64 = 100.0;

/// What the process has used so far.
pub fn usage(id: u32) -> Result<Usage> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).with_context(|| format!("no process {id}"))?;
    // The name, in parentheses, may hold anything.
    let fields: Vec<&str> = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().collect();
    let seconds = |from: usize| {
        fields.iter().skip(from).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / TICKS
    };
    let status = std::fs::read_to_string(format!("/proc/{id}/status"))?;
    let kib = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok()).unwrap_or(0)
    };
    Ok(Usage { cpu: seconds(11), children_cpu: seconds(13), resident: kib("VmRSS"), peak: kib("VmHWM") })
}

/// Notes the operator's memory four times a second.
pub struct Sampler {
    state: Arc<Mutex<State>>,
    task: tokio::task::JoinHandle<()>,
}

struct State {
    began: Instant,
    process: Option<u32>,
    phase: String,
    samples: Vec<Sample>,
}

const EVERY: Duration = Duration::from_millis(250);

impl Sampler {
    /// Begins; nothing is noted before a process is named.
    pub fn start() -> Self {
        let state = State { began: Instant::now(), process: None, phase: String::new(), samples: Vec::new() };
        let state = Arc::new(Mutex::new(state));
        let sampled = Arc::clone(&state);
        let task = tokio::spawn(async move {
            loop {
                tokio::time::sleep(EVERY).await;
                let mut state = lock(&sampled);
                let Some(Ok(usage)) = state.process.map(usage) else { continue };
                let sample = Sample {
                    seconds: state.began.elapsed().as_secs_f64(),
                    resident_kib: usage.resident,
                    phase: state.phase.clone(),
                };
                state.samples.push(sample);
            }
        });
        Self { state, task }
    }

    /// Which process is looked at from now on.
    pub fn process(&self, id: Option<u32>) {
        lock(&self.state).process = id;
    }

    /// What is going on from now on.
    pub fn phase(&self, name: &str) {
        name.clone_into(&mut lock(&self.state).phase);
    }

    /// All that was noted.
    pub fn end(&self) -> Vec<Sample> {
        self.task.abort();
        std::mem::take(&mut lock(&self.state).samples)
    }
}
