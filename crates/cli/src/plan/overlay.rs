//! Lays the bindings and service accounts of files over a cluster.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use podidentity_api::PodIdentityBinding;
use podidentity_cluster::index::IdentityKey;
use podidentity_core::finding::Severity;
use podidentity_core::message::counted;
use podidentity_core::objects::ServiceAccount;
use podidentity_core::role::{self, Referred};
use podidentity_core::slip::{Holder, of_account};
use podidentity_core::snapshot::{Config, Snapshot};
use podidentity_core::unbound::annotated_role;

use super::{Change, Planned, planned};
use crate::accounts::unreadable;
use crate::manifest::{Object, Role, objects};
use crate::read::{Problem, read};
use crate::schema::Schema;
use crate::yaml::decode;

/// The field manager that is assumed to own what the files set on a service account.
const APPLIER: &str = "kubectl";

/// The objects in the files that affect identities.
#[derive(Default)]
pub(super) struct Overlay {
    bindings: Vec<PodIdentityBinding>,
    accounts: Vec<ServiceAccount>,
    pub(super) notes: Vec<String>,
    pub(super) problems: Vec<Problem>,
}

impl Overlay {
    /// Reads the files. Objects without a namespace belong to `namespace`, or else to the namespace
    /// of the context.
    pub(super) fn read(files: &[String], context: &str, namespace: Option<&str>) -> Self {
        if files.is_empty() {
            return Self::default();
        }
        let input = read(files);
        let mut overlay = Self { problems: input.problems.clone(), notes: input.notes.clone(), ..Self::default() };
        let schema = Schema::of_bindings();
        let mut others = 0;
        for object in input.documents().flat_map(objects) {
            let place = object.namespace.or(namespace).unwrap_or(context).to_owned();
            match object.role {
                Role::Binding => overlay.add_binding(&object, place, &schema),
                Role::ServiceAccount => overlay.add_account(&object, place),
                Role::Workload(_) | Role::Custom | Role::Other => others += 1,
            }
        }
        if others > 0 {
            let what = counted(others, "other object");
            overlay.notes.push(format!("{what} in the files are taken as they are in the cluster: see kubectl diff"));
        }
        if overlay.is_empty() && overlay.problems.is_empty() {
            overlay.notes.push("the files hold neither bindings nor service accounts".to_owned());
        }
        overlay
    }

    fn add_binding(&mut self, object: &Object<'_>, namespace: String, schema: &Schema) {
        let violations = schema.check(object.node);
        let refused = violations.into_iter().map(|violation| Problem {
            place: object.place.with(violation.at),
            message: format!("the API server will refuse {}: {}", object.title(), violation.message),
        });
        let before = self.problems.len();
        self.problems.extend(refused);
        if self.problems.len() > before {
            return;
        }
        match decode::<PodIdentityBinding>(object.node) {
            Ok(mut binding) => {
                binding.metadata.namespace = Some(namespace);
                binding.status = None;
                self.bindings.push(binding);
            }
            Err(error) => self.problems.push(unreadable(object, &error)),
        }
    }

    fn add_account(&mut self, object: &Object<'_>, namespace: String) {
        match decode::<ServiceAccount>(object.node) {
            Ok(mut account) => {
                account.metadata.namespace = Some(namespace);
                self.accounts.push(account);
            }
            Err(error) => self.problems.push(unreadable(object, &error)),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bindings.is_empty() && self.accounts.is_empty()
    }

    /// The namespace to read. `None` means all namespaces.
    pub(super) fn namespaces(&self, own: Option<&str>, with_files: bool) -> Option<String> {
        if !with_files {
            return own.map(str::to_owned);
        }
        let bindings = self.bindings.iter().filter_map(|binding| binding.metadata.namespace.as_deref());
        let accounts = self.accounts.iter().filter_map(|account| account.metadata.namespace.as_deref());
        let all: BTreeSet<&str> = bindings.chain(accounts).collect();
        match all.len() {
            0 => own.map(str::to_owned),
            1 => all.first().map(|namespace| (*namespace).to_owned()),
            _ => None,
        }
    }

    /// The plan for an identity after the files are applied. `None` if the files do not affect the
    /// identity.
    pub(super) fn planned(&self, snapshot: &Snapshot) -> Option<Planned> {
        let bindings = self.bindings.iter().filter(|binding| concerns(binding, snapshot));
        let account = self.account(snapshot);
        let bindings: Vec<&PodIdentityBinding> = bindings.collect();
        if bindings.is_empty() && account.is_none() {
            return None;
        }
        let mut after = snapshot.clone();
        if let Some(account) = account {
            after.service_account = Some(Arc::new(applied(snapshot.service_account.as_deref(), account, snapshot.now)));
        }
        let mut changes = BTreeMap::new();
        for binding in bindings {
            let (binding, change) = merged(snapshot, binding);
            changes.insert(binding.metadata.name.clone(), change);
            after.bindings.retain(|present| present.metadata.name != binding.metadata.name);
            after.bindings.push(Arc::new(binding));
        }
        let mut planned = planned(&after, Change::None)?;
        planned.change = changes.get(&Some(planned.binding.clone())).copied().unwrap_or(Change::None);
        Some(planned)
    }

    /// What the service accounts of the files say that new pods of the identity will feel, although no
    /// binding plans anything for it.
    pub(super) fn warnings(&self, snapshot: &Snapshot) -> Vec<String> {
        let settings = &snapshot.config.settings;
        let bound = !snapshot.bindings.is_empty() || self.bindings.iter().any(|binding| concerns(binding, snapshot));
        let Some(account) = self.account(snapshot) else { return Vec::new() };
        let holder = Holder { annotations: &account.annotations, labels: &account.labels, bound };
        let title = format!("ServiceAccount {}/{}", snapshot.namespace, snapshot.service_account_name);
        let slips = of_account(holder, settings).into_iter().filter(|slip| slip.severity != Severity::Info);
        let mut warnings: Vec<String> =
            slips.map(|slip| format!("{title}: {}: {}", slip.reason, slip.message())).collect();
        let present = snapshot.service_account.as_deref();
        let after = applied(present, account, snapshot.now);
        let before = present.and_then(|present| annotated_role(present, settings));
        let after = annotated_role(&after, settings);
        warnings.extend(match (before, after) {
            _ if bound => None,
            (Some(before), None) => {
                Some(format!("{title}: new pods lose the role {before}; pods that run keep it until they end"))
            }
            (Some(before), Some(after)) if before != after => Some(format!(
                "{title}: new pods get the role {after} instead of {before}; without a binding nothing restarts those \
                 that run"
            )),
            _ => None,
        });
        warnings
    }

    /// The service account of the identity in the files.
    fn account(&self, snapshot: &Snapshot) -> Option<&ServiceAccount> {
        self.accounts.iter().find(|account| {
            account.metadata.namespace.as_ref() == Some(&snapshot.namespace)
                && account.metadata.name.as_ref() == Some(&snapshot.service_account_name)
        })
    }

    /// The identities of the files that the cluster does not know yet.
    pub(super) fn nowhere<T>(
        &self,
        known: &BTreeMap<IdentityKey, T>,
        now: Timestamp,
        config: &Arc<Config>,
    ) -> Vec<Snapshot> {
        let of_bindings = self.bindings.iter().map(|it| (&it.metadata.namespace, Some(&it.spec.service_account_name)));
        let of_accounts = self.accounts.iter().map(|it| (&it.metadata.namespace, it.metadata.name.as_ref()));
        let all: BTreeSet<(String, String)> = of_bindings
            .chain(of_accounts)
            .filter_map(|(namespace, name)| Some((namespace.clone().unwrap_or_default(), name?.clone())))
            .collect();
        let is_known = |namespace: &str, name: &str| {
            known.contains_key(&IdentityKey { namespace: namespace.to_owned(), service_account: name.to_owned() })
        };
        let missing = all.into_iter().filter(|(namespace, name)| !is_known(namespace, name));
        missing.map(|(namespace, name)| Snapshot::empty(&namespace, &name, now, config)).collect()
    }
}

fn concerns(binding: &PodIdentityBinding, snapshot: &Snapshot) -> bool {
    binding.metadata.namespace.as_ref() == Some(&snapshot.namespace)
        && binding.spec.service_account_name == snapshot.service_account_name
}

/// The binding as the API server would store it.
fn merged(snapshot: &Snapshot, file: &PodIdentityBinding) -> (PodIdentityBinding, Change) {
    let name = &file.metadata.name;
    let account = snapshot.config.settings.account.as_ref();
    let Some(present) = snapshot.bindings.iter().find(|present| present.metadata.name == *name) else {
        let mut created = file.clone();
        created.metadata.generation = Some(1);
        role::resolve(&mut created, account, Referred::Recorded);
        return (created, Change::Created);
    };
    let changed = role::unresolved(&present.spec) != file.spec;
    let mut merged = PodIdentityBinding { spec: file.spec.clone(), ..(**present).clone() };
    if changed {
        merged.metadata.generation = merged.metadata.generation.map(|generation| generation + 1);
    }
    if let Some(annotations) = &file.metadata.annotations {
        merged.metadata.annotations.get_or_insert_default().extend(annotations.clone());
    }
    role::resolve(&mut merged, account, Referred::Recorded);
    (merged, if changed { Change::Configured } else { Change::None })
}

/// The service account after the file is applied. The annotations that change belong to
/// [`APPLIER`].
fn applied(present: Option<&ServiceAccount>, file: &ServiceAccount, now: Timestamp) -> ServiceAccount {
    let mut account = present.cloned().unwrap_or_else(|| file.clone());
    account.annotations.extend(file.annotations.clone());
    let present = |key: &str| present.and_then(|present| present.annotations.get(key));
    let set = file.annotations.iter().filter(|(key, value)| present(key) != Some(*value));
    let changed = set.map(|(key, _)| key.clone());
    podidentity_core::forecast::owned_by(&mut account, APPLIER, changed, now);
    account
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golden::cluster;

    const BINDING: &str = "apiVersion: podidentity.dev/v1alpha1\nkind: PodIdentityBinding\nmetadata: {name: NAME}\n\
                           spec: {serviceAccountName: app, roleArn: 'arn:aws:iam::111122223333:role/my-role'}\n";

    /// A document that cannot be read, or that kubectl reads differently, is a problem, and the
    /// plan does not pass over it. The other documents are planned.
    #[test]
    fn what_is_another_document_to_kubectl_is_a_problem_and_no_plan() {
        let hidden = "# x\u{2028}{kind: ClusterRoleBinding}\u{2028}---\u{2028}#\n";
        for (broken, expected) in [(hidden, "is another document to kubectl"), ("a: [\n", "is not YAML")] {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("bindings.yaml");
            let first = BINDING.replace("NAME", "first");
            let second = BINDING.replace("NAME", "second");
            std::fs::write(&file, format!("{first}---\n{broken}{second}---\n{second}")).unwrap();
            let overlay = Overlay::read(&[file.to_str().unwrap().to_owned()], "default", None);
            let [problem] = &overlay.problems[..] else { panic!("{:?}", overlay.problems) };
            assert!(problem.in_document().contains(expected), "{}", problem.in_document());
            let names: Vec<_> = overlay.bindings.iter().map(|it| it.metadata.name.as_deref()).collect();
            assert_eq!(names, [Some("first"), Some("second")]);
        }
    }

    const ACCOUNT: &str = "\
apiVersion: v1
kind: ServiceAccount
metadata: {name: web, namespace: shop, annotations: {eks.amazonaws.com/role-arn: 'arn:aws:iam::111122223333:role/web'}}
";

    #[test]
    fn what_a_service_account_of_the_files_does_to_new_pods_is_told() {
        let snapshots = cluster(ACCOUNT).snapshots;
        for (annotation, words) in [
            ("eks.amazonaws.com/role-arn: my-role", &["InvalidRoleArn", "instead of"][..]),
            ("eks.amazonaws.com/role-arn: ''", &["RoleAnnotationEmpty", "new pods lose the role"]),
            ("eks.amazonaws.com/role_arn: my-role", &["AnnotationMisspelt"]),
            ("eks.amazonaws.com/role-arn: 'arn:aws:iam::111122223333:role/other'", &["instead of"]),
            ("eks.amazonaws.com/role-arn: 'arn:aws:iam::111122223333:role/web'", &[]),
            ("example.com/team: web", &[]),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("account.yaml");
            let text = format!(
                "apiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: web\n  annotations:\n    {annotation}\n"
            );
            std::fs::write(&file, text).unwrap();
            let overlay = Overlay::read(&[file.display().to_string()], "shop", None);
            let warnings = overlay.warnings(&snapshots[0]);
            assert_eq!(warnings.len(), words.len(), "{annotation}: {warnings:?}");
            for (warning, word) in warnings.iter().zip(words) {
                assert!(warning.contains(word), "{annotation}: {warning}");
            }
            // A cluster without the service account: its pods have no role to lose.
            let known = BTreeMap::<IdentityKey, bool>::new();
            let nowhere = overlay.nowhere(&known, snapshots[0].now, &snapshots[0].config);
            let [snapshot] = &nowhere[..] else { panic!("{} identities", nowhere.len()) };
            let slips: Vec<_> = overlay.warnings(snapshot);
            let expected: Vec<_> =
                warnings.iter().filter(|it| it.contains("Annotation") || it.contains("Arn")).collect();
            assert_eq!(slips.iter().collect::<Vec<_>>(), expected, "{annotation}");
        }
    }
}
