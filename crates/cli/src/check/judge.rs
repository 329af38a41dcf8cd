//! Evaluates the facts: one line for each check, with what to do next.

use std::fmt::Display;

use jiff::{SignedDuration, Timestamp};
use podidentity_cluster::read::installation::Seen;
use podidentity_core::injector::Injector;
use podidentity_core::kubernetes::{MUTATING_POLICIES, NEWEST, OLDEST, minor};
use podidentity_core::message::counted;
use serde_json::Value;

use super::facts::{ENFORCEMENT, Facts, GRANTS, GUARD, OperatorFacts, Tried};
use super::operators::{namespaces, operators};
use super::{Check, When};
use crate::operators::setting;
use crate::paint::Mark;

/// The label of namespaces in which `config/enforcement` refuses pods without their role.
const ENFORCED: &str = "podidentity.dev/enforce";
/// The annotation with which a namespace grants roles.
const GRANT: &str = "podidentity.dev/allowed-role-arns";
/// Prefix of a cluster-internal issuer, which AWS cannot reach.
const INSIDE: &str = "https://kubernetes.default.svc";

pub(super) fn judge(facts: &Facts, when: When) -> Vec<Check> {
    let mut all = vec![version(facts), issuer(facts), rights(facts)];
    if when == When::Before {
        all.push(to_install(facts));
    }
    all.extend([injector(facts), tried(facts)]);
    if when == When::Before {
        return all;
    }
    all.push(definition(facts));
    all.extend(operators(facts));
    all.extend(namespaces(facts));
    all.extend(facts.operators.iter().map(|operator| leader(facts, operator)));
    all.extend(facts.operators.iter().map(|operator| operator_rights(facts, operator)));
    all.extend([guard(facts), grants(facts), enforcement(facts), bindings(facts)]);
    all
}

pub(super) fn check(name: &'static str, mark: Mark, message: impl Into<String>) -> Check {
    Check { name, mark, message: message.into(), next: None }
}

impl Check {
    pub(super) fn next(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }
}

/// Reports an unreadable fact as a note, because it is not a fault of the installation.
pub(super) fn unseen<T>(name: &'static str, seen: &Seen<T>) -> Option<Check> {
    match seen {
        Seen::Forbidden(right) => Some(check(name, Mark::Note, format!("not known: you may not {right}"))),
        Seen::Failed(why) => Some(check(name, Mark::Note, format!("not known: {why}"))),
        Seen::Found(_) | Seen::Absent => None,
    }
}

fn version(facts: &Facts) -> Check {
    let Facts { version, server, .. } = facts;
    let seen = format!("Kubernetes {version} at {server}");
    match minor(version) {
        Some(minor) if minor < OLDEST => check("Version", Mark::Wrong, format!("{seen}: older than 1.{OLDEST}"))
            .next(format!("Upgrade the cluster: guard, grants and enforcement need 1.{OLDEST}.")),
        Some(minor) if minor <= NEWEST => check("Version", Mark::Right, seen),
        _ => check("Version", Mark::Note, format!("{seen}; the tests run on 1.{OLDEST} to 1.{NEWEST}")),
    }
}

fn issuer(facts: &Facts) -> Check {
    match &facts.issuer {
        Ok(issuer) if issuer.starts_with(INSIDE) => {
            let message = format!("{issuer}, which AWS cannot reach: it accepts no token of this cluster");
            check("Issuer", Mark::Wrong, message).next(
                "Publish the discovery document and the keys at a public https address, and start the API server with \
                 --service-account-issuer set to it: docs/quick-start-self-hosted.md.",
            )
        }
        Ok(issuer) if !issuer.starts_with("https://") => {
            check("Issuer", Mark::Wrong, format!("{issuer}: AWS accepts https only"))
                .next("Start the API server with an https address as --service-account-issuer.")
        }
        Ok(issuer) => check("Issuer", Mark::Right, issuer.clone()),
        Err(why) => check("Issuer", Mark::Note, format!("not known: {why}")),
    }
}

fn rights(facts: &Facts) -> Check {
    if facts.missing.is_empty() {
        return check("Your rights", Mark::Right, "you may read all that the commands read");
    }
    let missing: Vec<String> = facts.missing.iter().map(ToString::to_string).collect();
    check("Your rights", Mark::Note, format!("you may not {}", missing.join(", ")))
        .next("Ask for them, or give -n: a role in one namespace is enough for that namespace.")
}

fn to_install(facts: &Facts) -> Check {
    let missing: Vec<String> = facts.missing_to_install.iter().map(ToString::to_string).collect();
    if missing.is_empty() {
        return check("Rights to install", Mark::Right, "you may create what config/default has");
    }
    check("Rights to install", Mark::Wrong, format!("you may not {}", missing.join(", ")))
        .next("Have somebody install it who may. Afterwards a role in a namespace is enough to use it.")
}

fn injector(facts: &Facts) -> Check {
    let injectors = &facts.injectors;
    let bound: Vec<&Injector> = injectors.found.iter().filter(|it| it.bound).collect();
    if let Some(first) = bound.first() {
        let names: Vec<&str> = bound.iter().map(|it| it.title.as_str()).collect();
        let lacks_ca = first.call.as_ref().is_some_and(|call| !call.has_ca);
        let message = names.join(", ");
        return if lacks_ca {
            check("Injection", Mark::Note, format!("{message}, without caBundle"))
                .next("Without it the API server accepts only a publicly signed certificate of the webhook.")
        } else {
            check("Injection", Mark::Right, message)
        };
    }
    if !injectors.forbidden.is_empty() {
        return check(
            "Injection",
            Mark::Note,
            format!("not known: you may not list {}", injectors.forbidden.join(", ")),
        );
    }
    let policy = if minor(&facts.version).is_some_and(|minor| minor >= MUTATING_POLICIES) {
        format!("{}, or install the EKS pod identity webhook", install(facts, "injection"))
    } else {
        "install the EKS pod identity webhook (config/injection needs Kubernetes 1.36)".to_owned()
    };
    let message = match injectors.found.first() {
        Some(unbound) => format!("{} has no binding, so it is not in force", unbound.title),
        None => "no webhook and no policy of this cluster gives pods a role".to_owned(),
    };
    check("Injection", Mark::Wrong, message)
        .next(format!("On EKS the webhook is part of the cluster. Elsewhere: {policy}."))
}

fn tried(facts: &Facts) -> Check {
    const NAME: &str = "Injection works";
    match &facts.tried {
        Tried::NoAccount => check(NAME, Mark::Note, "not tried: no service account here has a role yet"),
        Tried::Injected(account) => {
            check(NAME, Mark::Right, format!("a pod of service account {account} gets its role (dry run)"))
        }
        Tried::Missed(account) => {
            check(NAME, Mark::Wrong, format!("a pod of service account {account} does not get its role (dry run)"))
                .next(see_why(account))
        }
        Tried::Forbidden(right) => check(NAME, Mark::Note, format!("not tried: you may not {right}")),
        Tried::Failed(why) => check(NAME, Mark::Note, format!("not tried: {why}")),
    }
}

fn see_why(account: &str) -> String {
    let (namespace, name) = account.split_once('/').unwrap_or_default();
    format!(
        "A webhook that does not answer, a selector that leaves the namespace out, or no injection at all. See which: \
         kubectl podidentity explain -n {namespace} sa/{name}."
    )
}

fn definition(facts: &Facts) -> Check {
    const NAME: &str = "Custom resource";
    const APPLY: &str = "Apply the definition of this version: kubectl apply --server-side -k config/crd.";
    if let Some(unseen) = unseen(NAME, &facts.crd) {
        return unseen;
    }
    let Some(crd) = facts.crd.found() else {
        return check(NAME, Mark::Wrong, "PodIdentityBinding is not installed")
            .next("Install the operator: kubectl apply --server-side -k config/default, or the Helm chart.");
    };
    let established = crd
        .pointer("/status/conditions")
        .and_then(Value::as_array)
        .is_some_and(|all| all.iter().any(|it| it["type"] == "Established" && it["status"] == "True"));
    if !established {
        return check(NAME, Mark::Wrong, "PodIdentityBinding is not established: the API server does not serve it")
            .next("See its conditions: kubectl describe crd podidentitybindings.podidentity.dev.");
    }
    let missing = missing_fields(crd);
    if !missing.is_empty() {
        return check(NAME, Mark::Wrong, format!("older than this plugin: it lacks {}", missing.join(", ")))
            .next(APPLY);
    }
    check(NAME, Mark::Right, "PodIdentityBinding v1alpha1, with all fields that this plugin knows")
}

/// Fields of spec and status that the plugin knows but the installed definition lacks. The API
/// server drops them.
fn missing_fields(crd: &Value) -> Vec<String> {
    let known = serde_json::to_value(podidentity_api::crd::crd()).unwrap_or_default();
    let fields = |crd: &Value, part: &str| -> Vec<String> {
        let path = format!("/spec/versions/0/schema/openAPIV3Schema/properties/{part}/properties");
        let properties = crd.pointer(&path).and_then(Value::as_object);
        properties.into_iter().flatten().map(|(name, _)| format!("{part}.{name}")).collect()
    };
    let installed: Vec<String> = ["spec", "status"].iter().flat_map(|part| fields(crd, part)).collect();
    let wanted = ["spec", "status"].into_iter().flat_map(|part| fields(&known, part));
    wanted.filter(|field| !installed.contains(field)).collect()
}

/// The message about one operator, which names it where there are several.
fn about(facts: &Facts, operator: &OperatorFacts, message: impl Display) -> String {
    if facts.operators.len() > 1 { format!("{}: {message}", operator.name) } else { message.to_string() }
}

fn leader(facts: &Facts, operator: &OperatorFacts) -> Check {
    const NAME: &str = "Leader";
    if let Some(unseen) = unseen(NAME, &operator.lease) {
        return unseen;
    }
    let wrong = |message: String, next: &str| check(NAME, Mark::Wrong, about(facts, operator, message)).next(next);
    let Some(lease) = operator.lease.found() else {
        let next = "See the operator's log: a replica that cannot write its lease does nothing.";
        return wrong("no replica has ever held the lease".to_owned(), next);
    };
    let holder = lease.pointer("/spec/holderIdentity").and_then(Value::as_str).filter(|it| !it.is_empty());
    let renewed = lease.pointer("/spec/renewTime").and_then(Value::as_str).and_then(|it| it.parse::<Timestamp>().ok());
    let lasts = lease.pointer("/spec/leaseDurationSeconds").and_then(Value::as_i64).unwrap_or_default();
    let look = "See whether the operator's pods run, and their log.";
    let Some((holder, renewed)) = holder.zip(renewed) else {
        return wrong("nobody holds the lease".to_owned(), look);
    };
    let ago = facts.now.duration_since(renewed).max(SignedDuration::ZERO).as_secs();
    let message = format!("{holder}, renewed {ago} s ago");
    if ago > lasts {
        wrong(format!("{message}: nobody leads"), look)
    } else {
        check(NAME, Mark::Right, about(facts, operator, message))
    }
}

fn operator_rights(facts: &Facts, operator: &OperatorFacts) -> Check {
    const NAME: &str = "Operator's rights";
    if let Some(unseen) = unseen(NAME, &operator.missing) {
        return unseen;
    }
    let missing: Vec<String> = operator.missing.found().into_iter().flatten().map(ToString::to_string).collect();
    if missing.is_empty() {
        return check(NAME, Mark::Right, about(facts, operator, "it may do all that it has to"));
    }
    check(NAME, Mark::Wrong, about(facts, operator, format!("it may not {}", missing.join(", "))))
        .next("Apply its roles: kubectl apply -k config/rbac, or the chart with rbac.create.")
}

/// How a part of the installation is added: by Helm, if that has installed the operator.
fn install(facts: &Facts, part: &str) -> String {
    let release = |deployment: &Value| {
        let meta = &deployment["metadata"];
        let is_of_helm = meta["labels"]["app.kubernetes.io/managed-by"] == "Helm";
        let name = meta["annotations"]["meta.helm.sh/release-name"].as_str().filter(|_| is_of_helm)?;
        Some(format!("helm upgrade {name} CHART --namespace {} --reuse-values", meta["namespace"].as_str()?))
    };
    match facts.deployments.found().into_iter().flatten().find_map(release) {
        Some(upgrade) => format!("{upgrade} --set {part}.enabled=true"),
        None => format!("kubectl apply --server-side -k config/{part}"),
    }
}

/// Whether a policy whose name starts with `beginning` is bound.
fn is_bound(facts: &Facts, beginning: &str) -> bool {
    facts.policies.found().is_some_and(|all| all.iter().any(|name| name.starts_with(beginning)))
}

fn guard(facts: &Facts) -> Check {
    const NAME: &str = "Guard";
    if let Some(unseen) = unseen(NAME, &facts.policies) {
        return unseen;
    }
    if is_bound(facts, GUARD) {
        return check(NAME, Mark::Right, "the operator's account is limited to what the operator changes");
    }
    check(NAME, Mark::Note, "not installed: whoever has the operator's token can change any pod template")
        .next(format!("{} (docs/security.md).", install(facts, "guard")))
}

fn namespaces_with<'a>(facts: &'a Facts, has: impl Fn(&Value) -> bool + 'a) -> usize {
    facts.namespaces.found().into_iter().flatten().filter(|it| has(&it["metadata"])).count()
}

fn grants(facts: &Facts) -> Check {
    const NAME: &str = "Grants";
    if let Some(unseen) = unseen(NAME, &facts.policies) {
        return unseen;
    }
    let granting = namespaces_with(facts, |it| it["annotations"][GRANT].is_string());
    let mut operators = facts.deployments.found().into_iter().flatten();
    let required = operators.any(|it| setting(it, "require-grants") == Some("true"));
    let by = match (is_bound(facts, GRANTS), required) {
        (true, true) => "refused by policy and operator",
        (true, false) => "refused by the policy",
        (false, true) => "refused by the operator",
        (false, false) if granting > 0 => {
            return check(
                NAME,
                Mark::Note,
                format!("roles are granted in {}, and nothing asks for it", counted(granting, "namespace")),
            )
            .next("Install config/grants, or start the operator with --require-grants (docs/grants.md).");
        }
        (false, false) => return check(NAME, Mark::Note, "off: a namespace may declare any role (docs/grants.md)"),
    };
    check(
        NAME,
        Mark::Right,
        format!("roles that a namespace does not grant are {by}; {} grant some", counted(granting, "namespace")),
    )
}

fn enforcement(facts: &Facts) -> Check {
    const NAME: &str = "Enforcement";
    if let Some(unseen) = unseen(NAME, &facts.policies) {
        return unseen;
    }
    let enforced = namespaces_with(facts, |it| it["labels"][ENFORCED] == "true");
    match (is_bound(facts, ENFORCEMENT), enforced) {
        (true, 0) => check(NAME, Mark::Note, "installed, and no namespace has the label podidentity.dev/enforce=true"),
        (true, count) => {
            check(NAME, Mark::Right, format!("pods without their role are refused in {}", counted(count, "namespace")))
        }
        (false, 0) => {
            check(NAME, Mark::Note, "off: pods that were not given their role are let in (docs/enforcement.md)")
        }
        (false, count) => check(
            NAME,
            Mark::Wrong,
            format!("asked for by the label of {}, and the policy is not there", counted(count, "namespace")),
        )
        .next(format!("{}.", install(facts, "enforcement"))),
    }
}

fn bindings(facts: &Facts) -> Check {
    const NAME: &str = "Bindings";
    if let Some(unseen) = unseen(NAME, &facts.bindings) {
        return unseen;
    }
    let all = facts.bindings.found().map_or(&[][..], Vec::as_slice);
    let ready = |it: &&Value| {
        let conditions = it.pointer("/status/conditions").and_then(Value::as_array);
        conditions.is_some_and(|all| all.iter().any(|it| it["type"] == "Ready" && it["status"] == "True"))
    };
    let count = all.iter().filter(ready).count();
    let message = format!("{count} of {} are ready", all.len());
    if count < all.len() {
        return check(NAME, Mark::Note, message).next("kubectl podidentity status -A says which are not, and why.");
    }
    check(NAME, Mark::Right, message)
}
