//! Statuses.

use kube::Client;
use podidentity_core::outcome::{Problem, ProblemKind};
use podidentity_core::status::Report;
use tracing::{debug, warn};

use crate::act;
use crate::index::Index;

/// Writes statuses, and files what the API server answered. Returns the first problem.
pub async fn write(client: &Client, index: &Index, namespace: &str, reports: &[Report]) -> Result<(), Problem> {
    let mut first = Ok(());
    for report in reports {
        match act::write_status(client, namespace, &report.binding, &report.status).await {
            Ok(binding) => {
                index.refresh(binding);
            }
            Err(problem) => {
                if problem.kind == ProblemKind::Stale {
                    debug!(namespace, binding = report.binding.name, "status not written: the binding has changed");
                } else {
                    warn!(namespace, binding = report.binding.name, error = problem.message, "status not written");
                }
                first = first.and(Err(problem));
            }
        }
    }
    first
}
