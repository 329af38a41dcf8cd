//! Statuses.

use kube::Client;
use podidentity_core::outcome::{Problem, ProblemKind};
use podidentity_core::status::Report;
use tracing::{debug, warn};

use crate::act;
use crate::clock;
use crate::index::Index;

/// What became of statuses.
#[derive(Debug, Default)]
pub struct Reported<'a> {
    /// Those that were written.
    pub written: Vec<&'a Report>,
    /// How many the API server refuses.
    pub refused: usize,
    /// The first problem.
    pub problem: Option<Problem>,
}

/// Writes statuses, and files what the API server answered. In the place of one that is refused a minimal one is written.
pub async fn write<'a>(client: &Client, index: &Index, namespace: &str, reports: &'a [Report]) -> Reported<'a> {
    let mut reported = Reported::default();
    for report in reports {
        let binding = &report.binding;
        match act::write_status(client, namespace, binding, &report.status).await {
            Ok(binding) => {
                index.refresh(binding);
                reported.written.push(report);
            }
            Err(problem) => {
                if problem.kind == ProblemKind::Stale {
                    debug!(namespace, binding = binding.name, "status not written: the binding has changed");
                } else {
                    warn!(namespace, binding = binding.name, error = problem.message, "status not written");
                }
                if is_refusal(&problem) {
                    reported.refused += 1;
                    write_minimal(client, index, namespace, report, &problem).await;
                }
                reported.problem.get_or_insert(problem);
            }
        }
    }
    reported
}

/// Whether the status itself is what the API server does not take. One that is too large for the store is refused by an
/// error that otherwise passes by itself.
fn is_refusal(problem: &Problem) -> bool {
    problem.kind == ProblemKind::Refused || problem.message.contains("too large")
}

async fn write_minimal(client: &Client, index: &Index, namespace: &str, report: &Report, refusal: &Problem) {
    if report.told_refused {
        return;
    }
    let minimal = report.minimal(&refusal.message, clock::now());
    match act::write_status(client, namespace, &report.binding, &minimal).await {
        Ok(binding) => index.refresh(binding),
        Err(problem) => {
            warn!(namespace, binding = report.binding.name, error = problem.message, "minimal status not written");
        }
    }
}
