//! Records command outputs in the pages: each output stands below its command.

use anyhow::{Result, ensure};

use crate::repository;

/// Runs every `$ kubectl podidentity ...` in the page's console blocks and puts the output below
/// it.
pub fn record(page: &str, mut run: impl FnMut(&[&str]) -> Result<String>) -> Result<()> {
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
    ensure!(text == recorded, "{page} is stale: record it with UPDATE=1; it is now\n{recorded}");
    Ok(())
}
