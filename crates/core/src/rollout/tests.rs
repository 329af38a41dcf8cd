use serde_json::json;

use super::*;
use crate::objects::{Deployment, Pod};
use crate::verify::PodVerdict;

fn verdict(ready: bool) -> WorkloadVerdict {
    let status = json!({"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1});
    let web = json!({"metadata": {"name": "web", "generation": 1}, "spec": {"replicas": 1}, "status": status});
    let conditions = json!([{"type": "Ready", "status": if ready { "True" } else { "False" }}]);
    let pod = json!({"metadata": {"name": "web-1"}, "status": {"conditions": conditions}});
    let pod = serde_json::from_value::<Pod>(pod).unwrap().slim();
    WorkloadVerdict {
        workload: Arc::new(serde_json::from_value::<Deployment>(web).unwrap().into()),
        pods: vec![JudgedPod { pod: Arc::new(pod), verdict: PodVerdict::default() }],
        phase: Phase::Excluded,
        under_way: false,
        record: None,
        shortage: None,
        refusal: None,
        reverted: false,
        undoes: false,
    }
}

/// The forecast asks for it, whatever the phase.
#[test]
fn a_workload_at_rest_is_healthy_if_its_pods_are_ready() {
    assert!(verdict(true).is_healthy());
    assert!(!verdict(false).is_healthy());
}
