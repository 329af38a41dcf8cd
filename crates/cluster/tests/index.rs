//! The index: objects by identity, never going back in time, telling whom a change concerns.

#![allow(clippy::unwrap_used)]

use std::collections::HashSet;
use std::sync::Arc;

use jiff::Timestamp;
use podidentity_cluster::index::{IdentityKey, Index, Kind, Object};
use podidentity_core::objects::{ObservedBinding, ServiceAccount, StatefulSet};
use podidentity_core::snapshot::Snapshot;
use serde_json::{Value, json};

fn meta(name: &str, version: u64) -> Value {
    json!({"name": name, "namespace": "shop", "uid": format!("uid-{name}"), "resourceVersion": version.to_string()})
}

fn binding(account: &str) -> Object {
    let binding = json!({
        "apiVersion": "podidentity.dev/v1alpha1", "kind": "PodIdentityBinding", "metadata": meta("binding", 1),
        "spec": {"serviceAccountName": account, "roleArn": "arn:aws:iam::111122223333:role/r"},
    });
    Object::binding(serde_json::from_value(binding).unwrap())
}

fn pod(name: &str, account: &str, version: u64) -> Object {
    let pod = json!({"metadata": meta(name, version), "spec": {"serviceAccountName": account, "containers": []}});
    Object::pod(serde_json::from_value(pod).unwrap())
}

fn deployment(account: &str, version: u64) -> Object {
    let template = json!({"spec": {"serviceAccountName": account, "containers": []}});
    let deployment = json!({"metadata": meta("web", version), "spec": {"template": template}});
    let deployment: podidentity_core::objects::Deployment = serde_json::from_value(deployment).unwrap();
    Object::workload(deployment)
}

fn key(account: &str) -> IdentityKey {
    IdentityKey { namespace: "shop".into(), service_account: account.into() }
}

fn pods(index: &Index, account: &str) -> Vec<String> {
    let snapshot = index.snapshot(&key(account), &Arc::default(), Timestamp::UNIX_EPOCH).unwrap();
    snapshot
        .pods
        .iter()
        .map(|pod| format!("{}@{}", pod.name(), pod.metadata.resource_version.as_ref().unwrap()))
        .collect()
}

fn snapshot(index: &Index, account: &str) -> Snapshot {
    index.snapshot(&key(account), &Arc::default(), Timestamp::UNIX_EPOCH).unwrap()
}

/// Changes so many other identities that all others are packed.
fn cool(index: &Index) {
    for number in 0..300 {
        index.apply(pod(&format!("other-{number}"), &format!("other-{number}"), 1));
    }
}

#[test]
fn only_bound_identities_are_told_of() {
    let index = Index::default();
    assert_eq!(index.apply(pod("a", "app", 1)), []);
    assert_eq!(index.apply(binding("app")), [key("app")]);
    assert_eq!(index.apply(pod("c", "app", 2)), [key("app")]);
    assert_eq!(index.apply(pod("b", "other", 1)), []);
    assert_eq!(pods(&index, "app"), ["a@1", "c@2"]);
    assert!(index.snapshot(&key("other"), &Arc::default(), Timestamp::UNIX_EPOCH).is_none());
}

/// What is objects comes out again as it went in, whatever is in it.
#[test]
fn an_object_comes_out_as_it_went_in() {
    let index = Index::default();
    let time = "2026-01-01T00:00:00.123456Z";
    let mut whole = json!({
        "apiVersion": "podidentity.dev/v1alpha1", "kind": "PodIdentityBinding", "metadata": meta("binding", 1),
        "spec": {"serviceAccountName": "app", "roleArn": "arn:aws:iam::111122223333:role/r",
            "rollout": {"workloadSelector": {"matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}]}}},
        "status": {"observedGeneration": -1, "podsTotal": 2, "findings": [
            {"severity": "Warning", "reason": "StaleRole", "object": "Pod/ü", "message": "\u{0}\n"}]},
    });
    whole["metadata"]["deletionTimestamp"] = json!(time);
    let binding: ObservedBinding = serde_json::from_value(whole).unwrap();
    let account: ServiceAccount = serde_json::from_value(json!({"metadata": {
        "name": "app", "namespace": "shop", "annotations": {"a": "", "b": "2"}, "labels": {"app.kubernetes.io/managed-by": "Helm"},
        "managedFields": [{"manager": "m", "operation": "Apply", "time": time,
            "fieldsV1": {"f:metadata": {"f:annotations": {"f:eks.amazonaws.com/role-arn": {}}}}}]}}))
    .unwrap();
    let stateful: StatefulSet = serde_json::from_value(json!({"metadata": meta("db", 1), "spec": {
        "updateStrategy": {"rollingUpdate": {"partition": 2, "maxUnavailable": "10%"}},
        "template": {"spec": {"serviceAccountName": "app", "containers": [{"name": "c", "env": [
            {"name": "AWS_REGION", "valueFrom": {"configMapKeyRef": {"name": "n", "key": "k", "optional": true}}}]}]}}}}))
    .unwrap();
    let mut pod = json!({"metadata": meta("a", 7), "status": {"phase": "Failed"}, "spec": {"serviceAccountName": "app",
        "nodeSelector": {"kubernetes.io/os": "windows"}, "securityContext": {"runAsUser": 0}, "containers": [{"name": "c"}]}});
    pod["metadata"]["deletionTimestamp"] = json!(time);
    let objects = [
        Object::binding(binding),
        Object::ServiceAccount(Arc::new(account)),
        Object::workload(stateful),
        Object::pod(serde_json::from_value(pod).unwrap()),
    ];
    for object in &objects {
        index.apply(object.clone());
    }
    let unpacked = snapshot(&index, "app");
    cool(&index);
    let found = snapshot(&index, "app");
    assert_eq!(found.bindings, unpacked.bindings);
    let [Object::Binding(binding), Object::ServiceAccount(account), Object::Workload(workload), Object::Pod(pod)] =
        objects
    else {
        unreachable!()
    };
    assert_eq!(found.bindings, [binding]);
    assert_eq!(found.service_account, Some(account));
    assert_eq!(found.workloads, [workload]);
    assert_eq!(found.pods, [pod]);
}

#[test]
fn an_identity_is_unpacked_until_many_others_have_changed() {
    let index = Index::default();
    let owners = json!({"f:metadata": {"f:annotations": {"f:eks.amazonaws.com/role-arn": {}}}});
    let mut account = json!({"metadata": meta("app", 1)});
    account["metadata"]["annotations"] = json!({"eks.amazonaws.com/role-arn": "arn:aws:iam::111122223333:role/r"});
    account["metadata"]["managedFields"] =
        json!([{"manager": "m", "operation": "Apply", "time": "2026-01-01T00:00:00Z", "fieldsV1": owners}]);
    index.apply(Object::account(serde_json::from_value(account).unwrap()));
    for object in [binding("app"), deployment("app", 1), pod("a", "app", 1)] {
        index.apply(object);
    }
    let first = snapshot(&index, "app");
    let same = |other: &Snapshot| {
        let account = |it: &Snapshot| Arc::as_ptr(it.service_account.as_ref().unwrap());
        [
            Arc::ptr_eq(&first.bindings[0], &other.bindings[0]),
            account(&first) == account(other),
            Arc::ptr_eq(&first.workloads[0], &other.workloads[0]),
            Arc::ptr_eq(&first.pods[0].spec, &other.pods[0].spec),
        ]
    };
    assert_eq!(same(&snapshot(&index, "app")), [true; 4]);
    cool(&index);
    let unpacked = snapshot(&index, "app");
    assert_eq!(same(&unpacked), [false; 4]);
    assert_eq!(unpacked.service_account, first.service_account);
    assert_eq!((unpacked.bindings, unpacked.workloads), (first.bindings, first.workloads));
}

#[test]
fn pods_of_one_template_share_it() {
    let index = Index::default();
    index.apply(binding("app"));
    for name in ["a", "b", "c"] {
        index.apply(pod(name, "app", 1));
    }
    let share = || {
        let pods = snapshot(&index, "app").pods;
        assert!(pods.iter().all(|pod| Arc::ptr_eq(&pod.spec, &pods[0].spec)), "{pods:?}");
    };
    share();
    cool(&index);
    share();
    index.apply(pod("d", "app", 1));
    share();
}

#[test]
fn a_rollout_leaves_each_pod_its_own_template() {
    let index = Index::default();
    index.apply(binding("app"));
    let of = |name: &str, container: &str, version: u64| {
        let spec = json!({"serviceAccountName": "app", "containers": [{"name": container}]});
        index.apply(Object::pod(
            serde_json::from_value(json!({"metadata": meta(name, version), "spec": spec})).unwrap(),
        ));
    };
    let containers = || {
        let pods = snapshot(&index, "app").pods;
        pods.iter().map(|pod| pod.spec.containers[0].name.clone()).collect::<Vec<_>>()
    };
    for name in ["a", "b", "c"] {
        of(name, "old", 1);
    }
    of("b", "new", 2);
    assert_eq!(containers(), ["old", "new", "old"]);
    cool(&index);
    assert_eq!(containers(), ["old", "new", "old"]);
    // The old template goes with its last pod, also for a pod that changes afterwards.
    for name in ["a", "c"] {
        of(name, "new", 3);
    }
    cool(&index);
    of("b", "newest", 4);
    assert_eq!(containers(), ["new", "newest", "new"]);
}

#[test]
fn a_pod_that_changed_in_nothing_that_is_judged_concerns_no_one() {
    let index = Index::default();
    index.apply(binding("app"));
    index.apply(pod("a", "app", 1));
    cool(&index);
    let changed = |version: u64, change: fn(&mut Value)| {
        let mut pod = json!({"metadata": meta("a", version), "spec": {"serviceAccountName": "app", "containers": []}});
        change(&mut pod);
        index.apply(Object::pod(serde_json::from_value(pod).unwrap()))
    };
    assert_eq!(changed(2, |pod| pod["status"] = json!({"podIP": "10.0.0.1"})), []);
    assert_eq!(pods(&index, "app"), ["a@2"], "its version is known all the same");
    let concerning: [fn(&mut Value); 4] = [
        |pod| pod["status"] = json!({"phase": "Running"}),
        |pod| pod["status"] = json!({"conditions": [{"type": "Ready", "status": "True"}]}),
        |pod| pod["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z"),
        |pod| pod["metadata"]["uid"] = json!("another"),
    ];
    for (version, change) in (3..).zip(concerning) {
        assert_eq!(changed(version, change), [key("app")], "{version}");
    }
}

#[test]
fn a_binding_that_cannot_be_decoded_is_still_known_as_such() {
    let index = Index::default();
    let stored =
        json!({"metadata": meta("binding", 1), "spec": {"serviceAccountName": "app", "roleArn": "r", "suspend": 7}});
    index.apply(Object::binding(serde_json::from_value(stored).unwrap()));
    let snapshot = index.snapshot(&key("app"), &Arc::default(), Timestamp::UNIX_EPOCH).unwrap();
    let why = snapshot.bindings[0].spec.undecodable.as_ref().unwrap().to_string();
    assert!(why.starts_with("spec.suspend: "), "{why}");
}

#[test]
fn it_does_not_go_back_in_time() {
    let index = Index::default();
    index.apply(binding("app"));
    index.apply(pod("a", "app", 5));
    assert_eq!(index.apply(pod("a", "app", 4)), [], "older");
    assert_eq!(index.apply(pod("a", "app", 5)), [], "the same");
    assert_eq!(pods(&index, "app"), ["a@5"]);
}

#[test]
fn an_answer_that_its_objects_deletion_has_overtaken_is_dropped() {
    let index = Index::default();
    index.apply(binding("app"));
    index.apply(pod("a", "app", 1));
    let id = pod("a", "app", 1).id();
    index.refresh(pod("a", "app", 2));
    assert_eq!(pods(&index, "app"), ["a@2"]);
    assert_eq!(index.delete(&id, Some("uid-a")), [key("app")]);
    index.refresh(pod("a", "app", 3));
    assert_eq!(pods(&index, "app"), Vec::<String>::new());
}

#[test]
fn a_late_deletion_does_not_remove_the_successor() {
    let index = Index::default();
    index.apply(binding("app"));
    index.apply(pod("a", "app", 1));
    assert_eq!(index.delete(&pod("a", "app", 1).id(), Some("another-uid")), []);
    assert_eq!(pods(&index, "app"), ["a@1"]);
}

/// Something may be remembered of it, and others may wait for what it used.
#[test]
fn an_identity_that_loses_its_last_binding_is_told_of_once_more() {
    let index = Index::default();
    index.apply(pod("a", "app", 1));
    index.apply(binding("app"));
    assert_eq!(index.delete(&binding("app").id(), Some("uid-binding")), [key("app")]);
    assert!(index.snapshot(&key("app"), &Arc::default(), Timestamp::UNIX_EPOCH).is_none());
    assert_eq!(index.delete(&pod("a", "app", 1).id(), None), []);

    index.apply(binding("app"));
    assert_eq!(index.delete(&binding("app").id(), None), [key("app")], "also if nothing else is known of it");
    assert_eq!(index.delete(&binding("app").id(), None), []);
}

/// One that was created anew, where its deletion was missed, or one that cannot be decoded any
/// more.
#[test]
fn a_binding_of_another_account_is_news_for_both() {
    let index = Index::default();
    index.apply(binding("app"));
    for (number, account, before) in [(2, json!("other"), "app"), (3, json!(7), "other")] {
        let mut metadata = meta("binding", number);
        metadata["uid"] = json!(format!("uid-{number}"));
        let spec = json!({"serviceAccountName": account, "roleArn": "arn:aws:iam::111122223333:role/r"});
        let stored = serde_json::from_value(json!({"metadata": metadata, "spec": spec})).unwrap();
        let now = account.as_str().unwrap_or_default();
        assert_eq!(index.apply(Object::binding(stored)), [key(before), key(now)]);
    }
}

#[test]
fn a_workload_that_moves_to_another_account_is_news_for_both() {
    let index = Index::default();
    index.apply(binding("app"));
    index.apply(deployment("app", 1));
    let moved = index.apply(deployment("other", 2));
    assert_eq!(moved, [key("app")]);
    let snapshot = index.snapshot(&key("app"), &Arc::default(), Timestamp::UNIX_EPOCH).unwrap();
    assert!(snapshot.workloads.is_empty());
}

#[test]
fn what_is_filed_is_told_by_kind_and_namespace() {
    let index = Index::default();
    index.apply(binding("app"));
    index.apply(pod("a", "app", 1));
    index.apply(pod("b", "app", 1));
    let both = HashSet::from(["a", "b"].map(|name| pod(name, "app", 1).id()));
    assert_eq!(index.objects(Kind::Pod, None), both);
    assert_eq!(index.objects(Kind::Pod, Some("shop")), both);
    assert_eq!(index.objects(Kind::Pod, Some("another")), HashSet::new());
    assert_eq!(index.objects(Kind::ServiceAccount, None), HashSet::new());
}

fn namespace(labels: &Value) -> Object {
    let namespace = json!({"metadata": {"name": "shop", "labels": labels}});
    Object::Namespace(Arc::new(serde_json::from_value(namespace).unwrap()))
}

/// Whether the index shows the binding anywhere.
fn shows(index: &Index) -> bool {
    let snapshot = index.snapshot(&key("app"), &Arc::default(), Timestamp::UNIX_EPOCH).is_some();
    let (bound, counted) = (index.bound().len(), index.status_totals().bindings.values().sum::<i64>());
    assert_eq!((bound, counted), if snapshot { (1, 1) } else { (0, 0) });
    snapshot
}

#[test]
fn a_namespace_is_looked_after_while_its_labels_are_selected() {
    let index = Index::selecting(Some("env=prod".parse().unwrap()));
    // Not before it is known.
    assert_eq!(index.apply(binding("app")), []);
    assert!(!shows(&index));
    assert_eq!(index.apply(namespace(&json!({"env": "test"}))), []);
    assert_eq!(index.apply(pod("a", "app", 1)), []);
    assert!(!shows(&index));
    // With the label all of it is known at once, also what came before.
    assert_eq!(index.apply(namespace(&json!({"env": "prod"}))), [key("app")]);
    assert!(shows(&index));
    assert_eq!(pods(&index, "app"), ["a@1"]);
    assert_eq!(index.apply(pod("b", "app", 2)), [key("app")]);
    // It is told once that it is not looked after any more.
    assert_eq!(index.apply(namespace(&json!({}))), [key("app")]);
    assert!(!shows(&index));
    assert_eq!(index.apply(pod("c", "app", 3)), []);
    assert_eq!(index.apply(namespace(&json!({"more": "x"}))), []);
    assert_eq!(index.delete(&binding("app").id(), None), []);
    assert_eq!(index.apply(namespace(&json!({"env": "prod"}))), []);
    assert!(!shows(&index));
}

#[test]
fn a_namespace_that_is_gone_is_not_looked_after_any_more() {
    let index = Index::selecting(Some("!legacy".parse().unwrap()));
    index.apply(namespace(&json!({})));
    assert_eq!(index.apply(binding("app")), [key("app")]);
    assert!(shows(&index));
    assert_eq!(index.delete(&namespace(&json!({})).id(), None), [key("app")]);
    assert!(!shows(&index));
}

#[test]
fn without_a_selector_every_namespace_is_looked_after() {
    let index = Index::default();
    assert_eq!(index.apply(binding("app")), [key("app")]);
    assert!(shows(&index));
    assert_eq!(index.apply(namespace(&json!({}))), [key("app")]);
    assert!(shows(&index));
}
