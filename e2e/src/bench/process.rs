//! The resource usage of a process, from `/proc`.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::results::Sample;
use crate::process::lock;

/// Resource usage of a process so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// Seconds of CPU, in user and system mode.
    pub cpu: f64,
    /// CPU seconds of its children that have ended.
    pub children_cpu: f64,
    /// Resident memory in KiB.
    pub resident: u64,
    /// Peak resident memory in KiB.
    pub peak: u64,
}

/// Clock ticks of `/proc` in a second: the kernel's USER_HZ, the same on all architectures that Rust supports.
const TICKS: f64 = 100.0;

/// Resource usage of the process so far.
pub fn usage(id: u32) -> Result<Usage> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).with_context(|| format!("no process {id}"))?;
    // The name, in parentheses, may contain anything.
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

/// Samples the operator's memory four times a second.
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
    /// Starts the sampler; it takes no samples until a process is set.
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

    /// Sets the sampled process.
    pub fn process(&self, id: Option<u32>) {
        lock(&self.state).process = id;
    }

    /// Sets the name of the current phase.
    pub fn phase(&self, name: &str) {
        name.clone_into(&mut lock(&self.state).phase);
    }

    /// Ends the sampler and returns all samples.
    pub fn end(&self) -> Vec<Sample> {
        self.task.abort();
        std::mem::take(&mut lock(&self.state).samples)
    }
}
