//! Which measurements are made, and in which order.

use anyhow::{Context, Result};

use super::objects::Size;
use super::results::{Run, versions};
use super::world::World;
use super::{churn, drift, kubectl, load, rounds, scrape, startup};
use crate::Operator;

/// A measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Phase {
    /// Raw client, operator, raw client.
    Rounds,
    /// Start in the populated cluster.
    Startup,
    /// Nothing happens.
    Silence,
    /// The metrics are scraped.
    Scrape,
    /// Pods come, go and change.
    Churn,
    /// All service accounts are stripped.
    Drift,
    /// The same by a shell loop.
    Kubectl,
}

/// What to measure.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The number of objects.
    pub size: Size,
    /// Measurements.
    pub phases: Vec<Phase>,
    /// Seconds of silence and of churn.
    pub seconds: u64,
    /// Pod events per second.
    pub rate: usize,
    /// Service accounts that the shell loop changes.
    pub by_hand: usize,
    /// How often the rounds are repeated until the two rounds of the raw client agree.
    pub attempts: usize,
    /// Flags of the operator.
    pub flags: Vec<String>,
}

impl Plan {
    /// Whether to measure this.
    pub(super) fn has(&self, phase: Phase) -> bool {
        self.phases.contains(&phase)
    }
}

/// Measures and records the results in `run`, even if a later measurement fails. Reports progress
/// to `say`.
pub async fn run(plan: &Plan, run: &mut Run, say: &dyn Fn(&str)) -> Result<()> {
    say("starting the control plane");
    let world = World::start(plan.size, plan.flags.clone()).await?;
    *run = Run {
        bindings: plan.size.bindings,
        workloads: plan.size.workloads,
        pods: plan.size.pods(),
        bound_pods: plan.size.bound_pods(),
        flags: plan.flags.clone(),
        ..Run::begin(versions(&world.load.apiserver_version().await?.git_version))
    };
    let measured = Runner { plan, world: &world, say, role: 0 }.run(run).await;
    run.memory = world.sampler.end();
    if measured.is_err() {
        world.control_plane.keep_logs();
    }
    measured.with_context(|| format!("logs: {}", world.control_plane.logs().display()))
}

/// Measures in a world.
pub(super) struct Runner<'a> {
    pub(super) plan: &'a Plan,
    pub(super) world: &'a World,
    pub(super) say: &'a dyn Fn(&str),
    /// The number of the last role change; each change has its own number.
    pub(super) role: usize,
}

impl Runner<'_> {
    async fn run(mut self, run: &mut Run) -> Result<()> {
        let (plan, world) = (self.plan, self.world);
        self.begin("population", &format!("creating {} identities and {} pods", plan.size.bindings, plan.size.pods()));
        // If all pods already have the role, binding them needs no rollouts.
        load::populate(world, !plan.has(Phase::Rounds)).await?;
        self.begin("onboarding", "creating the bindings");
        let mut operator = world.operator().await?;
        run.onboarding = Some(rounds::onboarding(world, &operator).await?);
        if plan.has(Phase::Rounds) {
            operator.terminate().await?;
            self.rounds(run).await?;
            operator = world.operator().await?;
            world.rest(&operator).await?;
        }
        let operator = self.operator_alone(run, operator).await?;
        operator.terminate().await?;
        world.sampler.process(None);
        if plan.has(Phase::Kubectl) {
            self.begin("kubectl", "doing the same by hand");
            self.role += 1;
            run.kubectl = Some(kubectl::by_hand(world, plan.by_hand.min(plan.size.bindings), self.role).await?);
        }
        Ok(())
    }

    /// Raw client, operator, raw client; repeated if the machine was not quiet enough.
    pub(super) async fn rounds(&mut self, run: &mut Run) -> Result<()> {
        for attempt in 1..=self.plan.attempts.max(1) {
            let before = self.raw().await?;
            let operator = self.world.operator().await?;
            self.begin("round", "changing all roles: the operator");
            self.role += 1;
            let between = rounds::operator(self.world, &operator, self.role).await?;
            operator.terminate().await?;
            let after = self.raw().await?;
            run.rounds = vec![before, between, after];
            if !run.is_void() {
                break;
            }
            (self.say)(&format!(
                "void: the raw client took {:.2} s before and {:.2} s after (try {attempt} of {})",
                run.rounds[0].seconds, run.rounds[2].seconds, self.plan.attempts
            ));
        }
        Ok(())
    }

    async fn raw(&mut self) -> Result<super::results::Job> {
        self.begin("raw client", "changing all roles: the raw client");
        self.world.sampler.process(None);
        self.role += 1;
        rounds::raw(self.world, self.role).await
    }

    /// The measurements without a raw client.
    pub(super) async fn operator_alone(&mut self, run: &mut Run, mut operator: Operator) -> Result<Operator> {
        let (plan, world) = (self.plan, self.world);
        let role = self.role;
        if plan.has(Phase::Startup) {
            // A process that has just begun does not handle signals yet.
            world.rest(&operator).await?;
            operator.terminate().await?;
            self.begin("start", "starting the operator in the populated cluster");
            self.role += 1;
            let (started, startup) = startup::start(world, self.role).await?;
            (operator, run.startup) = (started, Some(startup));
        }
        if plan.has(Phase::Silence) {
            self.begin("silence", &format!("listening to silence for {} s", plan.seconds));
            run.silence = Some(churn::silence(world, &operator, plan.seconds).await?);
        }
        if plan.has(Phase::Scrape) {
            self.begin("scrape", "scraping the metrics");
            run.scrapes = Some(scrape::scrape(&operator).await?);
        }
        if plan.has(Phase::Churn) {
            self.begin("churn", &format!("{} pod events a second for {} s", plan.rate, plan.seconds));
            run.churn = Some(churn::churn(world, &operator, plan.rate, plan.seconds, role).await?);
        }
        if plan.has(Phase::Drift) {
            self.begin("drift", "stripping all service accounts");
            run.drift = Some(drift::storm(world, &operator).await?);
        }
        Ok(operator)
    }

    fn begin(&self, phase: &str, what: &str) {
        (self.say)(what);
        self.world.sampler.phase(phase);
    }
}
