//! Links within the repository lead somewhere: to a file that exists, and to a heading that it has.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result};
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};
use walkdir::{DirEntry, WalkDir};

/// What is wrong, one line each.
pub(crate) fn check(root: &Path) -> Result<Vec<String>> {
    let mut pages = BTreeMap::new();
    for entry in WalkDir::new(root).into_iter().filter_entry(is_ours) {
        let path = entry.context("cannot read the repository")?.into_path();
        if path.extension().is_some_and(|extension| extension == "md") {
            let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
            pages.insert(normal(&path), Page::read(&text));
        }
    }
    let broken = |(path, page): (&PathBuf, &Page)| -> Vec<String> {
        let shown = path.strip_prefix(normal(root)).unwrap_or(path).display().to_string();
        page.links.iter().filter_map(|link| problem(&pages, path, link)).map(|it| format!("{shown}: {it}")).collect()
    };
    Ok(pages.iter().flat_map(broken).collect())
}

/// Not what is built, nor what Git and others keep in hidden folders.
fn is_ours(entry: &DirEntry) -> bool {
    let name = entry.file_name().to_string_lossy();
    entry.depth() == 0 || !(name.starts_with('.') || name == "target" || name == "node_modules")
}

fn problem(pages: &BTreeMap<PathBuf, Page>, from: &Path, link: &str) -> Option<String> {
    if link.contains("://") || link.starts_with("mailto:") {
        return None;
    }
    let (file, anchor) = link.split_once('#').map_or((link, None), |(file, anchor)| (file, Some(anchor)));
    let target =
        if file.is_empty() { from.to_path_buf() } else { normal(&from.parent().unwrap_or(Path::new("")).join(file)) };
    if !target.exists() {
        return Some(format!("{link} leads to no file"));
    }
    let page = pages.get(&target)?;
    let anchor = anchor?;
    (!page.anchors.contains(anchor)).then(|| format!("{link} leads to no heading"))
}

#[derive(Default)]
struct Page {
    links: Vec<String>,
    anchors: BTreeSet<String>,
}

impl Page {
    fn read(text: &str) -> Self {
        let mut page = Self::default();
        let mut heading: Option<String> = None;
        for event in Parser::new_ext(text, Options::ENABLE_TABLES) {
            match event {
                Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
                Event::End(TagEnd::Heading(_)) => page.anchors.extend(heading.take().map(|text| anchor(&text))),
                Event::Text(text) | Event::Code(text) => {
                    if let Some(heading) = &mut heading {
                        heading.push_str(&text);
                    }
                }
                Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                    page.links.push(dest_url.into_string());
                }
                _ => {}
            }
        }
        page
    }
}

/// As GitHub makes it: lower case, hyphens for blanks, nothing else but letters, digits, hyphens and underscores.
fn anchor(heading: &str) -> String {
    let kept = heading.to_lowercase();
    kept.chars()
        .filter(|letter| letter.is_alphanumeric() || matches!(letter, '-' | '_' | ' '))
        .map(|letter| if letter == ' ' { '-' } else { letter })
        .collect()
}

/// Without `.` and `..`, and without following links.
pub(crate) fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => {
                normal.pop();
            }
            Component::CurDir => {}
            other => normal.push(other),
        }
    }
    normal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_file_and_a_missing_heading_are_found() {
        let page = Page::read("# A title\n\n## What is `not` here?\n\n[x](#what-is-not-here) [y](#gone) [z](gone.md)");
        let here = PathBuf::from("/docs/page.md");
        assert_eq!(page.links, ["#what-is-not-here", "#gone", "gone.md"]);
        assert!(page.anchors.contains("what-is-not-here"), "{:?}", page.anchors);
        let pages = BTreeMap::from([(here.clone(), page)]);
        assert_eq!(problem(&pages, &here, "gone.md"), Some("gone.md leads to no file".to_owned()));
        assert_eq!(problem(&pages, &here, "https://example.com/"), None);
    }

    #[test]
    fn anchors_are_githubs() {
        assert_eq!(anchor("spec.rollout.workloadSelector"), "specrolloutworkloadselector");
        assert_eq!(anchor("On EKS, step by step"), "on-eks-step-by-step");
    }

    #[test]
    fn paths_are_followed_upwards() {
        assert_eq!(normal(Path::new("/docs/reference/../flux.md")), Path::new("/docs/flux.md"));
    }
}
