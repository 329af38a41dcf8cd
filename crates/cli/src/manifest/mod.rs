//! The Kubernetes objects of a document.

mod custom;

use std::borrow::Cow;

use podidentity_core::objects::PodTemplate;
use podidentity_core::slip;

use crate::read::{Document, Place, Problem};
use crate::yaml::{DecodeError, Kind, Node, decode};

/// How this program treats an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// A pod, or an object that creates pods from the template at this path.
    Workload(&'static [&'static str]),
    /// A custom resource that is known to create pods.
    Custom,
    ServiceAccount,
    Binding,
    Other,
}

/// An object of a document.
#[derive(Clone, Debug)]
pub(crate) struct Object<'a> {
    pub(crate) node: &'a Node,
    pub(crate) place: Place,
    /// The API group. Empty for the core group.
    pub(crate) group: &'a str,
    pub(crate) kind: String,
    pub(crate) role: Role,
    pub(crate) name: &'a str,
    /// The namespace in the manifest. `None` if the user chooses it when applying the manifest.
    pub(crate) namespace: Option<&'a str>,
    /// The position in the document, as indices of list items.
    pub(crate) items: Vec<usize>,
}

impl<'a> Object<'a> {
    /// For messages, for example `Deployment/web`.
    pub(crate) fn title(&self) -> String {
        format!("{}/{}", self.kind, self.name)
    }

    /// The nodes of all pod templates. For a custom resource, the templates that its controller
    /// will create.
    pub(crate) fn template_nodes(&self) -> Vec<Cow<'a, Node>> {
        match self.role {
            Role::Custom => custom::templates(self.group, &self.kind, self.node),
            _ => self.template_node().map(Cow::Borrowed).into_iter().collect(),
        }
    }

    /// The service account that the controller of a custom resource creates: its name and its
    /// annotations.
    pub(crate) fn made_account(&self) -> Option<(String, &'a Node)> {
        (self.role == Role::Custom).then(|| custom::account(self.group, self.node)).flatten()
    }

    /// The annotations that the controller of a custom resource gives a service account, whatever its
    /// name.
    pub(crate) fn annotations_of_account(&self) -> Option<&'a Node> {
        custom::annotations_of_account(self.group, &self.kind, self.node)
    }

    /// The node at which the object seems to create pods, although its kind is not known.
    pub(crate) fn hidden_pods(&self) -> Option<&'a Node> {
        let defines = self.kind == "CustomResourceDefinition";
        (self.role == Role::Other && self.group.contains('.') && !defines)
            .then(|| custom::seems_to_make_pods(self.group, self.node))
            .flatten()
    }

    /// The node of the pod template. For a pod, the node of the pod itself.
    pub(crate) fn template_node(&self) -> Option<&'a Node> {
        match self.role {
            Role::Workload(path) => self.node.at_path(path).filter(|node| !node.is_null()),
            _ => None,
        }
    }

    /// The pod template of a workload.
    pub(crate) fn template(&self) -> Option<Result<PodTemplate, DecodeError>> {
        self.template_node().map(decode)
    }
}

/// The objects of a document, including the objects in lists.
pub(crate) fn objects(document: &Document) -> Vec<Object<'_>> {
    let mut found = Vec::new();
    if let Some(root) = &document.root {
        collect(root, document, None, &mut Vec::new(), &mut found);
    }
    found
}

/// The mappings of a document that are no objects, although they seem to be meant as some: they lack
/// a kind or an API version, or Kubernetes does not know these. Each with what is wrong.
pub(crate) fn unknown(document: &Document) -> Vec<(&Node, slip::Slip)> {
    let mut found = Vec::new();
    if let Some(root) = &document.root {
        refused(root, false, &mut found);
    }
    found
}

fn refused<'a>(node: &'a Node, in_list: bool, found: &mut Vec<(&'a Node, slip::Slip)>) {
    let (version, kind) = (node.text_at(&["apiVersion"]), node.text_at(&["kind"]));
    if let Some(items) = node.get("items").filter(|_| kind.is_some_and(|kind| kind.ends_with("List"))) {
        items.items().iter().for_each(|item| refused(item, true, found));
        return;
    }
    // Files of other programs have a `kind` as well. The items of a typed list may omit both.
    let complete = version.is_some() && kind.is_some();
    if complete || !in_list && node.text_at(&["metadata", "name"]).is_some() {
        found.extend(slip::kind(version, kind).map(|slip| (node, slip)));
    }
}

/// A document that is no object, but a text or a list of objects. kubectl reads neither.
pub(crate) fn no_object(document: &Document) -> Option<Problem> {
    let root = document.root.as_ref()?;
    let is_object = |item: &Node| item.text_at(&["apiVersion"]).is_some() && item.text_at(&["kind"]).is_some();
    let message = if root.items().iter().any(is_object) {
        "is a list of objects, which kubectl refuses: write them as documents of their own, or as the items of a \
         kind: List"
    } else if matches!(root.kind, Kind::Scalar { .. }) && !root.is_null() {
        "is a text, which kubectl refuses: write an object, or make the text a comment"
    } else {
        return None;
    };
    Some(Problem { place: document.place.with(root.at), message: message.to_owned() })
}

/// The API version and kind that the items of a typed list may omit.
type Hint<'a> = Option<(&'a str, &'a str)>;

fn collect<'a>(
    node: &'a Node,
    document: &Document,
    hint: Hint<'a>,
    items: &mut Vec<usize>,
    found: &mut Vec<Object<'a>>,
) {
    let (hinted_version, hinted_kind) = hint.unwrap_or_default();
    let version = node.text_at(&["apiVersion"]).unwrap_or(hinted_version);
    let kind = node.text_at(&["kind"]).unwrap_or(hinted_kind);
    if version.is_empty() || kind.is_empty() {
        return;
    }
    let list = kind.strip_suffix("List").and_then(|of| Some((of, node.get("items")?)));
    if let Some((of, list)) = list {
        let hint = (!of.is_empty()).then_some((version, of));
        for (index, item) in list.items().iter().enumerate() {
            items.push(index);
            collect(item, document, hint, items, found);
            items.pop();
        }
        return;
    }
    let group = version.split_once('/').map_or("", |(group, _)| group);
    let name = node.text_at(&["metadata", "name"]).or_else(|| node.text_at(&["metadata", "generateName"]));
    found.push(Object {
        node,
        place: document.place.with(node.at),
        group,
        kind: kind.to_owned(),
        role: role(version, kind),
        name: name.unwrap_or_default(),
        namespace: node.text_at(&["metadata", "namespace"]),
        items: items.clone(),
    });
}

fn role(version: &str, kind: &str) -> Role {
    let group = version.split_once('/').map_or("", |(group, _)| group);
    match (group, kind) {
        ("", "Pod") => Role::Workload(&[]),
        ("", "PodTemplate") => Role::Workload(&["template"]),
        ("apps" | "extensions", "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet")
        | ("", "ReplicationController")
        | ("batch", "Job")
        | ("argoproj.io", "Rollout") => Role::Workload(&["spec", "template"]),
        ("batch", "CronJob") => Role::Workload(&["spec", "jobTemplate", "spec", "template"]),
        ("", "ServiceAccount") => Role::ServiceAccount,
        ("podidentity.dev", "PodIdentityBinding") if version == "podidentity.dev/v1alpha1" => Role::Binding,
        _ if custom::is_known(group, kind) => Role::Custom,
        _ => Role::Other,
    }
}

/// The node of an object, for changes.
pub(crate) fn node_mut<'a>(root: &'a mut Node, items: &[usize]) -> Option<&'a mut Node> {
    items.iter().try_fold(root, |node, index| match &mut node.get_mut("items")?.kind {
        Kind::Sequence(list) => list.get_mut(*index),
        _ => None,
    })
}
