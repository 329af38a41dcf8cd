//! Custom resources that make pods: where their pod templates are.
//!
//! A kind keeps whole templates, pod specs, or parts that its controller puts together. What is made of these here is a
//! template with the parts that bear on identity; its nodes have the positions of what they are made of.

use std::borrow::Cow;

use crate::yaml::{Kind, Node};

/// How a kind keeps its pods.
enum Form {
    /// Pod templates at these paths; `*` stands for every item of a list and every value of a mapping.
    Templates(&'static [&'static str]),
    /// Pod specs at these paths.
    Specs(&'static [&'static str]),
    /// Parts, from which this makes templates.
    Parts(fn(&Node) -> Vec<Node>),
}

/// The kinds that are known. Sources: the CustomResourceDefinitions of each project.
const KINDS: &[(&str, &[&str], Form)] = &[
    ("serving.knative.dev", &["Service", "Configuration"], Form::Templates(&["spec.template"])),
    ("serving.knative.dev", &["Revision"], Form::Specs(&["spec"])),
    ("argoproj.io", &["Workflow", "WorkflowTemplate", "ClusterWorkflowTemplate"], Form::Parts(workflow)),
    ("argoproj.io", &["CronWorkflow"], Form::Parts(cron_workflow)),
    ("argoproj.io", &["EventSource", "Sensor"], Form::Parts(argo_events)),
    ("sparkoperator.k8s.io", &["SparkApplication"], Form::Parts(spark)),
    ("sparkoperator.k8s.io", &["ScheduledSparkApplication"], Form::Parts(scheduled_spark)),
    ("keda.sh", &["ScaledJob"], Form::Templates(&["spec.jobTargetRef.template"])),
    ("flink.apache.org", &["FlinkDeployment"], Form::Parts(flink)),
    ("kafka.strimzi.io", &["KafkaConnect", "KafkaMirrorMaker2", "KafkaBridge"], Form::Parts(strimzi)),
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
    ("serving.kserve.io", &["InferenceService"], Form::Parts(inference)),
    ("actions.github.com", &["AutoscalingRunnerSet"], Form::Templates(&["spec.template"])),
    ("actions.summerwind.dev", &["RunnerSet"], Form::Templates(&["spec.template"])),
    ("actions.summerwind.dev", &["RunnerDeployment"], Form::Parts(runner)),
    ("tekton.dev", &["Task", "ClusterTask", "TaskRun"], Form::Parts(tekton)),
    (
        "monitoring.coreos.com",
        &["Prometheus", "PrometheusAgent", "Alertmanager", "ThanosRuler"],
        Form::Specs(&["spec"]),
    ),
    ("opentelemetry.io", &["OpenTelemetryCollector"], Form::Parts(collector)),
    ("pkg.crossplane.io", &["DeploymentRuntimeConfig"], Form::Templates(&["spec.deploymentTemplate.spec.template"])),
    ("postgresql.cnpg.io", &["Cluster"], Form::Parts(postgres)),
    ("spark.apache.org", &["SparkApplication", "SparkCluster"], Form::Templates(&["spec.*.podTemplateSpec"])),
];

/// Whether the kind is known to make pods.
pub(super) fn is_known(group: &str, kind: &str) -> bool {
    form(group, kind).is_some()
}

/// The service account that the object's controller makes: its name, and the node of its annotations.
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

fn strimzi_end(object: &Node) -> &'static str {
    match object.text_at(&["kind"]) {
        Some("KafkaConnect") => "connect",
        Some("KafkaBridge") => "bridge",
        _ => "mirrormaker2",
    }
}

fn form(group: &str, kind: &str) -> Option<&'static Form> {
    KINDS.iter().find(|(of, kinds, _)| *of == group && kinds.contains(&kind)).map(|(.., form)| form)
}

/// The templates of the pods that an object makes; none if its kind is not known.
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

/// Whether anything in the object looks like the pods that it makes: a list of containers with images.
pub(super) fn seems_to_make_pods(node: &Node) -> Option<&Node> {
    match &node.kind {
        Kind::Mapping(entries) => entries.iter().find_map(|(key, value)| {
            let is_list = matches!(key.text(), Some("containers" | "initContainers" | "sidecars"));
            let has_image = value.items().iter().any(|item| item.text_at(&["image"]).is_some());
            if is_list && has_image { Some(key) } else { seems_to_make_pods(value) }
        }),
        Kind::Sequence(items) => items.iter().find_map(seems_to_make_pods),
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
        (Some(""), Kind::Sequence(items)) => items.iter().for_each(|item| walk(item, rest, found)),
        (Some(end), Kind::Mapping(entries)) => entries
            .iter()
            .filter(|(key, _)| key.text().is_some_and(|key| key.ends_with(end)))
            .for_each(|(_, value)| walk(value, rest, found)),
        (None, _) => {
            if let Some(next) = node.get(step) {
                walk(next, rest, found);
            }
        }
        _ => {}
    }
}

fn mapping(entries: Vec<(&str, Option<Node>)>, at: &Node) -> Node {
    let entries = entries.into_iter().filter_map(|(key, value)| Some((Node::string(key), value?))).collect();
    Node { at: at.at, ..Node::new(Kind::Mapping(entries)) }
}

fn list(items: Vec<Node>) -> Option<Node> {
    (!items.is_empty()).then(|| Node::new(Kind::Sequence(items)))
}

fn items(node: Option<&Node>) -> Vec<Node> {
    node.map(Node::items).unwrap_or_default().to_vec()
}

/// A template of a spec.
fn template(spec: Node) -> Node {
    let at = spec.clone();
    mapping(vec![("spec", Some(spec))], &at)
}

/// The value of the first of these keys.
fn first(nodes: &[&Node], keys: &[&str]) -> Option<Node> {
    nodes.iter().find_map(|node| keys.iter().find_map(|key| node.get(key).filter(|node| !node.is_null()))).cloned()
}

/// Controllers name what has no name; messages have to.
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

fn name(container: &mut Node, default: &str) {
    let nameless = container.get("name").is_none();
    if let Kind::Mapping(entries) = &mut container.kind
        && nameless
    {
        entries.push((Node::string("name"), Node::string(default)));
    }
}

/// A container of the fields of a node that containers have.
fn container(of: &Node, default: &str) -> Node {
    let keep = ["name", "env", "envFrom", "volumeMounts", "securityContext"];
    let mut made = mapping(keep.iter().map(|key| (*key, of.get(key).cloned())).collect(), of);
    name(&mut made, default);
    made
}

fn workflow(object: &Node) -> Vec<Node> {
    object.get("spec").map(workflow_spec).unwrap_or_default()
}

fn cron_workflow(object: &Node) -> Vec<Node> {
    object.at_path(&["spec", "workflowSpec"]).map(workflow_spec).unwrap_or_default()
}

/// Each template with a container is a pod; what it does not say itself the workflow says.
fn workflow_spec(spec: &Node) -> Vec<Node> {
    let templates = spec.get("templates").map(Node::items).unwrap_or_default();
    let pods = templates.iter().filter_map(|step| {
        let main = first(&[step], &["container", "script"]);
        let mut containers: Vec<Node> = main.iter().map(|main| container(main, "main")).collect();
        containers.extend(items(step.at_path(&["containerSet", "containers"])));
        if containers.is_empty() {
            return None;
        }
        containers.extend(items(step.get("sidecars")));
        let volumes = [items(step.get("volumes")), items(spec.get("volumes"))].concat();
        let made = mapping(
            vec![
                ("serviceAccountName", first(&[step, spec], &["serviceAccountName"])),
                ("securityContext", first(&[step, spec], &["securityContext"])),
                ("nodeSelector", first(&[step, spec], &["nodeSelector"])),
                ("hostNetwork", first(&[spec], &["hostNetwork"])),
                ("initContainers", list(items(step.get("initContainers")))),
                ("containers", list(containers)),
                ("volumes", list(volumes)),
            ],
            step,
        );
        let metadata = first(&[step], &["metadata"]).or_else(|| first(&[spec], &["podMetadata"]));
        Some(mapping(vec![("metadata", metadata), ("spec", Some(made))], step))
    });
    pods.collect()
}

fn argo_events(object: &Node) -> Vec<Node> {
    let Some(parts) = object.at_path(&["spec", "template"]) else { return Vec::new() };
    let main = parts.get("container").map_or_else(|| mapping(vec![], parts), |it| container(it, "main"));
    let mut main = main;
    name(&mut main, "main");
    let spec = mapping(
        vec![
            ("serviceAccountName", first(&[parts], &["serviceAccountName"])),
            ("securityContext", first(&[parts], &["securityContext"])),
            ("containers", list(vec![main])),
            ("volumes", first(&[parts], &["volumes"])),
        ],
        parts,
    );
    vec![mapping(vec![("metadata", first(&[parts], &["metadata"])), ("spec", Some(spec))], parts)]
}

fn spark(object: &Node) -> Vec<Node> {
    object.get("spec").map(spark_spec).unwrap_or_default()
}

fn scheduled_spark(object: &Node) -> Vec<Node> {
    object.at_path(&["spec", "template"]).map(spark_spec).unwrap_or_default()
}

/// Driver and executors. Executors run as the driver's account where they name none of their own.
fn spark_spec(spec: &Node) -> Vec<Node> {
    let conf = |key: &str| spec.get("sparkConf").and_then(|conf| conf.get(key)).cloned();
    let of_driver = spec.get("driver").and_then(|driver| first(&[driver], &["serviceAccount"]));
    let of_driver = of_driver.or_else(|| conf("spark.kubernetes.authenticate.driver.serviceAccountName"));
    let roles = [("driver", "spark-kubernetes-driver"), ("executor", "spark-kubernetes-executor")];
    let pods = roles.into_iter().filter_map(|(role, default)| {
        let part = spec.get(role)?;
        let account = first(&[part], &["serviceAccount"]);
        let account = account
            .or_else(|| conf(&format!("spark.kubernetes.authenticate.{role}.serviceAccountName")))
            .or_else(|| of_driver.clone());
        let mut main = container(part, default);
        variables(&mut main, part.get("envVars"));
        let made = mapping(
            vec![
                ("serviceAccountName", account),
                ("securityContext", first(&[part], &["podSecurityContext"])),
                ("nodeSelector", first(&[part, spec], &["nodeSelector"])),
                ("hostNetwork", first(&[part], &["hostNetwork"])),
                ("initContainers", first(&[part], &["initContainers"])),
                ("containers", list([vec![main], items(part.get("sidecars"))].concat())),
                ("volumes", first(&[spec], &["volumes"])),
            ],
            part,
        );
        let metadata = ["labels", "annotations"].map(|key| (key, part.get(key).cloned()));
        Some(mapping(vec![("metadata", Some(mapping(metadata.to_vec(), part))), ("spec", Some(made))], part))
    });
    pods.collect()
}

/// Adds variables that are given as a mapping.
fn variables(container: &mut Node, given: Option<&Node>) {
    let Some(Kind::Mapping(given)) = given.map(|node| &node.kind) else { return };
    let mut env = items(container.get("env"));
    env.extend(
        given
            .iter()
            .map(|(key, value)| mapping(vec![("name", Some(key.clone())), ("value", Some(value.clone()))], key)),
    );
    if let Kind::Mapping(entries) = &mut container.kind {
        entries.retain(|(key, _)| key.text() != Some("env"));
        entries.extend(list(env).map(|env| (Node::string("env"), env)));
    }
}

/// Job and task managers: their own templates over the one of both.
fn flink(object: &Node) -> Vec<Node> {
    let Some(spec) = object.get("spec") else { return Vec::new() };
    let common = spec.get("podTemplate");
    let managers = ["jobManager", "taskManager"].map(|manager| spec.at_path(&[manager, "podTemplate"]));
    let templates: Vec<&Node> = match managers {
        [None, None] => common.into_iter().collect(),
        [job, task] => [job.or(common), task.or(common)].into_iter().flatten().collect(),
    };
    templates.into_iter().map(|template| with_account(template, spec, &["serviceAccount"])).collect()
}

/// The template with the service account that stands beside it, where it names none itself.
fn with_account(template: &Node, beside: &Node, keys: &[&str]) -> Node {
    let spec = template.get("spec").cloned().unwrap_or_else(|| mapping(vec![], template));
    let own = first(&[&spec], &["serviceAccountName", "serviceAccount"]);
    let account = own.or_else(|| first(&[beside], keys));
    let mut spec = spec;
    if let (Kind::Mapping(entries), Some(account)) = (&mut spec.kind, account) {
        entries.retain(|(key, _)| key.text() != Some("serviceAccountName"));
        entries.push((Node::string("serviceAccountName"), account));
    }
    mapping(vec![("metadata", template.get("metadata").cloned()), ("spec", Some(spec))], template)
}

/// Strimzi makes one service account for each cluster, of its name and kind.
fn strimzi(object: &Node) -> Vec<Node> {
    let cluster = object.text_at(&["metadata", "name"]).unwrap_or_default();
    let end = strimzi_end(object);
    let parts = object.at_path(&["spec", "template"]);
    let main = ["connectContainer", "bridgeContainer", "mirrorMaker2Container"];
    let main = parts.and_then(|parts| first(&[parts], &main)).unwrap_or_else(|| mapping(vec![], object));
    let pod = parts.and_then(|parts| parts.get("pod"));
    let spec = mapping(
        vec![
            ("serviceAccountName", Some(Node::string(&format!("{cluster}-{end}")))),
            ("securityContext", pod.and_then(|pod| first(&[pod], &["securityContext"]))),
            ("containers", list(vec![container(&main, &format!("{cluster}-{end}"))])),
            ("volumes", pod.and_then(|pod| first(&[pod], &["volumes"]))),
        ],
        object,
    );
    vec![mapping(vec![("metadata", pod.and_then(|pod| first(&[pod], &["metadata"]))), ("spec", Some(spec))], object)]
}

/// Predictor, transformer and explainer are pod specs with a model in the place of a container.
fn inference(object: &Node) -> Vec<Node> {
    let parts = ["predictor", "transformer", "explainer"];
    let parts = parts.into_iter().filter_map(|part| object.at_path(&["spec", part]));
    let pods = parts.map(|part| {
        let mut containers = items(part.get("containers"));
        containers.extend(part.get("model").map(|model| container(model, "kserve-container")));
        let spec = mapping(
            vec![
                ("serviceAccountName", first(&[part], &["serviceAccountName", "serviceAccount"])),
                ("securityContext", first(&[part], &["securityContext"])),
                ("containers", list(containers)),
                ("volumes", first(&[part], &["volumes"])),
            ],
            part,
        );
        let metadata = ["labels", "annotations"].map(|key| (key, part.get(key).cloned()));
        mapping(vec![("metadata", Some(mapping(metadata.to_vec(), part))), ("spec", Some(spec))], part)
    });
    pods.collect()
}

/// A runner: a pod spec with the runner's own variables beside it.
fn runner(object: &Node) -> Vec<Node> {
    let Some(template) = object.at_path(&["spec", "template"]) else { return Vec::new() };
    let Some(spec) = template.get("spec") else { return Vec::new() };
    let made = mapping(
        vec![
            ("serviceAccountName", first(&[spec], &["serviceAccountName"])),
            ("securityContext", first(&[spec], &["securityContext"])),
            ("containers", list([vec![container(spec, "runner")], items(spec.get("containers"))].concat())),
            ("volumes", first(&[spec], &["volumes"])),
        ],
        spec,
    );
    vec![mapping(vec![("metadata", template.get("metadata").cloned()), ("spec", Some(made))], template)]
}

/// Steps are containers. Only a run says as which account.
fn tekton(object: &Node) -> Vec<Node> {
    let Some(spec) = object.get("spec") else { return Vec::new() };
    let task = spec.get("taskSpec").unwrap_or(spec);
    let Some(account) = first(&[spec], &["serviceAccountName"]) else { return Vec::new() };
    let steps: Vec<Node> = items(task.get("steps")).iter().map(|step| container(step, "step")).collect();
    let pod = spec.get("podTemplate");
    let made = mapping(
        vec![
            ("serviceAccountName", Some(account)),
            ("securityContext", pod.and_then(|pod| first(&[pod], &["securityContext"]))),
            ("containers", list(steps)),
            ("volumes", first(&[task], &["volumes"])),
        ],
        spec,
    );
    vec![template(made)]
}

fn collector(object: &Node) -> Vec<Node> {
    let Some(spec) = object.get("spec") else { return Vec::new() };
    let Some(account) = first(&[spec], &["serviceAccount"]) else { return Vec::new() };
    let made = mapping(
        vec![
            ("serviceAccountName", Some(account)),
            ("securityContext", first(&[spec], &["podSecurityContext"])),
            ("hostNetwork", first(&[spec], &["hostNetwork"])),
            ("containers", list(vec![container(spec, "otc-container")])),
            ("volumes", first(&[spec], &["volumes"])),
        ],
        spec,
    );
    let metadata = mapping(vec![("annotations", first(&[spec], &["podAnnotations"]))], spec);
    vec![mapping(vec![("metadata", Some(metadata)), ("spec", Some(made))], spec)]
}

/// CloudNativePG makes one service account for each cluster, of its name.
fn postgres(object: &Node) -> Vec<Node> {
    let Some(spec) = object.get("spec") else { return Vec::new() };
    let main = mapping(vec![("env", first(&[spec], &["env"])), ("envFrom", first(&[spec], &["envFrom"]))], spec);
    let made = mapping(
        vec![
            ("serviceAccountName", object.text_at(&["metadata", "name"]).map(Node::string)),
            ("containers", list(vec![container(&main, "postgres")])),
        ],
        spec,
    );
    vec![template(made)]
}
