//! The documentation as a site: the pages of the repository as the source of an mdBook.
//!
//! ```text
//! docs/README.md ──► the order of the pages: SUMMARY.md
//! pages ──► the same, with links that lead somewhere on a site ──► mdbook ──► html: its links checked
//! ```
//!
//! The folders stay as they are, so links between pages stay as well. A file that a page links to, a manifest for
//! example, is copied beside the pages.

pub(crate) mod html;
mod rewrite;
mod summary;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use walkdir::WalkDir;

/// Pages outside of `docs/`.
const OUTSIDE: [&str; 8] = [
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "CODE_OF_CONDUCT.md",
    "MAINTAINERS.md",
    "charts/podidentity-operator/README.md",
    "charts/podidentity-crds/README.md",
];

/// Writes the source of the book to a folder, which is emptied first.
pub(crate) fn write(root: &Path, out: &Path) -> Result<()> {
    let pages = pages(root)?;
    if out.exists() {
        fs::remove_dir_all(out).with_context(|| format!("cannot empty {}", out.display()))?;
    }
    let mut files = BTreeSet::new();
    for page in &pages {
        let text = read(root, page)?;
        let text = rewrite::links(&text, page, |target| place(root, &pages, target, &mut files));
        store(&out.join(page_in_book(page)), text.as_bytes())?;
    }
    for file in &files {
        let bytes = fs::read(root.join(file)).with_context(|| format!("cannot read {}", file.display()))?;
        store(&out.join(file), &bytes)?;
    }
    let summary = summary::of(&read(root, Path::new("docs/README.md"))?, &pages, |page| read(root, page))?;
    store(&out.join("SUMMARY.md"), summary.as_bytes())
}

/// Paths of all pages, from the root of the repository.
fn pages(root: &Path) -> Result<BTreeSet<PathBuf>> {
    let mut pages: BTreeSet<PathBuf> = OUTSIDE.iter().map(PathBuf::from).collect();
    for entry in WalkDir::new(root.join("docs")) {
        let path = entry.context("cannot read docs/")?.into_path();
        if path.extension().is_some_and(|extension| extension == "md") {
            pages.insert(path.strip_prefix(root)?.to_path_buf());
        }
    }
    Ok(pages)
}

/// Where a link leads on the site; nothing if it leads nowhere there. Files that have to be there are noted.
fn place(root: &Path, pages: &BTreeSet<PathBuf>, target: &Path, files: &mut BTreeSet<PathBuf>) -> Option<PathBuf> {
    if pages.contains(target) {
        return Some(page_in_book(target));
    }
    let file = if root.join(target).is_dir() { target.join("kustomization.yaml") } else { target.to_path_buf() };
    root.join(&file).is_file().then(|| {
        files.insert(file.clone());
        file
    })
}

/// mdBook makes `index.html` of a README, but leaves links to the README alone.
fn page_in_book(page: &Path) -> PathBuf {
    if page.ends_with("README.md") { page.with_file_name("index.md") } else { page.to_path_buf() }
}

fn read(root: &Path, page: &Path) -> Result<String> {
    fs::read_to_string(root.join(page)).with_context(|| format!("cannot read {}", page.display()))
}

fn store(path: &Path, bytes: &[u8]) -> Result<()> {
    let Some(folder) = path.parent() else { bail!("{} has no folder", path.display()) };
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}
