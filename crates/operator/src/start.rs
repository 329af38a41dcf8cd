//! Startup, from the flags to a complete index: everything that must exist before work begins.

use std::sync::Arc;

use kube::Client;
use podidentity_cluster::http::clock::Clock;
use podidentity_cluster::http::connection::{AnswerTime, Options, connect};
use podidentity_cluster::http::discovery::{discover_issuer, may_list_namespaces};
use podidentity_cluster::http::heartbeat::Heartbeats;
use podidentity_cluster::http::telemetry::Telemetry;
use podidentity_cluster::index::{IdentityKey, Index};
use podidentity_cluster::preflight::Preflights;
use podidentity_cluster::queue::{self, Queue, Sender};
use podidentity_cluster::read::installation::version as version_of_server;
use podidentity_cluster::sts::{self, Sts};
use podidentity_cluster::watch::{self, Listeners, WatchScope};
use podidentity_core::kubernetes;
use tokio::runtime::Handle;
use tokio::task::{JoinError, JoinSet};
use tracing::{info, warn};

use crate::Problem;
use crate::args::Args;
use crate::health::Health;
use crate::http;
use crate::leadership::Leadership;
use crate::metrics::{Exposition, Metrics, Sources};
use crate::version;

/// The `User-Agent` of requests to the API server and to AWS.
const USER_AGENT: &str = concat!("podidentity-operator/", env!("CARGO_PKG_VERSION"));

/// The result of startup. The replica does not stand for election yet.
pub(crate) struct Started {
    /// Sends only the writes that the fence allows.
    pub(crate) client: Client,
    pub(crate) clock: Clock,
    pub(crate) index: Index,
    pub(crate) sender: Sender<IdentityKey>,
    pub(crate) queue: Queue<IdentityKey>,
    /// The watch streams, which keep the index up to date.
    pub(crate) streams: JoinSet<()>,
    pub(crate) leadership: Leadership,
    /// The cluster's OIDC issuer, if it is known.
    pub(crate) issuer: Option<String>,
    pub(crate) metrics: Metrics,
    /// Asks AWS.
    pub(crate) preflights: Preflights,
}

/// Connects, serves health and metrics, and fills the index.
pub(crate) async fn start(args: &Args, aside: &Handle) -> Result<Started, Problem> {
    info!(version = env!("CARGO_PKG_VERSION"), commit = version::COMMIT, dry_run = ?args.dry_run, "pod identity operator");
    let metrics = Metrics::new();
    let options = Options { answers: AnswerTime::Watch, user_agent: USER_AGENT.to_owned(), ..Options::default() };
    let connection = connect(&options).await?;
    let telemetry: Arc<dyn Telemetry> = Arc::new(metrics.clone());
    let leadership = Leadership::prepare(&connection, &telemetry, args, aside).await?;
    let client = connection.reporting(&telemetry, Some(leadership.fence()))?;

    if let Some(selector) = &args.namespace_selector {
        info!(%selector, "looks after the bindings of the namespaces with these labels only");
    }
    let index = Index::selecting(args.namespace_selector.clone());
    let (sender, queue) = queue::channel();
    let (heartbeats, load) = (Heartbeats::default(), queue.load());
    let health = Health::new(heartbeats.clone(), load.clone(), leadership.leads(), args.stalled_after);
    let sources = Sources {
        index: index.clone(),
        load,
        heartbeats: heartbeats.clone(),
        leads: leadership.leads(),
        per_binding: args.metrics_per_binding,
    };
    http::serve(aside, args.listen, health.clone(), Exposition::new(&metrics, &sources))?;

    let scope = args.watch_scope();
    if args.require_grants && scope == WatchScope::Cluster {
        may_list_namespaces(&client).await?;
    }
    // Startup does not wait for the answer.
    tokio::spawn(tell_what_the_cluster_lacks(client.clone()));
    let issuer = match args.injection.issuer.clone() {
        Some(issuer) => Some(issuer),
        None => discover_issuer(&client).await,
    };
    let preflights = preflights(args, issuer.as_deref())?;
    let listeners = Listeners { notify: notify(&sender), telemetry, heartbeats };
    let (streams, listed) = watch::streams(&client, &index, &listeners, &scope, &args.role_objects());
    let mut streams: JoinSet<()> = streams.into_iter().collect();
    wait_for_lists(&mut streams, listed).await?;
    health.all_listed();
    let clock = connection.clock;
    Ok(Started { client, clock, index, sender, queue, streams, leadership, issuer, metrics, preflights })
}

/// Waits until every stream has delivered its first full list: the operator never acts on an
/// incomplete index.
async fn wait_for_lists(streams: &mut JoinSet<()>, listed: impl Future<Output = ()>) -> Result<(), Problem> {
    tokio::select! {
        () = listed => info!("all kinds listed"),
        Some(ended) = streams.join_next() => return Err(stream_ended(ended)),
    }
    Ok(())
}

/// Logs once what this version of Kubernetes cannot do. If the API server does not tell its
/// version, the operator works anyway.
async fn tell_what_the_cluster_lacks(client: Client) {
    match version_of_server(&client).await {
        Ok(version) => {
            info!(version, "Kubernetes");
            for lack in kubernetes::minor(&version).map(kubernetes::lacks).into_iter().flatten() {
                warn!(version, "{lack}");
            }
        }
        Err(error) => warn!(%error, "the API server does not tell its version"),
    }
}

/// Limits questions to AWS to half of the concurrent reconciles, so that an STS that does not
/// answer does not block the other identities.
fn preflights(args: &Args, issuer: Option<&str>) -> Result<Preflights, Problem> {
    let place = args.preflight.place(issuer)?;
    let sts = Sts::new(sts::Options::from_environment(USER_AGENT))?;
    Ok(Preflights::new(sts, place, (args.concurrency / 2).clamp(1, 8)))
}

fn notify(sender: &Sender<IdentityKey>) -> watch::Notify {
    let sender = sender.clone();
    Arc::new(move |key| sender.now(key))
}

/// A stream that has ended no longer updates the index, so the process ends and starts anew.
pub(crate) fn stream_ended(ended: Result<(), JoinError>) -> Problem {
    match ended {
        Ok(()) => "a watch stream ended by itself; ending, to be started anew".into(),
        Err(error) => format!("a watch stream failed; ending, to be started anew: {error}").into(),
    }
}
