//! Leadership: whether this replica works, because it won the election or because it is the only
//! one.

use std::sync::Arc;

use podidentity_cluster::http::connection::{ConnectError, Connection};
use podidentity_cluster::http::fence::Fence;
use podidentity_cluster::http::telemetry::Telemetry;
use podidentity_cluster::lease::{Candidate, Unreadable};
use tokio::runtime::Handle;
use tokio::sync::{oneshot, watch};
use tokio::task::{JoinError, JoinHandle};
use tracing::info;

use crate::args::{Args, DryRun};

/// Whether this replica works.
pub(crate) struct Leadership {
    fence: Fence,
    leads: watch::Receiver<bool>,
    candidate: Result<Candidate, watch::Sender<bool>>,
    /// Where the candidate runs: reconciles must not delay a renewal of the lease.
    aside: Handle,
}

/// The period in which this replica stands for election, or works without an election.
pub(crate) struct Term {
    end: Option<oneshot::Sender<()>>,
    standing: Option<JoinHandle<()>>,
    _alone: Option<watch::Sender<bool>>,
}

/// Why leadership cannot be determined.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CannotLead {
    #[error("{0}")]
    Flags(String),
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error(transparent)]
    Lease(#[from] Unreadable),
    #[error("reading the lease failed: {0}")]
    Failed(#[from] JoinError),
}

impl Leadership {
    /// Reads the flags and the lease; the election begins with [`Leadership::stand`].
    pub(crate) async fn prepare(
        connection: &Connection,
        telemetry: &Arc<dyn Telemetry>,
        args: &Args,
        aside: &Handle,
    ) -> Result<Self, CannotLead> {
        let aside = aside.clone();
        let scope = args.dry_run.write_scope();
        let candidacy = match args.dry_run {
            // A silent dry run writes nothing, not even a lease.
            DryRun::Silent => None,
            DryRun::Off | DryRun::Report => args.election.candidacy().map_err(CannotLead::Flags)?,
        };
        let Some(candidacy) = candidacy else {
            info!("no leader election: this is taken for the only replica");
            let (alone, leads) = watch::channel(true);
            return Ok(Self { fence: Fence::open(scope), leads, candidate: Err(alone), aside });
        };
        info!(
            lease = %format_args!("{}/{}", candidacy.namespace, candidacy.name),
            identity = candidacy.identity,
            "working while holding the lease"
        );
        let fence = Fence::closed(scope);
        let (connection, telemetry, own) = (connection.clone(), Arc::clone(telemetry), fence.clone());
        // The client and its connections belong to the runtime that makes them.
        let candidate = aside.spawn(async move {
            let client = connection.reporting(&telemetry, None)?;
            Ok::<_, CannotLead>(Candidate::new(&client, candidacy, own).await?)
        });
        let (candidate, leads) = candidate.await??;
        Ok(Self { fence, leads, candidate: Ok(candidate), aside })
    }

    /// The fence that lets writes pass while this replica works.
    pub(crate) fn fence(&self) -> Fence {
        self.fence.clone()
    }

    /// Whether this replica works.
    pub(crate) fn leads(&self) -> watch::Receiver<bool> {
        self.leads.clone()
    }

    /// Stands for election from now on.
    pub(crate) fn stand(self) -> Term {
        match self.candidate {
            Err(alone) => Term { end: None, standing: None, _alone: Some(alone) },
            Ok(candidate) => {
                let (end, ended) = oneshot::channel();
                let standing = self.aside.spawn(candidate.run(async move {
                    // Dropping the sender ends the candidacy, too.
                    let _ = ended.await;
                }));
                Term { end: Some(end), standing: Some(standing), _alone: None }
            }
        }
    }
}

/// Tells whether work may start: this replica leads, and `prepare` has finished since it began to
/// lead.
pub(crate) fn prepared<F>(
    mut leads: watch::Receiver<bool>,
    prepare: impl Fn() -> F + Send + Sync + 'static,
) -> watch::Receiver<bool>
where
    F: Future<Output = ()> + Send,
{
    let (sender, prepared) = watch::channel(false);
    tokio::spawn(async move {
        loop {
            let leading = *leads.borrow_and_update();
            if leading {
                prepare().await;
            }
            // If this replica has lost the lead in the meantime, `leads` reports it next, and the
            // fence blocks all writes until then.
            sender.send_replace(leading);
            if leads.changed().await.is_err() {
                return sender.closed().await;
            }
        }
    });
    prepared
}

impl Term {
    /// Gives up the lease, if this replica holds it.
    pub(crate) async fn end(self) {
        drop(self.end);
        if let Some(standing) = self.standing {
            // The task returns nothing. If it panicked, the lease expires.
            let _ = standing.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::sync::Semaphore;

    use super::*;

    #[tokio::test]
    async fn nothing_is_done_before_what_is_under_way_is_known_also_when_the_lead_comes_back() {
        let (lead, leads) = watch::channel(false);
        let gate = Arc::new(Semaphore::new(0));
        let waits = Arc::clone(&gate);
        let mut open = prepared(leads, move || {
            let gate = Arc::clone(&waits);
            async move { gate.acquire().await.expect("is not closed").forget() }
        });
        for _ in 0..2 {
            lead.send_replace(true);
            tokio::task::yield_now().await;
            assert!(!*open.borrow(), "not prepared yet");
            gate.add_permits(1);
            open.wait_for(|open| *open).await.expect("is told");
            lead.send_replace(false);
            open.wait_for(|open| !*open).await.expect("is told");
        }
    }
}
