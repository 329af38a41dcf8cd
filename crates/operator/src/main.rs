//! The pod identity operator.
//!
//! ```text
//! args ──► client ──► watch streams ──► index ──► queue ──► reconcile
//!            │                                      ▲
//!            └──► lease: whether this replica works ┘        http: metrics, health
//! ```

mod args;
mod backoff;
mod health;
mod http;
mod leadership;
mod memory;
mod metrics;
mod reconcile;
mod rollout_limit;
mod start;
mod traces;
mod version;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use mimalloc::MiMalloc;
use podidentity_cluster::index::IdentityKey;
use podidentity_cluster::write::events::EventPublisher;
use podidentity_core::snapshot::Config;
use tokio::runtime::{Builder, Handle};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::Instant;
use tracing::{Instrument, info, info_span, warn};

use crate::args::Args;
use crate::memory::Memories;
use crate::metrics::Metrics;
use crate::reconcile::Reconciler;
use crate::rollout_limit::SharedRolloutLimit;
use crate::start::Started;

/// A seventh less CPU for each change of a role than with glibc's allocator, for some 7 MiB more
/// memory: docs/adr/0026.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// How long the remaining events may take at shutdown: the next leader waits for them.
const LAST_EVENTS: Duration = Duration::from_secs(2);

/// Why the process cannot continue.
type Problem = Box<dyn std::error::Error>;

/// One thread does the work, because its tasks mostly wait for each other: on several threads they
/// spend a sixth of the CPU on waking each other. Another thread does what must not wait for a long
/// judgment: probes, metrics and the lease.
fn main() -> ExitCode {
    let args = Args::parse();
    let work = Builder::new_current_thread().enable_all().build();
    let aside = Builder::new_multi_thread().worker_threads(1).thread_name("aside").enable_all().build();
    match (work, aside) {
        (Ok(work), Ok(aside)) => work.block_on(start_and_work(args, aside.handle())),
        (Err(error), _) | (_, Err(error)) => {
            // Logging is not set up yet.
            eprintln!("error: no threads: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn start_and_work(args: Args, aside: &Handle) -> ExitCode {
    let traces = match args.logs.init(aside) {
        Ok(traces) => traces,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::FAILURE;
        }
    };
    let ended = run(args, aside).await;
    if let Err(error) = &ended {
        tracing::error!("{error}");
    }
    if let Some(traces) = traces {
        traces.end().await;
    }
    if ended.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn run(args: Args, aside: &Handle) -> Result<(), Problem> {
    args.check()?;
    // Handles signals before anything slow, so that a signal during startup also ends the process
    // cleanly.
    let shutdown = shutdown()?;
    tokio::pin!(shutdown);
    let started = tokio::select! {
        started = start::start(&args, aside) => started?,
        () = &mut shutdown => return Ok(()),
    };
    work(started, &args, shutdown).await
}

async fn work(started: Started, args: &Args, shutdown: impl Future<Output = ()>) -> Result<(), Problem> {
    let Started { client, clock, index, sender, queue, mut streams, leadership, issuer, metrics, preflights } = started;
    let (leads, term) = (leadership.leads(), leadership.stand());
    let (events, publishing) = EventPublisher::new(client.clone());
    let publishing = tokio::spawn(publishing);
    let config = Config {
        settings: args.injection.settings(),
        issuer,
        require_grants: args.require_grants,
        preflight: args.preflight.policy(),
        proceed_unasked: args.preflight.proceeds(),
        preflight_recheck: args.preflight.preflight_recheck,
    };
    let reconciler = Arc::new(Reconciler {
        client,
        clock,
        index,
        events,
        metrics: metrics.clone(),
        preflights,
        config: Arc::new(config),
        dry_run: args.dry_run,
        rollout_limit: SharedRolloutLimit::new(args.max_concurrent_rollouts, sender, metrics.clone()),
        memories: Memories::default(),
    });
    let surveyor = Arc::clone(&reconciler);
    let open = leadership::prepared(leads, move || {
        let reconciler = Arc::clone(&surveyor);
        async move { reconciler.survey().await }
    });
    let reconcile = move |key: IdentityKey| {
        let span = info_span!("reconcile", identity = %key);
        timed(metrics.clone(), Arc::clone(&reconciler).reconcile(key)).instrument(span)
    };
    let worked = tokio::select! {
        () = queue.run(args.concurrency, open, shutdown, reconcile) => Ok(()),
        Some(ended) = streams.join_next() => Err(start::stream_ended(ended)),
    };
    // Running work has finished. Its events must be published while this replica may still write.
    if tokio::time::timeout(LAST_EVENTS, publishing).await.is_err() {
        warn!(within = ?LAST_EVENTS, "not all events were published");
    }
    // Now another replica may take over.
    term.end().await;
    worked
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
