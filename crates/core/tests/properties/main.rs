//! What holds for every pod: about the injection model, about verdicts, and about both together.

#![allow(clippy::unwrap_used, clippy::panic)]

mod odd;
mod pods;

use std::sync::Arc;

use jiff::Timestamp;
use podidentity_api::Mechanism;
use podidentity_core::desired_identity::DesiredIdentity;
use podidentity_core::expectation::Expectation;
use podidentity_core::finding::{Finding, FindingReason, Severity};
use podidentity_core::injection::inject;
use podidentity_core::objects::{Pod, PodMeta, PodSpec, PodTemplate, SharedMeta, TemplateMeta};
use podidentity_core::settings::Settings;
use podidentity_core::verify::{PodVerdict, verify_pod};
use proptest::prelude::*;
use serde_json::Value;

/// The webhook's result for the template.
fn injected(template: &PodTemplate, expected: &Expectation, settings: &Settings) -> PodSpec {
    let mut spec = template.spec.clone();
    inject(template, expected.given(&expected.offered(settings)), settings).apply(&mut spec);
    spec
}

/// A pod of the template with this spec.
fn pod_of(template: &PodTemplate, spec: PodSpec) -> Pod {
    let TemplateMeta { labels, annotations } = template.metadata.clone();
    let shared = SharedMeta { labels, annotations, ..SharedMeta::default() };
    let metadata = PodMeta { name: Some("web-1".to_owned()), shared: Arc::new(shared), ..PodMeta::default() };
    Pod { metadata, spec: Arc::new(spec), ..Pod::default() }
}

fn template_of(document: &Value) -> PodTemplate {
    serde_json::from_value(document.clone()).unwrap()
}

fn has_error(verdict: &PodVerdict, container: &str) -> bool {
    let mut findings = verdict.findings.iter();
    findings.any(|finding| finding.severity == Severity::Error && finding.container.as_deref() == Some(container))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn injection_is_idempotent(document in pods::wild(), expected in pods::expected(), settings in pods::settings()) {
        let mut template = template_of(&document);
        let label = inject(&template, expected.given(&expected.offered(&settings)), &settings).label;
        template.spec = injected(&template, &expected, &settings);
        template.metadata.labels.extend(label.map(|(key, value)| (key.to_owned(), value.to_owned())));
        prop_assert!(inject(&template, expected.given(&expected.offered(&settings)), &settings).is_empty());
    }

    #[test]
    fn a_document_and_its_judged_fields_are_injected_alike(
        document in pods::wild(), expected in pods::expected(), settings in pods::settings(),
    ) {
        let template = template_of(&document);
        let mut raw = document["spec"].clone();
        inject(&template, expected.given(&expected.offered(&settings)), &settings).apply_to_value(&mut raw).unwrap();
        prop_assert_eq!(serde_json::from_value::<PodSpec>(raw).unwrap(), injected(&template, &expected, &settings));
    }

    #[test]
    fn a_clean_template_is_verified_once_injected(
        document in pods::clean(), expected in pods::expected(), settings in pods::settings(),
    ) {
        let template = template_of(&document);
        let pod = pod_of(&template, injected(&template, &expected, &settings));
        let verdict = verify_pod(&pod, Some(&template), &expected, &settings);
        prop_assert!(verdict.is_verified() && !verdict.restart_cures(), "{verdict:#?}");
    }

    #[test]
    fn a_clean_template_is_an_error_until_injected_and_cured_by_a_restart(
        document in pods::clean(), expected in pods::expected(), settings in pods::settings(),
    ) {
        let template = template_of(&document);
        let pod = pod_of(&template, template.spec.clone());
        let verdict = verify_pod(&pod, Some(&template), &expected, &settings);
        prop_assert!(!verdict.is_verified() && verdict.restart_cures(), "{verdict:#?}");
        prop_assert!(!verify_pod(&pod, None, &expected, &settings).restart_cures());
    }

    /// Otherwise, the operator could restart a workload forever.
    #[test]
    fn a_fresh_pod_is_never_said_to_be_cured_by_a_restart(
        document in pods::wild(), expected in pods::expected(), settings in pods::settings(),
    ) {
        let template = template_of(&document);
        let pod = pod_of(&template, injected(&template, &expected, &settings));
        let verdict = verify_pod(&pod, Some(&template), &expected, &settings);
        prop_assert!(verdict.findings.iter().all(|finding| !finding.restart_cures), "{verdict:#?}");
    }

    #[test]
    fn a_restart_keeps_its_promise(
        before in pods::wild(), document in pods::wild(), expected in pods::expected(), settings in pods::settings(),
    ) {
        let (before, template) = (template_of(&before), template_of(&document));
        let old = pod_of(&before, injected(&before, &expected, &settings));
        let fresh = pod_of(&template, injected(&template, &expected, &settings));
        let fresh = verify_pod(&fresh, Some(&template), &expected, &settings);
        for finding in verify_pod(&old, Some(&template), &expected, &settings).findings {
            let container = finding.container.as_deref().unwrap_or_default();
            prop_assert!(!finding.restart_cures || !has_error(&fresh, container), "{finding:#?}\n{fresh:#?}");
        }
    }

    /// Otherwise, the operator could judge a field that it does not store.
    #[test]
    fn what_is_left_out_of_a_pod_changes_no_verdict(
        before in pods::wild(), document in pods::wild(), expected in pods::expected(), settings in pods::settings(),
        injects in any::<bool>(),
    ) {
        let (before, template) = (template_of(&before), template_of(&document));
        let spec = if injects { injected(&before, &expected, &settings) } else { before.spec.clone() };
        let pod = pod_of(&before, spec);
        let whole = verify_pod(&pod, Some(&template), &expected, &settings);
        prop_assert_eq!(whole, verify_pod(&pod.slim(), Some(&template), &expected, &settings));
    }

    #[test]
    fn verdicts_are_ordered_and_repeatable(
        document in pods::wild(), expected in pods::expected(), settings in pods::settings(),
    ) {
        let template = template_of(&document);
        let pod = pod_of(&template, template.spec.clone());
        let verdict = verify_pod(&pod, Some(&template), &expected, &settings);
        prop_assert!(verdict.findings.is_sorted_by_key(|finding| finding.severity));
        // What is no region is a Warning where another variable may have one.
        let is_usual = |finding: &Finding| {
            let of_region = finding.reason == FindingReason::RegionInvalid && finding.severity == Severity::Warning;
            finding.severity == finding.reason.about().severity || of_region
        };
        prop_assert!(verdict.findings.iter().all(is_usual));
        prop_assert_eq!(&verdict, &verify_pod(&pod, Some(&template), &expected, &settings));
    }
}

/// Whatever a document contains, its judgement terminates, and the output is bounded.
#[test]
fn a_hundred_thousand_odd_documents_are_judged() {
    let settings = Settings::default();
    let identity = DesiredIdentity {
        role_arn: pods::ROLE.to_owned(),
        mechanism: Mechanism::Irsa,
        audience: None,
        token_expiration: Some(3600),
        sts_regional_endpoints: Some(true),
    };
    let expected = Expectation { annotated_at: Some(Timestamp::UNIX_EPOCH), ..Expectation::from(identity) };
    let mut random = odd::Random::new(0x5eed);
    let mut decoded = 0;
    for _ in 0..100_000 {
        let Ok(pod) = serde_json::from_value::<Pod>(odd::pod(&mut random)) else { continue };
        decoded += 1;
        let template = PodTemplate { spec: PodSpec::clone(&pod.spec), ..PodTemplate::default() };
        let verdict = verify_pod(&pod, Some(&template), &expected, &settings);
        assert_eq!(verdict, verify_pod(&pod.clone().slim(), Some(&template), &expected, &settings), "{pod:#?}");
        let containers = pod.spec.init_containers.len() + pod.spec.containers.len();
        assert!(verdict.findings.len() <= 3 + 7 * containers, "{verdict:#?}");
        for finding in verdict.findings {
            let longest = finding.object.chars().count().max(finding.container.map_or(0, |name| name.chars().count()));
            let message = finding.message.to_string();
            assert!(longest <= 3000 && message.chars().count() <= 3000, "{message}");
            assert!(!message.contains(char::is_control), "{message:?}");
        }
    }
    assert!(decoded > 30_000, "only {decoded} documents were pods at all");
}
