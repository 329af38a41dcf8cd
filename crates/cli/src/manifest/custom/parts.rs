//! Kinds whose controllers assemble pods from parts. This module does the same, as far as the parts
//! affect identity.

use crate::yaml::{Kind, Node};

/// The suffix of the name of the service account that Strimzi creates.
pub(super) fn strimzi_end(object: &Node) -> &'static str {
    match object.text_at(&["kind"]) {
        Some("KafkaConnect") => "connect",
        Some("KafkaBridge") => "bridge",
        _ => "mirrormaker2",
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

/// A template with this spec.
pub(super) fn template(spec: Node) -> Node {
    let at = spec.clone();
    mapping(vec![("spec", Some(spec))], &at)
}

/// The value of the first of these keys in the first of these nodes that has one.
fn first(nodes: &[&Node], keys: &[&str]) -> Option<Node> {
    nodes.iter().find_map(|node| keys.iter().find_map(|key| node.get(key).filter(|node| !node.is_null()))).cloned()
}

/// Names a container that has no name.
pub(super) fn name(container: &mut Node, default: &str) {
    let nameless = container.get("name").is_none();
    if let Kind::Mapping(entries) = &mut container.kind
        && nameless
    {
        entries.push((Node::string("name"), Node::string(default)));
    }
}

/// A container with those fields of the node that containers have.
fn container(of: &Node, default: &str) -> Node {
    let keep = ["name", "env", "envFrom", "volumeMounts", "securityContext"];
    let mut made = mapping(keep.iter().map(|key| (*key, of.get(key).cloned())).collect(), of);
    name(&mut made, default);
    made
}

pub(super) fn workflow(object: &Node) -> Vec<Node> {
    object.get("spec").map(workflow_spec).unwrap_or_default()
}

pub(super) fn cron_workflow(object: &Node) -> Vec<Node> {
    object.at_path(&["spec", "workflowSpec"]).map(workflow_spec).unwrap_or_default()
}

/// Each template with a container becomes a pod. The workflow supplies what the template does not
/// set.
fn workflow_spec(spec: &Node) -> Vec<Node> {
    let templates = spec.get("templates").map(Node::items).unwrap_or_default();
    let none = mapping(vec![], spec);
    let defaults = spec.get("templateDefaults").unwrap_or(&none);
    let pods = templates.iter().chain(templates.iter().flat_map(inline)).filter_map(|step| {
        let main = ["container", "script"].into_iter().find_map(|key| Some((key, step.get(key)?)));
        let main = main.map(|(key, main)| {
            let mut made = container(main, "main");
            add_variables(&mut made, unset(main, defaults.at_path(&[key, "env"])));
            made
        });
        let mut containers: Vec<Node> = main.into_iter().collect();
        containers.extend(items(step.at_path(&["containerSet", "containers"])));
        if containers.is_empty() {
            return None;
        }
        containers.extend(items(step.get("sidecars")));
        let volumes = [items(step.get("volumes")), items(spec.get("volumes"))].concat();
        let made = mapping(
            vec![
                ("serviceAccountName", first(&[step, defaults, spec], &["serviceAccountName"])),
                ("securityContext", first(&[step, defaults, spec], &["securityContext"])),
                ("nodeSelector", first(&[step, defaults, spec], &["nodeSelector"])),
                ("hostNetwork", first(&[spec], &["hostNetwork"])),
                ("initContainers", list(items(step.get("initContainers")))),
                ("containers", list(containers)),
                ("volumes", list(volumes)),
            ],
            step,
        );
        let metadata = first(&[step, defaults], &["metadata"]).or_else(|| first(&[spec], &["podMetadata"]));
        Some(mapping(vec![("metadata", metadata), ("spec", Some(made))], step))
    });
    pods.collect()
}

/// The templates that the steps or tasks of a template contain.
fn inline(template: &Node) -> Vec<&Node> {
    let groups = template.get("steps").map(Node::items).unwrap_or_default();
    let tasks = template.at_path(&["dag", "tasks"]).map(Node::items).unwrap_or_default();
    let steps = groups.iter().flat_map(Node::items);
    steps.chain(tasks).filter_map(|step| step.get("inline")).collect()
}

/// The common variables that the container does not set itself.
fn unset(container: &Node, common: Option<&Node>) -> Vec<Node> {
    let own = items(container.get("env"));
    let is_set = |var: &Node| own.iter().any(|it| it.text_at(&["name"]) == var.text_at(&["name"]));
    items(common).into_iter().filter(|var| !is_set(var)).collect()
}

pub(super) fn argo_events(object: &Node) -> Vec<Node> {
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

pub(super) fn spark(object: &Node) -> Vec<Node> {
    object.get("spec").map(spark_spec).unwrap_or_default()
}

pub(super) fn scheduled_spark(object: &Node) -> Vec<Node> {
    object.at_path(&["spec", "template"]).map(spark_spec).unwrap_or_default()
}

/// Driver and executors. Executors run as the driver's service account if they name none of their
/// own.
fn spark_spec(spec: &Node) -> Vec<Node> {
    let conf = |key: &str| spec.get("sparkConf").and_then(|conf| conf.get(key)).cloned();
    let of_driver = spec.get("driver").and_then(account_of_spark);
    let of_driver = of_driver.or_else(|| conf("spark.kubernetes.authenticate.driver.serviceAccountName"));
    let roles = [("driver", "spark-kubernetes-driver"), ("executor", "spark-kubernetes-executor")];
    let pods = roles.into_iter().filter_map(|(role, default)| {
        let part = spec.get(role)?;
        let account = account_of_spark(part);
        let account = account
            .or_else(|| conf(&format!("spark.kubernetes.authenticate.{role}.serviceAccountName")))
            .or_else(|| of_driver.clone());
        let mut main = container(part, default);
        variables(&mut main, part.get("envVars"));
        secret_variables(&mut main, part.get("envSecretKeyRefs"));
        let prefix = if role == "driver" { "spark.kubernetes.driverEnv." } else { "spark.executorEnv." };
        variables(&mut main, spec.get("sparkConf").map(|conf| with_prefix(conf, prefix)).as_ref());
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

/// The service account of the driver or the executors, by itself or by their pod template.
fn account_of_spark(part: &Node) -> Option<Node> {
    let of_template = || first(&[part.at_path(&["template", "spec"])?], &["serviceAccountName", "serviceAccount"]);
    first(&[part], &["serviceAccount"]).or_else(of_template)
}

/// The entries of a mapping whose keys have the prefix, without it.
fn with_prefix(of: &Node, prefix: &str) -> Node {
    let Kind::Mapping(entries) = &of.kind else { return mapping(vec![], of) };
    let entries = entries.iter().filter_map(|(key, value)| {
        let name = key.text()?.strip_prefix(prefix)?;
        Some((Node { at: key.at, ..Node::string(name) }, value.clone()))
    });
    Node { at: of.at, ..Node::new(Kind::Mapping(entries.collect())) }
}

/// Adds variables that are given as a mapping to keys of Secrets.
fn secret_variables(container: &mut Node, given: Option<&Node>) {
    let Some(Kind::Mapping(given)) = given.map(|node| &node.kind) else { return };
    let added = given.iter().map(|(key, value)| {
        let from = mapping(vec![("secretKeyRef", Some(value.clone()))], key);
        mapping(vec![("name", Some(key.clone())), ("valueFrom", Some(from))], key)
    });
    add_variables(container, added.collect());
}

/// Adds variables that are given as a mapping.
fn variables(container: &mut Node, given: Option<&Node>) {
    let Some(Kind::Mapping(given)) = given.map(|node| &node.kind) else { return };
    let added = given
        .iter()
        .map(|(key, value)| mapping(vec![("name", Some(key.clone())), ("value", Some(value.clone()))], key));
    add_variables(container, added.collect());
}

fn add_variables(container: &mut Node, added: Vec<Node>) {
    let env = [items(container.get("env")), added].concat();
    if let Kind::Mapping(entries) = &mut container.kind {
        entries.retain(|(key, _)| key.text() != Some("env"));
        entries.extend(list(env).map(|env| (Node::string("env"), env)));
    }
}

/// Job and task managers. The template of a manager replaces the common template.
pub(super) fn flink(object: &Node) -> Vec<Node> {
    let Some(spec) = object.get("spec") else { return Vec::new() };
    let common = spec.get("podTemplate");
    let managers = ["jobManager", "taskManager"].map(|manager| spec.at_path(&[manager, "podTemplate"]));
    let templates: Vec<&Node> = match managers {
        // Without a template, Flink makes pods with the service account alone.
        [None, None] if common.is_none() => {
            return first(&[spec], &["serviceAccount"])
                .map(|account| template(mapping(vec![("serviceAccountName", Some(account))], spec)))
                .into_iter()
                .collect();
        }
        [None, None] => common.into_iter().collect(),
        [job, task] => [job.or(common), task.or(common)].into_iter().flatten().collect(),
    };
    templates.into_iter().map(|template| with_account(template, spec, &["serviceAccount"])).collect()
}

/// The template with the service account from the node `beside`, if the template names none itself.
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

/// Strimzi creates one service account for each cluster, named after the cluster and its kind.
pub(super) fn strimzi(object: &Node) -> Vec<Node> {
    let cluster = object.text_at(&["metadata", "name"]).unwrap_or_default();
    let end = strimzi_end(object);
    let parts = object.at_path(&["spec", "template"]);
    let main = ["connectContainer", "bridgeContainer", "mirrorMaker2Container"];
    let main = parts.and_then(|parts| first(&[parts], &main)).unwrap_or_else(|| mapping(vec![], object));
    let mut main = container(&main, &format!("{cluster}-{end}"));
    add_variables(&mut main, items(object.at_path(&["spec", "externalConfiguration", "env"])));
    let pod = parts.and_then(|parts| parts.get("pod"));
    let spec = mapping(
        vec![
            ("serviceAccountName", Some(Node::string(&format!("{cluster}-{end}")))),
            ("securityContext", pod.and_then(|pod| first(&[pod], &["securityContext"]))),
            ("containers", list(vec![main])),
            ("volumes", pod.and_then(|pod| first(&[pod], &["volumes"]))),
        ],
        object,
    );
    vec![mapping(vec![("metadata", pod.and_then(|pod| first(&[pod], &["metadata"]))), ("spec", Some(spec))], object)]
}

/// Predictor, transformer and explainer are pod specs that may have a model in place of a
/// container.
pub(super) fn inference(object: &Node) -> Vec<Node> {
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

/// A runner: a pod spec that also holds the fields of the runner's own container.
pub(super) fn runner(object: &Node) -> Vec<Node> {
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

/// Steps are containers. Only a run names the service account.
pub(super) fn tekton(object: &Node) -> Vec<Node> {
    let Some(spec) = object.get("spec") else { return Vec::new() };
    let task = spec.get("taskSpec").unwrap_or(spec);
    let Some(account) = first(&[spec], &["serviceAccountName"]) else { return Vec::new() };
    let steps = items(task.get("steps")).into_iter().map(|step| {
        let mut made = container(&step, "step");
        add_variables(&mut made, unset(&step, task.at_path(&["stepTemplate", "env"])));
        made
    });
    let steps: Vec<Node> = steps.collect();
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

pub(super) fn collector(object: &Node) -> Vec<Node> {
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

/// CloudNativePG creates one service account for each cluster, with the name of the cluster.
pub(super) fn postgres(object: &Node) -> Vec<Node> {
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
