//! Changes of the spec, like Acto: whatever the path, the end state equals that of a fresh
//! creation.

use serde_json::{Map, Value, json};

use super::case::{Case, Step, World};
use super::plan::Plan;
use super::rules::Deed;
use crate::fixtures::{OTHER_ROLE, ROLE};

/// The number of plans that change several fields, one right after the other.
const MIXED: usize = 40;

/// A field of the spec by its path, and its possible values; `null`: not set.
fn fields() -> Vec<(&'static str, Vec<Value>)> {
    vec![
        ("roleArn", vec![json!(ROLE), json!(OTHER_ROLE)]),
        ("audience", vec![Value::Null, json!("sts.amazonaws.com"), json!("other.example.com")]),
        ("tokenExpirationSeconds", vec![Value::Null, json!(600), json!(86400)]),
        ("stsRegionalEndpoints", vec![Value::Null, json!(true), json!(false)]),
        ("rollout.maxConcurrent", vec![json!(1), json!(1000)]),
        ("rollout.settleSeconds", vec![json!(1), json!(2)]),
        ("rollout.onFailure", vec![json!("Halt"), json!("Continue"), json!("Rollback")]),
        ("rollout.progressDeadlineSeconds", vec![json!(600), json!(60)]),
        ("rollout.workloadSelector", vec![json!({"matchLabels": null}), json!({"matchLabels": {"app": "app"}})]),
        ("onConflict", vec![json!("Report"), json!("TakeOver"), json!("Override")]),
        ("deletionPolicy", vec![json!("Release"), json!("Revoke"), json!("Retain")]),
    ]
}

/// Values that the API server refuses, and what the error must name.
fn invalid() -> Vec<(&'static str, Value, &'static str)> {
    vec![
        ("roleArn", json!("my-role"), "roleArn"),
        ("roleArn", json!("arn:aws:iam::1234:role/my-role"), "roleArn"),
        ("roleArn", json!(""), "roleArn"),
        ("roleArn", Value::Null, "roleArn"),
        ("serviceAccountName", json!("another"), "immutable"),
        ("audience", json!(""), "audience"),
        ("tokenExpirationSeconds", json!(599), "tokenExpirationSeconds"),
        ("tokenExpirationSeconds", json!(86401), "tokenExpirationSeconds"),
        ("tokenExpirationSeconds", json!("600"), "tokenExpirationSeconds"),
        ("stsRegionalEndpoints", json!("yes"), "stsRegionalEndpoints"),
        ("rollout.maxConcurrent", json!(0), "maxConcurrent"),
        ("rollout.maxConcurrent", json!(1001), "maxConcurrent"),
        ("rollout.settleSeconds", json!(-1), "settleSeconds"),
        ("rollout.progressDeadlineSeconds", json!(9), "progressDeadlineSeconds"),
        ("rollout.onFailure", json!("Explode"), "onFailure"),
        ("rollout.policy", json!("Sometimes"), "policy"),
        ("rollout.interval", json!("2d"), "interval"),
        ("rollout.windows", json!([{"start": "22:00", "length": "25h", "timeZone": "UTC"}]), "length"),
        ("rollout.windows", json!([{"start": "22:00", "length": "1h"}]), "timeZone"),
        ("onConflict", json!("Fight"), "onConflict"),
        ("deletionPolicy", json!("Forget"), "deletionPolicy"),
        ("suspend", json!("maybe"), "suspend"),
    ]
}

/// While one of these holds, nothing may restart. Removing it leads to the state of a fresh
/// creation.
fn gates() -> Vec<(&'static str, Value, Value)> {
    vec![
        ("suspend", json!(true), json!(false)),
        ("rollout.policy", json!("Never"), json!("Automatic")),
        ("rollout.policy", json!("Manual"), json!("Automatic")),
        ("rollout.workloadSelector", json!({"matchLabels": {"app": "none"}}), json!({"matchLabels": null})),
    ]
}

/// All plans of this file.
pub fn plans() -> Vec<Plan> {
    [one_field(), refused(), gated(), mixed()].concat()
}

/// Builds `{"a": {"b": value}}` from `a.b`.
fn at(path: &str, value: &Value) -> Value {
    path.rsplit('.').fold(value.clone(), |inner, key| json!({key: inner}))
}

fn merge(base: &mut Value, patch: &Value) {
    let Some(patch) = patch.as_object() else {
        *base = patch.clone();
        return;
    };
    if !base.is_object() {
        *base = Value::Object(Map::new());
    }
    if let Some(base) = base.as_object_mut() {
        for (key, value) in patch {
            if value.is_null() {
                base.remove(key);
            } else {
                merge(base.entry(key).or_insert(Value::Null), value);
            }
        }
    }
}

fn ready() -> Step {
    Step::Ready("app".to_owned(), 2)
}

fn change(patch: Value) -> Step {
    Step::Change("app".to_owned(), patch)
}

/// A plan whose steps lead from one spec to another.
fn plan(what: &str, from: &Value, between: Vec<Step>, to: &Value) -> Plan {
    let mut steps = vec![Step::Bind("app".to_owned(), from.clone()), ready()];
    steps.extend(between);
    steps.push(ready());
    let rolls = steps.len();
    let case = Case { name: "spec".to_owned(), world: World::Running, steps, roles: roles(to), rolls };
    let mut plan = Plan::new("spec changed", &case, what, Vec::new()).loosely();
    plan.same_as = Some(fresh(to));
    plan
}

/// The roles in the order in which a plan of this file declares them, derived from the last one.
fn roles(to: &Value) -> Vec<String> {
    let last = to["roleArn"].as_str().unwrap_or(ROLE);
    let first = if last == ROLE { OTHER_ROLE } else { ROLE };
    vec![first.to_owned(), last.to_owned()]
}

/// A fresh creation with this spec: the pods appear when the service account is right.
fn fresh(spec: &Value) -> Case {
    let role = spec["roleArn"].as_str().unwrap_or(ROLE).to_owned();
    let steps = vec![
        Step::CreateAccount,
        Step::Bind("app".to_owned(), spec.clone()),
        Step::CreateDeployment(role.clone()),
        ready(),
    ];
    Case { name: "fresh".to_owned(), world: World::Empty, steps, roles: vec![role], rolls: 0 }
}

fn one_field() -> Vec<Plan> {
    let mut plans = Vec::new();
    for (path, values) in fields() {
        for from in &values {
            for to in values.iter().filter(|to| *to != from) {
                let (mut before, mut after) = (json!({}), json!({}));
                merge(&mut before, &at(path, from));
                merge(&mut after, &at(path, to));
                let what = format!("{path} from {from} to {to}");
                let mut between = vec![change(at(path, to))];
                // The operator does not remove from pods what the spec no longer demands. They keep
                // the variable until they are replaced, and with it a warning that it needs a
                // region.
                if path == "stsRegionalEndpoints" && *from == json!(true) && to.is_null() {
                    between.extend([ready(), Step::Do(Deed::DeletePods)]);
                }
                plans.push(plan(&what, &before, between, &after));
            }
        }
    }
    plans
}

fn refused() -> Vec<Plan> {
    let refuse = |(path, value, why): &(&str, Value, &str)| {
        let step = Step::Refused("app".to_owned(), at(path, value), (*why).to_owned());
        plan(&format!("{path} to {value} refused"), &json!({}), vec![step], &json!({}))
    };
    invalid().iter().map(refuse).collect()
}

fn gated() -> Vec<Plan> {
    let changes = [("roleArn", json!(OTHER_ROLE)), ("audience", json!("other.example.com"))];
    let mut plans = Vec::new();
    for (gate, closed, open) in gates() {
        for (path, value) in &changes {
            let mut after = json!({});
            merge(&mut after, &at(path, value));
            let steps = vec![change(at(gate, &closed)), change(at(path, value)), change(at(gate, &open))];
            plans.push(plan(&format!("{path} to {value} while {gate} is {closed}"), &json!({}), steps, &after));
        }
    }
    plans
}

/// Changes three fields, one right after the other, picked by a fixed sequence of numbers.
fn mixed() -> Vec<Plan> {
    let fields = fields();
    let mut numbers = Numbers(0x9E37_79B9);
    let mut plans = Vec::new();
    for number in 0..MIXED {
        let mut after = json!({});
        let mut steps = Vec::new();
        for _ in 0..3 {
            let (field, values) = &fields[numbers.below(fields.len())];
            let patch = at(field, &values[numbers.below(values.len())]);
            // Roles change in one direction only within a plan, so that the older one is
            // unambiguous.
            if *field == "roleArn" && patch["roleArn"] == ROLE {
                continue;
            }
            merge(&mut after, &patch);
            steps.push(change(patch));
        }
        plans.push(plan(&format!("mixed {number}"), &json!({}), steps, &after));
    }
    plans
}

/// The same numbers in every run (a linear congruential generator; nothing depends on their quality).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap_or_default() % limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_of_null_takes_a_field_away() {
        let mut spec = json!({"audience": "a", "rollout": {"policy": "Never", "maxConcurrent": 2}});
        merge(&mut spec, &at("audience", &Value::Null));
        merge(&mut spec, &at("rollout.policy", &json!("Manual")));
        assert_eq!(spec, json!({"rollout": {"policy": "Manual", "maxConcurrent": 2}}));
    }

    #[test]
    fn no_two_plans_have_the_same_name() {
        let mut seen = std::collections::HashSet::new();
        for plan in plans() {
            assert!(seen.insert(plan.id.clone()), "{} twice", plan.id);
        }
    }
}
