//! What the commands print, case by case: `cases/COMMAND/<a sentence>/`, each with `input.yaml` or a folder `input`,
//! further arguments in `args`, and the expected output. `UPDATE=1` rewrites what is expected.

mod run;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use run::{Outcome, run};

fn cases(command: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases").join(command);
    let mut cases: Vec<_> =
        fs::read_dir(folder).expect("no cases").map(|entry| entry.expect("no entry").path()).collect();
    cases.sort();
    assert!(!cases.is_empty());
    cases
}

fn arguments(command: &str, case: &Path) -> Vec<String> {
    let input = ["input.yaml", "input.json", "input"].into_iter().find(|name| case.join(name).exists());
    let mut args = vec![command.to_owned(), "-f".to_owned(), input.expect("no input").to_owned()];
    let more = fs::read_to_string(case.join("args")).unwrap_or_default();
    args.extend(more.split_whitespace().map(str::to_owned));
    args
}

/// What the user sees besides the output: messages, and an exit status that is not 0.
fn messages(outcome: &Outcome) -> String {
    let mut text = outcome.stderr.clone();
    if outcome.status != 0 {
        let _ = writeln!(text, "exit status {}", outcome.status);
    }
    text
}

/// Without the plugin's version, so that a release changes no expected output.
fn without_version(text: &str) -> String {
    let version = concat!("\"semanticVersion\": \"", env!("CARGO_PKG_VERSION"), "\"");
    text.replace(version, "\"semanticVersion\": \"VERSION\"")
}

/// Compares with the file; gives what differs.
fn compare(path: &Path, found: &str) -> Option<String> {
    let found = without_version(found);
    if std::env::var_os("UPDATE").is_some() {
        if found.is_empty() {
            let _ = fs::remove_file(path);
        } else {
            fs::write(path, &found).expect("cannot write");
        }
        return None;
    }
    let expected = fs::read_to_string(path).unwrap_or_default();
    (expected != found).then(|| format!("--- {}\nexpected:\n{expected}\nfound:\n{found}\n", path.display()))
}

fn check(command: &str, output: impl Fn(&[String]) -> &'static str) -> Vec<(PathBuf, Vec<String>, Outcome)> {
    let mut differences = String::new();
    let mut outcomes = Vec::new();
    for case in cases(command) {
        let args = arguments(command, &case);
        let outcome = run(&args, &case, "");
        differences.extend(compare(&case.join(output(&args)), &outcome.stdout));
        differences.extend(compare(&case.join("expected.messages"), &messages(&outcome)));
        outcomes.push((case, args, outcome));
    }
    assert!(differences.is_empty(), "{differences}UPDATE=1 rewrites them");
    outcomes
}

#[test]
fn inject_prints_what_is_expected_and_the_same_when_injected_again() {
    for (case, mut args, outcome) in check("inject", |_| "expected.yaml") {
        args[2] = "-".to_owned();
        let again = run(&args, &case, &outcome.stdout);
        assert_eq!(again.stdout, outcome.stdout, "{}", case.display());
    }
}

#[test]
fn lint_reports_what_is_expected() {
    check("lint", |args| match args.last().map(String::as_str) {
        Some("json" | "sarif") => "expected.json",
        _ => "expected.txt",
    });
}
