//! Records the outputs in the pages from the plugin's real output.

use anyhow::Result;
use e2e::pages::record;

use crate::normal::pretty;
use crate::plugin::Plugin;

/// The width of a page of text.
pub(crate) const COLUMNS: (&str, &str) = ("COLUMNS", "100");

/// The page about the plugin on a cluster.
pub(crate) fn recorded(plugin: &Plugin) -> Result<()> {
    record("docs/cli-cluster.md", |args| {
        let outcome = plugin.run_with(args, "", &[COLUMNS])?;
        Ok(pretty(&outcome.stdout) + &pretty(&outcome.stderr))
    })
}
