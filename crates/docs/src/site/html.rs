//! Links of a built site lead somewhere: to a file that exists, and to an element that it has.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use walkdir::WalkDir;

use crate::links::normal;

/// What is wrong, one line each; and how many links were looked at.
pub(crate) fn check(site: &Path) -> Result<(Vec<String>, usize)> {
    let mut files: BTreeMap<PathBuf, Option<String>> = BTreeMap::new();
    for entry in WalkDir::new(site) {
        let entry = entry.with_context(|| format!("cannot read {}: make site builds it", site.display()))?;
        if entry.file_type().is_file() {
            let path = entry.path();
            let page = path.extension().is_some_and(|extension| extension == "html");
            let text = page.then(|| fs::read_to_string(path)).transpose()?;
            files.insert(path.strip_prefix(site)?.to_path_buf(), text);
        }
    }
    let ids: BTreeMap<&PathBuf, BTreeSet<&str>> =
        files.iter().filter_map(|(path, text)| Some((path, values(text.as_ref()?, "id").collect()))).collect();
    let (mut problems, mut count) = (Vec::new(), 0);
    for (path, text) in files.iter().filter_map(|(path, text)| Some((path, text.as_ref()?))) {
        // Its links are from the root of wherever the site lies. Each version in a folder below has one, too.
        if path.ends_with("404.html") {
            continue;
        }
        for link in values(text, "href").chain(values(text, "src")) {
            count += 1;
            problems.extend(
                problem(&files, &ids, path, link).map(|problem| format!("{}: {link} {problem}", path.display())),
            );
        }
    }
    Ok((problems, count))
}

fn problem(
    files: &BTreeMap<PathBuf, Option<String>>,
    ids: &BTreeMap<&PathBuf, BTreeSet<&str>>,
    from: &Path,
    link: &str,
) -> Option<&'static str> {
    if link.contains("://")
        || link.starts_with("mailto:")
        || link.starts_with("data:")
        || link.starts_with("javascript:")
    {
        return None;
    }
    let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
    let file = file.split('?').next().unwrap_or(file);
    let target =
        if file.is_empty() { from.to_path_buf() } else { normal(&from.parent().unwrap_or(Path::new("")).join(file)) };
    if !files.contains_key(&target) {
        return Some("leads to no file");
    }
    let known = ids.get(&target)?;
    (!anchor.is_empty() && !known.contains(anchor)).then_some("leads to no heading")
}

/// The values of an attribute, as mdBook writes attributes: `name="value"`.
fn values<'a>(text: &'a str, name: &'a str) -> impl Iterator<Item = &'a str> {
    text.split(&format!(" {name}=\"")).skip(1).filter_map(|rest| rest.split('"').next()).collect::<Vec<_>>().into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_picture_is_found_and_the_page_for_what_is_missing_is_passed_over_in_every_version() {
        let site = std::env::temp_dir().join(format!("podidentity-docs-{}", std::process::id()));
        fs::create_dir_all(site.join("v0.1.0")).unwrap();
        let page = r#"<a href="../index.html">here</a> <img src="gone.png" alt="">"#;
        let pages = [("index.html", ""), ("v0.1.0/index.html", page), ("404.html", r#"<base href="/">"#)];
        for (name, text) in pages.into_iter().chain([("v0.1.0/404.html", r#"<base href="/">"#)]) {
            fs::write(site.join(name), text).unwrap();
        }
        let checked = check(&site);
        fs::remove_dir_all(&site).unwrap();
        let (problems, count) = checked.unwrap();
        assert_eq!(problems, ["v0.1.0/index.html: gone.png leads to no file"]);
        assert_eq!(count, 2);
    }
}
