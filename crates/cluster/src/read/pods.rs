//! Groups pods by identity, one namespace at a time.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use podidentity_core::objects::Pod;

use super::Identities;
use crate::index::IdentityKey;

/// Receives an identity and all its pods, sorted by name.
type Show<'s> = dyn FnMut(IdentityKey, Vec<Arc<Pod>>) + 's;

/// Collects pods, and shows the identities of a namespace once the next namespace begins.
pub(super) struct Sorter<'a> {
    identities: &'a Identities,
    /// Whether pods of other identities are kept, too.
    all: bool,
    /// Whether pods arrive sorted by namespace.
    sorted: bool,
    /// Pods of the namespaces that are not shown yet, by service account.
    open: BTreeMap<String, HashMap<String, Vec<Arc<Pod>>>>,
    shown: HashSet<String>,
}

impl<'a> Sorter<'a> {
    pub(super) fn new(identities: &'a Identities, all: bool) -> Self {
        Self { identities, all, sorted: true, open: BTreeMap::new(), shown: HashSet::new() }
    }

    pub(super) fn for_unsorted(identities: &'a Identities, all: bool) -> Self {
        Self { sorted: false, ..Self::new(identities, all) }
    }

    /// Adds a pod. Returns false if its namespace has already been shown.
    pub(super) fn add(&mut self, pod: Pod, show: &mut Show<'_>) -> bool {
        let namespace = pod.metadata.namespace.clone().unwrap_or_default();
        if self.shown.contains(&namespace) {
            return false;
        }
        if self.sorted && !self.open.contains_key(&namespace) {
            self.close(show);
        }
        let account = pod.spec.service_account().to_owned();
        let open = self.open.entry(namespace.clone()).or_default();
        let asked = || self.identities.get(&namespace).is_some_and(|accounts| accounts.contains(&account));
        if self.all || asked() {
            open.entry(account).or_default().push(Arc::new(pod));
        }
        true
    }

    /// Shows the remaining namespaces, including those without any pods.
    pub(super) fn finish(mut self, show: &mut Show<'_>) {
        self.close(show);
        let without_pods: Vec<&String> =
            self.identities.keys().filter(|namespace| !self.shown.contains(*namespace)).collect();
        for namespace in without_pods {
            self.show(namespace, HashMap::new(), show);
        }
    }

    fn close(&mut self, show: &mut Show<'_>) {
        for (namespace, pods) in std::mem::take(&mut self.open) {
            self.show(&namespace, pods, show);
            self.shown.insert(namespace);
        }
    }

    fn show(&self, namespace: &str, mut pods: HashMap<String, Vec<Arc<Pod>>>, show: &mut Show<'_>) {
        let known = self.identities.get(namespace).into_iter().flatten();
        let others: Vec<String> = pods.keys().filter(|account| !self.knows(namespace, account)).cloned().collect();
        for account in known.cloned().chain(others) {
            let mut pods = pods.remove(&account).unwrap_or_default();
            pods.sort_by(|a, b| a.name().cmp(b.name()));
            show(IdentityKey { namespace: namespace.to_owned(), service_account: account }, pods);
        }
    }

    fn knows(&self, namespace: &str, account: &str) -> bool {
        self.identities.get(namespace).is_some_and(|accounts| accounts.contains(account))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(namespace: &str, account: &str, name: &str) -> Pod {
        let mut pod = Pod::default();
        pod.metadata.namespace = Some(namespace.to_owned());
        pod.metadata.name = Some(name.to_owned());
        Arc::make_mut(&mut pod.spec).service_account_name = Some(account.to_owned());
        pod
    }

    fn identities() -> Identities {
        let of = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        HashMap::from([("a".to_owned(), of(&["app"])), ("b".to_owned(), of(&["app", "idle"]))])
    }

    #[test]
    fn a_namespace_is_shown_when_the_next_one_begins() {
        let identities = identities();
        let mut shown: Vec<(String, usize)> = Vec::new();
        let mut show = |key: IdentityKey, pods: Vec<Arc<Pod>>| shown.push((key.to_string(), pods.len()));
        let mut sorter = Sorter::new(&identities, false);
        assert!(sorter.add(pod("a", "app", "2"), &mut show));
        assert!(sorter.add(pod("a", "app", "1"), &mut show));
        assert!(sorter.add(pod("a", "other", "3"), &mut show));
        assert!(sorter.add(pod("c", "app", "4"), &mut show));
        assert!(!sorter.add(pod("a", "app", "5"), &mut show), "what was shown is not shown by halves");
        sorter.finish(&mut show);
        shown.sort();
        assert_eq!(shown, [("a/app".to_owned(), 2), ("b/app".to_owned(), 0), ("b/idle".to_owned(), 0)]);
    }

    #[test]
    fn unsorted_pods_are_all_shown_in_the_end() {
        let identities = identities();
        let mut shown: Vec<(String, usize)> = Vec::new();
        let mut show = |key: IdentityKey, pods: Vec<Arc<Pod>>| shown.push((key.to_string(), pods.len()));
        let mut sorter = Sorter::for_unsorted(&identities, true);
        for (namespace, name) in [("a", "1"), ("c", "2"), ("a", "3")] {
            assert!(sorter.add(pod(namespace, "app", name), &mut show));
        }
        sorter.finish(&mut show);
        shown.sort();
        let expected = [("a/app", 2), ("b/app", 0), ("b/idle", 0), ("c/app", 1)];
        assert_eq!(shown, expected.map(|(key, pods)| (key.to_owned(), pods)));
    }
}
