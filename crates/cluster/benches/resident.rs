//! Resident memory of an index of 10,000 identities with five pods each, decoded page by page as
//! lists come.
//!
//! Its result depends on the allocator; another one is tried by `LD_PRELOAD`:
//!
//! ```text
//! cargo bench -p podidentity-cluster --bench resident
//! LD_PRELOAD=libjemalloc.so.2 cargo bench -p podidentity-cluster --bench resident
//! ```

#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]

#[path = "../../core/benches/fixture/mod.rs"]
mod fixture;

use std::time::Instant;

use kube::Resource;
use kube::core::ObjectList;
use podidentity_cluster::index::{Index, Object};
use podidentity_cluster::watch::decode::Decoded;
use podidentity_core::objects::{Deployment, ObservedAccount, ObservedBinding, ObservedPod};
use serde::de::DeserializeOwned;
use serde_json::Value;

const IDENTITIES: usize = 10_000;
const PODS: usize = 5;
const PAGE: usize = 500;

fn main() {
    let index = Index::default();
    let began = Instant::now();
    fill(&index, 1, fixture::binding, |it: ObservedBinding| Object::binding(it));
    fill(&index, 1, fixture::service_account, |it: ObservedAccount| Object::account(it));
    let deployment = |namespace: &str, name: &str, number: usize| fixture::deployment(namespace, name, PODS, number);
    fill(&index, 1, deployment, |it: Deployment| Object::workload(it));
    fill(&index, PODS, fixture::pod, |it: ObservedPod| Object::pod(it));
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let kib = |key: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap();
        line.trim_start_matches(':').trim_end_matches("kB").trim().parse::<u64>().unwrap()
    };
    println!(
        "resident {} MiB, peak {} MiB, {:.1} s with what makes the documents",
        kib("VmRSS") / 1024,
        kib("VmHWM") / 1024,
        began.elapsed().as_secs_f64()
    );
    assert_eq!(index.bound().len(), IDENTITIES);
}

/// Reads the lists of one kind in pages, as the API server would send them.
fn fill<K: Resource<DynamicType = ()> + Clone + DeserializeOwned>(
    index: &Index,
    each: usize,
    document: impl Fn(&str, &str, usize) -> Value,
    object: impl Fn(K) -> Object,
) {
    let numbers: Vec<_> = (0..IDENTITIES * each).collect();
    for page in numbers.chunks(PAGE) {
        let documents = page.iter().map(|number| {
            let identity = number / each;
            document(&format!("team-{:03}", identity / 100), &format!("app-{identity:05}"), *number).to_string()
        });
        let text = format!(r#"{{"metadata":{{}},"items":[{}]}}"#, documents.collect::<Vec<_>>().join(","));
        let list: ObjectList<Decoded<K>> = serde_json::from_str(&text).unwrap();
        drop(text);
        for item in list.items {
            index.apply(object(item.0.unwrap()));
        }
    }
}
