//! Every value of the chart has an effect, and an invalid one is refused.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use e2e::Namespace;
use serde_json::Value;

use super::helm::{chart, run, template};
use super::objects::{differences, parse};
use crate::world::World;

/// Another value for each key, after the values that it depends on, and a part of the objects that
/// appears only with it.
#[rustfmt::skip] // one line for each
const OTHERS: &[(&str, &str)] = &[
    (r#"fullnameOverride="other""#, "Deployment podidentity-system/other"),
    (r#"namespaces=["team-a"]"#, "Role team-a/podidentity-operator"),
    ("replicas=3", "3"),
    (r#"image.repository="registry.example.com/other""#, concat!("registry.example.com/other:", env!("CARGO_PKG_VERSION"))),
    (r#"image.tag="v9""#, "podidentity-operator:v9"),
    (r#"image.digest="sha256:0123456789012345678901234567890123456789012345678901234567890123""#, "podidentity-operator@sha256:0123"),
    (r#"image.pullPolicy="Always""#, "Always"),
    (r#"imagePullSecrets=[{"name":"my-registry"}]"#, "my-registry"),
    (r#"settings.logFormat="text""#, "text"),
    (r#"settings.logLevel="debug""#, "RUST_LOG"),
    (r#"settings.namespaceSelector="env=prod""#, "PODIDENTITY_NAMESPACE_SELECTOR"),
    ("settings.maxConcurrentRollouts=7", "PODIDENTITY_MAX_CONCURRENT_ROLLOUTS"),
    (r#"settings.otlpEndpoint="http://collector:4318""#, "OTEL_EXPORTER_OTLP_ENDPOINT"),
    (r#"settings.stalledAfter="3m""#, "PODIDENTITY_STALLED_AFTER"),
    (r#"http.address="0.0.0.0""#, "PODIDENTITY_LISTEN"),
    ("http.port=9090", "9090"),
    ("podSecurityContext.runAsUser=null", "runAsUser"),
    (r#"podSecurityContext={"fsGroup":1000}"#, "fsGroup"),
    (r#"leaderElection.leaseDuration="30s""#, "PODIDENTITY_LEASE_DURATION"),
    (r#"leaderElection.renewDeadline="12s""#, "PODIDENTITY_LEASE_RENEW_DEADLINE"),
    (r#"leaderElection.retryPeriod="3s""#, "PODIDENTITY_LEASE_RETRY_PERIOD"),
    (r#"settings.dryRun="report""#, "PODIDENTITY_DRY_RUN"),
    ("settings.concurrency=7", "PODIDENTITY_CONCURRENCY"),
    (r#"settings.metricsPerBinding="off""#, "PODIDENTITY_METRICS_PER_BINDING"),
    (r#"settings.issuer="https://issuer.example.com""#, "PODIDENTITY_ISSUER"),
    (r#"settings.annotationDomain="pods.example.com""#, "PODIDENTITY_ANNOTATION_DOMAIN"),
    (r#"settings.tokenAudience="sts.example.com""#, "PODIDENTITY_TOKEN_AUDIENCE"),
    (r#"settings.tokenMountPath="/token""#, "PODIDENTITY_TOKEN_MOUNT_PATH"),
    (r#"settings.composeRoleArn="aws:111122223333""#, "PODIDENTITY_COMPOSE_ROLE_ARN"),
    ("settings.tokenExpiration=900", "PODIDENTITY_TOKEN_EXPIRATION"),
    (r#"settings.awsDefaultRegion="eu-central-1""#, "PODIDENTITY_AWS_DEFAULT_REGION"),
    ("settings.stsRegionalEndpoint=true", "PODIDENTITY_STS_REGIONAL_ENDPOINT"),
    ("settings.imdsOpenToPods=true", "PODIDENTITY_IMDS_OPEN_TO_PODS"),
    (r#"settings.awsAccount="111122223333""#, "PODIDENTITY_AWS_ACCOUNT"),
    (r#"settings.awsPartition="aws-cn""#, "PODIDENTITY_AWS_PARTITION"),
    (r#"settings.roleReferences=["ack"]"#, "ClusterRole /podidentity-operator-role-references-ack"),
    (r#"extraEnv=[{"name":"HTTPS_PROXY","value":"https://proxy.example.com"}]"#, "HTTPS_PROXY"),
    ("crds.install=false", "CustomResourceDefinition /podidentitybindings.podidentity.dev is missing"),
    ("rbac.create=false", "ClusterRole /podidentity-operator is missing"),
    ("serviceAccount.create=false", "ServiceAccount podidentity-system/podidentity-operator is missing"),
    (r#"namespaces=["team-a"] rbac.finalizers=true"#, "ClusterRole /podidentity-operator-finalizers"),
    (r#"serviceAccount.name="other""#, "ServiceAccount podidentity-system/other"),
    (r#"serviceAccount.annotations={"a":"b"}"#, r#"{"a":"b"}"#),
    ("injection.enabled=true", "MutatingAdmissionPolicy /pod-identity-injection"),
    ("enforcement.enabled=true", "ValidatingAdmissionPolicy /pod-identity-enforcement"),
    ("grants.enabled=true", "ValidatingAdmissionPolicy /"),
    ("prometheus.enabled=true", "ServiceMonitor podidentity-system/podidentity-operator"),
    (r#"prometheus.enabled=true prometheus.labels={"release":"monitoring"}"#, "monitoring"),
    ("guard.enabled=true", "ValidatingAdmissionPolicy /podidentity-operator-guard-workloads"),
    ("people.enabled=true", "ClusterRole /podidentitybindings-edit"),
    (r#"preflight.namespaces=["team-a"] preflight.enabled=true"#, "Role team-a/podidentity-operator-preflight"),
    (r#"preflight.enabled=true preflight.namespaces=["team-b"]"#, "RoleBinding team-b/podidentity-operator-preflight"),
    (r#"preflight.enabled=true preflight.namespaces=["team-a"] preflight.allowUnguarded=true preflight.guard=false"#, "Role team-a/podidentity-operator-preflight"),
    (r#"preflight.enabled=true preflight.namespaces=["team-a"] preflight.guard=false preflight.allowUnguarded=true"#, "Role team-a/podidentity-operator-preflight"),
    (r#"preflight.enabled=true preflight.namespaces=["team-a"] preflight.guardBound=true"#, "MutatingAdmissionPolicy /podidentity-operator-guard-tokens-2-bound"),
    (r#"preflight.policy="Require""#, "PODIDENTITY_PREFLIGHT"),
    (r#"preflight.onUnavailable="proceed""#, "PODIDENTITY_PREFLIGHT_ON_UNAVAILABLE"),
    (r#"preflight.recheck="24h""#, "PODIDENTITY_PREFLIGHT_RECHECK"),
    (r#"preflight.stsRegion="eu-central-1""#, "PODIDENTITY_STS_REGION"),
    (r#"preflight.stsEndpoint="https://sts.example.com""#, "PODIDENTITY_STS_ENDPOINT"),
    ("grants.required=true", "PODIDENTITY_REQUIRE_GRANTS"),
    (r#"resources={"limits":{"memory":"1Gi"}}"#, "1Gi"),
    ("podDisruptionBudget.enabled=false", "PodDisruptionBudget podidentity-system/podidentity-operator is missing"),
    ("networkPolicy.enabled=false", "NetworkPolicy podidentity-system/podidentity-operator is missing"),
    (r#"networkPolicy.metricsFrom=[{"podSelector":{}}]"#, "podSelector"),
    ("networkPolicy.apiServerPorts=[8443]", "8443"),
    (r#"networkPolicy.extraEgress=[{"ports":[{"port":3128}]}]"#, "3128"),
    (r#"podLabels={"team":"platform"}"#, "platform"),
    (r#"podAnnotations={"a":"b"}"#, ".a"),
    (r#"priorityClassName="system-cluster-critical""#, "system-cluster-critical"),
    (r#"nodeSelector={"kubernetes.io/arch":"amd64"}"#, "amd64"),
    (r#"tolerations=[{"operator":"Exists"}]"#, "Exists"),
    (r#"affinity={"nodeAffinity":{}}"#, "nodeAffinity"),
    (r#"topologySpreadConstraints=[{"maxSkew":2,"topologyKey":"rack","whenUnsatisfiable":"DoNotSchedule"}]"#, "rack"),
];

/// A value of Helm itself: it affects the removal, and another scenario tests it.
const SEEN_ELSEWHERE: &str = "crds.keep";

pub(crate) async fn each_is_honoured(_: Arc<World>, _: Namespace) -> Result<()> {
    let before = parse(&template(&[]).await?)?;
    for (value, expected) in OTHERS {
        let values: Vec<&str> = value.split(' ').collect();
        let after = parse(&template(&values).await?)?;
        let different = differences(&before, &after);
        ensure!(different.contains(expected), "{value} does not lead to {expected}:\n{different}");
    }
    let file = std::fs::read_to_string(format!("{}/values.yaml", chart()))?;
    let mut all = BTreeSet::new();
    leaves("", &serde_saphyr::from_str(&file)?, &mut all);
    let tried = OTHERS.iter().filter_map(|(value, _)| value.rsplit(' ').next()?.split('=').next());
    for key in tried.chain([SEEN_ELSEWHERE]) {
        // `resources` is replaced as a whole.
        let before = all.len();
        all.retain(|leaf| leaf != key && !leaf.starts_with(&format!("{key}.")));
        ensure!(all.len() < before, "{key} is not in values.yaml");
    }
    ensure!(all.is_empty(), "not tried: {all:?}");
    Ok(())
}

fn leaves(path: &str, value: &Value, all: &mut BTreeSet<String>) {
    match value.as_object() {
        Some(map) if !map.is_empty() => {
            for (key, value) in map {
                let dot = if path.is_empty() { "" } else { "." };
                leaves(&format!("{path}{dot}{key}"), value, all);
            }
        }
        _ => {
            all.insert(path.to_owned());
        }
    }
}

/// The invalid value, and what the message must name.
const WRONG: &[(&str, &str)] = &[
    ("nosuch=1", "nosuch"),
    ("settings.nosuch=1", "nosuch"),
    ("replicas=0", "replicas"),
    (r#"replicas="two""#, "replicas"),
    ("injection=true", "injection"),
    (r#"namespaces=["Team A"]"#, "namespaces"),
    (r#"image.digest="latest""#, "digest"),
    (r#"settings.logFormat="xml""#, "logFormat"),
    (r#"settings.tokenExpiration="soon""#, "tokenExpiration"),
    (r#"settings.issuer="issuer.example.com""#, "issuer"),
    ("settings.awsAccount=111122223333", "awsAccount"),
    (r#"settings.roleReferences=["secret"]"#, "roleReferences"),
    (r#"settings.roleReferences=["upbound"] namespaces=["team-a"]"#, "upbound needs the whole cluster"),
    (r#"settings.otlpEndpoint="collector:4318""#, "otlpEndpoint"),
    (r#"http.address="::""#, "address"),
    ("http.port=80", "port"),
    (r#"leaderElection.leaseDuration="30""#, "leaseDuration"),
    ("networkPolicy.apiServerPorts=[]", "apiServerPorts"),
    (r#"serviceAccount.annotations={"a":1}"#, "annotations"),
    ("rbac.finalizers=true", "rbac.finalizers"),
    (r#"namespaces=["team-a"],settings.namespaceSelector="env=prod""#, "an operator of the whole cluster"),
    ("preflight.enabled=true", "preflight.namespaces"),
    (r#"preflight.namespaces=["team-a"]"#, "preflight.enabled"),
    (r#"preflight={"enabled":true,"namespaces":["team-a"],"guard":false}"#, "preflight.allowUnguarded"),
    (
        r#"preflight={"enabled":true,"namespaces":["team-a"],"guard":false,"allowUnguarded":true,"guardBound":true}"#,
        "preflight.guardBound",
    ),
    (r#"preflight.policy="always""#, "policy"),
    (r#"preflight.onUnavailable="fail""#, "onUnavailable"),
    (r#"preflight.stsEndpoint="sts.example.com""#, "stsEndpoint"),
];

pub(crate) async fn wrong_ones_are_refused(_: Arc<World>, _: Namespace) -> Result<()> {
    for (value, named) in WRONG {
        let output = run(None, &["template", "x", &chart(), "--set-json", value]).await?;
        let said = String::from_utf8(output.stderr).context("not a text")?;
        ensure!(!output.status.success() && said.contains(named), "{value} is not refused by name: {said}");
    }
    Ok(())
}
