//! What it costs to decode what watches deliver, and to look at an identity that is as declared.
//!
//! ```text
//! cargo bench -p podidentity-cluster --bench decode
//! ```

#![allow(missing_docs, clippy::unwrap_used)]

#[path = "../../core/benches/fixture/mod.rs"]
mod fixture;

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use jiff::Timestamp;
use k8s_openapi::api::apps::v1 as apps;
use k8s_openapi::api::core::v1 as core;
use kube::core::DeserializeGuard;
use podidentity_api::PodIdentityBinding;
use podidentity_cluster::index::{IdentityKey, Index, Object};
use podidentity_cluster::watch::decode::Decoded;
use podidentity_core::assess::Assessment;
use podidentity_core::objects::{Deployment, ObservedBinding, ObservedPod, ServiceAccount};
use podidentity_core::outcome::Outcome;
use podidentity_core::plan::plan;
use podidentity_core::status::reports;
use serde::de::DeserializeOwned;
use serde_json::Value;

fn decode(criterion: &mut Criterion) {
    fn both<Slim: DeserializeOwned, Full: DeserializeOwned>(criterion: &mut Criterion, name: &str, document: &Value) {
        let text = serde_json::to_vec(document).unwrap();
        let mut group = criterion.benchmark_group(format!("decode {name}"));
        group.throughput(Throughput::Bytes(u64::try_from(text.len()).unwrap()));
        group.bench_function("slim", |bench| bench.iter(|| black_box(serde_json::from_slice::<Slim>(&text).unwrap())));
        group.bench_function("full", |bench| bench.iter(|| black_box(serde_json::from_slice::<Full>(&text).unwrap())));
    }
    both::<ObservedPod, core::Pod>(criterion, "pod", &fixture::pod("shop", "my-app", 1));
    both::<Deployment, apps::Deployment>(criterion, "deployment", &fixture::deployment("shop", "my-app", 5, 1));
    both::<ServiceAccount, core::ServiceAccount>(
        criterion,
        "service account",
        &fixture::service_account("shop", "my-app", 1),
    );
    both::<ObservedBinding, PodIdentityBinding>(criterion, "binding", &fixture::binding("shop", "my-app", 1));
}

/// As a watch reads it, such that an object that cannot be decoded does not spoil the others.
fn guarded(criterion: &mut Criterion) {
    let text = serde_json::to_string(&fixture::pod("shop", "my-app", 1)).unwrap();
    let mut group = criterion.benchmark_group("decode pod, guarded");
    group.throughput(Throughput::Bytes(u64::try_from(text.len()).unwrap()));
    group.bench_function("ours", |bench| {
        bench.iter(|| black_box(serde_json::from_str::<Decoded<ObservedPod>>(&text).unwrap()));
    });
    group.bench_function("kube", |bench| {
        bench.iter(|| black_box(serde_json::from_str::<DeserializeGuard<ObservedPod>>(&text).unwrap()));
    });
}

fn converged(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("look at what is as declared");
    for pods in [1, 5, 100, 1000] {
        let index = Index::default();
        let from = |document: Value| serde_json::from_value(document).unwrap();
        index.apply(Object::binding(from(fixture::binding("shop", "my-app", 1))));
        let account: ServiceAccount = serde_json::from_value(fixture::service_account("shop", "my-app", 1)).unwrap();
        index.apply(Object::ServiceAccount(Arc::new(account)));
        let deployment: Deployment = serde_json::from_value(fixture::deployment("shop", "my-app", pods, 1)).unwrap();
        index.apply(Object::workload(deployment));
        for number in 0..pods {
            index.apply(Object::pod(serde_json::from_value(fixture::pod("shop", "my-app", number)).unwrap()));
        }
        let key = IdentityKey { namespace: "shop".into(), service_account: "my-app".into() };
        let config = Arc::default();
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        group.bench_function(BenchmarkId::from_parameter(pods), |bench| {
            bench.iter(|| {
                let snapshot = index.snapshot(&key, &config, now).unwrap();
                let assessment = Assessment::of(&snapshot);
                let plan = plan(&snapshot, &assessment);
                black_box((reports(&snapshot, &assessment, &plan, &Outcome::default()), plan));
            });
        });
    }
}

criterion_group!(benches, decode, guarded, converged);
criterion_main!(benches);
