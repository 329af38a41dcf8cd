//! What is asked for in a whole cluster, and in a few namespaces.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::sync::Arc;

use http::{Request, Response};
use kube::Client;
use kube::client::Body;
use podidentity_cluster::http::heartbeat::Heartbeats;
use podidentity_cluster::http::telemetry::NoTelemetry;
use podidentity_cluster::index::Index;
use podidentity_cluster::watch::scope::WatchScope;
use podidentity_cluster::watch::{self, Listeners};

/// The paths of the first requests of all streams.
async fn asked(scope: WatchScope) -> BTreeSet<String> {
    let (service, mut handle) = tower_test::mock::pair::<Request<Body>, Response<Body>>();
    let client = Client::new(service, "default");
    let listeners =
        Listeners { notify: Arc::new(|_| {}), telemetry: Arc::new(NoTelemetry), heartbeats: Heartbeats::default() };
    let (streams, _listed) = watch::streams(&client, &Index::default(), &listeners, &scope, &BTreeSet::new());
    let count = streams.len();
    for stream in streams {
        tokio::spawn(stream);
    }
    let mut paths = BTreeSet::new();
    let mut unanswered = Vec::new();
    for _ in 0..count {
        let (request, respond) = handle.next_request().await.unwrap();
        paths.insert(request.uri().path().to_owned());
        unanswered.push(respond);
    }
    paths
}

#[tokio::test]
async fn in_a_few_namespaces_nothing_is_asked_of_the_rest() {
    let team = BTreeSet::from(["team-a".to_owned()]);
    let expected = [
        "/api/v1/namespaces/team-a",
        "/api/v1/namespaces/team-a/pods",
        "/api/v1/namespaces/team-a/serviceaccounts",
        "/apis/apps/v1/namespaces/team-a/daemonsets",
        "/apis/apps/v1/namespaces/team-a/deployments",
        "/apis/apps/v1/namespaces/team-a/statefulsets",
        "/apis/argoproj.io/v1alpha1",
        "/apis/podidentity.dev/v1alpha1/namespaces/team-a/podidentitybindings",
    ];
    assert_eq!(asked(WatchScope::Namespaces(team)).await, expected.map(str::to_owned).into());
}

#[tokio::test]
async fn in_a_whole_cluster_each_kind_is_watched_once() {
    let expected = [
        "/api/v1/namespaces",
        "/api/v1/pods",
        "/api/v1/serviceaccounts",
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
        "/apis/apps/v1/daemonsets",
        "/apis/apps/v1/deployments",
        "/apis/apps/v1/statefulsets",
        "/apis/podidentity.dev/v1alpha1/podidentitybindings",
    ];
    assert_eq!(asked(WatchScope::Cluster).await, expected.map(str::to_owned).into());
}
