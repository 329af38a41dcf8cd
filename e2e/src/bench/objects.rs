//! The objects of the load. Pods are as large as in a real cluster: about eight kilobytes each.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;
use podidentity_api::names;
use serde_json::{Value, json};

/// Identities of one namespace.
pub const PER_NAMESPACE: usize = 100;

/// The number of objects.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Bindings, each with a service account of its own.
    pub bindings: usize,
    /// Deployments of each binding.
    pub workloads: usize,
    /// Pods of each Deployment.
    pub replicas: usize,
    /// Pods that run as service accounts that no binding names.
    pub bystanders: usize,
    /// Seconds that bindings wait between annotating and restarting.
    pub settle: u32,
}

impl Size {
    /// Pods of bound service accounts.
    pub fn bound_pods(&self) -> usize {
        self.bindings * self.workloads * self.replicas
    }

    /// All pods.
    pub fn pods(&self) -> usize {
        self.bound_pods() + self.bystanders
    }
}

/// A namespace, and the name of both its service account and its binding.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
}

impl Identity {
    /// The identity with this number.
    pub fn of(number: usize) -> Self {
        Self {
            namespace: format!("bench-{:03}", number / PER_NAMESPACE),
            name: format!("app-{:03}", number % PER_NAMESPACE),
        }
    }

    /// The identity of a binding, which has the same name.
    pub fn of_binding(binding: &impl ResourceExt) -> Self {
        Self { namespace: binding.namespace().unwrap_or_default(), name: binding.name_any() }
    }

    /// Its role in a round. Each identity has its own role, as most service accounts do.
    pub fn role(&self, round: usize) -> String {
        format!("arn:aws:iam::111122223333:role/teams/{}/{}-round-{round}", self.namespace, self.name)
    }

    /// The names of its Deployments.
    pub fn workloads(&self, size: &Size) -> Vec<String> {
        (0..size.workloads).map(|n| format!("{}-{n}", self.name)).collect()
    }
}

/// The pod-template mark that the raw client writes in a round.
pub fn mark(round: usize) -> String {
    format!("{round:010x}")
}

/// A service account.
pub fn service_account(name: &str) -> Value {
    json!({"metadata": {"name": name, "labels": {"app.kubernetes.io/managed-by": "Helm"}}})
}

/// A binding that waits this many seconds between annotating and restarting.
pub fn binding(name: &str, role: &str, settle: u32) -> Value {
    json!({
        "apiVersion": "podidentity.dev/v1alpha1",
        "kind": "PodIdentityBinding",
        "metadata": {"name": name},
        "spec": {"serviceAccountName": name, "roleArn": role, "rollout": {"settleSeconds": settle}},
    })
}

/// A Deployment.
pub fn deployment(name: &str, service_account: &str, replicas: usize) -> Value {
    json!({
        "metadata": {"name": name, "labels": labels(name)},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app.kubernetes.io/name": name}},
            "template": {
                "metadata": {"labels": labels(name), "annotations": {"prometheus.io/scrape": "true"}},
                "spec": {"serviceAccountName": service_account, "containers": containers(name, None), "volumes": volumes(false)},
            },
        },
    })
}

/// The status that the Deployment controller writes when the Deployment becomes complete now.
pub fn deployment_status(generation: i64, replicas: usize) -> Value {
    let since = Time(Timestamp::now());
    json!({"status": {
        "observedGeneration": generation,
        "replicas": replicas, "updatedReplicas": replicas, "readyReplicas": replicas, "availableReplicas": replicas,
        "conditions": [
            {"type": "Available", "status": "True", "reason": "MinimumReplicasAvailable", "lastUpdateTime": since, "lastTransitionTime": since},
            {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable", "lastUpdateTime": since, "lastTransitionTime": since},
        ],
    }})
}

/// The name of a pod of a Deployment.
pub fn pod_name(deployment: &str, generation: i64, number: usize) -> String {
    format!("{deployment}-{generation}-{number}")
}

/// A pod as the API server would store it after the injection of a role.
pub fn pod(deployment: &str, generation: i64, number: usize, service_account: &str, role: Option<&str>) -> Value {
    let mut labels = labels(deployment);
    labels["pod-template-hash"] = json!(generation.to_string());
    json!({
        "metadata": {
            "name": pod_name(deployment, generation, number),
            "labels": labels,
            "annotations": {"prometheus.io/scrape": "true", "prometheus.io/port": "9090"},
            "ownerReferences": [{
                "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": format!("{deployment}-{generation}"),
                "uid": "00000000-0000-4000-8000-000000000000", "controller": true, "blockOwnerDeletion": true,
            }],
        },
        "spec": {
            "serviceAccountName": service_account,
            "nodeName": format!("node-{}", number % 10),
            "containers": containers(deployment, role),
            "volumes": volumes(role.is_some()),
        },
    })
}

/// The status of a running pod.
pub fn pod_status(turn: usize) -> Value {
    let since = "2026-01-01T00:00:00Z";
    let condition =
        |kind: &str| json!({"type": kind, "status": "True", "lastProbeTime": null, "lastTransitionTime": since});
    let conditions =
        ["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"].map(condition);
    let container = |name: &str| {
        json!({
            "name": name, "image": "registry.example.com/team/app:1.2.3", "ready": true, "started": true,
            "restartCount": turn, "state": {"running": {"startedAt": since}}, "lastState": {},
            "imageID": "registry.example.com/team/app@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
            "containerID": "containerd://0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        })
    };
    json!({"status": {
        "phase": "Running", "hostIP": "10.0.0.1", "podIP": "10.1.0.1", "podIPs": [{"ip": "10.1.0.1"}], "startTime": since,
        "conditions": conditions,
        "containerStatuses": [container("main"), container("proxy")],
    }})
}

/// What the raw client applies to a service account.
pub fn annotation(role: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"annotations": {format!("{}/role-arn", names::EKS_DOMAIN): role}}})
}

/// What the raw client applies to a Deployment.
pub fn template_mark(mark: &str) -> Value {
    let annotations = json!({names::IDENTITY_ANNOTATION: mark});
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"template": {"metadata": {"annotations": annotations}}}})
}

fn labels(name: &str) -> Value {
    json!({
        "app.kubernetes.io/name": name, "app.kubernetes.io/instance": name, "app.kubernetes.io/part-of": "shop",
        "app.kubernetes.io/version": "1.2.3", "team": "platform",
    })
}

fn containers(name: &str, role: Option<&str>) -> Value {
    let mut main = vec![
        json!({"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}),
        json!({"name": "DATABASE_PASSWORD", "valueFrom": {"secretKeyRef": {"name": "database", "key": "password"}}}),
    ];
    for (key, value) in [
        ("LOG_LEVEL", "info"),
        ("DATABASE_HOST", "database.shop.svc.cluster.local"),
        ("DATABASE_NAME", "shop"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector.observability.svc.cluster.local:4317"),
        ("OTEL_SERVICE_NAME", name),
        ("JAVA_TOOL_OPTIONS", "-XX:MaxRAMPercentage=75 -XX:+ExitOnOutOfMemoryError"),
        ("FEATURE_FLAGS", "checkout-v2,search-v3,recommendations"),
        ("TZ", "Etc/UTC"),
    ] {
        main.push(json!({"name": key, "value": value}));
    }
    let proxy = vec![json!({"name": "PROXY_UPSTREAM", "value": "127.0.0.1:8080"})];
    let probe = json!({"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 10});
    json!([
        {
            "name": "main", "image": "registry.example.com/team/app:1.2.3", "env": injected(main, role),
            "ports": [{"containerPort": 8080, "name": "http"}], "readinessProbe": probe, "livenessProbe": probe,
            "resources": {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"memory": "256Mi"}},
            "volumeMounts": mounts("/etc/app", role),
        },
        {
            "name": "proxy", "image": "registry.example.com/team/proxy:4.5.6", "env": injected(proxy, role),
            "resources": {"requests": {"cpu": "10m", "memory": "64Mi"}, "limits": {"memory": "64Mi"}},
            "volumeMounts": mounts("/etc/proxy", role),
        },
    ])
}

fn injected(mut env: Vec<Value>, role: Option<&str>) -> Vec<Value> {
    if let Some(role) = role {
        env.push(json!({"name": "AWS_STS_REGIONAL_ENDPOINTS", "value": "regional"}));
        env.push(json!({"name": "AWS_DEFAULT_REGION", "value": "eu-central-1"}));
        env.push(json!({"name": "AWS_REGION", "value": "eu-central-1"}));
        env.push(json!({"name": "AWS_ROLE_ARN", "value": role}));
        let file = "/var/run/secrets/eks.amazonaws.com/serviceaccount/token";
        env.push(json!({"name": "AWS_WEB_IDENTITY_TOKEN_FILE", "value": file}));
    }
    env
}

fn mounts(config: &str, role: Option<&str>) -> Vec<Value> {
    let mut mounts = vec![json!({"name": "config", "mountPath": config}), json!({"name": "tmp", "mountPath": "/tmp"})];
    if role.is_some() {
        let path = "/var/run/secrets/eks.amazonaws.com/serviceaccount";
        mounts.push(json!({"name": "aws-iam-token", "mountPath": path, "readOnly": true}));
    }
    mounts
}

fn volumes(injected: bool) -> Vec<Value> {
    let mut volumes =
        vec![json!({"name": "config", "configMap": {"name": "config"}}), json!({"name": "tmp", "emptyDir": {}})];
    if injected {
        let token = json!({"audience": "sts.amazonaws.com", "expirationSeconds": 86400, "path": "token"});
        volumes.push(json!({"name": "aws-iam-token", "projected": {"sources": [{"serviceAccountToken": token}]}}));
    }
    volumes
}
