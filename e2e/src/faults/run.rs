//! Runs a plan and collects the evidence.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use futures::future::BoxFuture;
use futures::{FutureExt, future};

use super::case::{Stage, World};
use super::endstate::{EndState, Likeness, differences};
use super::journal::Journal;
use super::leases;
use super::observer::{Observer, Seen};
use super::oracles::{self, Problem};
use super::plan::Plan;
use super::proxy::{Helper, Proxy};
use super::rules::{Deed, Rule};
use crate::sts::{self, Sts};
use crate::{ControlPlane, Namespace, Operator, operator};

/// How long there must be no write in the end.
const SILENCE: Duration = Duration::from_secs(3);

/// How long it may take until writes stop.
const REST: Duration = Duration::from_secs(45);

/// What all plans share.
pub struct Rig {
    /// The control plane.
    pub control_plane: Arc<ControlPlane>,
    upstream: kube::Client,
}

/// Resource usage of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Usage {
    /// Threads.
    pub threads: usize,
    /// Open files, including connections.
    pub files: usize,
    /// Memory in use, KiB.
    pub memory_kib: usize,
}

/// The input of the oracles.
#[derive(Debug)]
pub struct Evidence {
    /// The traffic through the proxies.
    pub journal: Journal,
    /// Writes while another operator held the lease.
    pub out_of_turn: Vec<String>,
    /// The values that objects took on.
    pub values: Vec<Seen>,
    /// The end state.
    pub end: EndState,
    /// Writes during the final silence.
    pub restless: Vec<String>,
    /// The operator's resource usage in the end.
    pub usage: Option<Usage>,
    /// When each step of the case was taken.
    pub steps: Vec<Instant>,
    /// The operator's log.
    pub log: String,
    /// Whether something other than a rule may have disturbed the run: a second operator, a restart
    /// of the control plane.
    pub disturbed: bool,
    /// From the first fault until the final state.
    pub recovery: Duration,
}

/// The result of a run.
#[derive(Debug)]
pub struct Outcome {
    /// The oracles' findings, or why the plan could not run.
    pub problems: Vec<Problem>,
    /// The evidence, if the plan ran.
    pub evidence: Option<Evidence>,
    /// How long it took.
    pub took: Duration,
}

impl Rig {
    /// Uses a control plane on which everything is installed.
    pub async fn new(control_plane: Arc<ControlPlane>) -> Result<Self> {
        let upstream = operator::client(&control_plane).await?;
        Ok(Self { control_plane, upstream })
    }

    /// Runs a plan. Without `expected`, it is a reference run, whose end state other runs must
    /// match.
    pub async fn run(&self, plan: &Plan, expected: Option<(&EndState, Usage)>) -> Outcome {
        let began = Instant::now();
        let evidence = self.carry_out(plan, expected.map(|(end, _)| end)).await;
        let took = began.elapsed();
        match evidence {
            Ok(evidence) => {
                let (end, usage) = expected.unzip();
                let problems = oracles::judge(plan, end, &evidence, usage);
                Outcome { problems, evidence: Some(evidence), took }
            }
            Err(error) => Outcome { problems: vec![format!("{error:#}")], evidence: None, took },
        }
    }

    async fn carry_out(&self, plan: &Plan, expected: Option<&EndState>) -> Result<Evidence> {
        let namespace = self.control_plane.namespace("faults").await?;
        plan.case.world.create(&namespace).await.context("the world before")?;
        let observer = Observer::start(&namespace);
        let aws = self.aws(plan, &namespace).await?;
        let mut crew = Crew::default();
        if plan.elected {
            leases::permit(&namespace).await?;
        }
        for number in 0..plan.operators {
            crew.add(self, &namespace, number, plan, aws.as_ref()).await?;
            if plan.elected && number == 0 {
                leases::taken(&namespace).await?;
            }
        }
        let stage = Stage { namespace: &namespace, control_plane: &self.control_plane, aws: aws.as_ref() };
        let done = self.story(plan, expected, stage, &crew).await;
        let done =
            done.with_context(|| format!("in namespace {}\nthe operator's log:\n{}", namespace.name, crew.tail()));
        let Told { steps, at_rest, restless } = done?;
        let end = EndState::read(&namespace).await?;
        let journal = crew.journal();
        let first = journal.faults.first().map(|fault| fault.at);
        let evidence = Evidence {
            values: observer.values(),
            end,
            restless,
            steps,
            usage: crew.usage(),
            log: crew.log(),
            out_of_turn: if plan.elected { leases::out_of_turn(&crew.journals()) } else { Vec::new() },
            disturbed: plan.operators > 1 || plan.is_exclusive() || !plan.sts.is_empty(),
            recovery: first.map_or(Duration::ZERO, |first| at_rest.saturating_duration_since(first)),
            journal,
        };
        drop(crew);
        cleared(&namespace).await;
        Ok(evidence)
    }

    /// The AWS of a world that has one.
    async fn aws(&self, plan: &Plan, namespace: &Namespace) -> Result<Option<Sts>> {
        if plan.case.world != World::Aws {
            return Ok(None);
        }
        self.control_plane.permit_preflight(namespace).await?;
        let aws = Sts::start(&self.control_plane.client()).await?;
        aws.change(|world| {
            world.provider(sts::ACCOUNT, sts::ISSUER);
            world.faults.extend(plan.sts.iter().cloned());
        });
        Ok(Some(aws))
    }

    /// Runs the steps, then waits for the final state.
    async fn story(&self, plan: &Plan, expected: Option<&EndState>, stage: Stage<'_>, crew: &Crew) -> Result<Told> {
        let patience = plan.patience();
        let mut steps = Vec::new();
        for step in &plan.case.steps {
            let step = step.take(stage, patience);
            tokio::select! {
                done = step => done?,
                ended = crew.ended() => return Err(ended),
            }
            steps.push(Instant::now());
        }
        let began = Instant::now();
        if let Some(expected) = expected {
            while !resembles(stage.namespace, expected, plan.likeness).await && began.elapsed() < patience {
                tokio::time::sleep(Duration::from_millis(700)).await;
            }
        }
        let at_rest = Instant::now();
        Ok(Told { steps, at_rest, restless: crew.silence().await })
    }
}

/// The result of a case.
struct Told {
    /// When each step was taken.
    steps: Vec<Instant>,
    /// When the final state was reached.
    at_rest: Instant,
    /// Writes after that.
    restless: Vec<String>,
}

async fn resembles(namespace: &Namespace, expected: &EndState, likeness: Likeness) -> bool {
    match EndState::read(namespace).await {
        Ok(found) => differences(&expected.at(likeness), &found.at(likeness)).is_empty(),
        // The fault may have killed the API server.
        Err(_) => false,
    }
}

/// Deletes pods and their owners, so that the nodes have room for the next plans. Does not wait for
/// it.
async fn cleared(namespace: &Namespace) {
    use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
    use kube::api::{DeleteParams, ListParams};
    let (background, all) = (DeleteParams::background(), ListParams::default());
    let _ = namespace.api::<Deployment>().delete_collection(&background, &all).await;
    let _ = namespace.api::<StatefulSet>().delete_collection(&background, &all).await;
}

/// The operators of a plan, each with its own proxy.
#[derive(Default)]
struct Crew {
    proxies: Vec<Proxy>,
    members: Vec<Arc<Member>>,
}

struct Member {
    control_plane: Arc<ControlPlane>,
    namespace: Namespace,
    operator: OnceLock<Operator>,
}

impl Helper for Member {
    fn pause_operator(&self, lasting: Duration) -> BoxFuture<'_, ()> {
        async move {
            let Some(operator) = self.operator.get() else { return };
            operator.freeze();
            tokio::time::sleep(lasting).await;
            operator.thaw();
        }
        .boxed()
    }

    fn kill_operator(&self) {
        if let Some(operator) = self.operator.get() {
            operator.kill();
            // If the operator cannot be started, the plan fails for lack of an operator.
            let _ = operator.restart();
        }
    }

    fn deed(&self, deed: Deed) -> BoxFuture<'_, ()> {
        async move {
            if let Err(error) = deed.happen(&self.namespace, &self.control_plane).await {
                eprintln!("cannot {deed} in {}: {error:#}", self.namespace.name);
            }
        }
        .boxed()
    }
}

impl Crew {
    async fn add(
        &mut self,
        rig: &Rig,
        namespace: &Namespace,
        number: usize,
        plan: &Plan,
        aws: Option<&Sts>,
    ) -> Result<()> {
        // Only the first operator has faults.
        let rules: &[Rule] = if number == 0 { &plan.rules } else { &[] };
        let member = Arc::new(Member {
            control_plane: Arc::clone(&rig.control_plane),
            namespace: namespace.clone(),
            operator: OnceLock::new(),
        });
        let upstream = rig.upstream.clone();
        let helper: Arc<dyn Helper> = Arc::clone(&member) as _;
        let proxy = Proxy::start(upstream, Some(&namespace.name), rules, helper).await?;
        let name = format!("operator-{}-{number}", namespace.name);
        let mut env = vec![("TOKIO_WORKER_THREADS".to_owned(), "2".to_owned())];
        if plan.has_its_own_clock() {
            env.extend(rig.control_plane.clock(&namespace.name)?);
        }
        let mut args = if plan.elected { leases::arguments(&namespace.name) } else { Vec::new() };
        args.extend(aws.map(|aws| format!("--sts-endpoint={}", aws.url())));
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let operator = Operator::start_with(&name, &rig.control_plane, proxy.server(), &args, env).await?;
        let _ = member.operator.set(operator);
        self.proxies.push(proxy);
        self.members.push(member);
        Ok(())
    }

    fn operators(&self) -> impl Iterator<Item = &Operator> {
        self.members.iter().filter_map(|member| member.operator.get())
    }

    /// Never ends, unless an operator ends by itself.
    async fn ended(&self) -> anyhow::Error {
        loop {
            tokio::time::sleep(Duration::from_millis(300)).await;
            if let Err(error) = self.operators().try_for_each(Operator::check) {
                return error;
            }
        }
    }

    /// Waits until there was no write for a while. Returns the last writes if that does not happen.
    async fn silence(&self) -> Vec<String> {
        let began = Instant::now();
        loop {
            let since = Instant::now();
            tokio::time::sleep(SILENCE).await;
            let written = |journal: &Journal| -> Vec<String> {
                let writes = journal.writes_since(since).into_iter().filter(|write| !leases::is_about_one(write));
                writes.map(|it| it.asked.to_string()).collect()
            };
            let written: Vec<String> = self.proxies.iter().flat_map(|proxy| proxy.look(written)).collect();
            if written.is_empty() || began.elapsed() > REST {
                return written;
            }
        }
    }

    fn journals(&self) -> Vec<Journal> {
        self.proxies.iter().map(|proxy| proxy.look(Clone::clone)).collect()
    }

    fn journal(&self) -> Journal {
        let mut all = Journal::default();
        for one in self.journals() {
            all.writes.extend(one.writes);
            all.events.extend(one.events);
            all.faults.extend(one.faults);
            all.errors.extend(one.errors);
            for (what, count) in one.counts {
                *all.counts.entry(what).or_default() += count;
            }
        }
        all
    }

    fn usage(&self) -> Option<Usage> {
        let usages = self.operators().filter_map(|operator| usage(operator.process().id()?));
        usages.max_by_key(|usage| usage.memory_kib)
    }

    fn log(&self) -> String {
        let logs =
            self.operators().map(|operator| std::fs::read_to_string(operator.process().log()).unwrap_or_default());
        logs.collect()
    }

    fn tail(&self) -> String {
        self.operators().map(|operator| operator.process().tail(25)).collect()
    }
}

/// Resource usage of a process, from `/proc`.
pub fn usage(process: u32) -> Option<Usage> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let number = |field: &str| {
        let line = status.lines().find(|line| line.starts_with(field))?;
        line.split_whitespace().nth(1)?.parse().ok()
    };
    let files = std::fs::read_dir(format!("/proc/{process}/fd")).ok()?.count();
    Some(Usage { threads: number("Threads:")?, files, memory_kib: number("VmRSS:")? })
}

/// Works on all items with this concurrency, and passes on each result as it arrives.
pub async fn side_by_side<T, R, F: Future<Output = R>>(
    items: Vec<T>,
    at_once: usize,
    work: impl Fn(T) -> F,
    mut done: impl FnMut(R),
) {
    use futures::StreamExt;
    let mut running = futures::stream::iter(items.into_iter().map(work)).buffer_unordered(at_once);
    while let Some(result) = running.next().await {
        done(result);
    }
    future::ready(()).await;
}
