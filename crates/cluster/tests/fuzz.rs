//! What a watch delivers, with inputs that nobody has thought of: nothing panics, and an object comes out of the index as
//! it was decoded.

#![allow(clippy::unwrap_used)]

#[path = "../../core/tests/fuzz/mutate.rs"]
mod mutate;

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use kube::Resource;
use kube::core::{ObjectList, WatchEvent};
use podidentity_cluster::index::{IdentityKey, Index, Object};
use podidentity_cluster::watch::decode::Decoded;
use podidentity_core::objects::{
    DaemonSet, Deployment, ObservedAccount, ObservedBinding, ObservedPod, Pod, PodMeta, Rollout, StatefulSet,
};
use proptest::prelude::*;
use serde::de::DeserializeOwned;

/// Core's stored inputs.
fn corpus(reader: &str) -> impl Strategy<Value = String> {
    mutate::like(mutate::stored(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/tests/fuzz/corpus").join(reader)))
}

/// The object by itself, in an event of a watch, and as the middle one of a list: each reads it, or says why not, and the
/// others of the list stay readable.
fn read<K: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug>(text: &str) -> Option<K> {
    let _ = serde_json::from_str::<WatchEvent<Decoded<K>>>(&format!(r#"{{"type": "MODIFIED", "object": {text}}}"#));
    let other = r#"{"metadata": {"name": "other"}}"#;
    let list = format!(r#"{{"metadata": {{}}, "items": [{text}, {other}]}}"#);
    let object = serde_json::from_str::<Decoded<K>>(text);
    if serde_json::from_str::<serde_json::Value>(text).is_ok_and(|value| value.is_object()) && object.is_ok() {
        let list: ObjectList<Decoded<K>> = serde_json::from_str(&list).unwrap();
        assert_eq!(list.items.last().unwrap().meta().name.as_deref(), Some("other"));
    }
    object.ok()?.0.ok()
}

/// The pod as it comes out of the index: it is filed by its name, and of its resource version the index keeps the number.
fn as_filed(pod: &Pod) -> Arc<Pod> {
    let number = pod.metadata.resource_version.as_ref().and_then(|text| text.parse::<u64>().ok());
    let metadata = PodMeta {
        name: Some(pod.name().to_owned()),
        resource_version: number.map(|number| number.to_string()),
        ..pod.metadata.clone()
    };
    Arc::new(Pod { metadata, ..pod.clone() })
}

/// Files the object under every identity that it may belong to, and takes it out again.
fn filed(object: &Object) {
    let index = Index::default();
    let binding = r#"{"apiVersion": "podidentity.dev/v1alpha1", "kind": "PodIdentityBinding",
        "metadata": {"name": "web", "namespace": "shop", "uid": "u"},
        "spec": {"serviceAccountName": "web", "roleArn": "arn:aws:iam::111122223333:role/web"}}"#;
    index.apply(Object::binding(serde_json::from_str(binding).unwrap()));
    index.apply(object.clone());
    for key in
        index.bound().into_iter().chain([IdentityKey { namespace: "shop".into(), service_account: "web".into() }])
    {
        let Some(snapshot) = index.snapshot(&key, &Arc::default(), Timestamp::UNIX_EPOCH) else { continue };
        match object {
            Object::Pod(pod) if !snapshot.pods.is_empty() => assert_eq!(*snapshot.pods, [as_filed(pod)]),
            Object::Workload(workload) if !snapshot.workloads.is_empty() => {
                assert!(snapshot.workloads.contains(workload));
            }
            Object::ServiceAccount(account) if snapshot.service_account.is_some() => {
                assert_eq!(snapshot.service_account.as_ref(), Some(account));
            }
            _ => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn pods(text in corpus("pod")) {
        if let Some(pod) = read::<ObservedPod>(&text) {
            filed(&Object::pod(pod));
        }
    }

    #[test]
    fn workloads(text in corpus("workload")) {
        if let Some(it) = read::<Deployment>(&text) {
            filed(&Object::workload(it));
        }
        if let Some(it) = read::<StatefulSet>(&text) {
            filed(&Object::workload(it));
        }
        if let Some(it) = read::<DaemonSet>(&text) {
            filed(&Object::workload(it));
        }
        if let Some(it) = read::<Rollout>(&text) {
            filed(&Object::workload(it));
        }
    }

    #[test]
    fn bindings(text in corpus("binding")) {
        if let Some(binding) = read::<ObservedBinding>(&text) {
            filed(&Object::binding(binding));
        }
    }

    #[test]
    fn service_accounts(text in corpus("account")) {
        if let Some(account) = read::<ObservedAccount>(&text) {
            filed(&Object::ServiceAccount(Arc::new(account.into())));
        }
    }
}
