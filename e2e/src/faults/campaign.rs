//! Runs plans on one control plane, and compares each plan with its case without faults.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tokio::sync::{Mutex, OnceCell};

use super::case::Case;
use super::endstate::EndState;
use super::journal::Journal;
use super::plan::Plan;
use super::report::Verdict;
use super::run::{Outcome, Rig, Usage};
use super::store::Store;
use super::story::story;
use crate::{ControlPlane, Options};

/// Nodes of the control plane: each has room for 110 pods.
const NODES: usize = 12;

/// How often a plan is tried if its fault did not occur: runs differ slightly.
const TRIES: usize = 3;

/// How long the API server may take to report whether it is ready.
const ANSWER: Duration = Duration::from_secs(30);

/// The result of a case without faults.
#[derive(Clone, Debug)]
pub struct Reference {
    /// Its end state.
    pub end: EndState,
    /// The operator's resource usage in the end.
    pub usage: Usage,
    /// The traffic through the proxy.
    pub journal: Journal,
    /// When each step of the case was taken.
    pub steps: Vec<Instant>,
}

/// A control plane and the references that were recorded on it.
pub struct Campaign {
    rig: Rig,
    references: Mutex<HashMap<String, Arc<OnceCell<Arc<Reference>>>>>,
}

impl Campaign {
    /// Starts a control plane and installs everything except the operator.
    pub async fn start() -> Result<Self> {
        let control_plane =
            ControlPlane::start_with(&Options { nodes: NODES, audit: false, ..Options::default() }).await?;
        control_plane.install().await?;
        control_plane.apply_folder("config/preflight").await?;
        Ok(Self { rig: Rig::new(Arc::new(control_plane)).await?, references: Mutex::default() })
    }

    /// Keeps the logs of the control plane.
    pub fn keep_logs(&self) -> std::path::PathBuf {
        self.rig.control_plane.keep_logs();
        self.rig.control_plane.logs()
    }

    /// Returns an error that names the part of the control plane that has ended or does not work.
    pub async fn lives(&self) -> Result<()> {
        self.rig.control_plane.check()?;
        let request = http::Request::get("/readyz").body(Vec::new())?;
        let client = self.rig.control_plane.client();
        let asked = tokio::time::timeout(ANSWER, client.request_text(request)).await;
        asked.with_context(|| format!("no answer from the API server within {ANSWER:?}"))??;
        self.rig.control_plane.nodes_are_well().await
    }

    /// Waits until a part of the control plane ends by itself.
    pub async fn gone(&self) {
        while self.rig.control_plane.check().is_ok() {
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    }

    /// The case without faults, which runs only once.
    pub async fn reference(&self, case: &Case) -> Result<Arc<Reference>> {
        let key = serde_json::to_string(case)?;
        let cell = Arc::clone(self.references.lock().await.entry(key).or_default());
        cell.get_or_try_init(|| self.without_faults(case)).await.cloned()
    }

    async fn without_faults(&self, case: &Case) -> Result<Arc<Reference>> {
        let outcome = self.rig.run(&Plan::new("reference", case, "", Vec::new()), None).await;
        if !outcome.problems.is_empty() {
            bail!("{} fails without any fault:\n  {}", case.name, outcome.problems.join("\n  "));
        }
        let evidence = outcome.evidence.context("no evidence")?;
        let usage = evidence.usage.context("the operator's process cannot be seen")?;
        Ok(Arc::new(Reference { end: evidence.end, usage, journal: evidence.journal, steps: evidence.steps }))
    }

    /// Runs one plan, and repeats it if its fault did not occur.
    pub async fn run(&self, plan: &Plan) -> (Verdict, String) {
        let mut last = None;
        for _ in 0..TRIES {
            let tried = self.attempt(plan).await;
            let done = tried.0.reached || tried.0.failed();
            last = Some(tried);
            if done {
                break;
            }
        }
        last.unwrap_or_else(|| (verdict(plan, &nothing("it was not tried")), String::new()))
    }

    async fn attempt(&self, plan: &Plan) -> (Verdict, String) {
        let outcome = match self.reference(plan.reference()).await {
            Ok(reference) => self.rig.run(plan, Some((&reference.end, reference.usage))).await,
            Err(error) => nothing(&format!("{error:#}")),
        };
        (verdict(plan, &outcome), story(plan, &outcome))
    }
}

fn nothing(problem: &str) -> Outcome {
    Outcome { problems: vec![problem.to_owned()], evidence: None, took: Duration::ZERO }
}

fn verdict(plan: &Plan, outcome: &Outcome) -> Verdict {
    let evidence = outcome.evidence.as_ref();
    let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    Verdict {
        id: plan.id.clone(),
        class: plan.class.clone(),
        problems: outcome.problems.clone(),
        reached: plan.rules.is_empty() || evidence.is_some_and(|evidence| !evidence.journal.faults.is_empty()),
        recovery_ms: evidence.map_or(0, |evidence| millis(evidence.recovery)),
        took_ms: millis(outcome.took),
    }
}

/// Reads the plan from a file on the command line.
pub fn plan_from(file: &Path) -> Result<Plan> {
    ensure!(file.is_file(), "{} is no file; failing plans are kept in target/faults/failed", file.display());
    Store::read_plan(file)
}
