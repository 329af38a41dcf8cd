//! Compares operators for the same job in one run. Each has its own world. They take turns, always
//! next to the raw client.
//!
//! ```text
//! round: for each contender: raw client, contender, raw client; one change at a time by both;
//!        start, silence, churn, drift by the contender ─► ratios ─► table
//! ```

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::Result;

use super::objects::Size;
use super::phases::{self, Phase, Runner};
use super::results::{Job, Latency, Run, Single};
use super::world::{Program, UNLIMITED, World};
use super::{load, rounds, single};

/// An operator to compare.
#[derive(Clone, Debug)]
pub struct Contender {
    /// Its name in the table.
    pub name: String,
    /// How it is started.
    pub program: Program,
}

/// How much is measured.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What each round measures.
    pub each: phases::Plan,
    /// Rounds for each contender.
    pub rounds: usize,
    /// Single changes per round; none if 0.
    pub singles: usize,
}

/// One round of a contender.
#[derive(Clone, Debug, Default)]
pub struct Round {
    /// Raw client, contender, raw client; and the contender alone.
    pub run: Run,
    /// Single changes: by the contender, by the raw client.
    pub singles: [Single; 2],
}

/// A contender and its measurements.
#[derive(Clone, Debug)]
pub struct Compared {
    /// Its name.
    pub name: String,
    /// Its rounds.
    pub rounds: Vec<Round>,
}

/// Measures all contenders.
pub async fn run(plan: &Plan, contenders: &[Contender], say: &dyn Fn(&str)) -> Result<Vec<Compared>> {
    let mut corners = Vec::new();
    for contender in contenders {
        say(&format!("{}: starting its control plane, creating {} bindings", contender.name, plan.each.size.bindings));
        corners.push(Corner::start(plan, contender).await?);
    }
    for number in 1..=plan.rounds {
        for corner in &mut corners {
            say(&format!("{}: round {number} of {}", corner.name, plan.rounds));
            let round = corner.round(plan, say).await;
            if round.is_err() {
                corner.world.control_plane.keep_logs();
            }
            corner.rounds.push(round?);
        }
    }
    Ok(corners.into_iter().map(|corner| Compared { name: corner.name, rounds: corner.rounds }).collect())
}

/// A contender with its world.
struct Corner {
    name: String,
    world: World,
    /// The number of the last role change; each change has its own number.
    role: usize,
    /// All bindings are created; part of the first round.
    onboarding: Option<Job>,
    rounds: Vec<Round>,
}

impl Corner {
    async fn start(plan: &Plan, contender: &Contender) -> Result<Self> {
        let world = World::start_with(plan.each.size, contender.program.clone()).await?;
        // If no role is changed, the pods have it before they are bound: they are adopted.
        load::populate(&world, !plan.each.has(Phase::Rounds)).await?;
        let operator = world.operator().await?;
        let onboarding = Some(rounds::onboarding(&world, &operator).await?);
        operator.terminate().await?;
        Ok(Self { name: contender.name.clone(), world, role: 0, onboarding, rounds: Vec::new() })
    }

    async fn round(&mut self, plan: &Plan, say: &dyn Fn(&str)) -> Result<Round> {
        let run = Run { onboarding: self.onboarding.take(), ..Run::default() };
        let mut round = Round { run, ..Round::default() };
        let world = &self.world;
        let mut runner = Runner { plan: &plan.each, world, say, role: self.role };
        if plan.each.has(Phase::Rounds) {
            runner.rounds(&mut round.run).await?;
        }
        let operator = world.operator().await?;
        if plan.singles > 0 {
            runner.role += 1;
            round.singles[0] = single::changes(world, Some(&operator), runner.role, plan.singles).await?;
        }
        runner.operator_alone(&mut round.run, operator).await?.terminate().await?;
        if plan.singles > 0 {
            runner.role += 1;
            round.singles[1] = single::changes(world, None, runner.role, plan.singles).await?;
        }
        self.role = runner.role;
        Ok(round)
    }
}

/// A row of the table: its name, and the value of a round.
type Row = (&'static str, fn(&Round, usize) -> Option<f64>);

/// A contender's change of all bindings.
fn job(round: &Round) -> Option<&Job> {
    round.run.rounds.get(1)
}

/// CPU seconds of the raw client, which is part of the harness in its own rounds alone.
fn raw_client_cpu(run: &Run) -> Option<f64> {
    let [before, between, after] = run.rounds.as_slice() else { return None };
    Some(f64::midpoint(before.harness_cpu, after.harness_cpu) - between.harness_cpu)
}

fn ratio(of: f64, by: f64) -> Option<f64> {
    (by > 0.0).then(|| of / by)
}

fn singles(round: &Round, of: impl Fn(&Single) -> &Latency, at: impl Fn(&Latency) -> f64) -> Option<f64> {
    let [contender, raw] = &round.singles;
    ratio(at(of(contender)), at(of(raw)))
}

const ROWS: [Row; 20] = [
    ("all at once: time by the raw client's", |round, _| round.run.ratio(|job| job.seconds)),
    ("all at once: p99 until Ready by the raw client's", |round, _| round.run.ratio(|job| job.ready.p99)),
    ("all at once: time until all changes were sent, by the raw client's", |round, _| {
        round.run.ratio(|job| job.sent_seconds)
    }),
    ("all at once: CPU of API server and etcd by the raw client's", |round, _| round.run.ratio(|job| job.server_cpu)),
    ("all at once: CPU for each binding (ms)", |round, bindings| {
        Some(job(round)?.operator_cpu * 1e3 / bindings as f64)
    }),
    ("all at once: CPU of the raw client for each binding (ms)", |round, bindings| {
        Some(raw_client_cpu(&round.run)? * 1e3 / bindings as f64)
    }),
    ("all at once: writes and events for each binding", |round, bindings| {
        let requests = &job(round)?.requests;
        Some((requests.written() + requests.events) as f64 / bindings as f64)
    }),
    ("all at once: peak memory (MiB)", |round, _| Some(mebibytes(job(round)?.peak_kib))),
    ("one at a time: annotated, p50 by the raw client's", |round, _| singles(round, |it| &it.annotated, |it| it.p50)),
    ("one at a time: annotated, p99 by the raw client's", |round, _| singles(round, |it| &it.annotated, |it| it.p99)),
    ("one at a time: Ready, p50 by the raw client's", |round, _| singles(round, |it| &it.ready, |it| it.p50)),
    ("all bound: CPU for each binding (ms)", |round, bindings| {
        Some(round.run.onboarding.as_ref()?.operator_cpu * 1e3 / bindings as f64)
    }),
    ("start: first write after (s)", |round, _| Some(round.run.startup.as_ref()?.first_write_seconds)),
    ("start: CPU until then (s)", |round, _| Some(round.run.startup.as_ref()?.cpu)),
    ("start: peak memory (MiB)", |round, _| Some(mebibytes(round.run.startup.as_ref()?.peak_kib))),
    ("at rest: resident memory (MiB)", |round, _| Some(mebibytes(round.run.startup.as_ref()?.resident_kib))),
    ("silence: CPU (% of a core)", |round, _| {
        round.run.silence.as_ref().map(|window| window.cpu * 100.0 / window.seconds)
    }),
    ("pod events: CPU for each (µs)", |round, _| {
        round.run.churn.as_ref().map(|churn| churn.cpu * 1e6 / churn.events as f64)
    }),
    ("annotations stripped: repaired after (s)", |round, _| Some(round.run.drift.as_ref()?.seconds)),
    ("annotations stripped: CPU for each (ms)", |round, _| {
        round.run.drift.as_ref().map(|drift| drift.cpu * 1e3 / drift.stripped as f64)
    }),
];

fn mebibytes(kib: u64) -> f64 {
    kib as f64 / 1024.0
}

/// The results as a Markdown table: median, minimum and maximum of the rounds.
pub fn table(size: &Size, compared: &[Compared]) -> String {
    let mut text = format!("| {} bindings, {} pods |", size.bindings, size.pods());
    let void = |it: &Compared| it.rounds.iter().filter(|round| round.run.is_void()).count();
    for contender in compared {
        let rounds = contender.rounds.len();
        let void = Some(void(contender)).filter(|void| *void > 0).map_or_else(String::new, |it| format!(", {it} void"));
        let _ = write!(text, " {} ({rounds} rounds{void}) |", contender.name);
    }
    let _ = writeln!(text, "\n|---|{}", "---:|".repeat(compared.len()));
    for (name, value) in ROWS {
        let cells = compared
            .iter()
            .map(|it| spread(it.rounds.iter().filter_map(|round| value(round, size.bindings)).collect()));
        let cells: Vec<Option<String>> = cells.collect();
        if cells.iter().any(Option::is_some) {
            let cells: Vec<String> = cells.into_iter().map(Option::unwrap_or_default).collect();
            let _ = writeln!(text, "| {name} | {} |", cells.join(" | "));
        }
    }
    text
}

fn spread(mut values: Vec<f64>) -> Option<String> {
    values.sort_by(f64::total_cmp);
    let (first, last) = (values.first()?, values.last()?);
    let median = values[values.len() / 2];
    Some(if values.len() == 1 { format!("{median:.2}") } else { format!("{median:.2} ({first:.2} to {last:.2})") })
}

/// The binary at a path, with flags that lift the limit on restarts.
pub fn ours(name: &str, program: Option<PathBuf>) -> Contender {
    let flags = vec![UNLIMITED.to_owned()];
    Contender { name: name.to_owned(), program: Program::Operator { program, flags } }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(seconds: f64) -> Round {
        let job = |seconds: f64, harness_cpu: f64| Job {
            seconds,
            sent_seconds: seconds / 2.0,
            server_cpu: 2.0,
            operator_cpu: 0.1,
            harness_cpu,
            ..Job::default()
        };
        let run = Run { rounds: vec![job(10.0, 0.52), job(seconds, 0.5), job(10.0, 0.54)], ..Run::default() };
        let single = |p50: f64| Single { annotated: Latency { p50, ..Latency::default() }, ..Single::default() };
        Round { run, singles: [single(6.0), single(4.0)] }
    }

    #[test]
    fn the_table_has_medians_and_spreads_of_ratios() {
        let size = Size { bindings: 10, workloads: 1, replicas: 1, bystanders: 0, settle: 0 };
        let compared = Compared { name: "new".to_owned(), rounds: [12.0, 11.0, 14.0].map(round).to_vec() };
        let text = table(&size, &[compared]);
        assert!(text.starts_with("| 10 bindings, 10 pods | new (3 rounds) |\n|---|---:|\n"), "{text}");
        assert!(text.contains("| all at once: time by the raw client's | 1.20 (1.10 to 1.40) |"), "{text}");
        assert!(text.contains("| all at once: CPU for each binding (ms) | 10.00 (10.00 to 10.00) |"), "{text}");
        assert!(text.contains("| one at a time: annotated, p50 by the raw client's | 1.50 (1.50 to 1.50) |"), "{text}");
        assert!(
            text.contains("| all at once: CPU of the raw client for each binding (ms) | 3.00 (3.00 to 3.00) |"),
            "{text}"
        );
        assert!(
            text.contains(
                "| all at once: time until all changes were sent, by the raw client's | 1.20 (1.10 to 1.40) |"
            ),
            "{text}"
        );
        // What was not measured has no row.
        assert!(!text.contains("one at a time: Ready, p50"), "{text}");
    }

    #[test]
    fn a_round_in_which_the_raw_client_was_disturbed_is_told() {
        let mut disturbed = round(12.0);
        disturbed.run.rounds[2].seconds = 15.0;
        let size = Size { bindings: 10, workloads: 1, replicas: 1, bystanders: 0, settle: 0 };
        let text = table(&size, &[Compared { name: "new".to_owned(), rounds: vec![disturbed] }]);
        assert!(text.contains("new (1 rounds, 1 void)"), "{text}");
    }
}
