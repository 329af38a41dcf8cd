//! What holds for every trust policy, and the verdicts of independent IAM models on the same
//! policies.

#![allow(clippy::unwrap_used, clippy::panic)]

mod generate;
mod oracles;

use podidentity_core::arn::RoleArn;
use podidentity_core::trust::{Correction, Policy, Verdict, WebIdentity};
use proptest::prelude::*;
use serde_json::Value;

use generate::{AUDIENCES, ISSUER, ROLE, Random, SUBJECTS, question};
use oracles::verdict;

/// Subjects in addition to those that policies name.
const OTHERS: [&str; 5] = [
    "system:serviceaccount:shop:other",
    "system:serviceaccount:shop:web3",
    "system:serviceaccount:shop:we",
    "system:serviceaccount:default:default",
    "system:serviceaccount:shop-2:web",
];

fn role() -> RoleArn {
    ROLE.parse().unwrap()
}

fn identity(subject: &str, audience: &str) -> WebIdentity {
    WebIdentity { issuer: ISSUER.to_owned(), subject: subject.to_owned(), audience: audience.to_owned() }
}

/// The correction of a policy for a subject, if one exists.
fn correction(policy: &str, subject: &str, audience: &str) -> Option<Correction> {
    Policy::read(policy).ok()?.correct(&identity(subject, audience), Some(&role())).ok()?
}

/// The statements of a document.
fn statements(document: &str) -> Vec<Value> {
    let document: Value = serde_json::from_str(document).unwrap();
    match &document["Statement"] {
        Value::Array(all) => all.clone(),
        one => vec![one.clone()],
    }
}

fn percent_encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |encoded, byte| encoded + &format!("%{byte:02x}"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_corrected_policy_allows_the_subject_and_changes_nothing_for_others(seed in any::<u64>()) {
        let question = question(seed);
        let policy = question.policy.to_string();
        if let Some(corrected) = correction(&policy, question.subject, question.audience) {
            let after = |subject, audience| verdict(&corrected.policy, subject, audience).0;
            prop_assert_eq!(after(question.subject, question.audience), Verdict::Allow, "{}", corrected.policy);
            prop_assert!(!corrected.changes.is_empty());
            let refused = verdict(&policy, question.subject, question.audience).1.contains("Refused");
            let others = SUBJECTS.iter().chain(&OTHERS).filter(|other| **other != question.subject);
            for (other, audience) in others.flat_map(|other| AUDIENCES.map(|audience| (other, audience))) {
                let before = verdict(&policy, other, audience).0;
                // If IAM refuses a document, its effect on others is uncertain.
                prop_assert!(refused || after(other, audience) == before, "{} {}: {}\n{}", other, audience, policy, corrected.policy);
            }
        }
    }

    #[test]
    fn a_correction_leaves_the_statements_of_others_as_they_are(seed in any::<u64>()) {
        let question = question(seed);
        let policy = question.policy.to_string();
        let refused = verdict(&policy, question.subject, question.audience).1.contains("Refused");
        if let Some(corrected) = correction(&policy, question.subject, question.audience).filter(|_| !refused) {
            let (before, after) = (statements(&policy), statements(&corrected.policy));
            let touched = before.iter().zip(&after).filter(|(before, after)| before != after && before["Effect"] == "Allow");
            let added = after.len() - before.len();
            prop_assert!(touched.count() + added <= 1, "{}\n{}", policy, corrected.policy);
            for (before, after) in before.iter().zip(&after).filter(|(before, _)| before["Effect"] == "Deny") {
                prop_assert_eq!(&before["Principal"], &after["Principal"]);
                prop_assert_eq!(&before["Action"], &after["Action"]);
            }
        }
    }

    #[test]
    fn a_correction_needs_none(seed in any::<u64>()) {
        let question = question(seed);
        if let Some(corrected) = correction(&question.policy.to_string(), question.subject, question.audience) {
            prop_assert_eq!(correction(&corrected.policy, question.subject, question.audience), None);
        }
    }

    #[test]
    fn the_form_of_the_input_does_not_matter(seed in any::<u64>()) {
        let question = question(seed);
        let policy = question.policy.to_string();
        let of = |text: &str| verdict(text, question.subject, question.audience);
        let plain = of(&policy);
        prop_assert_eq!(&of(&serde_json::to_string_pretty(&question.policy).unwrap()), &plain);
        prop_assert_eq!(&of(&percent_encoded(&policy)), &plain);
        prop_assert_eq!(&of(&Value::from(policy.clone()).to_string()), &plain);
        let output = serde_json::json!({"Role": {"Arn": ROLE, "AssumeRolePolicyDocument": question.policy}});
        prop_assert_eq!(&of(&output.to_string()), &plain);
        if let Ok(read) = Policy::read(&policy) {
            prop_assert_eq!(&of(&read.document()), &plain);
        }
    }

    #[test]
    fn nothing_that_is_read_is_a_surprise(seed in any::<u64>(), noise in "[\\[\\]{}\",:%\\\\a0 \\u{e4}\\u{feff}\n]{0,12}") {
        let random = &mut Random::new(seed);
        let mut policy = question(seed).policy.to_string();
        let mut at = random.below(policy.len());
        while !policy.is_char_boundary(at) {
            at -= 1;
        }
        if seed % 3 == 0 {
            policy.truncate(at);
        }
        policy.insert_str(at, &noise);
        let _ = correction(&policy, SUBJECTS[0], AUDIENCES[0]);
        let _ = correction(&noise, SUBJECTS[0], AUDIENCES[0]);
        if let Err(errors) = Policy::read(&policy) {
            prop_assert!(errors.iter().all(|error| error.at.line >= 1 && error.at.column >= 1 && !error.message.is_empty()));
        }
    }
}
