//! Every reason that a binding can have is explained in `docs/reference/conditions.md`.

use std::path::Path;

use anyhow::{Context, Result};

const NAMES: &str = "crates/api/src/names.rs";
const PAGE: &str = "docs/reference/conditions.md";

/// Reasons of single conditions or of events; the table is about the condition `Ready`.
const ELSEWHERE: &[&str] = &[
    "Annotated",
    "Rolled",
    "Verifying",
    "RolloutStarted",
    "RolloutCompleted",
    "RestartRefused",
    "Released",
    "RoleKept",
    "RoleAssumable",
    "NotAsked",
    "Retained",
];

/// What is wrong, one line each.
pub(crate) fn check(root: &Path) -> Result<Vec<String>> {
    let read = |path: &str| std::fs::read_to_string(root.join(path)).with_context(|| format!("cannot read {path}"));
    let (names, page) = (read(NAMES)?, read(PAGE)?);
    let missing = reasons(&names).filter(|reason| !page.contains(&format!("\n| `{reason}` | ")));
    let missing = missing.filter(|reason| !ELSEWHERE.contains(reason));
    Ok(missing.map(|reason| format!("{PAGE}: has no row for the reason {reason} of {NAMES}")).collect())
}

/// The constants of `mod reason`.
fn reasons(names: &str) -> impl Iterator<Item = &str> {
    let module = names.split_once("pub mod reason {").map_or("", |(_, rest)| rest);
    let module = module.split_once("\n}").map_or(module, |(module, _)| module);
    module.lines().filter_map(|line| line.trim().strip_prefix("pub const ")?.split('"').nth(1))
}
