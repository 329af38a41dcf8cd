//! docs/metrics.md, the dashboard and the alerts use exactly the metrics that exist.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use podidentity_cluster::http::heartbeat::Heartbeats;
use podidentity_cluster::index::{Index, Object};
use podidentity_cluster::queue::load::Load;
use serde_json::Value;
use tokio::sync::watch;

use super::per_binding::AUTO_LIMIT;
use super::*;
use crate::args::MetricsPerBinding;

fn exposition() -> Exposition {
    exposition_of(Index::default())
}

fn exposition_of(index: Index) -> Exposition {
    let (_, leads) = watch::channel(true);
    let per_binding = MetricsPerBinding::Auto;
    let sources = Sources { index, load: Load::default(), heartbeats: Heartbeats::default(), leads, per_binding };
    let metrics = Metrics::new();
    let request = RequestKind { verb: "list", resource: "pods".to_owned() };
    metrics.request(&request, Some(200), Duration::from_millis(3));
    metrics.listed("Pod");
    metrics.undecodable("Pod", 0);
    Exposition::new(&metrics, &sources)
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

const BEGIN: &str = "<!-- metrics: written by a test from the code -->\n";
const END: &str = "<!-- end of metrics -->\n";

#[test]
fn the_page_lists_every_metric() {
    let mut table = "| metric | type | labels | what it tells |\n|---|---|---|---|\n".to_owned();
    for row in exposition().rows() {
        let labels: Vec<_> = row.labels.iter().map(|label| format!("`{label}`")).collect();
        let _ = writeln!(table, "| `{}` | {} | {} | {} |", row.name, row.type_, labels.join(", "), row.help);
    }
    let path = repository().join("docs/metrics.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(BEGIN).expect("the page has no mark where the table begins");
    let (_, after) = rest.split_once(END).expect("the page has no mark where the table ends");
    let wanted = format!("{before}{BEGIN}{table}{END}{after}");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &wanted).unwrap();
    }
    let page = std::fs::read_to_string(&path).unwrap();
    assert!(page == wanted, "docs/metrics.md is stale: run UPDATE=1 cargo test -p podidentity-operator metrics");
}

#[test]
fn what_is_registered_is_what_is_exposed() {
    let exposition = exposition();
    let text = exposition.text();
    let exposed: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
    let registered: Vec<_> = exposition
        .rows()
        .iter()
        .map(|row| match row.name.strip_suffix("_info") {
            Some(name) => format!("{name} info"),
            None => format!("{} {}", row.name.strip_suffix("_total").unwrap_or(&row.name), row.type_),
        })
        .collect();
    let (mut exposed, mut registered) = (exposed, registered);
    exposed.sort_unstable();
    registered.sort_unstable();
    assert_eq!(exposed, registered);
    assert!(text.contains(&format!("podidentity_build_info{{version=\"{}\"}} 1", env!("CARGO_PKG_VERSION"))), "{text}");
    assert!(text.ends_with("# EOF\n"));
}

fn binding(name: &str, status: &Value) -> Object {
    let spec = serde_json::json!({"serviceAccountName": name, "roleArn": "arn:aws:iam::111122223333:role/r"});
    let binding = serde_json::json!({
        "apiVersion": "podidentity.dev/v1alpha1", "kind": "PodIdentityBinding",
        "metadata": {"namespace": "shop", "name": name, "resourceVersion": "1", "uid": name},
        "spec": spec, "status": status,
    });
    Object::Binding(Arc::new(serde_json::from_value(binding).unwrap()))
}

#[test]
fn each_binding_is_shown_with_its_namespace_and_name() {
    let index = Index::default();
    let condition = serde_json::json!({
        "type": "Ready", "status": "False", "reason": "Rolling", "message": "", "lastTransitionTime": "1970-01-01T00:01:00Z",
    });
    index.apply(binding("app", &serde_json::json!({"conditions": [condition], "podsTotal": 3, "podsVerified": 1})));
    index.apply(binding("new", &Value::Null));
    let text = exposition_of(index).text();
    let lines: Vec<_> = text.lines().filter(|line| line.starts_with("podidentity_binding_")).collect();
    assert_eq!(
        lines,
        [
            "podidentity_binding_metrics 1.0",
            "podidentity_binding_ready{namespace=\"shop\",name=\"app\",reason=\"Rolling\"} 0.0",
            "podidentity_binding_ready{namespace=\"shop\",name=\"new\",reason=\"\"} 0.0",
            "podidentity_binding_ready_last_transition_seconds{namespace=\"shop\",name=\"app\"} 60.0",
            "podidentity_binding_pods{namespace=\"shop\",name=\"app\"} 3.0",
            "podidentity_binding_pods{namespace=\"shop\",name=\"new\"} 0.0",
            "podidentity_binding_pods_verified{namespace=\"shop\",name=\"app\"} 1.0",
            "podidentity_binding_pods_verified{namespace=\"shop\",name=\"new\"} 0.0",
        ]
    );
}

#[test]
fn with_too_many_bindings_single_ones_are_not_shown() {
    let index = Index::default();
    for number in 0..=AUTO_LIMIT {
        index.apply(binding(&format!("app-{number}"), &Value::Null));
    }
    let text = exposition_of(index).text();
    assert!(text.contains("podidentity_binding_metrics 0.0"), "{text}");
    assert!(!text.contains("podidentity_binding_ready{"), "{text}");
}

/// prometheus_rule.yaml is alerts.yaml as an object of the Prometheus operator.
#[test]
fn the_rule_object_has_the_alerts_of_the_plain_file() {
    let folder = repository().join("config/prometheus");
    let plain = std::fs::read_to_string(folder.join("alerts.yaml")).unwrap();
    let groups = &plain[plain.find("groups:").unwrap()..];
    let mut wanted =
        "# Written by a test from alerts.yaml.\napiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\n\
                      metadata:\n  name: podidentity-operator\n  namespace: podidentity-system\n  labels:\n    \
                      app.kubernetes.io/name: podidentity-operator\nspec:\n"
            .to_owned();
    for line in groups.lines() {
        let _ = writeln!(wanted, "  {line}");
    }
    let path = folder.join("prometheus_rule.yaml");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &wanted).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == wanted, "prometheus_rule.yaml is stale: run UPDATE=1 cargo test -p podidentity-operator metrics");
}

/// Every metric name that a text mentions, without the suffixes of histograms.
fn mentioned(text: &str) -> BTreeSet<String> {
    let is_part = |character: char| character.is_ascii_alphanumeric() || character == '_';
    let words = text.split(|character| !is_part(character));
    let names = words.filter(|word| word.starts_with("podidentity_") || word.starts_with("process_"));
    let stem = |name: &str| {
        ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(name).to_owned()
    };
    names.map(stem).collect()
}

#[test]
fn alerts_and_dashboard_ask_only_for_metrics_that_exist() {
    let folder = repository().join("config/prometheus");
    let alerts = std::fs::read_to_string(folder.join("alerts.yaml")).unwrap();
    let dashboard = std::fs::read_to_string(folder.join("dashboard.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&dashboard).unwrap();
    let asked: Vec<&str> = dashboard["panels"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|panel| panel["targets"].as_array().into_iter().flatten())
        .map(|target| target["expr"].as_str().expect("a target asks for nothing"))
        .collect();
    assert!(asked.len() > 20, "the dashboard asks for {} things only", asked.len());
    let exposition = exposition();
    let known: BTreeSet<String> = exposition.rows().iter().map(|row| row.name.clone()).collect();
    let asked = mentioned(&(alerts + &asked.join("\n")));
    let unknown: Vec<_> = asked.difference(&known).collect();
    assert!(unknown.is_empty(), "metrics that do not exist: {unknown:?}");
    let unseen: Vec<_> = known.difference(&asked).filter(|name| name.starts_with("podidentity_")).collect();
    assert!(unseen.is_empty(), "neither dashboard nor alerts show {unseen:?}");
}

/// Every label that alerts and dashboard select or group by belongs to one of our metrics, or to
/// the scrape.
#[test]
fn alerts_and_dashboard_know_the_labels() {
    let folder = repository().join("config/prometheus");
    let exposition = exposition();
    let labels = exposition.rows().iter().flat_map(|row| row.labels.iter().copied());
    let known: BTreeSet<&str> = labels.chain(["job", "instance", "le"]).collect();
    for file in ["alerts.yaml", "dashboard.json"] {
        let text = std::fs::read_to_string(folder.join(file)).unwrap();
        let groups = ["by (", "on ("].into_iter().flat_map(|word| text.split(word).skip(1));
        for group in groups {
            let names = group.split(')').next().unwrap_or_default();
            for name in names.split(',').map(str::trim) {
                assert!(known.contains(name), "{file} groups by the unknown label {name:?}");
            }
        }
    }
}
