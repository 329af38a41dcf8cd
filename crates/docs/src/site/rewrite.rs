//! Links of a page, rewritten for the site.

use std::ops::Range;
use std::path::{Path, PathBuf};

use pulldown_cmark::{Event, Options, Parser, Tag};

use crate::links::normal;

/// The page with each link within the repository led to its place; one that has none is its text alone.
pub(super) fn links(text: &str, page: &Path, mut place: impl FnMut(&Path) -> Option<PathBuf>) -> String {
    let folder = page.parent().unwrap_or(Path::new(""));
    let mut rewritten = text.to_owned();
    // From the end, so that what is found before stays where it is.
    for (range, link) in found(text).into_iter().rev() {
        let (file, anchor) = link.split_once('#').map_or((link.as_str(), ""), |(file, _)| (file, &link[file.len()..]));
        let Some(at) = text[range.clone()].rfind(&format!("]({link})")).map(|at| range.start + at) else { continue };
        let end = at + link.len() + 3;
        if let Some(target) = place(&normal(&folder.join(file))) {
            rewritten.replace_range(at..end, &format!("]({}{anchor})", relative(folder, &target)));
        } else {
            rewritten.replace_range(at..end, "");
            rewritten.remove(range.start);
        }
    }
    rewritten
}

/// Links and images that lead to a file of the repository, with their places in the text.
fn found(text: &str) -> Vec<(Range<usize>, String)> {
    let parser = Parser::new_ext(text, Options::ENABLE_TABLES).into_offset_iter();
    parser
        .filter_map(|(event, range)| match event {
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                Some((range, dest_url.into_string()))
            }
            _ => None,
        })
        .filter(|(_, link)| !link.contains("://") && !link.starts_with('#') && !link.starts_with("mailto:"))
        .collect()
}

fn relative(folder: &Path, target: &Path) -> String {
    let mut from = folder.components().peekable();
    let mut to = target.components().peekable();
    while from.peek().is_some() && from.peek() == to.peek() {
        from.next();
        to.next();
    }
    let up = from.map(|_| "..".to_owned());
    up.chain(to.map(|part| part.as_os_str().to_string_lossy().into_owned())).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_to_their_places_and_those_without_one_are_text() {
        let page =
            "See [a](../README.md#top), [b](b.md), `[not](one.md)`, [gone](../config) and [out](https://example.com/).";
        let rewritten = links(page, Path::new("docs/x.md"), |target| match target.to_str() {
            Some("README.md") => Some("index.md".into()),
            Some("docs/b.md") => Some("docs/b.md".into()),
            _ => None,
        });
        let expected = "See [a](../index.md#top), [b](b.md), `[not](one.md)`, gone and [out](https://example.com/).";
        assert_eq!(rewritten, expected);
    }

    #[test]
    fn paths_are_as_short_as_they_can_be() {
        assert_eq!(relative(Path::new("docs/adr"), Path::new("docs/flux.md")), "../flux.md");
        assert_eq!(relative(Path::new(""), Path::new("docs/flux.md")), "docs/flux.md");
    }
}
