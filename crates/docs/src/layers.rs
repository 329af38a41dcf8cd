//! Folders and top-level modules of a crate import each other in one direction only, and no file is
//! too long to be read.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use walkdir::WalkDir;

/// The crates of the repository, by the folders of their sources.
const CRATES: [&str; 7] = [
    "crates/api/src",
    "crates/core/src",
    "crates/cluster/src",
    "crates/operator/src",
    "crates/cli/src",
    "crates/docs/src",
    "e2e/src",
];
/// Where a file may not be longer.
const FILES: [&str; 2] = ["crates", "e2e"];
const LINES: usize = 400;

/// The modules that a module imports, and in which file.
type Imports = BTreeMap<String, BTreeMap<String, String>>;

/// What is wrong, one line each.
pub(crate) fn check(root: &Path) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    for folder in CRATES {
        let sources = sources(&root.join(folder))?;
        problems.extend(circles(&imports(&sources)).map(|circle| format!("{folder}: {circle}")));
    }
    for folder in FILES {
        for (path, text) in sources(&root.join(folder))? {
            let lines = text.lines().count();
            if lines > LINES {
                problems.push(format!("{folder}/{path}: has {lines} lines, {LINES} at most; split it"));
            }
        }
    }
    Ok(problems)
}

/// The Rust files of a folder, by their paths in it.
fn sources(folder: &Path) -> Result<BTreeMap<String, String>> {
    let mut sources = BTreeMap::new();
    for entry in WalkDir::new(folder).into_iter().filter_entry(|entry| entry.file_name() != "target") {
        let path: PathBuf = entry.with_context(|| format!("cannot read {}", folder.display()))?.into_path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
            sources.insert(path.strip_prefix(folder)?.display().to_string(), text);
        }
    }
    Ok(sources)
}

/// What each top-level module imports of the others. Tests do not count.
fn imports(sources: &BTreeMap<String, String>) -> Imports {
    let roots = ["main.rs", "lib.rs"].into_iter().filter_map(|root| sources.get(root));
    let of_tests: BTreeSet<&str> = roots.flat_map(|root| test_modules(root)).collect();
    let modules: BTreeSet<&str> = sources.keys().map(|path| module(path)).collect();
    let mut imports = Imports::new();
    for (path, text) in sources {
        let own = module(path);
        if ["main", "lib"].contains(&own) || of_tests.contains(own) || path.ends_with("tests.rs") {
            continue;
        }
        for used in used(text).into_iter().filter(|used| *used != own && modules.contains(used)) {
            let found = imports.entry(own.to_owned()).or_default();
            found.entry(used.to_owned()).or_insert_with(|| path.clone());
        }
    }
    imports
}

/// The top-level module that a file belongs to.
fn module(path: &str) -> &str {
    let first = path.split('/').next().unwrap_or(path);
    first.strip_suffix(".rs").unwrap_or(first)
}

/// The modules that a root declares for tests only.
fn test_modules(root: &str) -> impl Iterator<Item = &str> {
    let declared = root.split("#[cfg(test)]\n").skip(1).filter_map(|rest| rest.split(';').next());
    declared.filter_map(|line| line.trim_start_matches("pub ").strip_prefix("mod "))
}

/// The names behind `crate::` in a file, without its tests and comments.
fn used(text: &str) -> BTreeSet<&str> {
    let product = text.split("#[cfg(test)]").next().unwrap_or_default();
    let code = product.lines().filter(|line| !line.trim_start().starts_with("//"));
    let mut names = BTreeSet::new();
    for rest in code.flat_map(|line| line.split("crate::").skip(1)) {
        let group = rest.strip_prefix('{').map(|group| group.split('}').next().unwrap_or(group).split(','));
        match group {
            Some(group) => names.extend(group.map(|part| first_name(part.trim()))),
            None => drop(names.insert(first_name(rest))),
        }
    }
    names
}

fn first_name(text: &str) -> &str {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default()
}

/// The circles, each as `a -> b (in FILE) -> a (in FILE)`.
fn circles(imports: &Imports) -> impl Iterator<Item = String> {
    let mut found = BTreeMap::new();
    for start in imports.keys() {
        if let Some(way) = way_back(imports, start) {
            let mut members: Vec<&str> = way.clone();
            members.sort_unstable();
            found.entry(members.join(" ")).or_insert_with(|| described(imports, &way));
        }
    }
    found.into_values()
}

/// The shortest way from a module back to itself.
fn way_back<'a>(imports: &'a Imports, start: &'a str) -> Option<Vec<&'a str>> {
    let mut ways = VecDeque::from([vec![start]]);
    let mut seen = BTreeSet::new();
    while let Some(way) = ways.pop_front() {
        for next in imports.get(*way.last()?).into_iter().flat_map(BTreeMap::keys) {
            if next == start {
                return Some(way);
            }
            if seen.insert(next.as_str()) {
                ways.push_back(way.iter().copied().chain([next.as_str()]).collect());
            }
        }
    }
    None
}

fn described(imports: &Imports, way: &[&str]) -> String {
    let nexts = way.iter().cycle().skip(1);
    let steps = way.iter().zip(nexts).map(|(from, to)| format!(" -> {to} (in {})", imports[*from][*to]));
    format!("{}{}: move what both need into a module of its own", way[0], steps.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(files: &[(&str, &str)]) -> Vec<String> {
        let sources = files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
        circles(&imports(&sources)).collect()
    }

    #[test]
    fn a_circle_is_named_with_the_files_that_close_it() {
        let circle = [("a.rs", "use crate::b::X;"), ("b/mod.rs", ""), ("b/c.rs", "use crate::{a, d};"), ("d.rs", "")];
        assert_eq!(found(&circle), ["a -> b (in a.rs) -> a (in b/c.rs): move what both need into a module of its own"]);
    }

    #[test]
    fn one_direction_tests_comments_and_roots_are_no_circle() {
        assert!(found(&[("a.rs", "use crate::b::X;"), ("b.rs", "use crate::c::Y;"), ("c.rs", "")]).is_empty());
        assert!(
            found(&[("a.rs", "use crate::b::X;"), ("b.rs", "// crate::a\n#[cfg(test)]\nuse crate::a;")]).is_empty()
        );
        let root = "mod a;\nmod b;\n#[cfg(test)]\nmod golden;\n";
        let of_tests = [("lib.rs", root), ("a.rs", "use crate::golden;"), ("golden.rs", "use crate::a;"), ("b.rs", "")];
        assert!(found(&of_tests).is_empty());
    }
}
