//! Runs the cases of a family and lists the failed ones by name.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// A family's output for an `input.yaml`: the text of a file beside it.
pub type Case = fn(&Path) -> Result<String, String>;

/// The files of a case: `status.yaml` only where a case has it.
const FILES: [&str; 3] = ["input.yaml", "expected.yaml", "status.yaml"];

/// Runs every case of the family.
pub fn run(family: &str, case: Case) {
    run_folders(&entries(&root().join(family)), family, case, "expected.yaml");
}

/// Runs the cases of the family that have the file, and compares the output with it.
pub fn run_with(family: &str, file: &str, case: Case) {
    let folders = entries(&root().join(family)).into_iter().filter(|folder| folder.join(file).exists());
    run_folders(&folders.collect::<Vec<_>>(), family, case, file);
}

fn run_folders(folders: &[PathBuf], family: &str, case: Case, file: &str) {
    let update = std::env::var_os("UPDATE").is_some();
    assert!(!folders.is_empty(), "no cases in {family}");
    let mut failures = String::new();
    for folder in folders {
        if let Err(failure) = run_case(folder, case, file, update) {
            let name = folder.file_name().unwrap_or_default().to_string_lossy();
            let _ = writeln!(failures, "\n{family}/{name}\n{failure}");
        }
    }
    assert!(failures.is_empty(), "{failures}\nUPDATE=1 writes what was found as expected; then read the difference");
}

/// Runs every case of a family whose cases are files with three parts between lines of `---`: two
/// inputs and the output.
pub fn run_files(family: &str, case: fn(&str, &str) -> Result<String, String>) {
    let update = std::env::var_os("UPDATE").is_some();
    let files = entries(&root().join(family));
    assert!(!files.is_empty(), "no cases in {family}");
    let mut failures = String::new();
    for file in &files {
        if let Err(failure) = run_file(file, case, update) {
            let _ = writeln!(failures, "\n{family}/{}\n{failure}", name(file));
        }
    }
    assert!(failures.is_empty(), "{failures}\nUPDATE=1 writes what was found as expected; then read the difference");
}

fn run_file(file: &Path, case: fn(&str, &str) -> Result<String, String>, update: bool) -> Result<(), String> {
    const BETWEEN: &str = "---\n";
    let text = fs::read_to_string(file).map_err(|error| error.to_string())?;
    let (first, rest) = text.split_once(BETWEEN).ok_or("there is no line ---")?;
    let (second, expected) = rest.split_once("\n---\n").unwrap_or((rest.trim_end_matches('\n'), ""));
    let found = case(first, second)?;
    if update {
        return fs::write(file, format!("{first}{BETWEEN}{second}\n{BETWEEN}{found}"))
            .map_err(|error| error.to_string());
    }
    if expected == found { Ok(()) } else { Err(differences(expected, &found)) }
}

/// Fails if a folder belongs to no test.
pub fn only_families(families: &[&str]) {
    let folders = entries(&root()).into_iter().filter(|path| path.is_dir());
    let found: BTreeSet<String> = folders.map(|path| name(&path)).collect();
    let known: BTreeSet<String> = families.iter().map(|family| (*family).to_owned()).collect();
    assert_eq!(found, known);
}

fn run_case(folder: &Path, case: Case, file: &str, update: bool) -> Result<(), String> {
    for file in entries(folder) {
        if !FILES.contains(&name(&file).as_str()) {
            return Err(format!("unknown file {}", name(&file)));
        }
    }
    let found = case(&folder.join("input.yaml"))?;
    let path = folder.join(file);
    if update {
        return fs::write(&path, found).map_err(|error| error.to_string());
    }
    let expected = fs::read_to_string(&path).map_err(|error| format!("{file}: {error}"))?;
    let parse = |text: &str| serde_saphyr::from_str::<Value>(text).map_err(|error| format!("{error}\n{text}"));
    if parse(&expected)? == parse(&found)? { Ok(()) } else { Err(differences(&expected, &found)) }
}

/// Lines that only one of the two texts has.
fn differences(expected: &str, found: &str) -> String {
    let mut text = String::new();
    for (mark, lines, others) in [("- expected", expected, found), ("+ found   ", found, expected)] {
        let others: BTreeSet<&str> = others.lines().collect();
        for line in lines.lines().filter(|line| !others.contains(line)) {
            let _ = writeln!(text, "  {mark}: {line}");
        }
    }
    if text.is_empty() { "  the same lines in another order".to_owned() } else { text }
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases")
}
