//! Objects as an API server delivers them, defaults and `managedFields` included: an identity that is as declared.

#![allow(dead_code)] // each benchmark uses a part

use serde_json::{Value, json};

pub const ROLE: &str = "arn:aws:iam::111122223333:role/teams/platform/my-role";
const CREATED: &str = "2026-01-01T00:00:00Z";

fn uid(number: usize) -> String {
    format!("{number:08x}-5e2d-4a8f-9c1b-0123456789ab")
}

pub fn binding(namespace: &str, name: &str, number: usize) -> Value {
    let condition = |kind: &str, reason: &str, message: &str| json!({"type": kind, "status": "True", "reason": reason, "message": message, "observedGeneration": 1, "lastTransitionTime": CREATED});
    json!({
        "apiVersion": "podidentity.dev/v1alpha1", "kind": "PodIdentityBinding",
        "metadata": {
            "name": name, "namespace": namespace, "uid": uid(number), "resourceVersion": "123456", "generation": 1,
            "creationTimestamp": CREATED, "finalizers": ["podidentity.dev/release"],
            "managedFields": [
                managed("kubectl-client-side-apply", json!({"f:spec": {".": {}, "f:roleArn": {}, "f:serviceAccountName": {}}})),
                managed("podidentity-operator", json!({"f:metadata": {"f:finalizers": {".": {}, "v:\"podidentity.dev/release\"": {}}}})),
                managed("podidentity-operator", json!({"f:status": {"f:audience": {}, "f:conditions": {
                    "k:{\"type\":\"IdentityVerified\"}": {".": {}, "f:lastTransitionTime": {}, "f:message": {}, "f:reason": {}, "f:status": {}, "f:type": {}},
                    "k:{\"type\":\"Ready\"}": {".": {}, "f:lastTransitionTime": {}, "f:message": {}, "f:reason": {}, "f:status": {}, "f:type": {}}},
                    "f:podsTotal": {}, "f:podsVerified": {}, "f:roleArn": {}, "f:subject": {}, "f:workloads": {}}})),
            ],
        },
        "spec": {
            "serviceAccountName": name, "roleArn": ROLE, "suspend": false, "onConflict": "Report", "deletionPolicy": "Release",
        },
        "status": {
            "observedGeneration": 1, "roleArn": ROLE, "lastVerifiedRoleArn": ROLE, "audience": "sts.amazonaws.com",
            "subject": format!("system:serviceaccount:{namespace}:{name}"), "issuer": "https://kubernetes.default.svc.cluster.local",
            "serviceAccount": {"uid": uid(number), "annotatedAt": CREATED, "writtenRoleArn": ROLE},
            "conditions": [
                condition("Ready", "Verified", "all pods have the role"),
                condition("ServiceAccountAnnotated", "Annotated", "the service account carries the declared annotations"),
                condition("WorkloadsRolled", "Rolled", "1 of 1 workloads need no restart"),
                condition("IdentityVerified", "Verified", "5 of 5 pods have the role and a token of the right audience"),
            ],
            "workloads": [{"kind": "Deployment", "name": name, "state": "Current", "podsVerified": 5, "podsTotal": 5}],
            "workloadsTotal": 1, "workloadsCurrent": 1, "podsTotal": 5, "podsVerified": 5, "rolled": "1/1", "verified": "5/5", "findingsTotal": 0,
        },
    })
}

pub fn service_account(namespace: &str, name: &str, number: usize) -> Value {
    json!({
        "metadata": {
            "name": name, "namespace": namespace, "uid": uid(number), "resourceVersion": "123456", "creationTimestamp": CREATED,
            "labels": {"app.kubernetes.io/managed-by": "Helm"},
            "annotations": {"eks.amazonaws.com/role-arn": ROLE},
            "managedFields": [
                managed("helm", json!({"f:metadata": {"f:labels": {".": {}, "f:app.kubernetes.io/managed-by": {}}}})),
                managed("podidentity-operator", json!({"f:metadata": {"f:annotations": {"f:eks.amazonaws.com/role-arn": {}}}})),
            ],
        },
    })
}

pub fn deployment(namespace: &str, name: &str, replicas: usize, number: usize) -> Value {
    json!({
        "metadata": {
            "name": name, "namespace": namespace, "uid": uid(number), "resourceVersion": "123456", "generation": 2,
            "creationTimestamp": CREATED, "labels": labels(name),
            "annotations": {"deployment.kubernetes.io/revision": "2", "meta.helm.sh/release-name": name},
            "managedFields": [
                managed("helm", json!({"f:metadata": {"f:labels": labels_owned()}, "f:spec": {"f:replicas": {}, "f:template": {"f:spec": containers_owned()}}})),
                managed("podidentity-operator", json!({"f:spec": {"f:template": {"f:metadata": {"f:annotations": {"f:podidentity.dev/identity": {}}}}}})),
                managed("kube-controller-manager", json!({"f:status": {"f:availableReplicas": {}, "f:conditions": {}, "f:replicas": {}}})),
            ],
        },
        "spec": {
            "replicas": replicas, "revisionHistoryLimit": 10, "progressDeadlineSeconds": 600,
            "selector": {"matchLabels": {"app.kubernetes.io/name": name}},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}},
            "template": {
                "metadata": {"labels": labels(name), "annotations": {"podidentity.dev/identity": "0a1b2c3d4e", "prometheus.io/scrape": "true"}},
                "spec": {
                    "serviceAccountName": name, "serviceAccount": name, "containers": containers(name, false), "volumes": volumes(None),
                    "restartPolicy": "Always", "dnsPolicy": "ClusterFirst", "schedulerName": "default-scheduler", "securityContext": {},
                },
            },
        },
        "status": {
            "observedGeneration": 2, "replicas": replicas, "updatedReplicas": replicas, "readyReplicas": replicas, "availableReplicas": replicas,
            "conditions": [
                {"type": "Available", "status": "True", "reason": "MinimumReplicasAvailable", "message": "Deployment has minimum availability.", "lastUpdateTime": CREATED, "lastTransitionTime": CREATED},
                {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable", "message": "ReplicaSet has successfully progressed.", "lastUpdateTime": CREATED, "lastTransitionTime": CREATED},
            ],
        },
    })
}

pub fn pod(namespace: &str, name: &str, number: usize) -> Value {
    let mut all = labels(name);
    all["pod-template-hash"] = json!("6d5f8b7c9d");
    let suffix = format!("{:05x}", number % 0xf_ffff);
    let condition = |kind: &str| json!({"type": kind, "status": "True", "lastProbeTime": null, "lastTransitionTime": CREATED, "observedGeneration": 1});
    let digest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    let status = |container: &str| {
        json!({
            "name": container, "image": "registry.example.com/team/app:1.2.3", "imageID": digest, "containerID": digest, "ready": true,
            "started": true, "restartCount": 0, "state": {"running": {"startedAt": CREATED}}, "lastState": {},
        })
    };
    let conditions: Vec<Value> =
        ["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"].map(condition).into();
    json!({
        "metadata": {
            "name": format!("{name}-6d5f8b7c9d-{suffix}"), "generateName": format!("{name}-6d5f8b7c9d-"), "namespace": namespace,
            "uid": uid(number), "resourceVersion": (1_000_000 + number).to_string(), "creationTimestamp": CREATED, "labels": all,
            "annotations": {"podidentity.dev/identity": "0a1b2c3d4e", "prometheus.io/scrape": "true", "prometheus.io/port": "9090"},
            "ownerReferences": [{
                "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": format!("{name}-6d5f8b7c9d"), "uid": uid(7), "controller": true, "blockOwnerDeletion": true,
            }],
            "managedFields": [
                managed("kube-controller-manager", json!({"f:metadata": {"f:labels": labels_owned()}, "f:spec": containers_owned()})),
                managed("kubelet", json!({"f:status": {"f:conditions": containers_owned(), "f:containerStatuses": {}, "f:phase": {}, "f:podIP": {}}})),
            ],
        },
        "spec": {
            "serviceAccountName": name, "serviceAccount": name, "nodeName": "ip-10-0-0-1.eu-central-1.compute.internal",
            "containers": containers(name, true), "volumes": volumes(Some(&suffix)),
            "restartPolicy": "Always", "dnsPolicy": "ClusterFirst", "schedulerName": "default-scheduler", "securityContext": {},
            "terminationGracePeriodSeconds": 30, "enableServiceLinks": true, "priority": 0, "preemptionPolicy": "PreemptLowerPriority",
            "tolerations": [
                {"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300},
                {"key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300},
            ],
        },
        "status": {
            "phase": "Running", "qosClass": "Burstable", "hostIP": "10.0.0.1", "podIP": "10.1.0.1", "podIPs": [{"ip": "10.1.0.1"}],
            "startTime": CREATED, "conditions": conditions, "containerStatuses": [status("main"), status("proxy")],
        },
    })
}

fn managed(manager: &str, fields: Value) -> Value {
    json!({"manager": manager, "operation": "Apply", "apiVersion": "v1", "time": CREATED, "fieldsType": "FieldsV1", "fieldsV1": fields})
}

fn labels(name: &str) -> Value {
    json!({
        "app.kubernetes.io/name": name, "app.kubernetes.io/instance": name, "app.kubernetes.io/part-of": "shop",
        "app.kubernetes.io/version": "1.2.3", "team": "platform",
    })
}

fn labels_owned() -> Value {
    json!({".": {}, "f:app.kubernetes.io/name": {}, "f:app.kubernetes.io/instance": {}, "f:app.kubernetes.io/part-of": {}, "f:app.kubernetes.io/version": {}, "f:team": {}})
}

fn containers_owned() -> Value {
    let container = json!({".": {}, "f:env": {".": {}, "k:{\"name\":\"LOG_LEVEL\"}": {".": {}, "f:name": {}, "f:value": {}}}, "f:image": {}, "f:name": {}, "f:ports": {}, "f:resources": {}, "f:volumeMounts": {}});
    json!({"f:containers": {"k:{\"name\":\"main\"}": container, "k:{\"name\":\"proxy\"}": container}, "f:serviceAccountName": {}})
}

fn containers(name: &str, injected: bool) -> Value {
    let mut env = vec![
        json!({"name": "POD_IP", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "status.podIP"}}}),
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
        env.push(json!({"name": key, "value": value}));
    }
    let mut proxy = vec![json!({"name": "PROXY_UPSTREAM", "value": "127.0.0.1:8080"})];
    let mut mounts =
        vec![json!({"name": "config", "mountPath": "/etc/app"}), json!({"name": "tmp", "mountPath": "/tmp"})];
    if injected {
        for env in [&mut env, &mut proxy] {
            env.push(json!({"name": "AWS_STS_REGIONAL_ENDPOINTS", "value": "regional"}));
            env.push(json!({"name": "AWS_DEFAULT_REGION", "value": "eu-central-1"}));
            env.push(json!({"name": "AWS_REGION", "value": "eu-central-1"}));
            env.push(json!({"name": "AWS_ROLE_ARN", "value": ROLE}));
            env.push(json!({"name": "AWS_WEB_IDENTITY_TOKEN_FILE", "value": "/var/run/secrets/eks.amazonaws.com/serviceaccount/token"}));
        }
        mounts.push(json!({"name": "aws-iam-token", "mountPath": "/var/run/secrets/eks.amazonaws.com/serviceaccount", "readOnly": true}));
    }
    let container = |name: &str, env: &[Value]| {
        json!({
            "name": name, "image": "registry.example.com/team/app:1.2.3", "imagePullPolicy": "IfNotPresent", "env": env, "volumeMounts": mounts,
            "ports": [{"containerPort": 8080, "name": "http", "protocol": "TCP"}], "terminationMessagePath": "/dev/termination-log",
            "terminationMessagePolicy": "File", "resources": {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"memory": "256Mi"}},
            "readinessProbe": {"httpGet": {"path": "/healthz", "port": 8080, "scheme": "HTTP"}, "periodSeconds": 10, "failureThreshold": 3},
        })
    };
    json!([container("main", &env), container("proxy", &proxy)])
}

fn volumes(pod: Option<&str>) -> Value {
    let mut volumes = vec![
        json!({"name": "config", "configMap": {"name": "config", "defaultMode": 420}}),
        json!({"name": "tmp", "emptyDir": {}}),
    ];
    if let Some(suffix) = pod {
        let token = json!({"audience": "sts.amazonaws.com", "expirationSeconds": 86400, "path": "token"});
        volumes.insert(0, json!({"name": "aws-iam-token", "projected": {"defaultMode": 420, "sources": [{"serviceAccountToken": token}]}}));
        volumes.push(
            json!({"name": format!("kube-api-access-{suffix}"), "projected": {"defaultMode": 420, "sources": [
            {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
            {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
            {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": {"fieldPath": "metadata.namespace"}}]}}]}}),
        );
    }
    json!(volumes)
}
