//! The floors of the crate: each module uses only modules that precede it in `lib.rs`.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Files that are not modules of the product.
const NOT_PRODUCT: &[&str] = &["lib.rs", "tests.rs", "largest_objects.rs"];

#[test]
fn each_module_uses_only_those_before_it() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let lib = fs::read_to_string(src.join("lib.rs")).unwrap();
    let floors: BTreeMap<&str, usize> =
        lib.lines().filter_map(module).enumerate().map(|(at, name)| (name, at)).collect();
    let mut upwards = BTreeSet::new();
    for file in files(&src) {
        let inside = file.strip_prefix(&src).unwrap();
        let own = inside.components().next().unwrap().as_os_str().to_string_lossy().replace(".rs", "");
        let Some(floor) = floors.get(own.as_str()) else { continue };
        let text = fs::read_to_string(&file).unwrap();
        for used in used(&text) {
            if floors.get(used).is_some_and(|other| other > floor) {
                upwards.insert((own.clone(), used.to_owned()));
            }
        }
    }
    assert_eq!(upwards, BTreeSet::new(), "left: the modules that use a later one, and which");
}

/// The module that a line of `lib.rs` declares.
fn module(line: &str) -> Option<&str> {
    line.trim_start_matches("pub ").strip_prefix("mod ")?.strip_suffix(';')
}

/// The modules of this crate that a file uses, except in its tests and comments.
fn used(text: &str) -> impl Iterator<Item = &str> {
    let product = text.split("#[cfg(test)]").next().unwrap_or_default();
    let code = product.lines().map(|line| line.split("//").next().unwrap_or_default());
    code.flat_map(|line| line.split("crate::").skip(1))
        .map(|rest| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default())
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(files(&path));
        } else if path.extension().is_some_and(|it| it == "rs") && !NOT_PRODUCT.iter().any(|it| path.ends_with(it)) {
            all.push(path);
        }
    }
    all
}
