//! What holds at every size and on every machine: counts, but no times.

use anyhow::{Result, ensure};

use super::results::{Requests, Run};

/// Returns an error that names the first promise that the run broke.
pub fn check(run: &Run) -> Result<()> {
    if let Some(job) = &run.onboarding {
        let least = 1 + 1 + run.workloads;
        ensure!(
            written(&job.requests, "serviceaccounts") == run.bindings,
            "each service account is annotated once: {job:#?}"
        );
        ensure!(
            job.requests.written() >= least.min(3) * run.bindings,
            "the audit log shows the operator's writes: {job:#?}"
        );
    }
    if let [raw, operator, _] = run.rounds.as_slice() {
        let fewest = run.fewest_writes() * run.bindings;
        ensure!(raw.requests.written() == fewest, "the raw client makes {fewest} writes: {:#?}", raw.requests);
        let (accounts, templates) = (run.bindings, run.bindings * run.workloads);
        let requests = &operator.requests;
        ensure!(
            written(requests, "serviceaccounts") == accounts,
            "each service account is written once: {requests:#?}"
        );
        ensure!(written(requests, "deployments") == templates, "each Deployment is rolled once: {requests:#?}");
        // docs/adr/0031: the service account names the binding, so a change of its role needs no read.
        ensure!((requests.lists, requests.gets) == (0, 0), "nothing is read that is watched: {requests:#?}");
    }
    if let Some(silence) = &run.silence {
        ensure!(sent(&silence.requests) == 0, "nothing is sent while nothing happens: {:#?}", silence.requests);
    }
    if let Some(churn) = &run.churn {
        let counts = written(&churn.requests, "podidentitybindings/status");
        ensure!(
            sent(&churn.requests) == counts,
            "pods that stay correct cost counts and nothing else: {:#?}",
            churn.requests
        );
    }
    if let Some(drift) = &run.drift {
        let repairs = written(&drift.requests, "serviceaccounts");
        ensure!(repairs == drift.stripped, "each repair is one write: {:#?}", drift.requests);
        ensure!(
            drift.requests.lists + drift.requests.gets == 0,
            "nothing is read that is watched: {:#?}",
            drift.requests
        );
    }
    Ok(())
}

fn written(requests: &Requests, resource: &str) -> usize {
    requests.writes.get(resource).copied().unwrap_or(0)
}

/// All requests except watches, which the client reopens every few minutes.
fn sent(requests: &Requests) -> usize {
    requests.written() + requests.events + requests.refused + requests.lists + requests.gets
}
