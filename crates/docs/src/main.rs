//! The pages in `docs/`: those that are generated from the Rust types, and checks of pages and
//! sources.
//!
//! ```text
//! podidentity-docs api      prints docs/reference/api.md
//! podidentity-docs check    fails if a link leads nowhere, or a reason is not explained
//! podidentity-docs layers   fails if folders of a crate import each other in a circle, or a file is too long
//! podidentity-docs site OUT          writes the pages as the source of an mdBook
//! podidentity-docs site-check SITE   fails if a link of the built site leads nowhere
//! ```

mod api;
mod layers;
mod links;
mod reasons;
mod site;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("api") => {
            print!("{}", api::page());
            ExitCode::SUCCESS
        }
        Some("check") => report(check(&repository())),
        Some("layers") => report(layers::check(&repository())),
        Some("site") => report(folder().and_then(|out| site::write(&repository(), &out)).map(|()| Vec::new())),
        Some("site-check") => report(folder().and_then(|site| checked(&site))),
        _ => {
            eprintln!("usage: podidentity-docs api | check | layers | site OUT | site-check SITE");
            ExitCode::FAILURE
        }
    }
}

fn folder() -> anyhow::Result<PathBuf> {
    std::env::args().nth(2).map(PathBuf::from).context("the folder is missing")
}

fn checked(site: &Path) -> anyhow::Result<Vec<String>> {
    let (problems, count) = site::html::check(site)?;
    println!("{count} links looked at, {} lead nowhere", problems.len());
    Ok(problems)
}

/// Prints what is wrong.
fn report(problems: anyhow::Result<Vec<String>>) -> ExitCode {
    match problems {
        Ok(problems) if problems.is_empty() => ExitCode::SUCCESS,
        Ok(problems) => {
            for problem in problems {
                eprintln!("{problem}");
            }
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn check(root: &Path) -> anyhow::Result<Vec<String>> {
    Ok([links::check(root)?, reasons::check(root)?].concat())
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
