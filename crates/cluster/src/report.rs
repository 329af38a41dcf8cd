//! Statuses.

use kube::Client;
use podidentity_core::outcome::{Problem, ProblemKind};
use podidentity_core::status::Report;
use tracing::{debug, warn};

use crate::act;
use crate::index::Index;

/// Writes statuses, and files what the API server answered. Returns those that were written, and the first problem.
pub async fn write<'a>(
    client: &Client,
    index: &Index,
    namespace: &str,
    reports: &'a [Report],
) -> (Vec<&'a Report>, Option<Problem>) {
    let mut written = Vec::new();
    let mut first = None;
    for report in reports {
        match act::write_status(client, namespace, &report.binding, &report.status).await {
            Ok(binding) => {
                index.refresh(binding);
                written.push(report);
            }
            Err(problem) => {
                if problem.kind == ProblemKind::Stale {
                    debug!(namespace, binding = report.binding.name, "status not written: the binding has changed");
                } else {
                    warn!(namespace, binding = report.binding.name, error = problem.message, "status not written");
                }
                first.get_or_insert(problem);
            }
        }
    }
    (written, first)
}
