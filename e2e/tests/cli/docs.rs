//! The outputs in `docs/cli-cluster.md` are what the plugin prints: recorded, not typed by hand.

use anyhow::{Result, ensure};
use e2e::repository;

use crate::normal::pretty;
use crate::plugin::Plugin;

/// As wide as a page of text.
const COLUMNS: &str = "100";

/// Runs every `$ kubectl podidentity ...` of the page's console blocks and puts what came out below it.
pub(crate) fn recorded(plugin: &Plugin) -> Result<()> {
    let path = repository().join("docs/cli-cluster.md");
    let page = std::fs::read_to_string(&path)?;
    let mut recorded = String::new();
    let mut in_console = false;
    for line in page.split_inclusive('\n') {
        if line.starts_with("```") {
            in_console = line.starts_with("```console");
            recorded.push_str(line);
        } else if !in_console {
            recorded.push_str(line);
        } else if let Some(command) = line.strip_prefix("$ kubectl podidentity ") {
            let args: Vec<&str> = command.split_whitespace().collect();
            let outcome = plugin.run_with(&args, "", &[("COLUMNS", COLUMNS)])?;
            recorded.extend([line, &pretty(&outcome.stdout), &pretty(&outcome.stderr)]);
        }
    }
    if std::env::var_os("UPDATE").is_some() {
        return Ok(std::fs::write(path, recorded)?);
    }
    ensure!(
        page == recorded,
        "docs/cli-cluster.md is stale: UPDATE=1 cargo test -p e2e --test cli; it is now\n{recorded}"
    );
    Ok(())
}
