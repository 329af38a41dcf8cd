//! What stands in a place where Kubernetes does not look for it, and what is written twice.

use podidentity_core::finding::FindingReason;
use podidentity_core::slip::{self, NamesAccount, Slip};

use super::{Slips, finding};
use crate::accounts::{Account, key};
use crate::findings::{Finding, Reason};
use crate::manifest::{Object, Role, unknown};
use crate::read::Place;
use crate::yaml::{Node, Position};

/// Parts of an object in which users may write any key.
const FREE: [&str; 6] = ["annotations", "labels", "matchLabels", "managedFields", "volumes", "data"];

impl<'a> Slips<'_, 'a> {
    pub(super) fn strays(&self, object: &Object<'a>, found: &mut Vec<Finding>) {
        let strays = match object.role {
            Role::ServiceAccount => self.annotations(object),
            Role::Workload(path) => stray_names(object, path).into_iter().map(|(at, stray)| (at, stray.slip)).collect(),
            Role::Custom => fields_of_kind(object),
            _ => Vec::new(),
        };
        found.extend(
            strays.iter().map(|(at, slip)| Finding { place: object.place.with(*at), ..finding(object, None, slip) }),
        );
    }

    /// The annotations of a service account outside of `metadata.annotations`.
    fn annotations(&self, object: &Object<'a>) -> Vec<(Position, Slip)> {
        let has_role = self.has_role(&key(object, object.name, self.namespace));
        let mut strays = Vec::new();
        object.node.walk("", &mut |path, key, value| {
            let name = key.text().unwrap_or_default();
            if path == "metadata" && ["annotations", "labels", "managedFields"].contains(&name) {
                return false;
            }
            let text = value.text().unwrap_or_default();
            let slip = slip::stray_annotation(name, text, path, has_role, self.settings);
            strays.extend(slip.map(|slip| (key.at, slip)));
            true
        });
        strays
    }

    /// Reports manifests of one service account that differ in the role.
    pub(super) fn repeated(&self, account: &Account<'a>, found: &mut Vec<Finding>) {
        let manifests: Vec<_> = account.manifests(self.settings).collect();
        for pair in manifests.windows(2) {
            let ([(one, first), (two, second)], Some(name)) = (pair, pair.first().map(|(object, _)| object.name))
            else {
                continue;
            };
            if !self.are_applied_together(&one.place, &two.place) {
                continue;
            }
            let slip = slip::repeated(name, &one.place.to_string(), (*first, *second), self.settings);
            found.extend(slip.map(|slip| finding(two, None, &slip)));
        }
    }

    /// Whether both places are in one file or one folder. Folders hold one environment each, and the
    /// patches of a Kustomization repeat what they change.
    fn are_applied_together(&self, one: &Place, two: &Place) -> bool {
        let folder = |place: &Place| place.file.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
        let is_patched = || {
            let files = self.input.documents().map(|document| &document.place.file);
            files
                .into_iter()
                .any(|file| ["kustomization.yaml", "kustomization.yml"].iter().any(|it| file.ends_with(it)))
        };
        one.file == two.file || folder(one) == folder(two) && !is_patched()
    }

    /// Reports objects of kinds that do not exist.
    pub(super) fn refused(&self, found: &mut Vec<Finding>) {
        for document in self.input.documents() {
            for (node, slip) in unknown(document) {
                let text = |path: &[&str]| node.text_at(path).unwrap_or_default().to_owned();
                let entry = node.entry("kind").or_else(|| node.entry("apiVersion"));
                found.push(Finding {
                    severity: slip.severity,
                    reason: Reason::Pod(FindingReason::Slip(slip.reason)),
                    object: format!("{}/{}", text(&["kind"]), text(&["metadata", "name"])),
                    namespace: node.text_at(&["metadata", "namespace"]).map(str::to_owned),
                    container: None,
                    message: slip.message().to_string(),
                    place: document.place.with(entry.map_or(node.at, |(key, _)| key.at)),
                });
            }
        }
    }
}

/// A service account that a workload names in a field of its own making.
pub(super) struct StrayName {
    pub(super) account: String,
    slip: Slip,
}

/// The fields of a workload that seem to name a service account, except those of its pods.
pub(super) fn stray_names(object: &Object<'_>, template: &[&str]) -> Vec<(Position, StrayName)> {
    let right = template.iter().chain(&["spec"]).copied().collect::<Vec<_>>().join(".");
    // An unreadable template is told elsewhere.
    let Some(Ok(runs)) = object.template() else { return Vec::new() };
    let runs_as = runs.spec.service_account().to_owned();
    let mut strays = Vec::new();
    object.node.walk("", &mut |path, key, value| {
        let field = key.text().unwrap_or_default();
        let is_right = path == right && NamesAccount::of(field) == NamesAccount::Right;
        if let Some(account) = value.text().filter(|text| !text.is_empty() && !value.is_null() && *text != runs_as) {
            let slip = match NamesAccount::of(field) {
                NamesAccount::No => None,
                NamesAccount::Right if is_right => Some(slip::two_names(account, &runs_as)),
                _ => Some(slip::stray_name(field, account, path, &runs_as)),
            };
            strays.extend(slip.map(|slip| (key.at, StrayName { account: account.to_owned(), slip })));
        }
        !FREE.contains(&field)
    });
    strays
}

/// Fields that name a service account in a pod spec, but not in these custom resources: the API group,
/// the path of the mapping, the field, and the right one.
const NO_FIELDS: [(&str, &str, &str, &str); 6] = [
    ("sparkoperator.k8s.io", "spec.driver", "serviceAccountName", "serviceAccount"),
    ("sparkoperator.k8s.io", "spec.executor", "serviceAccountName", "serviceAccount"),
    ("sparkoperator.k8s.io", "spec.template.driver", "serviceAccountName", "serviceAccount"),
    ("sparkoperator.k8s.io", "spec.template.executor", "serviceAccountName", "serviceAccount"),
    ("flink.apache.org", "spec", "serviceAccountName", "serviceAccount"),
    ("monitoring.coreos.com", "spec", "serviceAccount", "serviceAccountName"),
];

/// The field that is meant, if the kind has no such field at the path.
pub(super) fn right_field(object: &Object<'_>, path: &str, field: &str) -> Option<&'static str> {
    let mut all = NO_FIELDS.iter().filter(|(group, at, wrong, _)| (*group, *at, *wrong) == (object.group, path, field));
    all.next().map(|(.., right)| *right)
}

fn fields_of_kind(object: &Object<'_>) -> Vec<(Position, Slip)> {
    let mut strays = Vec::new();
    object.node.walk("", &mut |path, key, value| {
        let field = key.text().unwrap_or_default();
        let account = value.text().filter(|text| !text.is_empty() && !value.is_null());
        if let (Some(right), Some(account)) = (right_field(object, path, field), account) {
            strays.push((key.at, slip::field_of_kind(&object.kind, field, account, path, right)));
        }
        !FREE.contains(&field)
    });
    strays
}

/// The entries of a mapping whose values are texts.
pub(super) fn texts(node: &Node) -> Vec<(&str, &str)> {
    let crate::yaml::Kind::Mapping(entries) = &node.kind else { return Vec::new() };
    entries.iter().filter_map(|(key, value)| Some((key.text()?, value.text()?))).collect()
}
