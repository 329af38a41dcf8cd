//! Events are news: what goes wrong with them holds nobody up.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::time::Duration;

use http::{Request, Response};
use kube::Client;
use kube::client::Body;
use kube::runtime::events::{Recorder, Reporter};
use podidentity_api::PodIdentityBinding;
use podidentity_cluster::report::publish;
use podidentity_core::status::Transition;
use serde_json::json;

#[tokio::test(start_paused = true)]
async fn an_event_that_is_never_answered_is_waited_for_a_few_seconds_only() {
    let (service, handle) = tower_test::mock::pair::<Request<Body>, Response<Body>>();
    let recorder = Recorder::new(Client::new(service, "default"), Reporter::from("podidentity-operator".to_owned()));
    let binding: PodIdentityBinding = serde_json::from_value(json!({
        "metadata": {"name": "app", "namespace": "shop", "uid": "the-uid"},
        "spec": {"serviceAccountName": "app", "roleArn": "arn:aws:iam::111122223333:role/my-role"},
    }))
    .unwrap();
    let news = |reason| Transition { warning: false, reason, note: String::new(), workload: None };
    let published = publish(&recorder, &binding, vec![news("Rolled"), news("Verified")]);
    tokio::time::timeout(Duration::from_secs(20), published).await.expect("the reconcile is held up");
    drop(handle);
}
