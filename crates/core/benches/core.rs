//! What decisions cost at 1, 10 and 1,000 pods of an identity. In the end the growth is printed: 1 is linear.
//!
//! ```text
//! cargo bench -p podidentity-core
//! ```

#![allow(missing_docs, clippy::unwrap_used)]

mod fixture;

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use criterion::{BenchmarkId, Criterion, Throughput};
use jiff::Timestamp;
use podidentity_core::assess::Assessment;
use podidentity_core::desired_identity::DesiredIdentity;
use podidentity_core::expectation::Expectation;
use podidentity_core::injection::inject;
use podidentity_core::objects::{Deployment, Pod, Workload};
use podidentity_core::outcome::Outcome;
use podidentity_core::plan::plan;
use podidentity_core::settings::Settings;
use podidentity_core::snapshot::{Config, Snapshot};
use podidentity_core::status::reports;
use podidentity_core::verify::verify_pod;
use serde::de::DeserializeOwned;
use serde_json::Value;

const SIZES: [usize; 3] = [1, 10, 1000];

fn from<T: DeserializeOwned>(document: Value) -> T {
    serde_json::from_value(document).unwrap()
}

/// An identity as the index has it, with so many pods.
fn snapshot(pods: usize) -> Snapshot {
    let workload: Workload = from::<Deployment>(fixture::deployment("shop", "my-app", pods, 1)).into();
    Snapshot {
        namespace: "shop".into(),
        service_account_name: "my-app".into(),
        now: Timestamp::from_second(1_800_000_000).unwrap(),
        config: Arc::new(Config::default()),
        namespace_object: None,
        bindings: vec![Arc::new(from(fixture::binding("shop", "my-app", 1)))],
        service_account: Some(Arc::new(from(fixture::service_account("shop", "my-app", 1)))),
        workloads: vec![Arc::new(workload.slim())],
        pods: (0..pods).map(|number| Arc::new(from::<Pod>(fixture::pod("shop", "my-app", number)).slim())).collect(),
        rollout_slots: 10,
    }
}

type Decide = fn(&Snapshot);

/// Each measured function, given a snapshot.
fn functions() -> Vec<(&'static str, Decide)> {
    vec![
        ("inject", |snapshot| {
            let annotations = snapshot.service_account.as_ref().unwrap().annotations.clone();
            let settings = Settings::default();
            for _ in &snapshot.pods {
                black_box(inject(&snapshot.workloads[0].template, &annotations, &settings));
            }
        }),
        ("verify", |snapshot| {
            let wanted = Expectation::from(DesiredIdentity::of(&snapshot.bindings[0].spec));
            let settings = Settings::default();
            for pod in &snapshot.pods {
                black_box(verify_pod(pod, Some(&snapshot.workloads[0].template), &wanted, &settings));
            }
        }),
        ("plan", |snapshot| {
            let assessment = Assessment::of(snapshot);
            black_box(plan(snapshot, &assessment));
        }),
        ("status", |snapshot| {
            let assessment = Assessment::of(snapshot);
            black_box(reports(snapshot, &assessment, &plan(snapshot, &assessment), &Outcome::default()));
        }),
    ]
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let snapshots: Vec<(usize, Snapshot)> = SIZES.map(|pods| (pods, snapshot(pods))).into();
    for (name, function) in functions() {
        let mut group = criterion.benchmark_group(name);
        for (pods, snapshot) in &snapshots {
            group.throughput(Throughput::Elements(u64::try_from(*pods).unwrap()));
            group.bench_with_input(BenchmarkId::from_parameter(pods), snapshot, |bench, snapshot| {
                bench.iter(|| function(snapshot));
            });
        }
    }
    criterion.final_summary();
    growth(&snapshots);
}

/// The exponent of time as a power of the number of pods, from ten to a thousand: at one pod the rest counts.
#[allow(clippy::print_stdout, clippy::cast_precision_loss)]
fn growth(snapshots: &[(usize, Snapshot)]) {
    let time = |function: Decide, snapshot: &Snapshot, times: u32| {
        // The fastest of several: whatever else the machine does only makes it slower.
        let run = || {
            let began = Instant::now();
            (0..times).for_each(|_| function(snapshot));
            began.elapsed().as_secs_f64() / f64::from(times)
        };
        (0..20).map(|_| run()).fold(f64::MAX, f64::min)
    };
    let [_, (few, small), (many, large)] = snapshots else { return };
    for (name, function) in functions() {
        let (fast, slow) = (time(function, small, 100), time(function, large, 2));
        let exponent = (slow / fast).ln() / (*many as f64 / *few as f64).ln();
        println!("{name}: {:.2} µs at {few} pods, {:.2} µs at {many}; exponent {exponent:.2}", fast * 1e6, slow * 1e6);
    }
}
