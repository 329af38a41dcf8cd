//! Annotations in values of Helm charts, and in objects that wrap such values or objects: what a chart
//! makes of them is not known, but where it puts them is mostly told by the keys above them.

use podidentity_core::finding::FindingReason;
use podidentity_core::injection::Target;
use podidentity_core::objects::{Map, PodTemplate};
use podidentity_core::slip::{
    self, At, Given, Holder, Place, Slip, SlipReason, common_annotation, of_account, of_place, of_pod,
};

use super::Slips;
use super::places::is_of_key;
use super::strays::texts;
use crate::findings::{Finding, Reason};
use crate::manifest::{Role, objects};
use crate::read;
use crate::yaml::{Node, Position, parse};

/// A tree of values.
struct Tree<'t> {
    root: &'t Node,
    title: String,
    namespace: Option<String>,
    place: &'t read::Place,
    /// The place of all of it, if its nodes have none in the file.
    at: Option<Position>,
}

impl Slips<'_, '_> {
    pub(super) fn values(&self, found: &mut Vec<Finding>) {
        for document in self.input.documents() {
            let Some(root) = document.root.as_ref() else { continue };
            if objects(document).is_empty() && root.get("items").is_none() {
                let file = document.place.file.rsplit('/').next().unwrap_or_default();
                let tree =
                    Tree { root, title: format!("File/{file}"), namespace: None, place: &document.place, at: None };
                self.tree(&tree, found);
            }
        }
        for object in self.objects {
            let wraps = object.group.contains('.') && object.kind != "CustomResourceDefinition";
            if wraps && matches!(object.role, Role::Other | Role::Custom) {
                let namespace = object.namespace.map(str::to_owned);
                let title = object.title();
                self.tree(&Tree { root: object.node, title, namespace, place: &object.place, at: None }, found);
            }
        }
    }

    fn tree(&self, tree: &Tree<'_>, found: &mut Vec<Finding>) {
        tree.root.walk("", &mut |path, key, value| {
            let field = key.text().unwrap_or_default();
            if field.to_lowercase().ends_with("annotations") && !(path == "metadata" && field == "annotations") {
                for slip in self.of_annotations(path, field, value) {
                    let at = match &slip.at {
                        At::Annotation(name) => value.entry(name).map_or(key.at, |(name, _)| name.at),
                        _ => key.at,
                    };
                    tree.add(&slip, at, found);
                }
            }
            if let Some(slip) = self.of_shape(path, field, value) {
                tree.add(&slip, key.at, found);
            }
            // Argo CD takes the values of a chart as a text, too.
            if field == "values" && path.ends_with("helm") {
                let parsed = value.text().and_then(|text| parse(text, 0).ok().flatten());
                if let Some(root) = &parsed {
                    let (title, namespace) = (tree.title.clone(), tree.namespace.clone());
                    self.tree(&Tree { root, title, namespace, place: tree.place, at: Some(key.at) }, found);
                }
            }
            field != "managedFields"
        });
    }

    /// The slips in a key that stands beside annotations instead of in them.
    fn of_shape(&self, path: &str, field: &str, value: &Node) -> Option<Slip> {
        let text = value.text().unwrap_or_default();
        if field == "name" && path.contains("parameters[") {
            return slip::split_key(text, "", self.settings);
        }
        let above = path.rsplit('.').next().unwrap_or_default().to_lowercase();
        let is_of_account = path.to_lowercase().replace(['-', '_'], "").contains("serviceaccount");
        if is_of_account && !above.ends_with("annotations") && !path.starts_with("metadata") {
            return slip::stray_value(field, text, path, self.settings)
                .or_else(|| slip::split_key(path, field, self.settings));
        }
        None
    }

    /// The slips in annotations, by the keys above them.
    fn of_annotations(&self, path: &str, field: &str, annotations: &Node) -> Vec<Slip> {
        let of: Map = texts(annotations).into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        if field == "commonAnnotations" {
            return of.iter().filter_map(|(key, value)| common_annotation(key, value, self.settings)).collect();
        }
        let above = format!("{path}.{field}").to_lowercase();
        let slips = if above.replace(['-', '_'], "").contains("serviceaccount") {
            let slips = of_account(Holder { annotations: &of, labels: &Map::new(), bound: false }, self.settings);
            return slips.into_iter().filter(|slip| is_of_key(slip) || is_of_value(slip)).collect();
        } else if ["deploymentannotations", "statefulsetannotations", "daemonsetannotations"]
            .contains(&&*field.to_lowercase())
        {
            of_place(Place::Workload, &of, &Map::new(), Given::Unknown, self.settings)
        } else if path.rsplit('.').next() == Some("service") {
            of_place(Place::Object("Service"), &of, &Map::new(), Given::Unknown, self.settings)
        } else if above.contains("pod") && !above.contains("identity") {
            let mut template = PodTemplate::default();
            template.metadata.annotations = of;
            of_pod(&Target::from(&template), Given::Unknown, self.settings)
        } else {
            Vec::new()
        };
        slips.into_iter().filter(is_of_key).collect()
    }
}

/// Whether a slip is one of a value that is there. Charts leave values empty that users fill in.
fn is_of_value(slip: &Slip) -> bool {
    [SlipReason::InvalidRoleArn, SlipReason::AudienceUnusual].contains(&slip.reason)
}

impl Tree<'_> {
    /// Adds the slip, unless another rule has told of this place.
    fn add(&self, slip: &Slip, at: Position, found: &mut Vec<Finding>) {
        let place = self.place.with(self.at.unwrap_or(at));
        if self.at.is_none() && found.iter().any(|finding| finding.place == place) {
            return;
        }
        found.push(Finding {
            severity: slip.severity,
            reason: Reason::Pod(FindingReason::Slip(slip.reason)),
            object: self.title.clone(),
            namespace: self.namespace.clone(),
            container: None,
            message: slip.message().to_string(),
            place,
        });
    }
}
