use serde_json::{Value, json};

use super::*;

const AT: &str = "2026-01-01T00:00:00Z";

fn status(value: Value) -> PodIdentityBindingStatus {
    serde_json::from_value(value).unwrap()
}

fn condition(type_: &str, value: &str, reason: &str) -> Value {
    json!({"type": type_, "status": value, "reason": reason, "message": "", "lastTransitionTime": AT})
}

/// A status in which every text that comes from others is this one.
fn full(text: &str) -> PodIdentityBindingStatus {
    let mut ready = condition("Ready", "True", "Verified");
    ready["message"] = text.into();
    let question = json!({"roleArn": text, "audience": text, "issuer": text, "at": AT});
    let mut refused = question.clone();
    let answer =
        json!({"generation": 1, "result": "Refused", "reason": "", "message": text, "attempts": 1, "nextAt": AT});
    refused.as_object_mut().unwrap().extend(answer.as_object().unwrap().clone());
    let (roles, pods) = (json!({"roleArn": text, "audience": text}), json!({"podsVerified": 0, "podsTotal": 0}));
    let mut workload = json!({"kind": text, "name": text, "state": "Current", "message": text});
    workload.as_object_mut().unwrap().extend(pods.as_object().unwrap().clone());
    status(json!({
        "observedGeneration": 3, "conditions": [ready],
        "declaredRoleArn": text, "roleArn": text, "lastVerifiedRoleArn": text, "lastVerifiedIdentity": roles,
        "subject": text, "audience": text, "issuer": text,
        "serviceAccount": {"uid": "1", "writtenRoleArn": text, "restored": 2},
        "rollback": {"generation": 3, "from": text, "to": text, "message": text},
        "preflight": {"passed": question, "failed": refused},
        "workloads": [workload], "workloadsTruncated": 4, "workloadsTotal": 5, "podsTotal": 6,
        "findings": [{"severity": "Error", "reason": "StaleRole", "object": text, "container": text, "message": text}],
        "findingsTotal": 7,
    }))
}

/// The lengths of all texts in the value that are longer than a hundred characters, by their place.
fn lengths(at: &str, value: &Value, all: &mut Vec<(String, usize)>) {
    match value {
        Value::String(text) if text.chars().count() > 100 => all.push((at.to_owned(), text.chars().count())),
        Value::Array(items) => items.iter().for_each(|it| lengths(at, it, all)),
        Value::Object(fields) => fields.iter().for_each(|(key, it)| lengths(&format!("{at}.{key}"), it, all)),
        _ => {}
    }
}

#[test]
fn every_text_of_others_has_a_bound() {
    let bounded = bounds::bounded(full(&"é".repeat(5000)));
    let mut all = Vec::new();
    lengths("", &json!(bounded), &mut all);
    let of_names = [".findings.container", ".findings.object", ".workloads.kind", ".workloads.name"];
    for (at, length) in &all {
        let bound = match at.as_str() {
            ".conditions.message" => 4096,
            at if of_names.contains(&at) => 320,
            _ => 2048,
        };
        assert!((bound - 1..=bound + 1).contains(length), "{at}: {length}");
    }
    assert_eq!(all.len(), 26, "{all:?}");
    assert_eq!(bounds::bounded(bounded.clone()), bounded);
}

#[test]
fn a_text_at_its_bound_stays_as_it_is() {
    for length in [1, 320] {
        let status = full(&"é".repeat(length));
        assert_eq!(bounds::bounded(status.clone()), status);
    }
    let longest = "é".repeat(2048);
    let mut status =
        PodIdentityBindingStatus { role_arn: Some(longest.clone()), ..PodIdentityBindingStatus::default() };
    assert_eq!(bounds::bounded(status.clone()).role_arn, Some(longest.clone()));
    status.role_arn = Some(longest.clone() + "é");
    assert_eq!(bounds::bounded(status).role_arn, Some(longest));
}

#[test]
fn the_status_after_a_refusal_keeps_what_decisions_depend_on() {
    let report = Report {
        binding: Target { name: "my-app".to_owned(), uid: "1".to_owned(), resource_version: "2".to_owned() },
        status: full("text"),
        urgent: true,
        refusal_recorded: false,
    };
    let minimal = report.minimal("too large", AT.parse().unwrap());
    let mut expected = full("text");
    expected.conditions.clone_from(&minimal.conditions);
    (expected.workloads, expected.workloads_truncated, expected.findings) = (Vec::new(), 0, Vec::new());
    assert_eq!(minimal, expected);
    let [ready] = minimal.conditions.as_slice() else { panic!("{:?}", minimal.conditions) };
    assert_eq!(
        (ready.type_.as_str(), ready.status.as_str(), ready.reason.as_str()),
        ("Ready", "Unknown", "WriteRefused")
    );
    assert!(ready.message.contains("refuses the status of this binding") && ready.message.contains("too large"));
    assert_eq!((ready.observed_generation, ready.last_transition_time.0), (Some(3), AT.parse().unwrap()));
}

#[test]
fn a_recorded_refusal_counts_for_its_generation_only() {
    let told = |generation: i64, ready: Value| status(json!({"observedGeneration": generation, "conditions": [ready]}));
    let of = |generation, type_, value, reason| told(generation, condition(type_, value, reason));
    let new = of(3, "Ready", "True", "Verified");
    assert!(conditions::tells_refused(&of(3, "Ready", "Unknown", "WriteRefused"), &new));
    assert!(!conditions::tells_refused(&of(2, "Ready", "Unknown", "WriteRefused"), &new));
    assert!(!conditions::tells_refused(&of(3, "Ready", "False", "WriteRefused"), &new));
    assert!(!conditions::tells_refused(&of(3, "Ready", "Unknown", "NoPods"), &new));
    assert!(!conditions::tells_refused(&of(3, "IdentityVerified", "Unknown", "WriteRefused"), &new));
}

#[test]
fn a_status_is_urgent_if_a_summary_or_what_decisions_need_has_changed() {
    type Change = fn(&mut PodIdentityBindingStatus);
    let base = || full("text");
    assert!(is_urgent(None, &base()));
    assert!(!is_urgent(Some(&base()), &base()));
    let detail: [Change; 4] = [
        |it| it.findings.clear(),
        |it| it.workloads.clear(),
        |it| it.pods_total += 1,
        |it| it.conditions[0].message = "another".to_owned(),
    ];
    let urgent: [Change; 7] = [
        |it| it.conditions[0].status = "False".to_owned(),
        |it| it.conditions[0].reason = "Rolling".to_owned(),
        |it| it.observed_generation = Some(4),
        |it| it.role_arn = None,
        |it| it.rollback = None,
        |it| it.service_account = None,
        |it| it.preflight = None,
    ];
    for (changes, is) in [(&detail[..], false), (&urgent[..], true)] {
        for (number, change) in changes.iter().enumerate() {
            let mut new = base();
            change(&mut new);
            assert_eq!(is_urgent(Some(&base()), &new), is, "{number} of {is}");
        }
    }
}

#[test]
fn pods_that_are_missing_for_a_moment_are_not_urgent() {
    let of = |conditions: &[Value]| status(json!({"conditions": conditions}));
    let ready = condition("Ready", "True", "Verified");
    let verified = of(std::slice::from_ref(&ready));
    let short = |reason| of(&[condition("Ready", "False", reason), condition("Reconciling", "True", reason)]);
    let stalled = of(&[condition("Ready", "False", "PodsMissing"), condition("Stalled", "True", "PodsMissing")]);
    assert!(!is_urgent(Some(&verified), &short("PodsMissing")));
    assert!(is_urgent(Some(&verified), &short("Rolling")));
    assert!(is_urgent(Some(&verified), &stalled));
    assert!(!is_urgent(Some(&verified), &of(&[ready, condition("IdentityVerified", "False", "Verifying")])));
}
