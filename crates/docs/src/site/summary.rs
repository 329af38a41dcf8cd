//! The order of the pages: that of `docs/README.md`, whose bold lines are parts and whose tables list pages. Below the
//! README of a folder stand the other pages of the folder.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};

use super::page_in_book;

/// `SUMMARY.md`, or an error if a page is in no table.
pub(super) fn of(contents: &str, pages: &BTreeSet<PathBuf>, read: impl Fn(&Path) -> Result<String>) -> Result<String> {
    let mut text = "# Summary\n\n[Pod identity operator](index.md)\n[Contents](docs/index.md)\n".to_owned();
    let mut listed: BTreeSet<PathBuf> = ["README.md", "docs/README.md"].map(PathBuf::from).into();
    for line in contents.lines() {
        if let Some(part) = line.strip_prefix("**").and_then(|line| line.strip_suffix("**")) {
            let _ = write!(text, "\n# {part}\n\n");
        } else if let Some((title, page)) = row(line) {
            let _ = writeln!(text, "- [{title}]({})", page_in_book(&page).display());
            if page.ends_with("README.md") {
                for nested in pages.iter().filter(|it| it.parent() == page.parent() && **it != page) {
                    let _ = writeln!(text, "  - [{}]({})", title_of(&read(nested)?), nested.display());
                    listed.insert(nested.clone());
                }
            }
            listed.insert(page);
        }
    }
    let _ = write!(text, "\n# Project\n\n");
    let (outside, missing): (Vec<_>, Vec<_>) = pages.difference(&listed).partition(|page| !page.starts_with("docs"));
    ensure!(missing.is_empty(), "docs/README.md has no row for {missing:?}: add one to the table that fits");
    for page in outside {
        let _ = writeln!(text, "- [{}]({})", title_of(&read(page)?), page_in_book(page).display());
    }
    Ok(text)
}

/// Title and page of a row of a table: `| [Title](page.md) | ... |`.
fn row(line: &str) -> Option<(&str, PathBuf)> {
    let (title, rest) = line.strip_prefix("| [")?.split_once("](")?;
    let page = rest.split(')').next()?;
    Some((title, Path::new("docs").join(page)))
}

/// The first heading.
fn title_of(page: &str) -> String {
    page.lines().find_map(|line| line.strip_prefix("# ")).unwrap_or("Untitled").replace(['[', ']'], "")
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTENTS: &str =
        "# Docs\n\n**Use**\n\n| | |\n|---|---|\n| [Flux](flux.md) | health |\n| [Decisions](adr/README.md) | why |\n";

    fn summary(pages: &[&str]) -> Result<String> {
        of(CONTENTS, &pages.iter().map(PathBuf::from).collect(), |page| Ok(format!("# About {}\n", page.display())))
    }

    #[test]
    fn parts_pages_and_nested_pages_are_in_the_order_of_the_contents() {
        let text = summary(&["docs/flux.md", "docs/adr/README.md", "docs/adr/0001-a.md", "SECURITY.md"]).unwrap();
        let end = "\n# Use\n\n- [Flux](docs/flux.md)\n- [Decisions](docs/adr/index.md)\n  - [About docs/adr/0001-a.md](docs/adr/0001-a.md)\n\n# Project\n\n- [About SECURITY.md](SECURITY.md)\n";
        assert!(text.ends_with(end), "{text}");
    }

    #[test]
    fn a_page_that_is_in_no_table_is_named() {
        let error = summary(&["docs/flux.md", "docs/lost.md"]).unwrap_err().to_string();
        assert!(error.contains("lost.md"), "{error}");
    }
}
