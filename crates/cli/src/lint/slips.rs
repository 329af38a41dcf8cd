//! Slips in manifests: applies core's rules and finds the place of each slip in the files.

use std::collections::BTreeSet;

use podidentity_core::finding::{FindingReason, Severity};
use podidentity_core::injection::Target;
use podidentity_core::likeness::is_slip;
use podidentity_core::objects::{Map, PodTemplate};
use podidentity_core::settings::Settings;
use podidentity_core::slip::{
    self, At, Given, Holder, NameMatches, Place as Bystander, Slip, of_account, of_place, of_pod, unused,
};

use super::declarations::field;
use crate::accounts::{Account, Accounts, Key, config_map, key};
use crate::findings::{Finding, Reason};
use crate::manifest::{Object, Role};
use crate::yaml::{Node, Position, decode};

/// The input of the checks.
pub(super) struct Slips<'i, 'a> {
    pub(super) objects: &'i [Object<'a>],
    pub(super) accounts: &'i Accounts<'a>,
    pub(super) settings: &'i Settings,
    /// The namespace of the ConfigMap that the webhook watches, if it does.
    pub(super) watched: Option<&'i str>,
    /// The namespace of objects that name none.
    pub(super) namespace: Option<&'i str>,
}

/// A workload and the service account that it runs as.
struct Run<'i, 'a> {
    object: &'i Object<'a>,
    node: Node,
    template: PodTemplate,
    account: Key,
}

impl<'a> Slips<'_, 'a> {
    /// Finds all slips.
    pub(super) fn check(&self) -> Vec<Finding> {
        let runs = self.runs();
        let mut found = Vec::new();
        for account in self.accounts.by_key.values() {
            self.account(account, &mut found);
        }
        for run in &runs {
            self.run(run, &mut found);
        }
        for object in self.objects {
            self.bystander(object, &mut found);
        }
        self.unused(&runs, &mut found);
        self.entries(&mut found);
        found
    }

    /// Reports the slips in the ConfigMap that the webhook watches.
    fn entries(&self, found: &mut Vec<Finding>) {
        let Some((object, Some(config))) = self.watched.and_then(|it| config_map(self.objects, it)) else { return };
        let known = self.accounts.by_key.iter().filter(|(_, account)| !account.objects.is_empty());
        let known: Vec<_> = known.map(|(key, _)| (key.0.clone().unwrap_or_default(), key.1.clone())).collect();
        for slip in slip::of_entries(config.text().unwrap_or_default(), &known, self.settings) {
            found.push(Finding { place: object.place.with(config.at), ..finding(object, None, &slip) });
        }
    }

    fn runs(&self) -> Vec<Run<'_, 'a>> {
        let workloads = self.objects.iter().filter(|object| matches!(object.role, Role::Workload(_) | Role::Custom));
        let runs = workloads.flat_map(|object| {
            object.template_nodes().into_iter().filter_map(move |node| {
                // Unreadable templates are reported elsewhere.
                let template: PodTemplate = decode(&node).ok()?;
                let account = key(object, template.spec.service_account(), self.namespace);
                Some(Run { object, node: node.into_owned(), template, account })
            })
        });
        runs.collect()
    }

    fn given(&self, key: &Key) -> Given {
        match self.accounts.by_key.get(key) {
            _ if self.accounts.identity(key, self.settings).is_some() => Given::Role,
            Some(account) => Given::of(account.identity(self.settings).is_some()),
            None => Given::Unknown,
        }
    }

    fn account(&self, account: &Account<'a>, found: &mut Vec<Finding>) {
        if let Some(object) = account.objects.last() {
            let labels = map(object.node, &["metadata", "labels"]);
            let holder =
                Holder { annotations: &account.annotations, labels: &labels, bound: account.owner().is_some() };
            for slip in of_account(holder, self.settings) {
                let place = match &slip.at {
                    At::Annotation(key) => account.annotation_place(key),
                    At::Label(key) => position(object.node, "labels", key).map(|at| object.place.with(at)),
                    At::Object => None,
                };
                let finding = finding(object, None, &slip);
                found.push(Finding { place: place.unwrap_or(finding.place), ..finding });
            }
        }
        for binding in &account.bindings {
            if let Some(slip) = slip::partition("spec.roleArn", At::Object, &binding.binding.spec.role_arn) {
                let place = field(&binding.object, "roleArn");
                found.push(Finding { place, ..finding(&binding.object, None, &slip) });
            }
            let declared = binding.binding.spec.audience.as_deref().unwrap_or_default();
            if let Some(slip) = slip::audience("spec.audience", At::Object, declared, self.settings) {
                let place = field(&binding.object, "audience");
                found.push(Finding { place, ..finding(&binding.object, None, &slip) });
            }
        }
        if let (Some(owner), true) = (account.owner(), account.objects.is_empty()) {
            let key = key(&owner.object, &owner.binding.spec.service_account_name, self.namespace);
            let place = field(&owner.object, "serviceAccountName");
            let slip = self.not_found(&owner.object.title(), &key);
            found.push(Finding { place, ..finding(&owner.object, None, &slip) });
        }
    }

    fn run(&self, run: &Run<'_, 'a>, found: &mut Vec<Finding>) {
        let given = self.given(&run.account);
        for slip in of_pod(&Target::from(&run.template), given, self.settings) {
            found.push(finding(run.object, Some(&run.node), &slip));
        }
        let knows = self.accounts.by_key.contains_key(&run.account) || run.account.1 == "default";
        if knows {
            return;
        }
        let slip = self.not_found(&run.object.title(), &run.account);
        let others = self.accounts.by_key.iter().any(|(key, it)| key.0 == run.account.0 && !it.objects.is_empty());
        if slip.severity != Severity::Info || others {
            let at = ["serviceAccountName", "serviceAccount"].into_iter();
            let at = at.filter_map(|key| run.node.get("spec")?.entry(key)).map(|(key, _)| key.at).next();
            let place = run.object.place.with(at.unwrap_or(run.node.at));
            found.push(Finding { place, ..finding(run.object, None, &slip) });
        }
    }

    fn not_found(&self, what: &str, key: &Key) -> Slip {
        let of = |namespace: &Option<String>| namespace.clone().unwrap_or_default();
        let all = self.accounts.by_key.iter().filter(|(_, account)| !account.objects.is_empty());
        // A service account in another namespace matters only if it has a role.
        let all = all.filter(|(other, account)| other.0 == key.0 || account.identity(self.settings).is_some());
        let all: Vec<(String, String)> = all.map(|(key, _)| (of(&key.0), key.1.clone())).collect();
        let known = all.iter().map(|(namespace, name)| (namespace.as_str(), name.as_str()));
        let elsewhere = NameMatches::among(&of(&key.0), &key.1, known);
        slip::not_found(what, key.0.as_deref(), &key.1, &elsewhere, "among the files")
    }

    /// Reports metadata that the webhook does not read, and objects that are not checked.
    fn bystander(&self, object: &Object<'a>, found: &mut Vec<Finding>) {
        let annotations = || map(object.node, &["metadata", "annotations"]);
        let slips = match object.role {
            Role::Workload(path) if !path.is_empty() => {
                let template = object.template_node().and_then(|node| decode::<PodTemplate>(node).ok());
                let account = template.map(|it| key(object, it.spec.service_account(), self.namespace));
                let given = account.map_or(Given::Unknown, |account| self.given(&account));
                of_place(Bystander::Workload, &annotations(), given, self.settings)
            }
            Role::Other if object.group.is_empty() && object.kind == "Namespace" => {
                let mut inside =
                    self.accounts.by_key.iter().filter(|(key, _)| key.0.as_deref() == Some(object.name)).peekable();
                let given = if inside.peek().is_none() {
                    Given::Unknown
                } else {
                    Given::of(inside.any(|(_, account)| account.identity(self.settings).is_some()))
                };
                of_place(Bystander::Namespace, &annotations(), given, self.settings)
            }
            _ => Vec::new(),
        };
        found.extend(slips.iter().map(|slip| finding(object, None, slip)));
        let unread = object.template_nodes().iter().any(|node| decode::<PodTemplate>(node).is_err());
        let hidden = if object.role == Role::Custom && unread { Some(object.node) } else { object.hidden_pods() };
        if let Some(node) = hidden {
            let slip = slip::not_looked_into(&object.title());
            found.push(Finding { place: object.place.with(node.at), ..finding(object, None, &slip) });
        }
    }

    /// Reports service accounts with a role that no workload uses, although there are workloads in
    /// their namespace.
    fn unused(&self, runs: &[Run<'_, 'a>], found: &mut Vec<Finding>) {
        let used: BTreeSet<&Key> = runs.iter().map(|run| &run.account).collect();
        for (key, account) in &self.accounts.by_key {
            let binding = account.owner().map(|owner| &owner.object);
            let Some(object) = account.objects.last().or(binding) else { continue };
            if account.identity(self.settings).is_none() || used.contains(key) {
                continue;
            }
            let mut here = runs.iter().filter(|run| run.account.0 == key.0).peekable();
            let meant = here.clone().any(|run| run.account.1 != "default" && is_slip(&run.account.1, &key.1));
            if here.peek().is_none() || meant {
                continue; // told where the name is
            }
            let forgot = here.find(|run| run.account.1 == "default" && is_like(run.object.name, &key.1));
            let slip = unused(&key.1, forgot.map(|run| run.object.title()).as_deref());
            found.push(finding(object, None, &slip));
        }
    }
}

/// Whether a workload's name suggests that it belongs to the service account.
fn is_like(workload: &str, account: &str) -> bool {
    workload == account || is_slip(workload, account)
}

fn finding(object: &Object<'_>, template: Option<&Node>, slip: &Slip) -> Finding {
    let node = template.unwrap_or(object.node);
    let at = match &slip.at {
        At::Annotation(key) => position(node, "annotations", key),
        At::Label(key) => position(node, "labels", key),
        At::Object => None,
    };
    Finding {
        severity: slip.severity,
        reason: Reason::Pod(FindingReason::Slip(slip.reason)),
        object: object.title(),
        namespace: object.namespace.map(str::to_owned),
        container: None,
        message: slip.message().to_string(),
        place: object.place.with(at.unwrap_or(object.node.at)),
    }
}

fn position(node: &Node, field: &str, key: &str) -> Option<Position> {
    node.at_path(&["metadata", field])?.entry(key).map(|(key, _)| key.at)
}

fn map(node: &Node, path: &[&str]) -> Map {
    node.at_path(path).and_then(|node| decode(node).ok()).unwrap_or_default()
}
