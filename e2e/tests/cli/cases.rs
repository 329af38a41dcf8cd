//! Every command, and every user mistake with it.

use anyhow::{Result, ensure};

use crate::completion;
use crate::plugin::{LOOKER_NAME, Plugin, compare};

type Case = fn(&Plugin) -> Result<()>;

/// All cases, by name.
#[expect(clippy::too_many_lines, reason = "a table with a line for each case")]
pub(crate) fn all() -> Vec<(&'static str, Case)> {
    vec![
        ("status_of_everything", |it| it.compare("status", &["status"])),
        ("status_of_all_namespaces", |it| it.compare("status-all-namespaces", &["status", "-A"])),
        ("status_of_a_binding_shows_all_of_it", |it| it.compare("status-binding", &["status", "rollout-reverted"])),
        ("status_of_an_object", |it| {
            it.compare("status-objects", &["status", "sa/container-skipped", "deploy/verified"])
        }),
        ("status_by_label", |it| {
            it.compare("status-label", &["status", "-l", "app.kubernetes.io/managed-by=eksctl", "-o", "name"])
        }),
        ("status_as_json", |it| it.compare("status-json", &["status", "stale-role", "sa/stale-role", "-o", "json"])),
        ("status_as_yaml", |it| it.compare("status-yaml", &["status", "sa/stale-role", "-o", "yaml"])),
        ("a_role_name_that_is_not_quite_right", |it| it.compare("status-did-you-mean", &["status", "rollout-revert"])),
        ("a_service_account_taken_for_a_binding", |it| it.compare("status-not-a-binding", &["status", "stale-role"])),
        ("an_empty_namespace", |it| it.compare("status-empty", &["status", "-n", "kube-public"])),
        ("a_namespace_that_does_not_exist", |it| it.compare("status-no-namespace", &["status", "-n", "kube-sistem"])),
        ("a_role_by_the_webhook_s_config_map", |it| {
            it.compare("explain-config-map", &["explain", "deploy/not-annotated", "--watch-config-map=default"])
        }),
        ("no_config_map_of_the_webhook", |it| it.compare("no-config-map", &["status", "--watch-config-map"])),
        ("no_access_to_the_config_map", |it| {
            it.compare("no-access-config-map", &["status", "--watch-config-map=default", "--as", LOOKER_NAME])
        }),
        ("explain_as_json", |it| it.compare("explain-json", &["explain", "deploy/stale-role", "-o", "json"])),
        ("explain_of_something_unknown", |it| it.compare("explain-unknown-kind", &["explain", "svc/web"])),
        ("explain_of_nothing", |it| it.compare("explain-did-you-mean", &["explain", "deploy/stale-rol"])),
        ("explain_to_somebody_who_may_not_know_the_issuer", |it| {
            it.compare("explain-no-issuer", &["explain", "deploy/stale-role", "--as", LOOKER_NAME])
        }),
        ("trust_without_a_policy", |it| it.compare("trust-policy", &["trust", "pib/verified", "-o", "policy"])),
        ("trust_of_an_open_policy", trust_of_an_open_policy),
        ("trust_of_a_workload", |it| it.compare("trust-workload", &["trust", "deploy/verified"])),
        ("trust_for_somebody_who_may_not_know_the_issuer", |it| {
            it.compare("trust-no-issuer", &["trust", "sa/verified", "--as", LOOKER_NAME])
        }),
        ("verify_in_a_table", |it| it.compare("verify", &["verify"])),
        ("verify_what_is_right", |it| it.compare("verify-right", &["verify", "verified", "sa/no-pods"])),
        ("verify_as_junit", |it| {
            it.compare("verify-junit", &["verify", "-o", "junit", "verified", "manual", "sa/no-pods"])
        }),
        ("verify_as_sarif", |it| {
            it.compare("verify-sarif", &["verify", "-o", "sarif", "manual", "sa/role-env-preset"])
        }),
        ("verify_as_json", |it| it.compare("verify-json", &["verify", "-o", "json", "verified"])),
        ("verify_waits_no_longer_than_there_is_hope", |it| {
            it.compare("verify-wait", &["verify", "suspended", "--wait", "--timeout", "10m"])
        }),
        ("verify_gives_up_waiting", |it| {
            // No time at all: the command looks once and reports what it waits for, however slow
            // the machine is.
            it.compare("verify-timeout", &["verify", "token-expiration-mismatch", "--wait", "--timeout", "0"])
        }),
        ("plan_of_everything", |it| it.compare("plan", &["plan"])),
        ("plan_of_a_binding", |it| it.compare("plan-binding", &["plan", "pib/manual"])),
        ("plan_as_json", |it| it.compare("plan-json", &["plan", "manual", "-o", "json"])),
        ("plan_of_a_file", plan_of_a_file),
        ("plan_of_a_broken_file", plan_of_a_broken_file),
        ("adopt_everything", |it| it.compare("adopt", &["adopt"])),
        ("adopt_what_eksctl_made", |it| {
            it.compare("adopt-eksctl", &["adopt", "--with-eksctl-labels", "stale-role", "mount-missing"])
        }),
        ("adopt_what_is_bound", |it| it.compare("adopt-bound", &["adopt", "sa/verified"])),
        ("what_is_adopted_restarts_nothing", adopted_restarts_nothing),
        ("a_report_to_read", |it| it.compare("report", &["report", "-o", "html"])),
        ("a_report_to_process", |it| it.compare("report-json", &["report", "-n", "kube-public", "-o", "json"])),
        ("release_as_a_dry_run", |it| it.compare("release", &["release", "pib/manual", "--dry-run=server"])),
        ("release_what_needs_none", |it| it.compare("release-automatic", &["release", "verified", "--dry-run=server"])),
        ("suspend_as_a_dry_run", |it| it.compare("suspend", &["suspend", "verified", "manual", "--dry-run=server"])),
        ("resume_as_a_dry_run", |it| it.compare("resume", &["resume", "suspended", "verified", "--dry-run=server"])),
        ("release_of_nothing", |it| it.compare("release-did-you-mean", &["release", "manuel"])),
        ("no_access", |it| it.compare("no-access", &["status", "--as", "nobody"])),
        ("no_access_to_all_namespaces", |it| it.compare("no-access-all", &["status", "-A", "--as", "nobody"])),
        ("no_access_to_write", |it| it.compare("no-access-release", &["release", "manual", "--as", "nobody"])),
        ("no_such_context", |it| it.compare("no-context", &["status", "--context", "production"])),
        ("no_cluster", no_cluster),
        ("completion_by_kubectl", completion::by_kubectl),
        ("the_outputs_in_the_documentation", crate::docs::recorded),
    ]
}

/// A policy that admits every service account of the namespace.
fn trust_of_an_open_policy(plugin: &Plugin) -> Result<()> {
    let policy = plugin.run(&["trust", "sa/verified", "-o", "policy"])?.stdout;
    let open = policy.replace(":default:verified", ":default:*").replace("StringEquals", "StringLike");
    let args = ["trust", "sa/verified", "-f", "-"];
    compare("trust-open", &args, &plugin.run_with(&args, &open, &[])?)
}

/// A binding that does not exist yet, one that changes, and a service account that is annotated.
fn plan_of_a_file(plugin: &Plugin) -> Result<()> {
    let manifests = "\
apiVersion: podidentity.dev/v1alpha1
kind: PodIdentityBinding
metadata: {name: new, namespace: default}
spec: {serviceAccountName: not-annotated, roleArn: 'arn:aws:iam::111122223333:role/new'}
---
apiVersion: podidentity.dev/v1alpha1
kind: PodIdentityBinding
metadata: {name: manual}
spec: {serviceAccountName: manual, roleArn: 'arn:aws:iam::111122223333:role/other'}
---
apiVersion: podidentity.dev/v1alpha1
kind: PodIdentityBinding
metadata: {name: early}
spec: {serviceAccountName: not-there-yet, roleArn: 'arn:aws:iam::111122223333:role/early'}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: other}
";
    let args = ["plan", "-f", "-"];
    compare("plan-file", &args, &plugin.run_with(&args, manifests, &[])?)
}

fn plan_of_a_broken_file(plugin: &Plugin) -> Result<()> {
    let manifests = "\
apiVersion: podidentity.dev/v1alpha1
kind: PodIdentityBinding
metadata: {name: new}
spec: {serviceAccountName: app, roleArn: my-role}
";
    let args = ["plan", "-f", "-"];
    compare("plan-broken-file", &args, &plugin.run_with(&args, manifests, &[])?)
}

/// Proves with `plan` what `adopt` promises.
fn adopted_restarts_nothing(plugin: &Plugin) -> Result<()> {
    let bindings = plugin.run(&["adopt"])?;
    let args = ["plan", "-f", "-", "-o", "json"];
    let plan = plugin.run_with(&args, &bindings.stdout, &[])?;
    let plan: serde_json::Value = serde_json::from_str(&plan.stdout)?;
    let all = plan.as_array().map(Vec::as_slice).unwrap_or_default();
    ensure!(all.len() > 15, "only {} bindings were planned", all.len());
    for planned in all {
        ensure!(planned["change"] == "Created" && planned["annotations"] == serde_json::json!([]), "{planned}");
        for workload in planned["workloads"].as_array().into_iter().flatten() {
            let action = &workload["plan"];
            let restarts = action["action"] == "Restart" && action["after"] != "when it is released";
            ensure!(!restarts, "{} would restart: {planned}", workload["workload"]);
        }
    }
    Ok(())
}

fn no_cluster(_: &Plugin) -> Result<()> {
    let nowhere = Plugin::nowhere()?;
    let args = ["status"];
    compare("no-cluster", &args, &nowhere.run_with(&args, "", &[("KUBECONFIG", "/nowhere/kubeconfig")])?)
}
