//! `kubectl podidentity version`: the versions of the plugin, the operator and the API server.

use std::io::Write;

use clap::Args;
use podidentity_cluster::read::installation::{Seen, image, operators, version};
use serde::Serialize;

use crate::cluster::{Failure, Session, block_on};
use crate::exit::Exit;
use crate::flags::{ConnectionArgs, ScopeArgs};
use crate::output::document::{self, Output};
use crate::terminal_text::Sheet;

/// Print the versions of plugin, operator and API server
#[derive(Debug, Args)]
pub(crate) struct VersionArgs {
    /// Of the plugin only, without asking a cluster
    #[arg(long)]
    client: bool,

    /// How it is printed
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    output: Output,

    #[command(flatten)]
    connection: ConnectionArgs,
}

/// The versions to print.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Versions {
    plugin: &'static str,
    /// Images of the operators in the cluster. Absent if they are not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    operator: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    server: Option<String>,
}

/// Runs the command.
pub(crate) fn run(args: &VersionArgs, out: &mut dyn Write) -> Result<Exit, Failure> {
    let plugin = Versions { plugin: env!("CARGO_PKG_VERSION"), ..Versions::default() };
    let versions = if args.client { plugin } else { block_on(of_cluster(args, plugin))? };
    match args.output {
        Output::Text => text(&versions).print(out)?,
        Output::Json => document::json(&versions, out)?,
        Output::Yaml => document::yaml(&versions, out)?,
    }
    Ok(Exit::Ok)
}

async fn of_cluster(args: &VersionArgs, versions: Versions) -> Result<Versions, Failure> {
    let scope = ScopeArgs { namespace: None, all_namespaces: true, selector: None };
    let session = Session::open(&args.connection, &scope).await?;
    let client = &session.connection.client;
    let server = Some(version(client).await?);
    let operator = match operators(client).await {
        Seen::Found(found) => Some(found.iter().map(|it| image(it).to_owned()).collect()),
        Seen::Absent | Seen::Forbidden(_) | Seen::Failed(_) => None,
    };
    Ok(Versions { operator, server, ..versions })
}

fn text(versions: &Versions) -> Sheet {
    let mut out = Sheet::new();
    out.line(format_args!("Plugin:    {}", versions.plugin));
    match versions.operator.as_deref() {
        Some([]) => out.line("Operator:  not installed"),
        Some(images) => images.iter().for_each(|image| out.line(format_args!("Operator:  {image}"))),
        None if versions.server.is_some() => out.line("Operator:  not known: you may not list deployments.apps"),
        None => {}
    }
    if let Some(server) = &versions.server {
        out.line(format_args!("Server:    {server}"));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_not_said() {
        let plugin = Versions { plugin: "1.0.0", ..Versions::default() };
        assert_eq!(text(&plugin).finished(), "Plugin:    1.0.0\n");
        let cluster = Versions { server: Some("v1.37.2".to_owned()), operator: Some(Vec::new()), ..plugin };
        assert!(text(&cluster).finished().contains("Operator:  not installed\nServer:    v1.37.2\n"));
        let blind = Versions { operator: None, ..cluster };
        assert!(text(&blind).finished().contains("may not list"));
    }
}
