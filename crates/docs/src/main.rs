//! The pages in `docs/`: those that are generated from the Rust types, and checks of all.
//!
//! ```text
//! podidentity-docs api      prints docs/reference/api.md
//! podidentity-docs check    fails if a link leads nowhere, or a reason is not explained
//! ```

mod api;
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
        Some("check") => match check(&repository()) {
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
        },
        _ => {
            eprintln!("usage: podidentity-docs api | check");
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
