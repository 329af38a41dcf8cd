//! Only a few modules write to the output: what the others say passes through one of them, which makes texts of others
//! harmless for its target.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

/// Who writes, and to what.
const SINKS: &[(&str, &str)] = &[
    ("terminal_text.rs", "a terminal, GitHub and JUnit: lines, with escapes for what acts on one"),
    ("messages.rs", "standard error: one line each, by sheet"),
    ("output/document.rs", "JSON and YAML, by yaml/encode.rs; templates, with Foreign for texts of others"),
    ("report/", "HTML, with Text and Arn for texts of others"),
    ("adopt/mod.rs", "YAML, with Comment and Document"),
    ("inject/mod.rs", "manifests, as they came in or as yaml/emit.rs writes them"),
    ("status/screen.rs", "the screen, with finished sheets"),
    ("cluster/progress.rs", "standard error: kinds and counts"),
    ("complete.rs", "the shell that completes: names that the API server has checked"),
];

/// What writes.
const WRITES: &[&str] = &["writeln!(", "write!(", "print!(", "println!(", "eprintln!(", "eprint!(", "write_all("];
/// What does so to a text that goes through a sink later.
const HARMLESS: &[&str] =
    &["write!(f,", "write!(self.0,", "write!(uri,", "write!(quoted,", "write!(out, \"\\\\u", "write!(found,"];

fn sources(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn only_the_sinks_write() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut all = Vec::new();
    sources(&root, &mut all);
    assert!(all.len() > 60);
    let mut others = Vec::new();
    for path in all {
        let name = path.strip_prefix(&root).unwrap().to_string_lossy().replace('\\', "/");
        let is_test =
            name.ends_with("tests.rs") || name == "golden.rs" || name == "man.rs" || name.starts_with("yaml/");
        if is_test || SINKS.iter().any(|(sink, _)| name.starts_with(sink)) {
            continue;
        }
        for (number, line) in fs::read_to_string(&path).unwrap().lines().enumerate() {
            let writes = WRITES.iter().any(|word| line.contains(word));
            if writes && !HARMLESS.iter().any(|word| line.contains(word)) {
                others.push(format!("{name}:{}: {}", number + 1, line.trim()));
            }
        }
    }
    assert!(others.is_empty(), "these write past the sinks:\n{}", others.join("\n"));
}

/// In the page, everything that is not the page's own is wrapped.
#[test]
fn the_page_wraps_texts_of_others() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/report");
    let mut all = Vec::new();
    sources(&folder, &mut all);
    let foreign = [
        "namespace",
        "name",
        "binding",
        "service_account",
        "role_arn",
        "reason",
        "message",
        "title",
        "note",
        "server",
        "place",
        "named",
    ];
    for path in all {
        let text = fs::read_to_string(&path).unwrap();
        for word in foreign {
            assert!(!text.contains(&format!("{{{word}}}</")), "{}: {word} gets into the page as it is", path.display());
        }
    }
}
