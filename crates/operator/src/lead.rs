//! Whether this replica works: by election, or because it is the only one.

use kube::Client;
use podidentity_cluster::fence::Fence;
use podidentity_cluster::lease::{Candidate, Unreadable};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tracing::info;

use crate::args::{Args, DryRun};

/// Whether this replica works.
pub(crate) struct Lead {
    fence: Fence,
    leads: watch::Receiver<bool>,
    candidate: Result<Candidate, watch::Sender<bool>>,
}

/// The time in which it stands for election, or works without one.
pub(crate) struct Term {
    end: Option<oneshot::Sender<()>>,
    standing: Option<JoinHandle<()>>,
    _alone: Option<watch::Sender<bool>>,
}

/// Why it cannot be known.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CannotLead {
    #[error("{0}")]
    Flags(String),
    #[error(transparent)]
    Lease(#[from] Unreadable),
}

impl Lead {
    /// Looks whether there is to be an election; nobody stands for it yet.
    pub(crate) async fn prepare(client: &Client, args: &Args) -> Result<Self, CannotLead> {
        let scope = args.dry_run.scope();
        let candidacy = match args.dry_run {
            // It writes nothing, not even a lease.
            DryRun::Silent => None,
            DryRun::Off | DryRun::Report => args.election.candidacy().map_err(CannotLead::Flags)?,
        };
        let Some(candidacy) = candidacy else {
            info!("no leader election: this is taken for the only replica");
            let (alone, leads) = watch::channel(true);
            return Ok(Self { fence: Fence::open(scope), leads, candidate: Err(alone) });
        };
        info!(
            lease = %format_args!("{}/{}", candidacy.namespace, candidacy.name),
            identity = candidacy.identity,
            "working while holding the lease"
        );
        let fence = Fence::closed(scope);
        let (candidate, leads) = Candidate::new(client, candidacy, fence.clone()).await?;
        Ok(Self { fence, leads, candidate: Ok(candidate) })
    }

    /// What lets writes pass while this replica works.
    pub(crate) fn fence(&self) -> Fence {
        self.fence.clone()
    }

    /// Tells whether this replica works.
    pub(crate) fn leads(&self) -> watch::Receiver<bool> {
        self.leads.clone()
    }

    /// Stands for election from now on.
    pub(crate) fn stand(self) -> Term {
        match self.candidate {
            Err(alone) => Term { end: None, standing: None, _alone: Some(alone) },
            Ok(candidate) => {
                let (end, ended) = oneshot::channel();
                let standing = tokio::spawn(candidate.run(async move {
                    // Dropping the sender ends it as well.
                    let _ = ended.await;
                }));
                Term { end: Some(end), standing: Some(standing), _alone: None }
            }
        }
    }
}

impl Term {
    /// Gives the lease up, if it is held.
    pub(crate) async fn end(self) {
        drop(self.end);
        if let Some(standing) = self.standing {
            // It has nothing to say; if it panicked, the lease runs out.
            let _ = standing.await;
        }
    }
}
