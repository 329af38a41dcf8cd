//! What a campaign remembers on disk, so that it can be interrupted and taken up again.

use std::collections::{BTreeMap, HashSet};
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::plan::Plan;
use super::report::Verdict;

/// The folder of a campaign: its plans, what became of each, and what failed.
#[derive(Debug)]
pub struct Store {
    folder: PathBuf,
    fingerprint: String,
}

#[derive(Serialize, Deserialize)]
struct Plans {
    /// Of the operator and the harness that the plans are for.
    fingerprint: String,
    plans: Vec<Plan>,
}

#[derive(Serialize, Deserialize)]
struct Line {
    fingerprint: String,
    verdict: Verdict,
}

impl Store {
    /// Opens the folder for this operator and this harness; what is there about others does not count.
    pub fn open(folder: PathBuf, programs: &[PathBuf]) -> Result<Self> {
        fs::create_dir_all(folder.join("failed")).with_context(|| format!("cannot create {}", folder.display()))?;
        let mut hash = Sha256::new();
        for program in programs {
            hash.update(fs::read(program).with_context(|| format!("cannot read {}", program.display()))?);
        }
        let hash = hash.finalize();
        let fingerprint = format!("{:016x}", hash.iter().take(8).fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte)));
        Ok(Self { folder, fingerprint })
    }

    /// The plans that were generated before.
    pub fn plans(&self) -> Option<Vec<Plan>> {
        let text = fs::read(self.folder.join("plans.json")).ok()?;
        let stored: Plans = serde_json::from_slice(&text).ok()?;
        (stored.fingerprint == self.fingerprint).then_some(stored.plans)
    }

    /// Keeps the plans; what was done of others is forgotten.
    pub fn keep_plans(&self, plans: &[Plan]) -> Result<()> {
        let stored = Plans { fingerprint: self.fingerprint.clone(), plans: plans.to_vec() };
        fs::write(self.folder.join("plans.json"), serde_json::to_vec_pretty(&stored)?)?;
        let _ = fs::remove_file(self.done());
        Ok(())
    }

    /// What became of the plans so far, the last time that each was run.
    pub fn verdicts(&self) -> Vec<Verdict> {
        let text = fs::read_to_string(self.done()).unwrap_or_default();
        let lines = text.lines().filter_map(|line| serde_json::from_str::<Line>(line).ok());
        let ours = lines.filter(|line| line.fingerprint == self.fingerprint);
        let last: BTreeMap<String, Verdict> = ours.map(|line| (line.verdict.id.clone(), line.verdict)).collect();
        last.into_values().collect()
    }

    /// The plans that need not be run again.
    pub fn passed(&self) -> HashSet<String> {
        self.verdicts().into_iter().filter(Verdict::passed).map(|verdict| verdict.id).collect()
    }

    /// Notes what became of a plan.
    pub fn note(&self, verdict: &Verdict) -> Result<()> {
        let line = Line { fingerprint: self.fingerprint.clone(), verdict: verdict.clone() };
        let mut file = OpenOptions::new().create(true).append(true).open(self.done())?;
        writeln!(file, "{}", serde_json::to_string(&line)?)?;
        Ok(())
    }

    /// Keeps a plan that failed, and what is known about it. Returns the file of the plan.
    pub fn keep_failed(&self, plan: &Plan, story: &str) -> Result<PathBuf> {
        let name = plan.id.replace(['/', ' '], "-");
        let file = self.folder.join("failed").join(format!("{name}.json"));
        fs::write(&file, serde_json::to_vec_pretty(plan)?)?;
        fs::write(file.with_extension("txt"), story)?;
        Ok(file)
    }

    /// Reads a plan from a file.
    pub fn read_plan(file: &Path) -> Result<Plan> {
        let text = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        serde_json::from_slice(&text).with_context(|| format!("{} is not a plan", file.display()))
    }

    fn done(&self) -> PathBuf {
        self.folder.join("done.jsonl")
    }
}
