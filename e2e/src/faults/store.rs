//! The campaign's state on disk, so that it can be interrupted and resumed.

use std::collections::{BTreeMap, HashSet};
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::plan::Plan;
use super::report::Verdict;

/// The folder of a campaign: its plans, their verdicts, and the failures.
#[derive(Debug)]
pub struct Store {
    folder: PathBuf,
    fingerprint: String,
}

#[derive(Serialize, Deserialize)]
struct Plans {
    /// Fingerprint of the operator and the harness that the plans belong to.
    fingerprint: String,
    plans: Vec<Plan>,
}

#[derive(Serialize, Deserialize)]
struct Line {
    fingerprint: String,
    verdict: Verdict,
}

impl Store {
    /// Opens the folder for this operator and this harness. Data of other builds does not count.
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

    /// The plans that an earlier run generated.
    pub fn plans(&self) -> Option<Vec<Plan>> {
        let text = fs::read(self.folder.join("plans.json")).ok()?;
        let stored: Plans = serde_json::from_slice(&text).ok()?;
        (stored.fingerprint == self.fingerprint).then_some(stored.plans)
    }

    /// Stores the plans; verdicts of other plans are removed.
    pub fn keep_plans(&self, plans: &[Plan]) -> Result<()> {
        let stored = Plans { fingerprint: self.fingerprint.clone(), plans: plans.to_vec() };
        fs::write(self.folder.join("plans.json"), serde_json::to_vec_pretty(&stored)?)?;
        let _ = fs::remove_file(self.done());
        Ok(())
    }

    /// The latest verdict of each plan so far.
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

    /// Records a verdict.
    pub fn note(&self, verdict: &Verdict) -> Result<()> {
        let line = Line { fingerprint: self.fingerprint.clone(), verdict: verdict.clone() };
        let mut file = OpenOptions::new().create(true).append(true).open(self.done())?;
        writeln!(file, "{}", serde_json::to_string(&line)?)?;
        Ok(())
    }

    /// Stores a failed plan and its story. Returns the file of the plan.
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
