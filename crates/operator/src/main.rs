//! The pod identity operator.
//!
//! ```text
//! args ──► client ──► watch streams ──► index ──► queue ──► reconcile (the story)
//! ```

mod args;
mod budget;
mod context;
mod reconcile;

use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use podidentity_cluster::index::Index;
use podidentity_cluster::{client, queue, watch};
use tokio::signal::unix::{SignalKind, signal};
use tracing::info;

use crate::args::Args;
use crate::context::Context;

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    args.init_logging();
    match run(args).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: Args) -> Result<(), Box<dyn std::error::Error>> {
    let client = client::from_environment(concat!("podidentity-operator/", env!("CARGO_PKG_VERSION"))).await?;
    if args.require_grants {
        client::may_list_namespaces(&client).await?;
    }
    let issuer = match args.issuer.clone() {
        Some(issuer) => Some(issuer),
        None => client::discover_issuer(&client).await,
    };
    let index = Index::default();
    let (sender, queue) = queue::channel();
    let notify: watch::Notify = {
        let sender = sender.clone();
        Arc::new(move |key| sender.now(key))
    };
    let (streams, listed) = watch::streams(&client, &index, &notify);
    for stream in streams {
        tokio::spawn(stream);
    }
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let shutdown = async move {
        tokio::select! {
            _ = terminate.recv() => info!("terminated, finishing what is under way"),
            _ = interrupt.recv() => info!("interrupted, finishing what is under way"),
        }
    };
    tokio::pin!(shutdown);
    // Never act on half a picture: every stream has to deliver its first full list.
    tokio::select! {
        () = listed => info!("all kinds listed, starting to reconcile"),
        () = &mut shutdown => return Ok(()),
    }
    let context = Arc::new(Context::new(client, index, sender, &args, issuer));
    let work = move |key| reconcile::reconcile(Arc::clone(&context), key);
    queue.run(args.concurrency, shutdown, work).await;
    Ok(())
}
