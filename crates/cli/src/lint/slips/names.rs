//! Names of service accounts that lead nowhere among the files.

use podidentity_core::finding::Severity;
use podidentity_core::likeness::is_slip;
use podidentity_core::slip::{Forgot, NameMatches, Namer, Slip, not_found, unused};

use super::{Run, Slips, finding};
use crate::accounts::{Account, Key, key};
use crate::findings::Finding;
use crate::lint::declarations::field;
use crate::manifest::Role;
use crate::yaml::Position;

impl<'a> Slips<'_, 'a> {
    /// Reports a binding whose service account is not among the files.
    pub(super) fn bound(&self, account: &Account<'a>, runs: &[Run<'_, 'a>], found: &mut Vec<Finding>) {
        let (Some(owner), true) = (account.owner(), account.objects.is_empty()) else { return };
        let key = key(&owner.object, &owner.binding.spec.service_account_name, self.namespace);
        let place = field(&owner.object, "serviceAccountName");
        // A binding gives the role itself, so a service account without one may be meant as well.
        let elsewhere = self.elsewhere(&key, |_| true);
        let used = runs.iter().any(|run| run.account == key);
        let here = runs.iter().filter(|run| run.account.0 == key.0 && !used);
        let here = here.map(|run| (run.object.title(), run.account.1.as_str()));
        let slip = not_found(
            Namer::Binding(&owner.object.title()),
            key.0.as_deref(),
            &key.1,
            &elsewhere.with_workloads(&key.1, here),
            AMONG,
        );
        found.push(Finding { place, ..finding(&owner.object, None, &slip) });
    }

    /// Reports a workload whose service account is not among the files.
    pub(super) fn named(&self, run: &Run<'_, 'a>, found: &mut Vec<Finding>) {
        if self.accounts.by_key.contains_key(&run.account) || run.account.1 == "default" {
            return;
        }
        // The controller of a custom resource creates the service account of a name that the manifest
        // does not contain.
        let name = run.node.at_path(&["spec", "serviceAccountName"]);
        if run.object.role == Role::Custom && name.is_some_and(|name| name.at == Position::default()) {
            return;
        }
        let slip = self.of_workload(run);
        let others = self.accounts.by_key.iter().any(|(key, it)| key.0 == run.account.0 && !it.objects.is_empty());
        if slip.severity != Severity::Info || others {
            let at = ["serviceAccountName", "serviceAccount"].into_iter();
            let at = at.filter_map(|key| run.node.get("spec")?.entry(key)).map(|(key, _)| key.at).next();
            let place = run.object.place.with(at.unwrap_or(run.node.at));
            found.push(Finding { place, ..finding(run.object, None, &slip) });
        }
    }

    fn of_workload(&self, run: &Run<'_, 'a>) -> Slip {
        let key = &run.account;
        // A service account in another namespace matters only if it has a role.
        let elsewhere = self.elsewhere(key, |account| account.identity(self.settings).is_some());
        not_found(Namer::Workload(&run.object.title()), key.0.as_deref(), &key.1, &elsewhere, AMONG)
    }

    /// Similar names in the namespace, and other namespaces with such a service account of the name.
    fn elsewhere(&self, key: &Key, is_such: impl Fn(&Account<'a>) -> bool) -> NameMatches {
        let of = |namespace: &Option<String>| namespace.clone().unwrap_or_default();
        let all = self.accounts.by_key.iter().filter(|(_, account)| !account.objects.is_empty());
        let all = all.filter(|(other, account)| other.0 == key.0 || is_such(account));
        let all: Vec<(String, String)> = all.map(|(key, _)| (of(&key.0), key.1.clone())).collect();
        let known = all.iter().map(|(namespace, name)| (namespace.as_str(), name.as_str()));
        NameMatches::among(&of(&key.0), &key.1, known)
    }

    /// Reports service accounts with a role that no workload uses, although a workload probably
    /// should, or there are workloads in their namespace.
    pub(super) fn unused(&self, runs: &[Run<'_, 'a>], found: &mut Vec<Finding>) {
        let users = self.users(runs);
        for (key, account) in &self.accounts.by_key {
            let binding = account.owner().map(|owner| &owner.object);
            let Some(object) = account.objects.last().or(binding) else { continue };
            if account.identity(self.settings).is_none() || users.iter().any(|user| user.is(key)) {
                continue;
            }
            let mut here = runs.iter().filter(|run| run.account.0 == key.0).peekable();
            if here.clone().any(|run| run.account.1 != "default" && is_slip(&run.account.1, &key.1)) {
                continue; // told where the name is
            }
            let some_here = here.peek().is_some();
            let forgot = here.find(|run| run.account.1 == "default" && is_like(run.object.name, &key.1));
            // A binding without its service account among the files is told so by `bound`.
            let elsewhere = || if account.objects.is_empty() { None } else { self.forgot_elsewhere(key, runs) };
            let Some(run) = forgot.or_else(elsewhere) else {
                if some_here {
                    found.push(finding(object, None, &unused(&key.1, None)));
                }
                continue;
            };
            let forgot = Forgot {
                workload: &run.object.title(),
                namespace: run.account.0.as_deref().filter(|_| run.account.0 != key.0),
                names_it: run.account.1 == key.1,
            };
            found.push(finding(object, None, &unused(&key.1, Some(forgot))));
        }
    }

    /// A workload of another namespace that runs as a service account of the same name without a
    /// role, or that has the name and runs as `default`.
    fn forgot_elsewhere<'r, 'i>(&self, key: &Key, runs: &'r [Run<'i, 'a>]) -> Option<&'r Run<'i, 'a>> {
        let without_role = |run: &&Run<'_, '_>| {
            let known = self.accounts.by_key.get(&run.account);
            known.is_none_or(|account| !account.objects.is_empty())
                && self.accounts.identity(&run.account, self.settings).is_none()
        };
        let mut elsewhere =
            runs.iter().filter(|run| run.account.0.is_some() && run.account.0 != key.0 && key.0.is_some());
        let same = |run: &&Run<'_, '_>| run.account.1 == key.1 && self.accounts.by_key.contains_key(&run.account);
        let unnamed = |run: &&Run<'_, '_>| run.account.1 == "default" && run.object.name == key.1;
        elsewhere
            .clone()
            .filter(same)
            .find(without_role)
            .or_else(|| elsewhere.find(|run| unnamed(run) && without_role(run)))
    }
}

/// Where service accounts are looked up, for messages.
const AMONG: &str = "among the files";

/// Whether a workload's name suggests that it belongs to the service account.
fn is_like(workload: &str, account: &str) -> bool {
    workload == account || is_slip(workload, account)
}
