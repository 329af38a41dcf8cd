//! `trust` without a cluster: exit statuses, output formats, and input that is none.

mod run;

use std::path::Path;

use run::{Outcome, run};
use serde_json::Value;

const FLAGS: [&str; 4] = ["--issuer", "https://oidc.example.com/id/1", "--subject", "system:serviceaccount:shop:web"];
const KEY: &str = "oidc.example.com/id/1:sub";

/// A policy for one subject.
fn policy(subject: &str) -> String {
    format!(
        "{{\"Version\": \"2012-10-17\", \"Statement\": {{\"Effect\": \"Allow\", \"Principal\": {{\"Federated\": \
         \"arn:aws:iam::111122223333:oidc-provider/oidc.example.com/id/1\"}}, \"Action\": \
         \"sts:AssumeRoleWithWebIdentity\", \"Condition\": {{\"StringEquals\": {{\"{KEY}\": \"{subject}\", \
         \"oidc.example.com/id/1:aud\": \"sts.amazonaws.com\"}}}}}}}}"
    )
}

fn trust(stdin: &str, more: &[&str]) -> Outcome {
    let args: Vec<&str> = ["trust", "-f", "-"].iter().chain(&FLAGS).chain(more).copied().collect();
    run(&args, Path::new("."), stdin)
}

#[test]
fn the_exit_status_tells_the_verdict() {
    let right = policy("system:serviceaccount:shop:web");
    let wrong = policy("system:serviceaccount:shop:api");
    let open = right.replace("StringEquals", "StringEqual");
    for (policy, status, verdict) in [(&right, 0, "Allow"), (&wrong, 1, "Deny"), (&open, 2, "NotSure")] {
        let text = trust(policy, &[]);
        assert_eq!((text.status, text.stderr.as_str()), (status, ""), "{}", text.stdout);
        assert!(text.stdout.contains(&format!(" {verdict}: ")), "{}", text.stdout);
        let json = trust(policy, &["-o", "json"]);
        assert_eq!(json.status, status);
        assert_eq!(serde_json::from_str::<Value>(&json.stdout).unwrap()["verdict"], verdict);
    }
}

#[test]
fn the_policy_that_is_printed_lets_the_subject_in() {
    for subject in ["system:serviceaccount:shop:web", "system:serviceaccount:shop:api", "system:serviceaccount:shop:*"]
    {
        let corrected = trust(&policy(subject), &["-o", "policy"]);
        assert_eq!((corrected.status, corrected.stderr.as_str()), (0, ""));
        let again = trust(&corrected.stdout, &[]);
        assert_eq!(again.status, 0, "{}", corrected.stdout);
    }
    let request = policy("x")
        .replace("\"StringEquals\"", "\"IpAddress\": {\"aws:SourceIp\": \"203.0.113.0/24\"}, \"StringEquals\"");
    let request = request.replace("\"x\"", "\"system:serviceaccount:shop:web\"");
    let outcome = trust(&request, &["-o", "policy"]);
    assert_eq!((outcome.status, outcome.stdout.as_str()), (2, ""));
    assert!(outcome.stderr.contains("depends on the request"), "{}", outcome.stderr);
}

#[test]
fn without_a_file_the_policy_is_made_for_every_partition() {
    for partition in ["aws", "aws-cn", "aws-us-gov", "aws-iso", "aws-iso-b", "aws-iso-e", "aws-iso-f", "aws-eusc"] {
        let role = format!("arn:{partition}:iam::111122223333:role/team/shop");
        let args: Vec<&str> = ["trust", "-o", "policy", "--role-arn", &role].into_iter().chain(FLAGS).collect();
        let outcome = run(&args, Path::new("."), "");
        assert_eq!((outcome.status, outcome.stderr.as_str()), (0, ""));
        let policy: Value = serde_json::from_str(&outcome.stdout).unwrap();
        let provider = format!("arn:{partition}:iam::111122223333:oidc-provider/oidc.example.com/id/1");
        assert_eq!(policy["Statement"][0]["Principal"]["Federated"], provider);
        let again = trust(&outcome.stdout, &["--role-arn", &role]);
        assert_eq!(again.status, 0, "{}", again.stdout);
    }
}

#[test]
fn the_identity_provider_counts_as_well() {
    let folder = tempfile::tempdir().unwrap();
    let write = |ids: &str| {
        let text = format!("{{\"Url\": \"oidc.example.com/id/1\", \"ClientIDList\": [{ids}], \"ThumbprintList\": []}}");
        std::fs::write(folder.path().join("provider.json"), text).unwrap();
    };
    std::fs::write(folder.path().join("trust.json"), policy("system:serviceaccount:shop:web")).unwrap();
    let args: Vec<&str> =
        ["trust", "-f", "trust.json", "--provider", "provider.json"].into_iter().chain(FLAGS).collect();
    write("\"sts.amazonaws.com\"");
    assert_eq!(run(&args, folder.path(), "").status, 0);
    write("\"vault\"");
    let outcome = run(&args, folder.path(), "");
    assert_eq!(outcome.status, 1);
    assert!(outcome.stdout.contains("add-client-id-to-open-id-connect-provider"), "{}", outcome.stdout);
}

#[test]
fn what_cannot_be_read_is_told_with_its_place() {
    let twice = policy("x").replace("\"Effect\"", "\"Effect\": \"Deny\", \"Effect\"");
    let big = format!("{{\"Statement\": \"{}\"}}", "x".repeat(1_000_000));
    for (text, message) in [
        ("", "stdin:1:1: is empty; expected is a trust policy: the output of `aws iam get-role"),
        ("<html>\n<body>", "stdin:1:1: is HTML or XML, not JSON, perhaps a page of a proxy"),
        ("{\n  \"Statement\": [}\n", "stdin:2:17: is no JSON: unexpected close brace"),
        ("{\"Version\": \"2012-10-17\"}", "stdin:1:1: there is no Statement"),
        (twice.as_str(), "the key \"Effect\" stands here a second time"),
        ("{\"Statement\": [5]}", "stdin:1:16: a statement is the number 5; expected is a list of objects"),
        (big.as_str(), "stdin:1:1: is 524289 bytes long or more, IAM takes 131,072 at most"),
    ] {
        let outcome = trust(text, &[]);
        assert_eq!((outcome.status, outcome.stdout.as_str()), (2, ""), "{message}");
        assert!(outcome.stderr.contains(message), "{message}: {}", &outcome.stderr[..outcome.stderr.len().min(500)]);
    }
}

#[test]
fn wrong_usage_is_explained_and_ends_with_2() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("utf16.json"), [0xff, 0xfe, b'{', 0]).unwrap();
    std::fs::write(folder.path().join("latin1.json"), b"{\"\xe4\": 1}").unwrap();
    let with = |more: &[&'static str]| FLAGS.iter().chain(more).copied().collect::<Vec<_>>();
    for (args, message) in [
        (vec![], "<KIND/NAME>"),
        (vec!["--subject", "system:serviceaccount:a:b"], "--issuer"),
        (
            vec!["--issuer", "https://x", "--subject", "web", "--role-arn", "arn:aws:iam::111122223333:role/r"],
            "is not system:serviceaccount:NAMESPACE:NAME",
        ),
        (
            vec!["--issuer", "oidc.example.com", "--subject", "system:serviceaccount:a:b"],
            "does not begin with https://",
        ),
        (with(&[]), "give --role-arn"),
        (with(&["--role-arn", "my-role"]), "does not begin with arn:"),
        (with(&["sa/web"]), "cannot be used with"),
        (with(&["--provider", "x"]), "--filename"),
        (with(&["-f", "-", "--provider", "-"]), "cannot both be"),
        (with(&["-f", "missing.json"]), "missing.json: No such file"),
        (with(&["-f", "."]), "is a folder"),
        (with(&["-f", "utf16.json"]), "UTF-16"),
        (with(&["-f", "latin1.json"]), "is not text in UTF-8"),
        (vec!["deploy/web"], "write sa/NAME or pib/NAME"),
        (vec!["sa/a", "sa/b"], "one object at a time"),
    ] {
        let args: Vec<&str> = std::iter::once("trust").chain(args).collect();
        let outcome = run(&args, folder.path(), "");
        assert_eq!(outcome.status, 2, "{args:?}: {}", outcome.stdout);
        assert!(outcome.stderr.contains(message), "{args:?}: {}", outcome.stderr);
    }
}

#[test]
fn names_cannot_command_the_terminal() {
    let outcome = trust(&policy("system:serviceaccount:shop:\\u001b[31m\\nx"), &[]);
    assert!(!outcome.stdout.contains('\u{1b}'), "{}", outcome.stdout);
}
