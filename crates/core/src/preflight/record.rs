//! The status record of an answer, and when to ask AWS again.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use podidentity_api::{PreflightFailure, PreflightPass, PreflightResult, PreflightStatus};

use super::verdict::{Answered, Verdict};
use crate::desired_identity::short_hash;
use crate::step::Question;
use crate::time::whole_seconds;

/// The waits after the first, second, ... consecutive failure; the last one repeats. Asking again
/// is necessary because a repair in AWS raises no event. The first waits are short because a new
/// role takes effect within seconds.
const WAITS: [SignedDuration; 5] = [
    SignedDuration::from_secs(10),
    SignedDuration::from_secs(30),
    SignedDuration::from_mins(1),
    SignedDuration::from_mins(2),
    SignedDuration::from_mins(5),
];

pub(super) fn is_pass_of(pass: &PreflightPass, question: &Question) -> bool {
    pass.role_arn == question.role_arn
        && pass.audience == question.audience
        && pass.issuer == question.issuer
        && pass.service_account_uid.as_ref() == Some(&question.account.uid)
}

pub(super) fn is_failure_of(failure: &PreflightFailure, question: &Question) -> bool {
    failure.role_arn == question.role_arn
        && failure.audience == question.audience
        && failure.issuer == question.issuer
        && failure.service_account_uid.as_ref() == Some(&question.account.uid)
}

/// The preflight status after an answer.
pub(crate) fn answered(before: Option<PreflightStatus>, answered: &Answered, now: Timestamp) -> PreflightStatus {
    let (question, at) = (&answered.question, whole_seconds(now));
    let before = before.unwrap_or_default();
    match &answered.verdict {
        Verdict::Passed => {
            let passed = PreflightPass {
                role_arn: question.role_arn.clone(),
                audience: question.audience.clone(),
                service_account_uid: Some(question.account.uid.clone()),
                issuer: question.issuer.clone(),
                at: Time(at),
            };
            PreflightStatus { passed: Some(passed), failed: None }
        }
        Verdict::Failed { result, reason, message } => {
            let same =
                before.failed.filter(|it| is_failure_of(it, question) && it.generation == question.declared.generation);
            let attempts = same.map_or(0, |failed| failed.attempts).saturating_add(1);
            let failed = PreflightFailure {
                role_arn: question.role_arn.clone(),
                audience: question.audience.clone(),
                service_account_uid: Some(question.account.uid.clone()),
                issuer: question.issuer.clone(),
                generation: question.declared.generation,
                result: *result,
                reason: (*reason).into(),
                message: message.clone(),
                attempts,
                at: Time(at),
                next_at: Time(at + wait(question, attempts)),
            };
            // A refusal cancels an earlier pass for the same question. If AWS cannot be asked, the
            // pass stays.
            let refused = *result == PreflightResult::Refused;
            let passed = before.passed.filter(|it| !(refused && is_pass_of(it, question)));
            PreflightStatus { passed, failed: Some(failed) }
        }
    }
}

fn wait(question: &Question, attempts: i32) -> SignedDuration {
    let index = usize::try_from(attempts - 1).unwrap_or_default().min(WAITS.len() - 1);
    longer(WAITS[index], &format!("{}/{attempts}", question.declared.uid))
}

/// How long after a pass to ask AWS again.
pub(super) fn spread(question: &Question, recheck: SignedDuration) -> SignedDuration {
    longer(recheck, &question.declared.uid)
}

/// Lengthens a wait by up to a tenth, depending on `of`. Bindings whose answers came at the same
/// time then do not keep asking at the same time.
fn longer(wait: SignedDuration, of: &str) -> SignedDuration {
    let share = i64::from_str_radix(&short_hash(of)[..4], 16).unwrap_or_default();
    SignedDuration::from_secs(wait.as_secs() + wait.as_secs() * share / (10 * 0xffff))
}

#[cfg(test)]
mod tests {
    use podidentity_api::PreflightResult;
    use podidentity_api::Reason;

    use super::*;
    use crate::step::{Declared, Target};

    fn question(binding: &str) -> Question {
        let account = Target { name: "app".into(), uid: "1".into(), resource_version: "1".into() };
        let text = str::to_owned;
        Question {
            declared: Declared { binding: text("app"), uid: text(binding), generation: 1 },
            account,
            role_arn: text("arn:aws:iam::111122223333:role/a"),
            audience: text("sts.amazonaws.com"),
            issuer: None,
        }
    }

    fn refused(question: &Question) -> Answered {
        let reason = Reason::RoleNotAssumable;
        let verdict = Verdict::Failed { result: PreflightResult::Refused, reason, message: "no".to_owned() };
        Answered { question: question.clone(), verdict }
    }

    #[test]
    fn the_wait_grows_to_five_minutes_and_differs_between_bindings() {
        let at = Timestamp::UNIX_EPOCH;
        let waits = |binding: &str| -> Vec<i64> {
            let (question, mut record) = (question(binding), None);
            let asked = (0..8).map(|_| {
                let next = answered(record.take(), &refused(&question), at);
                let wait = next.failed.as_ref().unwrap().next_at.0.duration_since(at).as_secs();
                record = Some(next);
                wait
            });
            asked.collect()
        };
        let first = waits("one");
        for (wait, least) in first.iter().zip([10, 30, 60, 120, 300, 300, 300, 300]) {
            assert!((least..=least + least / 10).contains(wait), "{first:?}");
        }
        assert_ne!(first, waits("two"));
        assert_ne!(first[5], first[6]);
    }

    #[test]
    fn another_question_counts_anew_and_a_pass_of_before_stays() {
        let (first, at) = (question("one"), Timestamp::UNIX_EPOCH);
        let passed = answered(None, &Answered { question: first.clone(), verdict: Verdict::Passed }, at);
        let second = Question { role_arn: "arn:aws:iam::111122223333:role/b".into(), ..first.clone() };
        let once = answered(Some(passed.clone()), &refused(&second), at);
        let twice = answered(Some(once.clone()), &refused(&second), at);
        assert_eq!(twice.passed, passed.passed);
        assert_eq!(twice.failed.as_ref().unwrap().attempts, 2);
        let edited = Question { declared: Declared { generation: 2, ..second.declared.clone() }, ..second };
        assert_eq!(answered(Some(twice), &refused(&edited), at).failed.unwrap().attempts, 1);
        assert_eq!(answered(Some(once), &Answered { question: first, verdict: Verdict::Passed }, at).failed, None);
    }
}
