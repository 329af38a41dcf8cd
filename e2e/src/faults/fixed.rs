//! Faults that do not depend on a point in a reference run: they are applied to the cases directly.

use std::time::Duration;

use podidentity_api::Reason;
use podidentity_api::names::condition;

use super::case::{Case, Step};
use super::cases;
use super::endstate::Likeness;
use super::plan::Plan;
use super::rules::Deed;
use crate::fixtures::ROLE;
use crate::sts::Fault;

/// The resources that the operator watches.
pub const WATCHED: [&str; 8] = [
    "podidentitybindings",
    "serviceaccounts",
    "deployments",
    "statefulsets",
    "daemonsets",
    "pods",
    "namespaces",
    DEFINITIONS,
];

const DEFINITIONS: &str = "customresourcedefinitions";

/// The watched resources that a binding of Deployments does not need.
const SPARE: [&str; 4] = ["statefulsets", "daemonsets", "namespaces", DEFINITIONS];

/// The field of the status that an older definition lacks.
pub(super) const UNDECLARED: &str = "declaredRoleArn";

/// Longer than the operator takes to notice a watch that died silently.
const UNTIL_A_DEAD_WATCH_IS_NOTICED: u64 = 420;

/// All plans of this file.
pub fn plans() -> Vec<Plan> {
    let groups = [
        bad_weather(),
        first_lists(),
        watches(),
        silence(),
        two_operators(),
        mid_way(),
        rivals(),
        control_plane(),
        clocks(),
        aws(),
        older_definition(),
    ];
    groups.into_iter().flatten().collect()
}

/// Trouble that lasts for a while, in every case.
fn bad_weather() -> Vec<Plan> {
    let weather = [
        ("throttled", "write * #1..5: answer 429 retry-after 1"),
        ("overloaded server", "any * #1.. %3 for 8s: answer 503"),
        ("overloaded server", "any * #1.. for 4s: answer 503"),
        ("bad network", "write * #1.. %2 for 10s: drop answer"),
        ("bad network", "any * #1.. %2 for 8s: reset"),
        ("slow network", "any * #1..: delay 300ms"),
    ];
    let cases = cases::all();
    weather.iter().flat_map(|(class, rule)| cases.iter().map(|case| Plan::of_rules(class, case, &[rule]))).collect()
}

/// The first list of each kind fails, streamed and, where the API server refuses that, in pages.
fn first_lists() -> Vec<Plan> {
    let case = cases::bound();
    let mut plans = Vec::new();
    for resource in WATCHED {
        for trouble in ["truncate", "answer 403", "answer 500", "answer 429 retry-after 1", "reset", "delay 3s"] {
            let in_pages = [&*format!("list {resource}: {trouble}"), &*format!("watch {resource}: answer 422")];
            // The list of definitions is never streamed.
            let rules = if resource == DEFINITIONS { &in_pages[..1] } else { &in_pages };
            plans.push(Plan::of_rules("first list broken", &case, rules));
        }
        for trouble in ["answer 403", "answer 500", "answer 429 retry-after 1", "reset", "delay 3s"] {
            plans.push(Plan::of_rules("first watch broken", &case, &[&format!("watch {resource}: {trouble}")]));
        }
    }
    plans
}

/// One watch is broken forever, but nothing depends on it.
fn watches() -> Vec<Plan> {
    let mut plans = Vec::new();
    for resource in SPARE {
        for code in [403, 500] {
            plans.push(Plan::of_rules(
                "a watch refused for ever",
                &cases::bound(),
                &[&format!("watch {resource} #1..: answer {code}")],
            ));
        }
    }
    let definitions = "read customresourcedefinitions #1..: answer 403";
    plans.push(Plan::of_rules("a watch refused for ever", &cases::bound(), &[definitions]));
    plans
}

/// The definition is older than the operator, in every case: what differs because of it must neither
/// keep the operator busy nor hold it up.
fn older_definition() -> Vec<Plan> {
    let lacks = format!("patch podidentitybindings.status #1..: lacks {UNDECLARED}");
    let plan = |case: &Case| Plan { likeness: Likeness::Loose, ..Plan::of_rules("older definition", case, &[&lacks]) };
    cases::all().iter().map(plan).collect()
}

/// Connections that are dead but look alive.
fn silence() -> Vec<Plan> {
    let mut plans = Vec::new();
    for frozen in ["podidentitybindings/app #1", "serviceaccounts/app #1", "deployments/app #2", "pods #2"] {
        plans.push(Plan::of_rules("watch frozen", &cases::bound(), &[&format!("event {frozen}: freeze")]));
    }
    plans.push(Plan::of_rules("watch frozen", &cases::role_changed(), &["event podidentitybindings/app #5: freeze"]));
    for write in ["podidentitybindings/app", "serviceaccounts/app", "deployments/app", "podidentitybindings.status/app"]
    {
        plans.push(Plan::of_rules("connections half-open", &cases::bound(), &[&format!("patch {write}: half-open")]));
        plans.push(Plan::of_rules("write never answered", &cases::bound(), &[&format!("patch {write}: hang")]));
    }
    plans.push(Plan::of_rules("write never answered", &cases::bound(), &["create events: hang"]));
    plans.push(Plan::of_rules("write never answered", &cases::role_changed(), &["patch deployments/app #2: hang"]));
    for plan in &mut plans {
        plan.patience = UNTIL_A_DEAD_WATCH_IS_NOTICED;
    }
    plans
}

/// Two operators that do not know of each other.
fn two_operators() -> Vec<Plan> {
    let mut plans = Vec::new();
    for case in cases::all() {
        for rules in [&[][..], &["patch serviceaccounts/app: kill after"], &["patch deployments/app: delay 1s"]] {
            if case.rolls == 0 && rules.iter().any(|rule| rule.contains("deployments")) {
                continue;
            }
            let mut plan = Plan::of_rules("two operators", &case, rules);
            // Both may count a restoration, or write the same value again.
            plan.likeness = Likeness::Loose;
            plan.operators = 2;
            // If one of them never sends the request that the rule waits for, the other one did.
            plans.push(plan);
        }
    }
    plans
}

/// Users and controllers act at a bad moment.
fn mid_way() -> Vec<Plan> {
    let points = [
        "patch podidentitybindings/app",
        "patch serviceaccounts/app",
        "patch deployments/app",
        "patch podidentitybindings.status/app #1",
        "patch podidentitybindings.status/app #2",
        "patch podidentitybindings.status/app #3",
    ];
    let deeds = ["recreate account", "recreate deployment", "delete pods", "strip account", "unroll deployment"];
    let mut plans = Vec::new();
    for point in points {
        for deed in deeds {
            for when in ["before", "after"] {
                let class = format!("{deed} mid-way");
                let mut plan =
                    Plan::of_rules(&class, &cases::bound(), &[&format!("{point}: {when} it {deed}")]).loosely();
                // The operator must repeat what another user undoes.
                plan.case.rolls += 2;
                plan.same_as = Some(cases::bound());
                plans.push(plan);
            }
        }
    }
    plans
}

/// Another manager that repeats the same action.
fn rivals() -> Vec<Plan> {
    let deeds = ["strip account", "touch", "delete pods", "unroll deployment"];
    let mut plans = Vec::new();
    for deed in deeds {
        for base in [cases::bound(), cases::role_changed()] {
            let rule = format!("write * #1..6 %2: after it {deed}");
            let mut plan = Plan::of_rules("another manager at work", &base, &[&rule]).loosely();
            plan.case.rolls += 5;
            plan.same_as = Some(base);
            plans.push(plan);
        }
    }
    plans
}

/// etcd and the API server die; the injection disappears and comes back.
fn control_plane() -> Vec<Plan> {
    let mut plans = Vec::new();
    let points = ["patch serviceaccounts/app", "patch deployments/app", "patch podidentitybindings.status/app #2"];
    for deed in ["restart kube-apiserver", "restart etcd", "compact"] {
        let class = format!("{deed} mid-way");
        for point in points {
            for when in ["before", "after"] {
                plans.push(Plan::of_rules(&class, &cases::bound(), &[&format!("{point}: {when} it {deed}")]));
            }
        }
        plans.push(Plan::of_rules(
            &class,
            &cases::role_changed(),
            &[&format!("patch serviceaccounts/app #2: after it {deed}")],
        ));
    }
    plans.extend(without_injection());
    for plan in &mut plans {
        plan.patience = 240;
    }
    plans
}

/// The injection comes back while the operator still retries restarts, and after it has given up.
/// In the second case, a person restarts the rest.
fn without_injection() -> Vec<Plan> {
    let bound = cases::bound();
    let until =
        |kind: &str, reason: Reason| Step::Reason("app".to_owned(), kind.to_owned(), "False".to_owned(), reason.into());
    let plan = |what: &str, until: Step, then: &[Step]| {
        let mut steps = vec![Step::Do(Deed::RemoveInjection)];
        steps.extend(bound.steps[..1].iter().cloned());
        steps.extend([until, Step::Do(Deed::InstallInjection)]);
        steps.extend(then.iter().chain(&bound.steps[1..]).cloned());
        // Three more attempts are allowed.
        let case = Case { name: "no-injection-for-a-while".to_owned(), steps, rolls: 4, ..bound.clone() };
        let mut plan = Plan::new("injection absent, then back", &case, what, Vec::new()).loosely();
        plan.same_as = Some(bound.clone());
        plan
    };
    let given_up = until(condition::WORKLOADS_ROLLED, Reason::RolloutHalted);
    let restarted = [Step::InForce(ROLE.to_owned()), Step::Do(Deed::DeletePods)];
    vec![
        plan("while it is tried", until(condition::WORKLOADS_ROLLED, Reason::Rolling), &[]),
        plan("after it was given up", given_up, &restarted),
    ]
}

/// The clock of the operator's machine is wrong, or jumps.
fn clocks() -> Vec<Plan> {
    let jumps = [("ahead", "+3600"), ("behind", "-3600"), ("a little ahead", "+20"), ("a little behind", "-20")];
    let mut plans = Vec::new();
    for base in [cases::bound(), cases::role_changed(), cases::fleet(), cases::stripped()] {
        for (name, offset) in jumps {
            let clock = || Step::Clock(offset.to_owned());
            for at in 0..base.steps.len() {
                let mut case = base.clone();
                case.steps.insert(at, clock());
                let what = if at == 0 { format!("always {name}") } else { format!("{name} after step {at}") };
                let mut plan = Plan::new("clock wrong", &case, &what, Vec::new());
                plan.same_as = Some(base.clone());
                plans.push(plan);
            }
        }
    }
    plans
}

/// AWS answers badly, once and for a while.
fn aws() -> Vec<Plan> {
    let troubles = [
        ("hang", Fault::Hang(Duration::from_secs(20))),
        ("truncated", Fault::Truncated),
        ("page of a proxy", Fault::Page(502)),
        ("login page", Fault::Page(200)),
        ("nothing", Fault::Empty(503)),
        ("throttled", Fault::Throttled),
        ("internal error", Fault::Internal),
        ("issuer not reached", Fault::Issuer),
        ("another subject", Fault::OtherSubject("system:serviceaccount:other:app".to_owned())),
    ];
    let mut plans = Vec::new();
    for (what, fault) in troubles {
        for times in [1, 3] {
            let mut plan = Plan::new("AWS in trouble", &cases::asked(), &format!("{what} {times} times"), Vec::new());
            plan.sts = vec![fault.clone(); times];
            plan.patience = 240;
            plans.push(plan);
        }
    }
    plans
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_of_the_fixed_plans_is_understood() {
        let without = ["two operators", "injection absent, then back", "clock wrong", "AWS in trouble"];
        for plan in plans() {
            assert!(!plan.rules.is_empty() || without.contains(&plan.class.as_str()), "{} has no rules", plan.id);
        }
    }

    #[test]
    fn no_two_plans_have_the_same_name() {
        let mut seen = std::collections::HashSet::new();
        for plan in plans() {
            assert!(seen.insert(plan.id.clone()), "{} twice", plan.id);
        }
    }
}
