//! Totals of all statuses: how many bindings have which condition. The index keeps them up to date,
//! so reading them scans nothing.

use std::collections::BTreeMap;
use std::hash::Hash;

use podidentity_api::{FindingSeverity, PodIdentityBinding, PodIdentityBindingStatus, Reason, names};

/// The totals of the statuses of all bindings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatusTotals {
    /// Bindings by condition. A binding without a status counts as `Ready`, `Unknown`.
    pub bindings: BTreeMap<ConditionKey, i64>,
    /// Findings by severity and reason. A status lists at most 20.
    pub findings: BTreeMap<(FindingSeverity, String), i64>,
    /// Live pods of bound service accounts.
    pub pods: i64,
    /// Those of `pods` that are proven to have the identity.
    pub pods_verified: i64,
    /// Pods without the identity whose workloads' restarts are held: they wait for a restart window,
    /// for their turn, for a release, or for the binding to be resumed.
    pub pods_held: i64,
    /// Workloads that run as bound service accounts.
    pub workloads: i64,
    /// Those of `workloads` that need no restart and are not restarting.
    pub workloads_current: i64,
}

/// A condition, without message and times.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConditionKey {
    /// Type of the condition, for example `Ready`.
    pub condition: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// Its reason; empty where there is no status yet.
    pub reason: String,
}

impl StatusTotals {
    /// Adds a binding to the totals.
    pub(crate) fn add(&mut self, binding: &PodIdentityBinding) {
        self.count(binding, 1);
    }

    /// Removes a binding from the totals.
    pub(crate) fn remove(&mut self, binding: &PodIdentityBinding) {
        self.count(binding, -1);
    }

    fn count(&mut self, binding: &PodIdentityBinding, by: i64) {
        let status = binding.status.as_ref().filter(|status| !status.conditions.is_empty());
        let Some(status) = status else {
            let key = |text: &str| text.to_owned();
            let unknown =
                ConditionKey { condition: key(names::condition::READY), status: key("Unknown"), reason: key("") };
            return bump(&mut self.bindings, unknown, by);
        };
        for condition in &status.conditions {
            let key = ConditionKey {
                condition: condition.type_.clone(),
                status: condition.status.clone(),
                reason: condition.reason.clone(),
            };
            bump(&mut self.bindings, key, by);
        }
        for finding in &status.findings {
            bump(&mut self.findings, (finding.severity, finding.reason.clone()), by);
        }
        self.pods += by * i64::from(status.pods_total);
        self.pods_verified += by * i64::from(status.pods_verified);
        if is_held(status) {
            self.pods_held += by * i64::from(status.pods_total - status.pods_verified);
        }
        self.workloads += by * i64::from(status.workloads_total);
        self.workloads_current += by * i64::from(status.workloads_current);
    }
}

/// Whether the restarts of the binding wait for their time, or for a person who knows of it.
fn is_held(status: &PodIdentityBindingStatus) -> bool {
    let held = [Reason::RolloutPending, Reason::AwaitingRelease, Reason::Suspended];
    let ready = status.conditions.iter().find(|it| it.type_ == names::condition::READY);
    ready.is_some_and(|ready| held.iter().any(|reason| reason.is(&ready.reason)))
}

fn bump<K: Ord + Hash>(counts: &mut BTreeMap<K, i64>, key: K, by: i64) {
    // An entry that falls to zero stays: a metric series that vanishes looks like a failed scrape.
    *counts.entry(key).or_default() += by;
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn binding(status: &Value) -> PodIdentityBinding {
        serde_json::from_value(json!({
            "apiVersion": "podidentity.dev/v1alpha1", "kind": "PodIdentityBinding", "metadata": {"name": "app"},
            "spec": {"serviceAccountName": "app", "roleArn": "arn:aws:iam::111122223333:role/r"}, "status": status,
        }))
        .unwrap()
    }

    fn restarting() -> PodIdentityBinding {
        let time = "2026-01-01T00:00:00Z";
        let condition = |kind, status| json!({"type": kind, "status": status, "reason": "Rolling", "message": "", "lastTransitionTime": time});
        let finding = json!({"severity": "Error", "reason": "StaleRole", "object": "Pod/a", "message": ""});
        binding(&json!({
            "conditions": [condition("Ready", "False"), condition("Reconciling", "True")],
            "findings": [finding, finding], "podsTotal": 3, "podsVerified": 1,
        }))
    }

    #[test]
    fn pods_of_a_binding_that_waits_for_its_window_are_held() {
        let waiting = |reason: &str| {
            let ready = json!({"type": "Ready", "status": "False", "reason": reason, "message": "",
                "lastTransitionTime": "2026-01-01T00:00:00Z"});
            binding(&json!({"conditions": [ready], "podsTotal": 3, "podsVerified": 1}))
        };
        let mut totals = StatusTotals::default();
        for reason in ["RolloutPending", "AwaitingRelease", "Suspended", "Rolling", "VerificationFailed"] {
            totals.add(&waiting(reason));
        }
        assert_eq!((totals.pods, totals.pods_held), (15, 6));
        totals.remove(&waiting("Suspended"));
        assert_eq!((totals.pods, totals.pods_held), (12, 4));
    }

    fn counted(totals: &StatusTotals) -> Vec<String> {
        let bindings = totals.bindings.iter().filter(|(_, count)| **count != 0);
        bindings.map(|(key, count)| format!("{} {} {} {count}", key.condition, key.status, key.reason)).collect()
    }

    #[test]
    fn what_is_counted_in_and_out_leaves_nothing() {
        let mut totals = StatusTotals::default();
        totals.add(&binding(&json!(null)));
        assert_eq!(counted(&totals), ["Ready Unknown  1"]);
        totals.add(&restarting());
        assert_eq!(counted(&totals), ["Ready False Rolling 1", "Ready Unknown  1", "Reconciling True Rolling 1"]);
        assert_eq!(totals.findings, BTreeMap::from([((FindingSeverity::Error, "StaleRole".to_owned()), 2)]));
        assert_eq!((totals.pods, totals.pods_verified), (3, 1));
        totals.remove(&restarting());
        totals.remove(&binding(&json!(null)));
        assert_eq!(counted(&totals), [""; 0]);
        assert_eq!((totals.pods, totals.pods_verified), (0, 0));
    }
}
