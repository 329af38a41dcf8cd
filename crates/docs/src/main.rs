//! The pages in `docs/`: those that are generated from the Rust types, and checks of pages and
//! sources.
//!
//! ```text
//! podidentity-docs api      prints docs/reference/api.md
//! podidentity-docs check    fails if a link leads nowhere, or a reason is not explained
//! podidentity-docs layers   fails if folders of a crate import each other in a circle, or a file is too long
//! ```

mod api;
mod layers;
mod links;
mod reasons;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("api") => {
            print!("{}", api::page());
            ExitCode::SUCCESS
        }
        Some("check") => report(check(&repository())),
        Some("layers") => report(layers::check(&repository())),
        _ => {
            eprintln!("usage: podidentity-docs api | check | layers");
            ExitCode::FAILURE
        }
    }
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
