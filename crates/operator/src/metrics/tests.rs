//! docs/metrics.md, the dashboard and the alerts know the metrics that there are, and no others.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use podidentity_cluster::index::Index;
use podidentity_cluster::load::Load;
use podidentity_cluster::pulse::Pulses;
use tokio::sync::watch;

use super::*;

fn exposition() -> Exposition {
    let (_, leads) = watch::channel(true);
    let sources = Sources { index: Index::default(), load: Load::default(), pulses: Pulses::default(), leads };
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
