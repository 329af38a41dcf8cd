//! Custom resources that create pods, and where their pod templates are.
//!
//! A kind contains whole templates, pod specs, or parts that its controller assembles. For these,
//! this module builds templates with the parts that affect identity. The nodes of such a template
//! have the positions of their sources.

mod parts;

use std::borrow::Cow;

use crate::yaml::{Kind, Node};

use parts::{name, strimzi_end, template};

/// How a kind describes its pods.
enum Form {
    /// Pod templates at these paths; `*` stands for every item of a list and every value of a mapping.
    Templates(&'static [&'static str]),
    /// Pod specs at these paths.
    Specs(&'static [&'static str]),
    /// Parts, from which this function builds templates.
    Parts(fn(&Node) -> Vec<Node>),
}

/// The known kinds. Sources: the CustomResourceDefinitions of each project.
const KINDS: &[(&str, &[&str], Form)] = &[
    ("serving.knative.dev", &["Service", "Configuration"], Form::Templates(&["spec.template"])),
    ("serving.knative.dev", &["Revision"], Form::Specs(&["spec"])),
    ("argoproj.io", &["Workflow", "WorkflowTemplate", "ClusterWorkflowTemplate"], Form::Parts(parts::workflow)),
    ("argoproj.io", &["CronWorkflow"], Form::Parts(parts::cron_workflow)),
    ("argoproj.io", &["EventSource", "Sensor"], Form::Parts(parts::argo_events)),
    ("sparkoperator.k8s.io", &["SparkApplication"], Form::Parts(parts::spark)),
    ("sparkoperator.k8s.io", &["ScheduledSparkApplication"], Form::Parts(parts::scheduled_spark)),
    ("keda.sh", &["ScaledJob"], Form::Templates(&["spec.jobTargetRef.template"])),
    ("flink.apache.org", &["FlinkDeployment"], Form::Parts(parts::flink)),
    ("kafka.strimzi.io", &["KafkaConnect", "KafkaMirrorMaker2", "KafkaBridge"], Form::Parts(parts::strimzi)),
    ("apps.kruise.io", &["CloneSet", "StatefulSet", "DaemonSet", "BroadcastJob"], Form::Templates(&["spec.template"])),
    ("batch.volcano.sh", &["Job"], Form::Templates(&["spec.tasks.*.template"])),
    (
        "kubeflow.org",
        &["PyTorchJob", "TFJob", "MPIJob", "XGBoostJob", "PaddleJob", "JAXJob"],
        Form::Templates(&["spec.*.*.template"]),
    ),
    ("kubeflow.org", &["Notebook"], Form::Templates(&["spec.template"])),
    ("ray.io", &["RayCluster"], Form::Templates(&["spec.headGroupSpec.template", "spec.workerGroupSpecs.*.template"])),
    (
        "ray.io",
        &["RayJob", "RayService"],
        Form::Templates(&[
            "spec.*.headGroupSpec.template",
            "spec.*.workerGroupSpecs.*.template",
            "spec.submitterPodTemplate",
        ]),
    ),
    ("jobset.x-k8s.io", &["JobSet"], Form::Templates(&["spec.replicatedJobs.*.template.spec.template"])),
    ("leaderworkerset.x-k8s.io", &["LeaderWorkerSet"], Form::Templates(&["spec.leaderWorkerTemplate.*Template"])),
    ("serving.kserve.io", &["InferenceService"], Form::Parts(parts::inference)),
    ("actions.github.com", &["AutoscalingRunnerSet"], Form::Templates(&["spec.template"])),
    ("actions.summerwind.dev", &["RunnerSet"], Form::Templates(&["spec.template"])),
    ("actions.summerwind.dev", &["RunnerDeployment"], Form::Parts(parts::runner)),
    ("tekton.dev", &["Task", "ClusterTask", "TaskRun"], Form::Parts(parts::tekton)),
    (
        "monitoring.coreos.com",
        &["Prometheus", "PrometheusAgent", "Alertmanager", "ThanosRuler"],
        Form::Specs(&["spec"]),
    ),
    ("opentelemetry.io", &["OpenTelemetryCollector"], Form::Parts(parts::collector)),
    ("pkg.crossplane.io", &["DeploymentRuntimeConfig"], Form::Templates(&["spec.deploymentTemplate.spec.template"])),
    ("postgresql.cnpg.io", &["Cluster"], Form::Parts(parts::postgres)),
    ("spark.apache.org", &["SparkApplication", "SparkCluster"], Form::Templates(&["spec.*.podTemplateSpec"])),
];

/// Whether the kind is known to create pods.
pub(super) fn is_known(group: &str, kind: &str) -> bool {
    form(group, kind).is_some()
}

/// The service account that the object's controller creates: its name, and the node of its
/// annotations.
pub(super) fn account<'a>(group: &str, object: &'a Node) -> Option<(String, &'a Node)> {
    let name = object.text_at(&["metadata", "name"])?;
    match group {
        "kafka.strimzi.io" => {
            let annotations = object.at_path(&["spec", "template", "serviceAccount", "metadata", "annotations"])?;
            Some((format!("{name}-{}", strimzi_end(object)), annotations))
        }
        "postgresql.cnpg.io" => {
            let annotations = object.at_path(&["spec", "serviceAccountTemplate", "metadata", "annotations"])?;
            Some((name.to_owned(), annotations))
        }
        _ => None,
    }
}

/// The annotations that the object's controller gives a service account of a name that the object
/// does not tell.
pub(super) fn annotations_of_account<'a>(group: &str, kind: &str, object: &'a Node) -> Option<&'a Node> {
    let path: &[&str] = match (group, kind) {
        ("pkg.crossplane.io", "ControllerConfig") => &["metadata", "annotations"],
        ("pkg.crossplane.io", "DeploymentRuntimeConfig") => {
            &["spec", "serviceAccountTemplate", "metadata", "annotations"]
        }
        _ => return None,
    };
    object.at_path(path)
}

fn form(group: &str, kind: &str) -> Option<&'static Form> {
    KINDS.iter().find(|(of, kinds, _)| *of == group && kinds.contains(&kind)).map(|(.., form)| form)
}

/// The templates of the pods that an object creates. Empty if its kind is not known.
pub(super) fn templates<'a>(group: &str, kind: &str, object: &'a Node) -> Vec<Cow<'a, Node>> {
    let found = match form(group, kind) {
        None => Vec::new(),
        Some(Form::Templates(paths)) => at(object, paths).into_iter().map(Cow::Borrowed).collect(),
        Some(Form::Specs(paths)) => {
            at(object, paths).into_iter().map(|spec| Cow::Owned(template(spec.clone()))).collect()
        }
        Some(Form::Parts(make)) => make(object).into_iter().map(Cow::Owned).collect(),
    };
    found.into_iter().map(named).collect()
}

/// Groups whose objects name service accounts or variables without making pods: they request tokens,
/// or describe what other objects make.
const WITHOUT_PODS: &[&str] = &[
    "toolkit.fluxcd.io",
    "external-secrets.io",
    "cert-manager.io",
    "secrets.hashicorp.com",
    "k8s.io",
    "services.k8s.aws",
    "crossplane.io",
    "upbound.io",
    "kyverno.io",
    "eksctl.io",
    "argoproj.io",
    "openshift.io",
    "podidentity.dev",
];

/// Finds what suggests that the object creates pods: containers with images, the name of a service
/// account, or variables of an AWS SDK.
pub(super) fn seems_to_make_pods<'a>(group: &str, node: &'a Node) -> Option<&'a Node> {
    let without = |of: &str| group == of || group.strip_suffix(of).is_some_and(|rest| rest.ends_with('.'));
    let names_account = !WITHOUT_PODS.iter().any(|of| without(of));
    hint(node, names_account)
}

fn hint(node: &Node, names_account: bool) -> Option<&Node> {
    match &node.kind {
        Kind::Mapping(entries) => entries.iter().find_map(|(key, value)| {
            let has_image = || value.items().iter().any(|item| item.text_at(&["image"]).is_some());
            let of_aws = |item: &Node| item.text_at(&["name"]).is_some_and(|name| name.starts_with("AWS_"));
            let is_hint = match key.text() {
                Some("containers" | "initContainers" | "sidecars") => has_image(),
                Some("serviceAccountName" | "serviceAccount") => {
                    names_account && value.text().is_some_and(|name| !name.is_empty() && !value.is_null())
                }
                Some("env") => names_account && value.items().iter().any(of_aws),
                _ => false,
            };
            if is_hint { Some(key) } else { hint(value, names_account) }
        }),
        Kind::Sequence(items) => items.iter().find_map(|item| hint(item, names_account)),
        Kind::Scalar { .. } => None,
    }
}

fn at<'a>(object: &'a Node, paths: &[&str]) -> Vec<&'a Node> {
    let mut found = Vec::new();
    for path in paths {
        let steps: Vec<&str> = path.split('.').collect();
        walk(object, &steps, &mut found);
    }
    found
}

fn walk<'a>(node: &'a Node, steps: &[&str], found: &mut Vec<&'a Node>) {
    let Some((step, rest)) = steps.split_first() else {
        if matches!(node.kind, Kind::Mapping(_)) {
            found.push(node);
        }
        return;
    };
    match (step.strip_prefix('*'), &node.kind) {
        (Some(""), Kind::Sequence(items)) => {
            for item in items {
                walk(item, rest, found);
            }
        }
        (Some(end), Kind::Mapping(entries)) => {
            let ends = |key: &Node| key.text().is_some_and(|key| key.ends_with(end));
            for (_, value) in entries.iter().filter(|(key, _)| ends(key)) {
                walk(value, rest, found);
            }
        }
        (None, _) => {
            if let Some(next) = node.get(step) {
                walk(next, rest, found);
            }
        }
        _ => {}
    }
}

/// Names unnamed containers, as their controllers do, because messages need a name.
fn named(template: Cow<'_, Node>) -> Cow<'_, Node> {
    let nameless = |list: &str| {
        let items = template.at_path(&["spec", list]).map(Node::items).unwrap_or_default();
        items.iter().any(|item| matches!(item.kind, Kind::Mapping(_)) && item.get("name").is_none())
    };
    if !nameless("containers") {
        return template;
    }
    let mut template = template.into_owned();
    if let Some(Kind::Sequence(items)) =
        template.get_mut("spec").and_then(|spec| spec.get_mut("containers")).map(|node| &mut node.kind)
    {
        for item in items {
            name(item, "user-container");
        }
    }
    Cow::Owned(template)
}
