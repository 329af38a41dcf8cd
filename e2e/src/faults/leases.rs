//! Two operators stand for election, and the leader loses the lease in the middle of its work.

use anyhow::Result;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use serde_json::{Value, json};

use super::case::Case;
use super::cases;
use super::journal::{Journal, Write};
use super::plan::Plan;
use crate::operator::{self, NAMESPACE, SERVICE_ACCOUNT};
use crate::{Namespace, wait};

/// Each plan's lease is in its own namespace.
pub const NAME: &str = "podidentity-operator";

/// The holder stops after this many seconds, and others take over after [`DURATION`]. Both are
/// shorter than the defaults.
const RENEW_DEADLINE: u64 = 4;
const DURATION: u64 = 6;

/// What happens to the lease, and to a concurrent write.
const LOSSES: [(&str, &[&str]); 14] = [
    ("lease renewal refused", &["patch leases #2..: answer 500"]),
    ("lease renewal refused", &["patch leases #2..: answer 403"]),
    ("lease renewal refused", &["patch leases #2..: answer 429 retry-after 1", "patch deployments/app: delay 8s"]),
    ("lease renewal hanging", &["patch leases #2..: hang"]),
    ("lease renewal hanging", &["patch leases #2..: hang", "patch deployments/app: delay 8s"]),
    ("lease renewal hanging", &["any leases #6..: hang", "patch serviceaccounts/app: delay 8s"]),
    (
        "lease renewal not heard of",
        &["patch leases #2..8: drop answer", "patch podidentitybindings.status/app: delay 8s"],
    ),
    ("lease stolen", &["patch serviceaccounts/app: before it steal lease"]),
    ("lease stolen", &["patch deployments/app: after it steal lease"]),
    ("lease stolen", &["patch deployments/app: before it delete lease"]),
    ("leader stands still", &["patch serviceaccounts/app: pause after 8s"]),
    ("leader stands still", &["patch deployments/app: pause before 8s"]),
    ("leader killed", &["patch deployments/app: kill after"]),
    ("leader cut off", &["patch deployments/app: half-open", "patch leases #2..: hang"]),
];

/// All plans of this file.
pub fn plans() -> Vec<Plan> {
    let cases = [cases::bound(), cases::role_changed(), cases::fleet(), cases::released(), cases::handed_over()];
    LOSSES.iter().flat_map(|(class, rules)| cases.iter().map(|case| plan(class, case, rules))).collect()
}

fn plan(class: &str, case: &Case, rules: &[&str]) -> Plan {
    let mut plan = Plan::of_rules(class, case, rules);
    plan.operators = 2;
    plan.elected = true;
    plan
}

/// The arguments of an operator that stands for election in this namespace.
pub fn arguments(namespace: &str) -> Vec<String> {
    vec![
        "--leader-elect".to_owned(),
        format!("--lease-namespace={namespace}"),
        format!("--lease-name={NAME}"),
        format!("--lease-duration={DURATION}s"),
        format!("--lease-renew-deadline={RENEW_DEADLINE}s"),
        "--lease-retry-period=1s".to_owned(),
    ]
}

/// Permits the operator to use a lease in this namespace, as in its own.
pub async fn permit(namespace: &Namespace) -> Result<()> {
    let rules = json!([{"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["*"]}]);
    let role: Role = serde_json::from_value(json!({"metadata": {"name": NAME}, "rules": rules}))?;
    namespace.create(role).await?;
    let binding: RoleBinding = serde_json::from_value(json!({
        "metadata": {"name": NAME},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": NAME},
        "subjects": [{"kind": "ServiceAccount", "name": SERVICE_ACCOUNT, "namespace": NAMESPACE}],
    }))?;
    namespace.create(binding).await?;
    // A plan counts requests, including one that the API server refuses because it does not know
    // the role yet.
    let asked = json!({
        "group": "coordination.k8s.io", "resource": "leases", "verb": "patch", "namespace": namespace.name,
    });
    operator::may(&namespace.client(), &asked, true).await
}

/// Waits until an operator holds the lease.
pub async fn taken(namespace: &Namespace) -> Result<()> {
    let held = |lease: Option<&Lease>| {
        let holder = lease.and_then(|lease| lease.spec.as_ref()?.holder_identity.clone());
        holder.map(|_| ()).ok_or_else(|| "nobody holds it".to_owned())
    };
    wait::object(&namespace.api(), NAME, "the lease is held", held).await
}

/// Gives the lease to a holder that never uses it.
pub async fn stolen(namespace: &Namespace) -> Result<()> {
    let spec = json!({"spec": {"holderIdentity": "thief", "leaseDurationSeconds": DURATION}});
    namespace.change::<Lease>(NAME, &spec).await.map(|_| ())
}

/// Whether the write is about a lease.
pub fn is_about_one(write: &Write) -> bool {
    write.asked.resource == "leases"
}

/// The writes that an operator sent after another one had taken the lease, from the proxies'
/// journals.
pub fn out_of_turn(journals: &[Journal]) -> Vec<String> {
    let mut writes: Vec<(usize, &Write)> =
        journals.iter().enumerate().flat_map(|(who, journal)| journal.writes.iter().map(move |it| (who, it))).collect();
    writes.sort_by_key(|(_, write)| write.at);
    let mut holder = None;
    let mut found = Vec::new();
    for (who, write) in writes {
        if is_about_one(write) {
            if takes(write) {
                holder = Some(who);
            }
        } else if holder.is_some_and(|holder| holder != who) {
            found.push(format!("{} #{} by operator {who}", write.asked, write.nth));
        }
    }
    found
}

/// Whether the write changes the holder: a renewal does not count a transition.
fn takes(write: &Write) -> bool {
    let changes = write.body["spec"]["leaseTransitions"] != Value::Null;
    changes && write.code.is_some_and(|code| code < 300)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::faults::request::Asked;

    #[test]
    fn every_rule_about_leases_is_understood() {
        for (_, rules) in LOSSES {
            for rule in rules {
                assert!(rule.parse::<crate::faults::rules::Rule>().is_ok(), "{rule}");
            }
        }
    }

    #[test]
    fn who_writes_after_another_took_the_lease_is_found() {
        let began = Instant::now();
        let write = |second: u64, path: &str, body: Value| Write {
            at: began + Duration::from_secs(second),
            asked: Asked::of(&http::Method::PATCH, path, ""),
            nth: 1,
            body,
            code: Some(200),
        };
        let lease = |second| {
            let path = "/apis/coordination.k8s.io/v1/namespaces/a/leases/podidentity-operator";
            write(second, path, json!({"spec": {"leaseTransitions": second}}))
        };
        let account = |second| write(second, "/api/v1/namespaces/a/serviceaccounts/app", json!({}));
        let journal = |writes: Vec<Write>| Journal { writes, ..Journal::default() };
        let good = [journal(vec![lease(1), account(2)]), journal(vec![lease(3), account(4)])];
        assert_eq!(out_of_turn(&good), [""; 0]);
        let bad = [journal(vec![lease(1), account(5)]), journal(vec![lease(3), account(4)])];
        assert_eq!(out_of_turn(&bad), ["patch serviceaccounts/app #1 by operator 0"]);
    }
}
