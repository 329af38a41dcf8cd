//! Every reason that a binding can have is explained in `docs/reference/conditions.md`.

use std::path::Path;

use anyhow::{Context, Result};
use podidentity_api::Reason;

const PAGE: &str = "docs/reference/conditions.md";

/// Reasons of single conditions or of events; the table is about the condition `Ready`.
const NOT_OF_READY: &[Reason] = &[
    Reason::Annotated,
    Reason::Rolled,
    Reason::Verifying,
    Reason::RolloutStarted,
    Reason::RolloutCompleted,
    Reason::RestartRefused,
    Reason::Released,
    Reason::RoleKept,
    Reason::Retained,
    Reason::RoleAssumable,
    Reason::NotAsked,
];

/// What is wrong, one line each.
pub(crate) fn check(root: &Path) -> Result<Vec<String>> {
    let page = std::fs::read_to_string(root.join(PAGE)).with_context(|| format!("cannot read {PAGE}"))?;
    let of_ready = Reason::ALL.iter().filter(|reason| !NOT_OF_READY.contains(reason));
    let missing = of_ready.filter(|reason| !page.contains(&format!("\n| `{reason}` | ")));
    Ok(missing.map(|reason| format!("{PAGE}: has no row for the reason {reason}")).collect())
}
