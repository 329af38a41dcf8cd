//! `report`: one page about a whole cluster, to share, print or keep.
//!
//! ```text
//! cluster ──► views ──► totals, matrix namespace x finding, list, roles ──► one HTML file that needs nothing else
//! ```

mod list;
mod matrix;
mod page;
mod roles;

use std::io::Write;

use clap::{Args, ValueEnum};

use crate::cluster::{Failure, Session, Views, block_on};
use crate::exit::Exit;
use crate::flags::{ConnectionArgs, ScopeArgs};
use crate::messages::Messages;
use crate::output::document;
use crate::status;

pub(crate) use page::{About, page};

/// Write a page about the whole cluster
///
/// Totals, findings by namespace, every binding and every service account that is annotated without one, and who uses
/// which role. The page is one file: it loads nothing, can be filtered, and reads well on paper. Without -n it is about
/// all namespaces.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  kubectl podidentity report > podidentity.html
  kubectl podidentity report -n team-a -o html > team-a.html")]
pub(crate) struct ReportArgs {
    #[command(flatten)]
    pub(crate) scope: ScopeArgs,

    /// How it is written
    #[arg(short, long, value_enum, default_value_t = Output::Html)]
    pub(crate) output: Output,

    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// To read in a browser
    Html,
    /// All that is known
    Json,
}

/// Runs the command.
pub(crate) fn run(args: &ReportArgs, out: &mut dyn Write) -> Result<Exit, Failure> {
    block_on(async {
        let namespace = args.scope.namespace.clone();
        let scope = ScopeArgs { all_namespaces: namespace.is_none(), namespace, selector: args.scope.selector.clone() };
        let session = Session::open(&args.connection, &scope).await?;
        let Views { views, notes } = session.views().await?;
        Messages::new().notes(&notes);
        let place =
            session.namespace.as_ref().map_or_else(|| "all namespaces".to_owned(), |it| format!("namespace {it}"));
        let about =
            About { server: session.connection.server.clone(), place, now: session.connection.clock.now(), notes };
        match args.output {
            Output::Html => page(&views, &about, out)?,
            Output::Json => document::json(&status::document(&views), out)?,
        }
        Ok(Exit::Ok)
    })
}
