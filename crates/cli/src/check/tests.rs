//! Checks that the end-to-end test does not cover.

use jiff::Timestamp;
use podidentity_cluster::read::installation::{Right, Seen};
use podidentity_core::injector::Injectors;
use serde_json::{Value, json};

use super::facts::{Facts, OperatorFacts, Tried};
use super::judge::judge;
use super::{Check, When};
use crate::paint::Mark;

fn facts() -> Facts {
    let webhook = json!({"kind": "MutatingWebhookConfiguration", "metadata": {"name": "pod-identity-webhook"}, "webhooks": [
        {"name": "iam-for-pods.amazonaws.com", "failurePolicy": "Ignore",
         "clientConfig": {"service": {"namespace": "eks", "name": "pod-identity-webhook"}, "caBundle": "QQ=="},
         "rules": [{"apiGroups": [""], "resources": ["pods"], "operations": ["CREATE"]}]}
    ]});
    Facts {
        server: "https://example.com".to_owned(),
        version: "v1.33.4-eks-abcdef".to_owned(),
        issuer: Ok("https://oidc.eks.eu-central-1.amazonaws.com/id/EXAMPLE".to_owned()),
        missing: Vec::new(),
        missing_to_install: Vec::new(),
        injectors: Injectors::of([webhook].iter()),
        tried: Tried::NoAccount,
        crd: Seen::Absent,
        deployments: Seen::Absent,
        operators: Vec::new(),
        policies: Seen::Found(Vec::new()),
        namespaces: Seen::Found(Vec::new()),
        bindings: Seen::Absent,
        now: Timestamp::UNIX_EPOCH,
    }
}

fn of(facts: &Facts, name: &str) -> Check {
    judge(facts, When::After).into_iter().find(|check| check.name == name).unwrap()
}

fn operator(env: &Value) -> Value {
    json!({"metadata": {"name": "podidentity-operator", "namespace": "system"}, "status": {"readyReplicas": 2},
        "spec": {"replicas": 2, "template": {"spec": {"containers": [{"image": "x:1", "env": env}]}}}})
}

#[test]
fn a_newer_version_is_a_note_and_one_that_is_too_old_an_error() {
    let version = |version: &str| of(&Facts { version: version.to_owned(), ..facts() }, "Version").mark;
    assert_eq!(version("v1.33.4-eks-abcdef"), Mark::Right);
    assert_eq!(version("v1.38.0"), Mark::Note);
    assert_eq!(version("v1.29.1"), Mark::Wrong);
}

#[test]
fn an_issuer_that_aws_cannot_reach_is_an_error() {
    assert_eq!(of(&facts(), "Issuer").mark, Mark::Right);
    for issuer in ["https://kubernetes.default.svc.cluster.local", "http://oidc.example.com"] {
        let inside = Facts { issuer: Ok(issuer.to_owned()), ..facts() };
        assert_eq!(of(&inside, "Issuer").mark, Mark::Wrong, "{issuer}");
    }
    assert_eq!(of(&Facts { issuer: Err("no".to_owned()), ..facts() }, "Issuer").mark, Mark::Note);
}

#[test]
fn what_may_not_be_looked_at_is_a_note() {
    let blind = Facts {
        missing: vec![Right { group: "apps".into(), resource: "deployments".into(), verb: "list".into() }],
        injectors: Injectors { forbidden: vec!["mutatingwebhookconfigurations".to_owned()], ..Injectors::default() },
        tried: Tried::Forbidden("create pods in shop".to_owned()),
        crd: Seen::Forbidden("get customresourcedefinitions.apiextensions.k8s.io".to_owned()),
        deployments: Seen::Forbidden("list deployments.apps".to_owned()),
        policies: Seen::Forbidden("list validatingadmissionpolicybindings".to_owned()),
        namespaces: Seen::Forbidden("list namespaces".to_owned()),
        bindings: Seen::Forbidden("list podidentitybindings.podidentity.dev".to_owned()),
        ..facts()
    };
    let wrong: Vec<_> = judge(&blind, When::After).into_iter().filter(|check| check.mark == Mark::Wrong).collect();
    assert_eq!(wrong, []);
    assert_eq!(of(&blind, "Your rights").message, "you may not list deployments.apps");
}

/// A policy that the user may not read is not missing, even if a namespace asks for it.
#[test]
fn policies_that_may_not_be_looked_at_are_not_taken_to_be_missing() {
    let asking = json!({"metadata": {"name": "shop", "labels": {"podidentity.dev/enforce": "true"}}});
    let namespaces = || Seen::Found(vec![asking.clone()]);
    assert_eq!(of(&Facts { namespaces: namespaces(), ..facts() }, "Enforcement").mark, Mark::Wrong);
    let policies = Seen::Forbidden("list validatingadmissionpolicybindings".to_owned());
    let blind = Facts { namespaces: namespaces(), policies, ..facts() };
    for name in ["Guard", "Grants", "Enforcement"] {
        assert!(of(&blind, name).message.starts_with("not known"), "{name}");
    }
}

#[test]
fn a_webhook_without_authority_is_told() {
    assert_eq!(of(&facts(), "Injection").mark, Mark::Right);
    let mut injectors = facts().injectors;
    injectors.found[0].call.as_mut().unwrap().has_ca = false;
    assert!(of(&Facts { injectors, ..facts() }, "Injection").next.unwrap().contains("publicly signed"));
}

#[test]
fn two_operators_and_a_dry_run_are_told() {
    let one = Facts { deployments: Seen::Found(vec![operator(&json!([]))]), ..facts() };
    assert_eq!(of(&one, "Operator").mark, Mark::Right);
    let two = Facts { deployments: Seen::Found(vec![operator(&json!([])), operator(&json!([]))]), ..facts() };
    assert_eq!(of(&two, "Operator").mark, Mark::Wrong);
    let part = |selector: &str| operator(&json!([{"name": "PODIDENTITY_NAMESPACE_SELECTOR", "value": selector}]));
    let parts = Facts { deployments: Seen::Found(vec![part("op=a"), part("op=b")]), ..facts() };
    assert_eq!(of(&parts, "Operator").mark, Mark::Right);
    let dry = json!([{"name": "PODIDENTITY_DRY_RUN", "value": "report"}]);
    let dry = Facts { deployments: Seen::Found(vec![operator(&dry)]), ..facts() };
    assert!(of(&dry, "Operator").message.contains("only shows"));
}

#[test]
fn grants_that_nothing_asks_for_are_told() {
    let granting = json!({"metadata": {"name": "shop", "annotations": {"podidentity.dev/allowed-role-arns": "*"}}});
    let facts = Facts { namespaces: Seen::Found(vec![granting]), ..facts() };
    assert!(of(&facts, "Grants").message.contains("nothing asks for it"));
    let required = json!([{"name": "PODIDENTITY_REQUIRE_GRANTS", "value": "true"}]);
    let facts = Facts { deployments: Seen::Found(vec![operator(&required)]), ..facts };
    assert_eq!(of(&facts, "Grants").mark, Mark::Right);
}

#[test]
fn namespaces_without_an_operator_and_with_two_are_told() {
    let part = |selector: &str| operator(&json!([{"name": "PODIDENTITY_NAMESPACE_SELECTOR", "value": selector}]));
    let shop = |labels: Value| json!({"metadata": {"name": "shop", "labels": labels}});
    let binding = json!({"metadata": {"name": "app", "namespace": "shop"}});
    let seen = |selectors: &[&str], labels: Value| Facts {
        deployments: Seen::Found(selectors.iter().map(|selector| part(selector)).collect()),
        namespaces: Seen::Found(vec![shop(labels)]),
        bindings: Seen::Found(vec![binding.clone()]),
        ..facts()
    };
    assert_eq!(of(&seen(&["op=a"], json!({"op": "a"})), "Namespaces").mark, Mark::Right);
    let left_out = of(&seen(&["op=a"], Value::Null), "Namespaces");
    assert_eq!(left_out.mark, Mark::Note);
    assert!(left_out.message.contains("no operator looks after the bindings of shop"), "{}", left_out.message);
    let two = of(&seen(&["op=a", "!legacy"], json!({"op": "a"})), "Namespaces");
    assert_eq!(two.mark, Mark::Wrong);
    // If one operator serves all namespaces, there is nothing to report.
    let all = Facts { deployments: Seen::Found(vec![operator(&json!([]))]), ..facts() };
    assert!(!judge(&all, When::After).iter().any(|check| check.name == "Namespaces"));
}

#[test]
fn each_operator_has_its_leader_and_its_rights() {
    let one = |name: &str, renewed: &str, missing: Vec<Right>| OperatorFacts {
        name: name.to_owned(),
        lease: Seen::Found(json!({"spec": {
            "holderIdentity": "pod", "renewTime": renewed, "leaseDurationSeconds": 15,
        }})),
        missing: Seen::Found(missing),
    };
    let lacks = Right { group: String::new(), resource: "pods".to_owned(), verb: "watch".to_owned() };
    let operators = vec![
        one("a/operator", "1970-01-01T00:00:00Z", Vec::new()),
        one("b/operator", "1969-12-31T23:00:00Z", vec![lacks]),
    ];
    let facts = Facts { operators, ..facts() };
    let told: Vec<_> = judge(&facts, When::After)
        .into_iter()
        .filter(|check| ["Leader", "Operator's rights"].contains(&check.name))
        .map(|check| (check.mark, check.message))
        .collect();
    assert_eq!(
        told,
        [
            (Mark::Right, "a/operator: pod, renewed 0 s ago".to_owned()),
            (Mark::Wrong, "b/operator: pod, renewed 3600 s ago: nobody leads".to_owned()),
            (Mark::Right, "a/operator: it may do all that it has to".to_owned()),
            (Mark::Wrong, "b/operator: it may not watch pods".to_owned()),
        ]
    );
}
