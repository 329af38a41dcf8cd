//! Tests with a cluster whose fields contain hostile text. The text reaches the terminal, the HTML
//! page and the documents only as plain text.

use std::path::Path;

use clap::Parser as _;
use podidentity_core::foreign::is_active;
use serde_json::{Value, json};

use crate::golden::{cluster, said};

/// Texts that end lines, start workflow commands, move the cursor, set the window title or the
/// clipboard, reverse the text direction, or open and close HTML elements.
const TEXTS: &[&str] = &[
    "\u{1b}]52;c;Y3VybCBldmls\u{7}\u{1b}[2J\u{1b}[1;1H",
    "\n::error file=x::FORGED\nFORGED\n",
    "\r\u{85}FORGED\u{2028}FORGED\u{2029}FORGED\u{b}\u{c}",
    "\u{9b}31m\u{9d}0;owned\u{9c}",
    "\u{202e}\u{2066}\u{200b}\u{feff}\u{e0041}",
    "</script><script>FORGED</script>\" onload='x'>&<!--]]>",
    "\u{fdd1}\u{fdd0}\u{fdd6}",
];

fn world(text: &str) -> String {
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "web", "namespace": "shop",
        "labels": {"app.kubernetes.io/managed-by": "Helm"},
        "annotations": {"eks.amazonaws.com/role-arn": format!("arn:aws:iam::111122223333:role/{text}"),
            "eks.amazonaws.com/audience": text, "eks.amazonaws.com/token-expiration": text,
            "eks.amazonaws.com/sts-regional-endpoints": text, "meta.helm.sh/release-name": text},
        "managedFields": [{"manager": text, "operation": "Update", "time": "2026-01-01T12:00:00Z",
            "fieldsV1": {"f:metadata": {"f:annotations": {"f:eks.amazonaws.com/role-arn": {}}}}}]}});
    let bound = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "app", "namespace": "shop",
        "annotations": {"eks.amazonaws.com/role-arn": text}}});
    let binding = json!({"apiVersion": "podidentity.dev/v1alpha1", "kind": "PodIdentityBinding",
        "metadata": {"name": "app", "namespace": "shop", "generation": 1, "finalizers": [text]},
        "spec": {"serviceAccountName": "app", "roleArn": "arn:aws:iam::111122223333:role/app", "onConflict": "Override"}});
    let pod = |name: &str, account: &str| {
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "shop",
            "annotations": {"eks.amazonaws.com/skip-containers": text},
            "ownerReferences": [{"apiVersion": format!("{text}/v1"), "kind": format!("K{text}"), "name": text, "uid": "1", "controller": true}]},
            "spec": {"serviceAccountName": account, "containers": [{"name": format!("c{text}"),
                "env": [{"name": "AWS_ROLE_ARN", "value": text}, {"name": "AWS_WEB_IDENTITY_TOKEN_FILE", "value": format!("/{text}")},
                    {"name": "AWS_PROFILE", "value": text}, {"name": "AWS_STS_REGIONAL_ENDPOINTS", "value": text}],
                "envFrom": [{"secretRef": {"name": text}}],
                "volumeMounts": [{"name": text, "mountPath": format!("/{text}")}]}], "volumes": [{"name": text}]}})
    };
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop",
        "annotations": {"podidentity.dev/allowed-role-arns": text}}});
    let items: Vec<Value> = vec![account, bound, binding, namespace, pod("web", "web"), pod("app", "app")];
    json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string()
}

#[test]
fn no_command_shows_more_than_text() {
    let commands = [
        "status",
        "status app",
        "status sa/web",
        "status -o yaml",
        "status -o json",
        "status -o name",
        "explain pod/app",
        "explain pod/web",
        "explain sa/web",
        "explain sa/web -o json",
        "verify",
        "verify -A",
        "verify -o json",
        "verify -o yaml",
        "verify -o junit",
        "verify -o sarif",
        "plan",
        "plan -o json",
        "plan -o yaml",
        "adopt",
        "report",
    ];
    for text in TEXTS {
        let cluster = cluster(&world(text));
        for command in commands {
            let out = said(command, &cluster, Path::new("."));
            let active: Vec<char> = out.chars().filter(|c| *c != '\n' && is_active(*c)).collect();
            assert!(active.is_empty(), "{command}, {text:?}: {active:?} in\n{out}");
            assert!(!out.lines().any(|line| line.starts_with("FORGED") || line.starts_with("::")), "{command}:\n{out}");
            if command == "report" || command.ends_with("junit") {
                assert!(!out.contains("<script>FORGED") && !out.contains("<!--]"), "{command}:\n{out}");
            }
        }
    }
}

#[test]
fn no_file_shows_more_than_text() {
    use crate::command::{Cli, Command};
    for text in TEXTS {
        let name = Value::from(*text);
        let manifest = json!({"apiVersion": "v1", "kind": "List", "items": [
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "web", "namespace": name,
                "annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::111122223333:role/web"}}},
            {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": name},
                "spec": {"template": {"spec": {"serviceAccountName": "web", "containers": [{"name": format!("c{text}"),
                    "env": [{"name": "AWS_ROLE_ARN", "value": text}]}]}}}},
            {"apiVersion": "podidentity.dev/v1alpha1", "kind": "PodIdentityBinding", "metadata": {"name": name},
                "spec": {"serviceAccountName": name, "roleArn": name, *text: name}},
        ]});
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("\u{1b}[31mname\u{9b}.json");
        std::fs::write(&file, manifest.to_string()).unwrap();
        for format in ["text", "json", "sarif", "github"] {
            let args = ["kubectl-podidentity", "lint", "-o", format, "-f", file.to_str().unwrap()];
            let Command::Lint(args) = Cli::parse_from(args).command else { panic!("not lint") };
            let mut out = Vec::new();
            crate::lint::run(&args, &mut out, false).unwrap();
            let out = String::from_utf8(out).unwrap();
            assert!(!out.chars().any(|c| c != '\n' && is_active(c)), "{format}, {text:?}:\n{out}");
            let forged = out.lines().filter(|line| line.starts_with("FORGED") || line.contains("::FORGED\n"));
            assert_eq!(forged.count(), 0, "{format}:\n{out}");
            if format == "github" {
                assert!(out.lines().all(|line| line.starts_with("::")), "{out}");
            }
        }
    }
}
