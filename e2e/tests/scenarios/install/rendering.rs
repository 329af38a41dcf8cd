//! kustomize and Helm render the same objects.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use e2e::Namespace;
use serde_json::Value;
use tokio::process::Command;

use super::helm::{chart, crds_chart, helm, template, template_as};
use super::objects::{Objects, differences, parse};
use crate::world::World;

/// Folders of `config/`, and the equivalent values.
const SAME: &[(&[&str], &[&str])] = &[
    (&["default"], &[]),
    (&["samples/namespaced"], &[r#"namespaces=["team-a","team-b"]"#]),
    (&["samples/namespaced", "namespaced/finalizers"], &[r#"namespaces=["team-a","team-b"]"#, "rbac.finalizers=true"]),
    (&["default", "injection"], &["injection.enabled=true"]),
    (&["default", "enforcement"], &["enforcement.enabled=true"]),
    (&["default", "grants"], &["grants.enabled=true"]),
    (&["samples/require-grants"], &["grants.enabled=true", "grants.required=true"]),
    (&["default", "prometheus"], &["prometheus.enabled=true"]),
    (&["default", "guard"], &["guard.enabled=true"]),
    (&["default", "people"], &["people.enabled=true"]),
    (&["samples/preflight"], &["preflight.enabled=true", r#"preflight.namespaces=["team-a"]"#]),
    (
        &["samples/preflight", "preflight/bound"],
        &["preflight.enabled=true", r#"preflight.namespaces=["team-a"]"#, "preflight.guardBound=true"],
    ),
    (
        &["default", "injection", "enforcement", "grants", "guard"],
        &["injection.enabled=true", "enforcement.enabled=true", "grants.enabled=true", "guard.enabled=true"],
    ),
];

/// Helm does not own the namespace of its release.
const NAMESPACE: &str = "v1 Namespace /podidentity-system";

pub(crate) async fn same_objects(_: Arc<World>, _: Namespace) -> Result<()> {
    let mut text = String::new();
    for (folders, values) in SAME {
        let mut wanted = kustomize(folders).await?;
        ensure!(wanted.remove(NAMESPACE).is_some(), "{NAMESPACE} is not in {folders:?}");
        let rendered = parse(&template(values).await?).with_context(|| format!("{values:?}"))?;
        let different = differences(&wanted, &rendered);
        if !different.is_empty() {
            let _ = writeln!(text, "{folders:?} and {values:?}:\n{different}");
        }
    }
    ensure!(text.is_empty(), "kustomize and the chart differ:\n{text}");
    Ok(())
}

/// The policies use the annotation domain. The token's folder does not depend on it, nor does the
/// opt-out label of a pod, which the webhook's configuration names.
pub(crate) async fn another_annotation_domain(_: Arc<World>, _: Namespace) -> Result<()> {
    let domain = r#"settings.annotationDomain="pods.example.com""#;
    let parts = ["injection.enabled=true", "enforcement.enabled=true", "grants.enabled=true", "guard.enabled=true"];
    // The CRD's descriptions mention the default domain.
    let rendered = template(&[&[domain, "crds.install=false"], &parts[..]].concat()).await?;
    let kept = [
        "/var/run/secrets/eks.amazonaws.com/serviceaccount",
        r"C:\var\run\secrets\eks.amazonaws.com\serviceaccount",
        "eks.amazonaws.com/skip-pod-identity-webhook",
    ];
    for kept in kept {
        ensure!(rendered.contains(kept), "{kept} is gone");
    }
    let rest = kept.iter().fold(rendered, |text, kept| text.replace(kept, ""));
    let left: Vec<&str> = rest.lines().filter(|line| line.contains("eks.amazonaws.com")).collect();
    ensure!(left.is_empty(), "the old domain is left: {left:#?}");
    for key in ["role-arn", "audience", "token-expiration", "skip-containers"] {
        ensure!(rest.contains(&format!("pods.example.com/{key}")), "{key} is nowhere");
    }
    Ok(())
}

/// Two operators, each for its own namespace: whatever their names and namespaces are, they share
/// no object.
pub(crate) async fn no_shared_names(_: Arc<World>, _: Namespace) -> Result<()> {
    let parts = ["injection", "enforcement", "grants", "guard", "people", "prometheus"];
    let mut values: Vec<String> = parts.iter().map(|part| format!("{part}.enabled=true")).collect();
    values.extend(["crds.install=false", r#"namespaces=["team-a"]"#, "rbac.finalizers=true"].map(str::to_owned));
    values.extend(["preflight.enabled=true", r#"preflight.namespaces=["team-a"]"#].map(str::to_owned));
    let values: Vec<&str> = values.iter().map(String::as_str).collect();
    let releases = [
        ("podidentity-operator", "podidentity-system"),
        ("podidentity-operator", "team-a-system"),
        ("other", "podidentity-system"),
        ("other", "team-a-system"),
    ];
    let mut seen: BTreeMap<String, (&str, &str)> = BTreeMap::new();
    for release in releases {
        for object in parse(&template_as(release.0, release.1, &values).await?)?.into_keys() {
            if let Some(first) = seen.insert(object.clone(), release) {
                bail!("{object} is in {first:?} and in {release:?}");
            }
        }
    }
    Ok(())
}

/// Every object names its release and chart.
pub(crate) async fn standard_labels(_: Arc<World>, _: Namespace) -> Result<()> {
    let parts = ["injection", "enforcement", "grants", "guard", "people", "prometheus"];
    let values: Vec<String> = parts.iter().map(|part| format!("{part}.enabled=true")).collect();
    let values: Vec<&str> = values.iter().map(String::as_str).collect();
    let crds = helm(None, &["template", "podidentity-crds", &crds_chart()]).await?;
    for text in [template(&values).await?, crds] {
        for object in serde_saphyr::from_multiple::<Value>(&text)?.into_iter().filter(|object| !object.is_null()) {
            let labels = &object["metadata"]["labels"];
            for (label, expected) in [
                ("app.kubernetes.io/version", env!("CARGO_PKG_VERSION")),
                ("app.kubernetes.io/managed-by", "Helm"),
                ("app.kubernetes.io/instance", "podidentity-"),
                ("app.kubernetes.io/name", "podidentity-"),
                ("helm.sh/chart", "podidentity-"),
            ] {
                let found = labels[label].as_str().unwrap_or_default();
                ensure!(
                    found.starts_with(expected),
                    "{} {} has {label}: {found:?}",
                    object["kind"],
                    object["metadata"]["name"]
                );
            }
        }
    }
    Ok(())
}

pub(crate) async fn without_complaints(_: Arc<World>, _: Namespace) -> Result<()> {
    for chart in [chart(), crds_chart()] {
        let said = helm(None, &["lint", "--strict", &chart]).await?;
        ensure!(said.contains("0 chart(s) failed"), "{said}");
    }
    Ok(())
}

async fn kustomize(folders: &[&str]) -> Result<Objects> {
    let mut all = Objects::new();
    for folder in folders {
        let folder = e2e::repository().join("config").join(folder);
        let output =
            Command::new(e2e::binaries::folder()?.join("kubectl")).arg("kustomize").arg(&folder).output().await?;
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(output.status.success() && complaint.is_empty(), "{}: {complaint}", folder.display());
        all.append(&mut parse(&String::from_utf8(output.stdout)?)?);
    }
    Ok(all)
}
