//! Pod templates as documents: clean ones, and ones with everything that can interfere with an
//! identity.

use podidentity_api::Mechanism;
use podidentity_core::desired_identity::DesiredIdentity;
use podidentity_core::expectation::Expectation;
use podidentity_core::settings::Settings;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

pub const ROLE: &str = "arn:aws:iam::111122223333:role/my-role";
const DIRECTORY: &str = "/var/run/secrets/eks.amazonaws.com/serviceaccount";
const FILE: &str = "/var/run/secrets/eks.amazonaws.com/serviceaccount/token";
const AGENT: &str = "http://169.254.170.23/v1/credentials";
const AGENT_DIRECTORY: &str = "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount";
const AGENT_FILE: &str = "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount/eks-pod-identity-token";

/// A template without AWS settings.
pub fn clean() -> impl Strategy<Value = Value> {
    let env = vec((select(vec!["A", "B", "LOG_LEVEL"]), select(vec!["", "1", "$(A)"])), 0..3);
    let mounts = vec(select(vec!["/data", "/var/run", "/var/run/secrets/eks.amazonaws.com/other"]), 0..2);
    let container = (env, mounts).prop_map(|(env, mounts)| {
        let env: Vec<Value> = env.into_iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
        let mounts: Vec<Value> = mounts.into_iter().map(|path| json!({"name": "data", "mountPath": path})).collect();
        json!({"image": "x", "env": env, "volumeMounts": mounts})
    });
    (vec(container.clone(), 0..2), vec(container, 1..4), any::<bool>()).prop_map(|(init, containers, windows)| {
        let os = if windows { "windows" } else { "linux" };
        json!({"metadata": {"labels": {"app": "web"}}, "spec": {
            "nodeSelector": {"kubernetes.io/os": os},
            "initContainers": named("init", init),
            "containers": named("app", containers),
            "volumes": [{"name": "data", "emptyDir": {}}],
        }})
    })
}

/// A template with presets, foreign volumes, skips and the like.
pub fn wild() -> impl Strategy<Value = Value> {
    let os = prop_oneof![
        4 => Just(json!({})),
        1 => Just(json!({"kubernetes.io/os": "windows"})),
        1 => Just(json!({"beta.kubernetes.io/os": "windows"})),
        1 => Just(json!({"node.kubernetes.io/windows-build": "10.0.20348"})),
    ];
    let containers = (vec(container(), 0..2), vec(container(), 0..3));
    (metadata(), os, containers, vec(volume(), 0..3)).prop_map(|(metadata, os, (init, containers), volumes)| {
        json!({"metadata": metadata, "spec": {
            "nodeSelector": os, "unknown": 1, "initContainers": named("init", init), "containers": named("app", containers),
            "volumes": volumes,
        }})
    })
}

/// A binding's declaration.
pub fn expected() -> impl Strategy<Value = Expectation> {
    let audience = select(vec![None, Some("sts.amazonaws.com"), Some("other")]);
    let expiration = select(vec![None, Some(600), Some(3600), Some(86400)]);
    let irsa = (audience, expiration, maybe()).prop_map(|(audience, token_expiration, sts_regional_endpoints)| {
        let (role_arn, audience) = (ROLE.to_owned(), audience.map(str::to_owned));
        let mechanism = Mechanism::Irsa;
        DesiredIdentity { role_arn, mechanism, audience, token_expiration, sts_regional_endpoints }
    });
    prop_oneof![3 => irsa, 1 => Just(DesiredIdentity::of_association(ROLE))].prop_map(Expectation::from)
}

/// The webhook's flags.
pub fn settings() -> impl Strategy<Value = Settings> {
    let mount_path = select(vec![DIRECTORY, "/aws/", "/var/run/aws"]);
    let region = select(vec![None, Some("eu-west-1")]);
    (mount_path, region, any::<bool>()).prop_map(|(mount_path, region, sts_regional_endpoints)| Settings {
        mount_path: mount_path.to_owned(),
        region: region.map(str::to_owned),
        sts_regional_endpoints,
        ..Settings::default()
    })
}

fn maybe() -> impl Strategy<Value = Option<bool>> {
    proptest::option::of(any::<bool>())
}

fn named(prefix: &str, mut containers: Vec<Value>) -> Vec<Value> {
    for (index, container) in containers.iter_mut().enumerate() {
        container["name"] = json!(format!("{prefix}-{index}"));
    }
    containers
}

fn metadata() -> impl Strategy<Value = Value> {
    let label = select(vec!["app", "app", "app", "eks.amazonaws.com/skip-pod-identity-webhook"]);
    let skip = select(vec!["", "", "app-0", "app-0,init-0", "app-1, app-0", "\"app-0", "\"app-0\",app-1"]);
    let expiration = select(vec!["", "1", "3600", "soon"]);
    (label, skip, expiration).prop_map(|(label, skip, expiration)| {
        json!({"labels": {label: "x"}, "annotations": {
            "eks.amazonaws.com/skip-containers": skip, "eks.amazonaws.com/token-expiration": expiration}})
    })
}

fn container() -> impl Strategy<Value = Value> {
    let from = select(vec![json!(null), json!([]), json!([{"secretRef": {"name": "s"}}])]);
    (proptest::option::of(vec(variable(), 0..5)), vec(mount(), 0..3), from)
        .prop_map(|(env, mounts, from)| json!({"image": "x", "env": env, "volumeMounts": mounts, "envFrom": from}))
}

fn variable() -> impl Strategy<Value = Value> {
    let role = select(vec![ROLE, ROLE, "arn:aws:iam::111122223333:role/other", "", "$(A)", "$$(A)"]);
    let file = select(vec![FILE, FILE, "/tokens/token", "token", "", r"C:\aws\token"]);
    let other = select(vec![
        "A",
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
        "AWS_STS_REGIONAL_ENDPOINTS",
        "AWS_ACCESS_KEY_ID",
        "AWS_PROFILE",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    ]);
    let value = select(vec!["", "regional", "legacy", ROLE, "$(B)", AGENT, AGENT_FILE]);
    let named = |name: &'static str| move |value: &str| json!({"name": name, "value": value});
    prop_oneof![
        2 => role.prop_map(named("AWS_ROLE_ARN")),
        2 => file.prop_map(named("AWS_WEB_IDENTITY_TOKEN_FILE")),
        3 => (other, value).prop_map(|(name, value)| json!({"name": name, "value": value})),
        1 => select(vec!["A", "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_REGION"])
            .prop_map(|name| json!({"name": name, "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}})),
    ]
}

fn mount() -> impl Strategy<Value = Value> {
    let name = select(vec!["aws-iam-token", "eks-pod-identity-token", "data", "own"]);
    let path =
        select(vec![DIRECTORY, FILE, AGENT_DIRECTORY, "/tokens", "/var/run", "tokens/", "/", r"C:\aws", "/root/.aws"]);
    let sub_path = select(vec![None, None, None, Some("token"), Some("a/..")]);
    (name, path, sub_path).prop_map(|(name, path, sub_path)| match sub_path {
        Some(sub_path) => json!({"name": name, "mountPath": path, "subPath": sub_path}),
        None => json!({"name": name, "mountPath": path}),
    })
}

fn volume() -> impl Strategy<Value = Value> {
    let name = select(vec!["aws-iam-token", "eks-pod-identity-token", "data", "own"]);
    let audience =
        select(vec![json!(null), json!("sts.amazonaws.com"), json!("pods.eks.amazonaws.com"), json!("other")]);
    let expiration = select(vec![json!(null), json!(3600), json!(86400)]);
    let path = select(vec!["token", "token", "eks-pod-identity-token"]);
    let token = (audience, expiration, path).prop_map(|(audience, expiration, path)| {
        json!({"serviceAccountToken": {"audience": audience, "expirationSeconds": expiration, "path": path}})
    });
    let over = Just(json!({"secret": {"name": "s", "items": [{"key": "k", "path": "token"}]}}));
    let sources = vec(prop_oneof![2 => token, 1 => over], 0..3);
    (name, proptest::option::of(sources), any::<bool>()).prop_map(|(name, sources, keys)| match sources {
        Some(sources) => json!({"name": name, "projected": {"sources": sources}}),
        None if keys => json!({"name": name, "secret": {"secretName": "s"}}),
        None => json!({"name": name, "emptyDir": {}}),
    })
}
