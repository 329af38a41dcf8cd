//! The pod identity operator.
//!
//! ```text
//! args ──► client ──► watch streams ──► index ──► queue ──► reconcile (the story)
//!            │                                      ▲
//!            └──► lease: whether this replica works ┘        http: metrics, health
//! ```

mod args;
mod budget;
mod context;
mod health;
mod http;
mod lead;
mod metrics;
mod reconcile;

use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use podidentity_cluster::index::{IdentityKey, Index};
use podidentity_cluster::pulse::Pulses;
use podidentity_cluster::queue::Sender;
use podidentity_cluster::watch::Listeners;
use podidentity_cluster::{client, layers, queue, watch};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::info;

use crate::args::Args;
use crate::context::Context;
use crate::health::Health;
use crate::metrics::{Exposition, Metrics, Sources};

type Problem = Box<dyn std::error::Error>;

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    args.logs.init();
    match run(args).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: Args) -> Result<(), Problem> {
    args.check()?;
    info!(version = env!("CARGO_PKG_VERSION"), dry_run = ?args.dry_run, "pod identity operator");
    let metrics = Metrics::new();
    let client = client::from_environment(concat!("podidentity-operator/", env!("CARGO_PKG_VERSION"))).await?;
    let client = layers::observed(&client, Arc::new(metrics.clone()));
    let leadership = lead::Lead::prepare(&client, &args).await?;
    let client = layers::fenced(&client, leadership.fence());

    let index = Index::default();
    let (sender, queue) = queue::channel();
    let (pulses, load) = (Pulses::default(), queue.load());
    let health = Health::new(pulses.clone(), load.clone(), leadership.leads(), args.stalled_after);
    let sources = Sources { index: index.clone(), load, pulses: pulses.clone(), leads: leadership.leads() };
    http::serve(args.listen, health.clone(), Exposition::new(&metrics, &sources)).await?;

    if args.require_grants {
        client::may_list_namespaces(&client).await?;
    }
    let issuer = match args.injection.issuer.clone() {
        Some(issuer) => Some(issuer),
        None => client::discover_issuer(&client).await,
    };
    let listeners = Listeners { notify: notify(&sender), observer: Arc::new(metrics.clone()), pulses };
    let (streams, listed) = watch::streams(&client, &index, &listeners);
    let mut streams: JoinSet<()> = streams.into_iter().collect();
    let shutdown = shutdown()?;
    tokio::pin!(shutdown);
    // Never act on half a picture: every stream has to deliver its first full list.
    tokio::select! {
        () = listed => info!("all kinds listed"),
        () = &mut shutdown => return Ok(()),
        Some(ended) = streams.join_next() => return Err(stream_ended(ended)),
    }
    health.all_listed();

    let (leads, term) = (leadership.leads(), leadership.stand());
    let context = Arc::new(Context::new(client, index, sender, metrics.clone(), &args, issuer));
    let work = move |key| timed(metrics.clone(), reconcile::reconcile(Arc::clone(&context), key));
    let worked = tokio::select! {
        () = queue.run(args.concurrency, leads, shutdown, work) => Ok(()),
        Some(ended) = streams.join_next() => Err(stream_ended(ended)),
    };
    // What was under way is finished: now another one may take over.
    term.end().await;
    worked
}

fn notify(sender: &Sender<IdentityKey>) -> watch::Notify {
    let sender = sender.clone();
    Arc::new(move |key| sender.now(key))
}

async fn timed<T>(metrics: Metrics, reconcile: impl Future<Output = T>) -> T {
    let began = Instant::now();
    let done = reconcile.await;
    metrics.reconciled(began.elapsed());
    done
}

fn shutdown() -> std::io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => info!("terminated, finishing what is under way"),
            _ = interrupt.recv() => info!("interrupted, finishing what is under way"),
        }
    })
}

/// A stream that has ended sees nothing any more: better to start anew.
fn stream_ended(ended: Result<(), tokio::task::JoinError>) -> Problem {
    match ended {
        Ok(()) => "a watch stream ended by itself; ending, to be started anew".into(),
        Err(error) => format!("a watch stream failed; ending, to be started anew: {error}").into(),
    }
}
