//! What an index of a whole cluster weighs, kind by kind, in bytes on the heap. Exact: it counts, it does not sample.
//!
//! ```text
//! cargo bench -p podidentity-cluster --bench memory
//! ```

#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]

#[path = "../../core/benches/fixture/mod.rs"]
mod fixture;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use k8s_openapi::api::core::v1 as core;
use podidentity_cluster::index::{Index, Object};
use podidentity_core::objects::{Deployment, ServiceAccount};

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

const IDENTITIES: usize = 1000;
const PODS: usize = 5;

fn main() {
    let _profiler = dhat::Profiler::builder().testing().build();
    let index = Index::default();
    let name = |number: usize| (format!("team-{:03}", number / 100), format!("app-{number:04}"));
    let mut last = 0;
    let mut weigh = |what: &str, count: usize| {
        let bytes = dhat::HeapStats::get().curr_bytes;
        println!("{what}: {} bytes each", (bytes - last) / count);
        last = bytes;
    };
    rest(&index);
    weigh("(nothing)", 1);
    for number in 0..IDENTITIES {
        let (namespace, name) = name(number);
        index.apply(Object::binding(serde_json::from_value(fixture::binding(&namespace, &name, number)).unwrap()));
    }
    rest(&index);
    weigh("binding", IDENTITIES);
    for number in 0..IDENTITIES {
        let (namespace, name) = name(number);
        let account: ServiceAccount =
            serde_json::from_value(fixture::service_account(&namespace, &name, number)).unwrap();
        index.apply(Object::ServiceAccount(Arc::new(account)));
    }
    rest(&index);
    weigh("service account", IDENTITIES);
    for number in 0..IDENTITIES {
        let (namespace, name) = name(number);
        let deployment: Deployment =
            serde_json::from_value(fixture::deployment(&namespace, &name, PODS, number)).unwrap();
        index.apply(Object::workload(deployment));
    }
    rest(&index);
    weigh("deployment", IDENTITIES);
    for number in 0..IDENTITIES * PODS {
        let (namespace, name) = name(number / PODS);
        index.apply(Object::pod(serde_json::from_value(fixture::pod(&namespace, &name, number)).unwrap()));
    }
    rest(&index);
    weigh("pod", IDENTITIES * PODS);
    let whole: Vec<core::Pod> =
        (0..IDENTITIES).map(|number| serde_json::from_value(fixture::pod("shop", "my-app", number)).unwrap()).collect();
    weigh("pod in the full type of k8s-openapi, for comparison", whole.len());
}

/// Changes as many other identities as the index keeps unpacked.
fn rest(index: &Index) {
    static VERSION: AtomicUsize = AtomicUsize::new(0);
    let version = VERSION.fetch_add(1, Ordering::Relaxed).to_string();
    for number in 0..256 {
        let name = format!("other-{number}");
        let meta = serde_json::json!({"namespace": "other", "name": name, "resourceVersion": version});
        let account: ServiceAccount = serde_json::from_value(serde_json::json!({"metadata": meta})).unwrap();
        index.apply(Object::ServiceAccount(Arc::new(account)));
    }
}
