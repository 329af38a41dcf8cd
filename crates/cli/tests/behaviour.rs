//! Exit statuses, errors, and the formats for machines.

mod run;

use std::path::Path;

use run::{Outcome, run};
use serde_json::Value;

const ACCOUNT: &str = "\
apiVersion: v1
kind: ServiceAccount
metadata: {name: app, annotations: {eks.amazonaws.com/role-arn: 'arn:aws:iam::111122223333:role/r'}}
";
const PRESET: &str = "\
apiVersion: v1
kind: Pod
metadata: {name: p}
spec:
  serviceAccountName: app
  containers: [{name: a, env: [{name: AWS_ROLE_ARN, value: other}]}]
";

fn lint(stdin: &str, more: &[&str]) -> Outcome {
    let args: Vec<&str> = ["lint", "-f", "-"].iter().chain(more).copied().collect();
    run(&args, Path::new("."), stdin)
}

#[test]
fn the_exit_status_tells_findings_from_unreadable_input() {
    assert_eq!(lint(ACCOUNT, &[]).status, 0);
    let preset = format!("{ACCOUNT}---\n{PRESET}");
    assert_eq!(lint(&preset, &[]).status, 1);
    for format in ["text", "json", "sarif", "github"] {
        assert_eq!(lint(&preset, &["-o", format]).status, 1, "{format}");
        assert_eq!(lint(&format!("{preset}---\na: [\n"), &["-o", format]).status, 2, "{format}");
    }
    assert_eq!(lint("", &[]).status, 0);
}

#[test]
fn wrong_usage_is_explained_and_ends_with_2() {
    for (args, message) in [
        (&[][..], "Usage: kubectl podidentity"),
        (&["inject"], "--filename"),
        (&["lint", "-f", "-", "-o", "xml"], "[possible values: text, json, sarif, github]"),
        (&["inject", "-f", "-", "--role-arn", "my-role"], "does not begin with arn:"),
        (&["inject", "-f", "-", "--audience", "a"], "--role-arn"),
        (&["inject", "-f", "-", "--role-arn", "arn:aws:iam::111122223333:role/r", "--token-expiration", "60"], "600"),
    ] {
        let outcome = run(args, Path::new("."), "");
        assert_eq!(outcome.status, 2, "{args:?}");
        assert!(outcome.stderr.contains(message), "{args:?}: {}", outcome.stderr);
    }
}

#[test]
fn files_that_cannot_be_read_are_named() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("latin1.yaml"), b"a: \xe4\n").unwrap();
    std::fs::create_dir(folder.path().join("empty")).unwrap();
    for (file, message) in [
        ("missing.yaml", "missing.yaml: error: No such file or directory"),
        ("latin1.yaml", "latin1.yaml: error: is not text in UTF-8"),
        ("empty", "empty: error: no *.yaml, *.yml or *.json in this folder"),
    ] {
        for command in ["lint", "inject"] {
            let outcome = run(&[command, "-f", file], folder.path(), "");
            assert_eq!(outcome.status, 2, "{file}");
            assert!(outcome.stderr.starts_with(message), "{}", outcome.stderr);
        }
    }
}

#[test]
fn several_files_are_one_stream() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.yaml"), ACCOUNT).unwrap();
    std::fs::write(folder.path().join("b.yaml"), PRESET.replace("AWS_ROLE_ARN", "A")).unwrap();
    let outcome = run(&["inject", "-f", "a.yaml", "-f", "b.yaml"], folder.path(), "");
    assert_eq!((outcome.status, outcome.stderr.as_str()), (0, ""));
    assert_eq!(outcome.stdout.matches("\n---\n").count(), 1);
    assert!(outcome.stdout.contains("value: arn:aws:iam::111122223333:role/r"), "{}", outcome.stdout);
}

#[test]
fn help_explains_with_examples() {
    for command in ["inject", "lint"] {
        let outcome = run(&[command, "--help"], Path::new("."), "");
        assert_eq!(outcome.status, 0);
        for part in ["Examples:", "Exit status:", "kubectl podidentity "] {
            assert!(outcome.stdout.contains(part), "{part} in {}", outcome.stdout);
        }
    }
    assert!(run(&["--version"], Path::new("."), "").stdout.contains(env!("CARGO_PKG_VERSION")));
}

#[test]
fn output_that_is_no_terminal_has_no_colours() {
    let outcome = lint(&format!("{ACCOUNT}---\n{PRESET}---\na: [\n"), &[]);
    assert!(!format!("{}{}", outcome.stdout, outcome.stderr).contains('\u{1b}'));
}

#[test]
fn names_cannot_forge_lines_or_command_the_terminal() {
    let pod = PRESET.replace("name: p}", "name: \"p\\n::error::x\\e[31m\"}");
    for format in ["text", "github"] {
        let outcome = lint(&format!("{ACCOUNT}---\n{pod}"), &["-o", format]);
        assert!(!outcome.stdout.contains("\n::error::x"), "{}", outcome.stdout);
        assert!(!outcome.stdout.contains('\u{1b}'), "{}", outcome.stdout);
    }
}

/// The properties that SARIF 2.1.0 requires, and those that code scanning needs.
#[test]
fn sarif_has_what_the_standard_requires() {
    let outcome = lint(&format!("{ACCOUNT}---\n{PRESET}---\na: [\n"), &["-o", "sarif"]);
    let log: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(log["version"], "2.1.0");
    let run = &log["runs"][0];
    assert_eq!(run["tool"]["driver"]["name"], "kubectl-podidentity");
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    let mut ids: Vec<&str> = rules.iter().map(|rule| rule["id"].as_str().unwrap()).collect();
    for rule in rules {
        assert!(rule["shortDescription"]["text"].as_str().is_some_and(|text| !text.is_empty()));
        assert!(["error", "warning", "note"].contains(&rule["defaultConfiguration"]["level"].as_str().unwrap()));
    }
    let results = run["results"].as_array().unwrap();
    assert!(!results.is_empty());
    for result in results {
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(result["ruleId"], ids[index]);
        assert!(result["message"]["text"].is_string());
        let location = &result["locations"][0]["physicalLocation"];
        assert!(location["artifactLocation"]["uri"].is_string());
        assert!(location["region"]["startLine"].as_u64().unwrap() >= 1);
        assert!(location["region"]["startColumn"].as_u64().unwrap() >= 1);
        assert!(result["partialFingerprints"].as_object().unwrap().values().all(Value::is_string));
    }
    let invocation = &run["invocations"][0];
    assert_eq!(invocation["executionSuccessful"], false);
    assert!(invocation["toolExecutionNotifications"][0]["message"]["text"].is_string());
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), rules.len(), "rule ids have to be unique");
}

#[cfg(unix)]
#[test]
fn links_that_lead_out_of_a_folder_are_not_followed() {
    let (outside, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::fs::write(outside.path().join("secret.yaml"), "secret: of-somebody-else\n").unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::create_dir(at("real")).unwrap();
    std::fs::write(at("real/a.yaml"), ACCOUNT).unwrap();
    for (link, target) in [
        ("file.yaml", outside.path().join("secret.yaml")),
        ("folder", outside.path().to_owned()),
        ("again", at("real")),
    ] {
        std::os::unix::fs::symlink(target, at(link)).unwrap();
    }
    let outcome = run(&["inject", "-f", "."], folder.path(), "");
    assert!(!outcome.stdout.contains("of-somebody-else"), "{}", outcome.stdout);
    assert_eq!(outcome.stdout.matches("kind: ServiceAccount").count(), 2, "{}", outcome.stdout);
    for link in ["file.yaml", "folder"] {
        assert!(outcome.stderr.contains(&format!("{link}: left out, it is a link")), "{}", outcome.stderr);
    }
    // One that is named is meant.
    assert!(run(&["inject", "-f", "file.yaml"], folder.path(), "").stdout.contains("of-somebody-else"));
}

#[cfg(unix)]
#[test]
fn a_file_that_never_ends_is_not_read_to_its_end() {
    let outcome = run(&["lint", "-f", "/dev/zero"], Path::new("."), "");
    assert_eq!(outcome.status, 2);
    assert!(outcome.stderr.contains("has more than 64 MiB"), "{}", outcome.stderr);
}
