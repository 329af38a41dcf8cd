//! Leader election: which of several replicas works.

use std::path::Path;
use std::time::Duration;

use clap::Args;
use podidentity_cluster::lease::{Candidacy, Timing};

use super::values;

/// Where a pod finds the name of its namespace.
const NAMESPACE_FILE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";

/// Leader election: which of several replicas works.
#[derive(Debug, Args)]
#[command(next_help_heading = "Leader election")]
pub(crate) struct ElectionArgs {
    /// Whether to work only while holding the lease; the others keep their picture of the cluster up to date and take
    /// over. Default: true inside of a cluster, false outside.
    #[arg(long, env = "PODIDENTITY_LEADER_ELECT", value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    leader_elect: Option<bool>,

    /// Name of the lease.
    #[arg(long, env = "PODIDENTITY_LEASE_NAME", value_name = "NAME", default_value = "podidentity-operator", value_parser = values::object_name)]
    lease_name: String,

    /// Namespace of the lease. Default: that of the pod.
    #[arg(long, env = "PODIDENTITY_LEASE_NAMESPACE", value_name = "NAME", value_parser = values::object_name)]
    lease_namespace: Option<String>,

    /// How long the others wait for a sign of the leader before one of them takes its place.
    #[arg(long, env = "PODIDENTITY_LEASE_DURATION", value_name = "DURATION", default_value = "15s", value_parser = values::duration)]
    lease_duration: Duration,

    /// How long the leader goes on without having been able to renew the lease; shorter than its duration.
    #[arg(long, env = "PODIDENTITY_LEASE_RENEW_DEADLINE", value_name = "DURATION", default_value = "10s", value_parser = values::duration)]
    lease_renew_deadline: Duration,

    /// How often the leader renews the lease.
    #[arg(long, env = "PODIDENTITY_LEASE_RETRY_PERIOD", value_name = "DURATION", default_value = "2s", value_parser = values::duration)]
    lease_retry_period: Duration,
}

impl ElectionArgs {
    fn timing(&self) -> Timing {
        Timing {
            duration: self.lease_duration,
            renew_deadline: self.lease_renew_deadline,
            retry_period: self.lease_retry_period,
        }
    }

    pub(crate) fn check(&self) -> Result<(), String> {
        self.timing().check().map_err(|problem| {
            format!("{problem} (see --lease-duration, --lease-renew-deadline, --lease-retry-period)")
        })
    }

    /// What to stand for; `None` if this process works without election.
    pub(crate) fn candidacy(&self) -> Result<Option<Candidacy>, String> {
        let own_namespace = own_namespace(Path::new(NAMESPACE_FILE));
        if !self.leader_elect.unwrap_or(own_namespace.is_some()) {
            return Ok(None);
        }
        let namespace = self.lease_namespace.clone().or(own_namespace).ok_or(
            "leader election outside of a cluster: say in which namespace the lease is, with --lease-namespace",
        )?;
        Ok(Some(Candidacy { namespace, name: self.lease_name.clone(), identity: identity(), timing: self.timing() }))
    }
}

fn own_namespace(file: &Path) -> Option<String> {
    let text = std::fs::read_to_string(file).ok()?;
    Some(text.trim().to_owned()).filter(|name| !name.is_empty())
}

/// Host name (of a pod: its name) and a suffix of chance: a process that was started anew is another candidate.
fn identity() -> String {
    use std::hash::{BuildHasher, Hasher, RandomState};
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    format!("{host}_{:016x}", RandomState::new().build_hasher().finish())
}
