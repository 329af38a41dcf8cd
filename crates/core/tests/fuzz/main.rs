//! Feeds unexpected inputs to every parser of foreign bytes: none panics, and the output stays
//! small.

#![allow(clippy::unwrap_used, clippy::panic)]

mod mutate;

use std::path::Path;
use std::sync::Arc;

use podidentity_api::PodIdentityBinding;
use podidentity_core::arn::RoleArn;
use podidentity_core::assess::Assessment;
use podidentity_core::grants::Grants;
use podidentity_core::injection::inject;
use podidentity_core::objects::managed_by;
use podidentity_core::objects::{
    DaemonSet, Deployment, ObservedAccount, ObservedBinding, ObservedPod, Pod, Rollout, ServiceAccount, StatefulSet,
    Workload,
};
use podidentity_core::outcome::Outcome;
use podidentity_core::plan::plan;
use podidentity_core::settings::Settings;
use podidentity_core::snapshot::{Config, Snapshot};
use podidentity_core::status::reports;
use podidentity_core::sts::{Answer, Claims, Endpoint, MAX_ANSWER, Request, discovered_keys, find_key};
use proptest::prelude::*;

const ROLE: &str = "arn:aws:iam::111122223333:role/web";

fn corpus(reader: &str) -> impl Strategy<Value = String> {
    mutate::like(mutate::stored(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(reader)))
}

fn base() -> Snapshot {
    let config = Arc::new(Config { require_grants: false, ..Config::default() });
    let spec = serde_json::json!({"apiVersion": "podidentity.dev/v1alpha1", "kind": "PodIdentityBinding",
        "metadata": {"name": "web", "namespace": "shop", "generation": 1},
        "spec": {"serviceAccountName": "web", "roleArn": ROLE}});
    let binding: PodIdentityBinding = serde_json::from_value(spec).unwrap();
    Snapshot {
        bindings: vec![Arc::new(binding)],
        ..Snapshot::empty("shop", "web", "2026-01-02T00:00:00Z".parse().unwrap(), &config)
    }
}

/// Runs everything that the operator does with a snapshot.
fn told(snapshot: &Snapshot) {
    let assessment = Assessment::of(snapshot);
    let plan = plan(snapshot, &assessment);
    for report in reports(snapshot, &assessment, &plan, &Outcome::default()) {
        let status = serde_json::to_string(&report.status).unwrap();
        assert!(status.len() < 400_000, "{} bytes", status.len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn pods(text in corpus("pod")) {
        if let Ok(pod) = serde_json::from_str::<ObservedPod>(&text) {
            let whole = Pod::from(pod);
            let slim = whole.clone().slim();
            // The omitted fields change nothing.
            let of = |pod: Pod| Snapshot { pods: vec![Arc::new(pod)], ..base() };
            let counts = |snapshot: &Snapshot| {
                let assessment = Assessment::of(snapshot);
                let reports = reports(snapshot, &assessment, &plan(snapshot, &assessment), &Outcome::default());
                reports.first().map(|report| (report.status.pods_total, report.status.pods_verified))
            };
            prop_assert_eq!(counts(&of(whole.clone())), counts(&of(slim.clone())));
            told(&of(slim));
            let _ = inject(&whole, &podidentity_core::objects::Map::default(), &Settings::default());
        }
    }

    #[test]
    fn workloads(text in corpus("workload")) {
        let read: [Option<Workload>; 4] = [
            serde_json::from_str::<Deployment>(&text).ok().map(Into::into),
            serde_json::from_str::<StatefulSet>(&text).ok().map(Into::into),
            serde_json::from_str::<DaemonSet>(&text).ok().map(Into::into),
            serde_json::from_str::<Rollout>(&text).ok().map(Into::into),
        ];
        for workload in read.into_iter().flatten() {
            told(&Snapshot { workloads: vec![Arc::new(workload.slim())], ..base() });
        }
    }

    #[test]
    fn bindings(text in corpus("binding")) {
        if let Ok(binding) = serde_json::from_str::<ObservedBinding>(&text) {
            let binding = PodIdentityBinding::from(binding);
            told(&Snapshot { bindings: vec![Arc::new(binding)], ..base() });
        }
    }

    #[test]
    fn service_accounts(text in corpus("account")) {
        if let Ok(account) = serde_json::from_str::<ObservedAccount>(&text) {
            let account = ServiceAccount::from(account);
            let _ = managed_by(&account);
            told(&Snapshot { service_account: Some(Arc::new(account)), ..base() });
        }
    }

    #[test]
    fn arns(text in corpus("arn")) {
        match text.parse::<RoleArn>() {
            Ok(arn) => prop_assert_eq!(arn.as_str(), text.as_str()),
            Err(error) => prop_assert!(!error.to_string().contains(podidentity_core::foreign::is_active)),
        }
    }

    #[test]
    fn grants(text in corpus("grants"), role in corpus("arn")) {
        let grants = Grants::parse(&text);
        let _ = grants.allow(&role);
        if let Some(both) = grants.and(&role) {
            prop_assert!(Grants::parse(&both).allow(&role));
            prop_assert_eq!(Grants::parse(&both).entries().len(), grants.entries().len() + 1);
            prop_assert!(!both.contains(['\'', '\n', ' ', '$', '`']));
        }
    }

    #[test]
    fn answers_of_sts(text in corpus("sts"), http in prop_oneof![Just(200), Just(403), any::<u16>()]) {
        let request = Request {
            role: "arn:aws:iam::111122223333:role/shop".parse().unwrap(),
            subject: "system:serviceaccount:shop:web".to_owned(),
            session: "podidentity-probe".parse().unwrap(),
            endpoint: Endpoint::custom("https://sts.example.com", None).unwrap(),
        };
        let answer = Answer::read(&request, http, None, text.as_bytes());
        let shown = format!("{answer:?}");
        prop_assert!(shown.len() < MAX_ANSWER);
        if let Answer::Accepted(accepted) = answer {
            prop_assert_eq!(accepted.subject, request.subject);
            prop_assert!(accepted.assumed_role.starts_with("arn:aws:sts::111122223333:assumed-role/shop/"));
        }
        let _ = discovered_keys("https://oidc.example.com", "https://oidc.example.com", text.as_bytes());
        let _ = find_key(Some("a"), "https://oidc.example.com", text.as_bytes());
    }

    #[test]
    fn tokens(text in corpus("token")) {
        if let Err(error) = Claims::of(&text) {
            prop_assert!(error.to_string().len() < 100);
        }
    }

    #[test]
    fn annotations_in_csv(text in corpus("csv")) {
        let pod = serde_json::json!({"metadata": {"name": "p", "annotations": {"eks.amazonaws.com/skip-containers": text,
            "eks.amazonaws.com/token-expiration": text}}, "spec": {"containers": [{"name": "main"}]}});
        let pod: ObservedPod = serde_json::from_value(pod).unwrap();
        told(&Snapshot { pods: vec![Arc::new(Pod::from(pod))], ..base() });
    }
}
