//! The preflight check: whether the operator asks AWS before it annotates the service account, and
//! whether the answer allows the annotation.
//!
//! ```text
//! (service account, binding, wanted identity) ──► question ──► due? ──► Step::Preflight ──► answer ──► status.preflight
//!                                                    └───────────── holds the annotation back? ◄──────────┘
//! ```
//!
//! The operator asks AWS about a write that sets or changes the role or the audience. It does not
//! ask before it adopts the annotations that are already on the service account, restores
//! annotations that it wrote before, or rolls back: none of these may depend on AWS. With a recheck
//! interval, it also asks again about the identity in force. It reports that answer, and undoes
//! nothing.

mod record;
mod verdict;

use jiff::{SignedDuration, Timestamp};
use podidentity_api::{
    Mechanism, PodIdentityBinding, PreflightFailure, PreflightPass, PreflightPolicy, PreflightResult, PreflightStatus,
};

use crate::account::{Account, AccountState, audience_on, knows_in_force, role_on};
use crate::expectation::Expectation;
use crate::objects::ServiceAccount;
use crate::snapshot::Config;
use crate::step::{Declared, Question, Target};

pub(crate) use record::answered;
pub(crate) use verdict::reason_of;
pub use verdict::{Answered, NoToken, Verdict};

/// What the operator knows about whether the service account can assume the role.
#[derive(Clone, Debug, PartialEq)]
pub struct Preflight {
    /// Whether the operator asks AWS, and whether a refusal holds back the annotation.
    pub policy: PreflightPolicy,
    /// The last pass for the wanted identity.
    pub passed: Option<PreflightPass>,
    /// How AWS refused the wanted identity, or why it could not be asked.
    pub failed: Option<PreflightFailure>,
    /// The pass in the status, for the wanted identity or for an earlier one.
    recorded: Option<PreflightPass>,
    /// The question, if it is to be asked now.
    due: Option<Question>,
    /// When to ask again, if not now.
    ask_at: Option<Timestamp>,
    /// Whether the next write sets or changes the role or the audience.
    changes: bool,
    /// Whether a binding with the policy `Require` proceeds if AWS is unavailable.
    proceeds: bool,
}

/// What a question is about.
pub(crate) struct Subject<'a> {
    pub(crate) binding: &'a PodIdentityBinding,
    pub(crate) account: Option<&'a ServiceAccount>,
    pub(crate) judged: &'a Account,
    pub(crate) expected: &'a Expectation,
    /// Whether the wanted identity is an earlier, verified one after a rollback.
    pub(crate) rolled_back: bool,
}

impl Preflight {
    /// Judges the recorded answers, and decides whether to ask AWS.
    pub(crate) fn judge(subject: &Subject, config: &Config, now: Timestamp) -> Self {
        // AWS STS knows nothing of associations: their roles are assumed by EKS.
        let policy = match subject.expected.identity.mechanism {
            Mechanism::PodIdentity => PreflightPolicy::Never,
            Mechanism::Irsa => subject.binding.spec.preflight.unwrap_or(config.preflight),
        };
        let mut preflight = Self {
            policy,
            passed: None,
            failed: None,
            recorded: None,
            due: None,
            ask_at: None,
            changes: false,
            proceeds: config.proceed_unasked,
        };
        let Some(question) = subject.question(config).filter(|_| policy != PreflightPolicy::Never) else {
            return preflight;
        };
        let status = subject.binding.status.as_ref().and_then(|status| status.preflight.clone()).unwrap_or_default();
        preflight.changes = subject.changes(config);
        preflight.passed = status.passed.clone().filter(|it| record::is_pass_of(it, &question));
        preflight.failed = status.failed.filter(|it| record::is_failure_of(it, &question));
        preflight.recorded = status.passed;
        let next = match subject.judged.state {
            AccountState::Outdated { .. } => preflight.next(&question, None, now),
            AccountState::InForce => preflight.next(&question, config.preflight_recheck, now),
            _ => None,
        };
        match next {
            Some(at) if at <= now => preflight.due = Some(question),
            at => preflight.ask_at = at,
        }
        preflight
    }

    /// When to ask AWS; `None` if there is no need to ask. `recheck`: how long after an answer to
    /// ask again about the identity in force.
    fn next(&self, question: &Question, recheck: Option<SignedDuration>, now: Timestamp) -> Option<Timestamp> {
        match (&self.passed, &self.failed) {
            (Some(_), _) if recheck.is_none() => None,
            // A change of the spec may fix the cause.
            (_, Some(failed)) if failed.generation != question.declared.generation => Some(now),
            (_, Some(failed)) => Some(failed.next_at.0),
            (Some(passed), None) => Some(passed.at.0 + record::spread(question, recheck?)),
            (None, None) => (self.changes || recheck.is_some()).then_some(now),
        }
    }

    /// The question to ask now.
    pub fn due(&self) -> Option<&Question> {
        self.due.as_ref()
    }

    /// When to ask again, if not now.
    pub fn check_at(&self) -> Option<Timestamp> {
        self.ask_at
    }

    /// Whether the annotation has to wait: AWS has not been asked yet, or its answer forbids the
    /// annotation.
    pub fn holds_back(&self) -> bool {
        self.changes && self.passed.is_none() && (self.due.is_some() || self.forbids())
    }

    /// Whether the recorded answer forbids the wanted identity.
    pub fn forbids(&self) -> bool {
        let Some(failed) = self.failed.as_ref().filter(|_| self.changes && self.passed.is_none()) else { return false };
        let proceeds = self.proceeds && failed.result == PreflightResult::Unavailable;
        self.policy == PreflightPolicy::Require && !proceeds
    }

    /// The preflight status; `None` if AWS is not asked. A pass for an earlier role stays until the
    /// next pass: that role may still be in force, or may return.
    pub(crate) fn status(&self) -> Option<PreflightStatus> {
        if self.recorded.is_none() && self.failed.is_none() {
            return None;
        }
        Some(PreflightStatus { passed: self.recorded.clone(), failed: self.failed.clone() })
    }
}

impl Subject<'_> {
    fn question(&self, config: &Config) -> Option<Question> {
        Some(Question {
            declared: Declared::by(&self.binding.metadata),
            account: Target::of(&self.account?.metadata),
            role_arn: self.expected.identity.role_arn.clone(),
            audience: self.expected.effective_audience(&config.settings).to_owned(),
            issuer: config.issuer.clone(),
        })
    }

    /// Whether the next write sets or changes the role or the audience.
    fn changes(&self, config: &Config) -> bool {
        let AccountState::Outdated { drift, .. } = &self.judged.state else { return false };
        let settings = &config.settings;
        let Some(account) = self.account.filter(|_| !self.rolled_back) else { return false };
        let audience = self.expected.effective_audience(settings);
        let role = role_on(account, settings).map(|role| settings.role(role));
        let stands = role.as_deref() == Some(self.expected.identity.role_arn.as_str())
            && audience_on(account, settings).unwrap_or(&settings.audience) == audience;
        !(stands || drift.is_some() && self.restores())
    }

    /// Whether the wanted identity is the one that was in force before another manager changed it.
    fn restores(&self) -> bool {
        let Some(status) = &self.binding.status else { return false };
        let written = status.service_account.as_ref().and_then(|account| account.written_role_arn.as_ref());
        let verified = status.last_verified_identity.as_ref();
        let was_verified = verified.is_some_and(|it| {
            let wanted = &self.expected.identity;
            it.mechanism == wanted.mechanism && it.role_arn == wanted.role_arn && it.audience == wanted.audience
        });
        written == Some(&self.expected.identity.role_arn) && (knows_in_force(self.binding) || was_verified)
    }
}
