//! Slips in manifests: applies core's rules and finds the place of each slip in the files.

mod names;
mod places;
mod s3;
mod strays;
mod users;
mod values;

use podidentity_core::finding::FindingReason;
use podidentity_core::injection::Target;
use podidentity_core::objects::{Map, PodTemplate};
use podidentity_core::settings::{IdentityAnnotation, Settings};
use podidentity_core::slip::{self, At, Given, Holder, Slip, of_account, of_pod};

use super::declarations::field;
use crate::accounts::{Account, Accounts, Identity, Key, config_map, key};
use crate::findings::{Finding, Reason};
use crate::manifest::{Object, Role};
use crate::read::Input;
use crate::yaml::{Node, Position, decode};

/// The input of the checks.
pub(crate) struct Slips<'i, 'a> {
    pub(crate) objects: &'i [Object<'a>],
    pub(crate) accounts: &'i Accounts<'a>,
    pub(crate) settings: &'i Settings,
    /// The namespace of the ConfigMap that the webhook watches, if it does.
    pub(crate) watched: Option<&'i str>,
    /// The namespace of objects that name none.
    pub(crate) namespace: Option<&'i str>,
    pub(crate) input: &'i Input,
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
    pub(crate) fn check(&self) -> Vec<Finding> {
        let runs = self.runs();
        let mut found = Vec::new();
        for (key, account) in &self.accounts.by_key {
            let used = runs.iter().any(|run| run.account == *key);
            self.account(key, account, used, &mut found);
            self.repeated(account, &mut found);
            self.bound(account, &runs, &mut found);
        }
        for run in &runs {
            self.run(run, &mut found);
        }
        for of_object in runs.chunk_by(|one, two| std::ptr::eq(one.object, two.object)) {
            self.s3(of_object, &mut found);
        }
        for object in self.objects {
            self.bystander(object, &mut found);
            self.strays(object, &mut found);
        }
        self.refused(&mut found);
        self.values(&mut found);
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

    fn has_role(&self, key: &Key) -> bool {
        self.accounts.identity(key, self.settings).is_some()
    }

    fn given(&self, key: &Key) -> Given {
        match self.accounts.by_key.get(key) {
            _ if self.has_role(key) => Given::Role,
            Some(account) => Given::of(account.identity(self.settings).is_some()),
            None => Given::Unknown,
        }
    }

    fn account(&self, key: &Key, account: &Account<'a>, used: bool, found: &mut Vec<Finding>) {
        if let Some(object) = account.objects.last() {
            let labels = map(object.node, &["metadata", "labels"]);
            let bound = account.owner().is_some() || Identity::listed(key, self.settings).is_some();
            let holder = Holder { annotations: &account.annotations, labels: &labels, bound };
            let mut slips = of_account(holder, self.settings);
            let audience = self.settings.annotation(IdentityAnnotation::Audience);
            // Where pods are among the files, the finding in them tells it.
            if !used && account.annotations.get(&audience).is_some_and(String::is_empty) && self.has_role(key) {
                slips.push(slip::empty_audience(&audience));
            }
            for slip in slips {
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
    }

    fn run(&self, run: &Run<'_, 'a>, found: &mut Vec<Finding>) {
        let given = self.given(&run.account);
        for slip in of_pod(&Target::from(&run.template), given, self.settings) {
            found.push(finding(run.object, Some(&run.node), &slip));
        }
        self.named(run, found);
    }
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
