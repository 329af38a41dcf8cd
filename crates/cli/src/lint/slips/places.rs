//! Metadata that the webhook does not read, and objects that are not checked.

use podidentity_core::finding::SlipReason;
use podidentity_core::objects::{Map, PodTemplate};
use podidentity_core::slip::{self, Given, Holder, Place, Slip, of_account, of_place};

use super::{Slips, finding, map};
use crate::accounts::key;
use crate::findings::Finding;
use crate::manifest::{Object, Role};
use crate::yaml::{Node, decode};

impl<'a> Slips<'_, 'a> {
    /// Reports metadata that the webhook does not read, and objects that are not checked.
    pub(super) fn bystander(&self, object: &Object<'a>, found: &mut Vec<Finding>) {
        if let Some(annotations) = object.annotations_of_account() {
            self.of_made_account(object, annotations, found);
        } else {
            found.extend(self.of_metadata(object).iter().map(|slip| finding(object, None, slip)));
        }
        if let Some(node) = object.node.at_path(&["spec", "jobTemplate"]).filter(|_| object.role != Role::Other) {
            let given = self.given_by(object);
            let slips = of_place(Place::JobTemplate, &annotations(node), &labels(node), given, self.settings);
            found.extend(slips.iter().map(|slip| finding(object, Some(node), slip)));
        }
        let unread = object.template_nodes().iter().any(|node| decode::<PodTemplate>(node).is_err());
        let hidden = if object.role == Role::Custom && unread { Some(object.node) } else { object.hidden_pods() };
        if let Some(node) = hidden {
            let slip = slip::not_looked_into(&object.title());
            found.push(Finding { place: object.place.with(node.at), ..finding(object, None, &slip) });
        }
    }

    /// The slips in the object's own metadata.
    fn of_metadata(&self, object: &Object<'a>) -> Vec<Slip> {
        let (place, given) = match object.role {
            Role::Workload([]) | Role::ServiceAccount => return Vec::new(),
            Role::Workload(_) => (Place::Workload, self.given_by(object)),
            Role::Other if object.group.is_empty() && object.kind == "Namespace" => {
                (Place::Namespace, self.given_in(object.name))
            }
            Role::Other if object.kind == "CustomResourceDefinition" => return Vec::new(),
            Role::Other if slip::kind(object.node.text_at(&["apiVersion"]), Some(&object.kind)).is_some() => {
                return Vec::new(); // told that it does not exist
            }
            Role::Other | Role::Custom | Role::Binding => (Place::Object(&object.kind), Given::Unknown),
        };
        of_place(place, &annotations(object.node), &labels(object.node), given, self.settings)
    }

    /// The slips in annotations that a controller gives a service account. A role without effect in
    /// them is one nobody else tells of.
    fn of_made_account(&self, object: &Object<'a>, annotations: &Node, found: &mut Vec<Finding>) {
        let of: Map = decode(annotations).unwrap_or_default();
        let holder = Holder { annotations: &of, labels: &Map::new(), bound: false };
        for slip in of_account(holder, self.settings) {
            let at = match &slip.at {
                slip::At::Annotation(key) => annotations.entry(key).map(|(key, _)| key.at),
                _ => None,
            };
            let place = object.place.with(at.unwrap_or(annotations.at));
            found.push(Finding { place, ..finding(object, None, &slip) });
        }
    }

    /// Whether the service account of a workload gives its pods a role.
    fn given_by(&self, object: &Object<'a>) -> Given {
        let template = object.template_node().and_then(|node| decode::<PodTemplate>(node).ok());
        let account = template.map(|it| key(object, it.spec.service_account(), self.namespace));
        account.map_or(Given::Unknown, |account| self.given(&account))
    }

    /// Whether a service account of the namespace gives a role.
    fn given_in(&self, namespace: &str) -> Given {
        let mut inside = self.accounts.by_key.iter().filter(|(key, _)| key.0.as_deref() == Some(namespace)).peekable();
        if inside.peek().is_none() {
            return Given::Unknown;
        }
        Given::of(inside.any(|(_, account)| account.identity(self.settings).is_some()))
    }
}

/// Whether a slip is one of a key alone, whatever the value.
pub(super) fn is_of_key(slip: &Slip) -> bool {
    let reasons = [SlipReason::AnnotationMisspelt, SlipReason::AnnotationOfOtherTool, SlipReason::AnnotationMisplaced];
    reasons.contains(&slip.reason)
}

fn annotations(node: &Node) -> Map {
    map(node, &["metadata", "annotations"])
}

fn labels(node: &Node) -> Map {
    map(node, &["metadata", "labels"])
}
