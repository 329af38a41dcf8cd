//! The queries of dashboard and alerts, against a Prometheus that scrapes the operator.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use e2e::fixtures::{self, OTHER_ROLE, ROLE};
use e2e::prometheus::Prometheus;
use e2e::{Namespace, expect, wait};
use k8s_openapi::api::core::v1::ServiceAccount;
use serde_json::{Value, json};

use crate::steps::bound;
use crate::world::World;

/// Queries that may be empty: they show errors, and there may be none.
const MAY_BE_EMPTY: &[&str] = &[
    "podidentity_findings",
    "podidentity_reconcile_problems_total",
    "code!~",
    "podidentity_watch_failures_total",
    "podidentity_undecodable_objects",
];

pub(crate) async fn shows(world: Arc<World>, namespace: Namespace) -> Result<()> {
    let prometheus = Prometheus::start(&world.control_plane, &world.operator)?;
    bound(&namespace, &json!({})).await?;
    // Causes a repair for the dashboard to show.
    let changed = json!({"metadata": {"annotations": {fixtures::role_annotation(): OTHER_ROLE}}});
    namespace.change::<ServiceAccount>("app", &changed).await?;
    expect::annotated(&namespace, "app", Some(ROLE)).await?;

    let panels = panels()?;
    ensure!(panels.len() > 20, "the dashboard asks for {} things only", panels.len());
    for (title, query) in &panels {
        let may_be_empty = MAY_BE_EMPTY.iter().any(|part| query.contains(part));
        wait::until(&format!("the panel {title:?} shows something"), async || match prometheus.ask(query).await {
            Ok(series) if series.is_empty() && !may_be_empty => Err(format!("{query} has no series")),
            Ok(_) => Ok(()),
            Err(error) => Err(format!("{error:#}")),
        })
        .await?;
    }
    for alert in alerts()? {
        prometheus.ask(&alert).await?;
    }
    Ok(())
}

/// Title and query of every target of the dashboard, as Grafana sends it.
fn panels() -> Result<Vec<(String, String)>> {
    let file = e2e::repository().join("config/prometheus/dashboard.json");
    let dashboard: Value = serde_json::from_slice(&std::fs::read(file)?)?;
    let panels = dashboard["panels"].as_array().context("a dashboard without panels")?;
    let targets = panels.iter().flat_map(|panel| {
        panel["targets"].as_array().into_iter().flatten().map(move |target| (&panel["title"], &target["expr"]))
    });
    let text = |value: &Value| value.as_str().map(str::to_owned).context("a target without a title or a query");
    targets
        .map(|(title, query)| Ok((text(title)?, text(query)?.replace("$__rate_interval", "1m").replace("$job", ".*"))))
        .collect()
}

/// The queries of the alerts.
fn alerts() -> Result<Vec<String>> {
    let file = e2e::repository().join("config/prometheus/alerts.yaml");
    let rules: Value = serde_saphyr::from_str(&std::fs::read_to_string(file)?)?;
    let rules = rules.pointer("/groups/0/rules").and_then(Value::as_array).context("no rules")?;
    rules.iter().map(|rule| rule["expr"].as_str().map(str::to_owned).context("a rule without an expression")).collect()
}
