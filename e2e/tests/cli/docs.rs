//! The outputs in the pages are what the plugin prints: recorded, not typed by hand.

use anyhow::{Result, ensure};
use e2e::repository;

use crate::normal::pretty;
use crate::plugin::Plugin;

/// As wide as a page of text.
pub(crate) const COLUMNS: (&str, &str) = ("COLUMNS", "100");

/// The page about the plugin on a cluster.
pub(crate) fn recorded(plugin: &Plugin) -> Result<()> {
    record("docs/cli-cluster.md", |args| {
        let outcome = plugin.run_with(args, "", &[COLUMNS])?;
        Ok(pretty(&outcome.stdout) + &pretty(&outcome.stderr))
    })
}

/// Runs every `$ kubectl podidentity ...` of the page's console blocks and puts what came out below it.
pub(crate) fn record(page: &str, mut run: impl FnMut(&[&str]) -> Result<String>) -> Result<()> {
    let path = repository().join(page);
    let text = std::fs::read_to_string(&path)?;
    let mut recorded = String::new();
    let mut in_console = false;
    for line in text.split_inclusive('\n') {
        if line.starts_with("```") {
            in_console = line.starts_with("```console");
            recorded.push_str(line);
        } else if !in_console {
            recorded.push_str(line);
        } else if let Some(command) = line.strip_prefix("$ kubectl podidentity ") {
            let args: Vec<&str> = command.split_whitespace().collect();
            recorded.extend([line, &run(&args)?]);
        }
    }
    if std::env::var_os("UPDATE").is_some() {
        return Ok(std::fs::write(path, recorded)?);
    }
    ensure!(text == recorded, "{page} is stale: UPDATE=1 cargo test -p e2e --test cli; it is now\n{recorded}");
    Ok(())
}
