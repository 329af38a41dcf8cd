//! Costs of the kubectl plugin in a large cluster: seconds and peak memory.
//!
//! ```text
//! etcd, API server ─► population (bindings, pods, some of them wrong) ─► each command, once ─► table
//! ```

mod measure;
mod population;

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};

use super::results::{Machine, described};
use crate::{ControlPlane, Options};

pub use measure::Cost;
pub use population::{Population, WRONG_EVERY};

/// The measured commands, without `kubectl podidentity` in front.
const COMMANDS: &[&[&str]] = &[
    &["status", "-A"],
    &["report"],
    &["status", "-A", "-o", "json"],
    &["verify", "-A"],
    &["adopt", "-A"],
    &["plan", "-A"],
    &["status", "-n", "bench-000"],
    &["explain", "deploy/app-000-0", "-n", "bench-000"],
];

/// The measurements and their environment.
#[derive(Clone, Debug)]
pub struct Costs {
    /// The number of objects.
    pub population: Population,
    /// The machine.
    pub machine: Machine,
    /// Versions of the API server and of the source.
    pub versions: String,
    /// The cost of each command.
    pub commands: Vec<Cost>,
}

/// Fills a cluster and measures; `program` is the plugin. With `keep`, the cluster runs until
/// Ctrl-C.
pub async fn run(population: Population, program: PathBuf, keep: bool, say: &dyn Fn(&str)) -> Result<Costs> {
    let machine = Machine::this();
    say("starting etcd and API server");
    let options = Options { nodes: 0, controllers: false, audit: false, ..Options::default() };
    let control_plane = ControlPlane::start_with(&options).await?;
    control_plane.install_operator().await?;
    let kubernetes = control_plane.client().apiserver_version().await?.git_version;
    say(&format!("creating {} bindings and {} pods", population.bindings, population.pods()));
    population.create(&control_plane.client()).await?;
    let mut commands = Vec::new();
    for command in COMMANDS {
        say(&format!("kubectl podidentity {}", command.join(" ")));
        commands.push(measure::measure(&program, command, &control_plane).await?);
    }
    let folder = program.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
    let versions = format!("plugin {} ({folder} build), Kubernetes {kubernetes}", described());
    let costs = Costs { population, machine, versions, commands };
    if keep {
        say(&format!("KUBECONFIG={}; Ctrl-C ends it", control_plane.kubeconfig().display()));
        crate::signals::expect_interrupt();
        println!("{costs}");
        std::future::pending::<()>().await;
    }
    Ok(costs)
}

impl Costs {
    /// Fails unless every command did its work: it saw every binding, every pod, and their
    /// problems.
    pub fn check(&self) -> Result<()> {
        for cost in &self.commands {
            // `verify` finds pods without a role, and `plan` would restart something.
            let expected = i32::from(["verify", "plan"].contains(&cost.command[0].as_str()));
            ensure!(cost.status == expected, "{} ended with {}: {}", cost.command.join(" "), cost.status, cost.stderr);
        }
        let json = self.commands.iter().find(|cost| cost.command.ends_with(&["json".to_owned()]));
        let text = json.map(|cost| cost.stdout.as_str()).unwrap_or_default();
        let totals = &serde_json::from_str::<serde_json::Value>(text)?["totals"];
        let Population { bindings, .. } = self.population;
        ensure!(totals["bindings"] == bindings, "status saw {totals}, not {bindings} bindings");
        ensure!(totals["pods"] == self.population.pods(), "status saw {totals}, not {} pods", self.population.pods());
        let wrong = self.population.wrong();
        ensure!(totals["verified"] == bindings - wrong, "status saw {totals}, but {wrong} bindings have wrong pods");
        Ok(())
    }
}

impl std::fmt::Display for Costs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Machine { processor, cores, memory_gib, kernel, load_before, .. } = &self.machine;
        writeln!(
            f,
            "{} bindings, {} pods, {} of {} bindings with wrong pods. {processor}, {cores} cores (of the plugin, the API \
             server and etcd together), {memory_gib} GiB, {kernel}, load average before {load_before:.1}; {}.\n",
            self.population.bindings,
            self.population.pods(),
            self.population.wrong(),
            self.population.bindings,
            self.versions
        )?;
        writeln!(f, "| command | seconds | CPU seconds | peak memory, MB | output, MB |\n|---|---:|---:|---:|---:|")?;
        for cost in &self.commands {
            writeln!(
                f,
                "| `{}` | {:.1} | {:.1} | {:.0} | {:.2} |",
                cost.command.join(" "),
                cost.seconds,
                cost.cpu,
                cost.peak_kib as f64 * 1024.0 / 1e6,
                cost.stdout.len() as f64 / 1e6
            )?;
        }
        Ok(())
    }
}
