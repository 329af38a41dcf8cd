//! Whether AWS is asked before the service account is annotated, and what its answer means for that.
//!
//! ```text
//! (service account, binding, wanted identity) ──► question ──► due? ──► Step::Preflight ──► answer ──► status.preflight
//!                                                    └───────────── holds the annotation back? ◄──────────┘
//! ```
//!
//! AWS is asked about what sets or changes role or audience. What stands on the service account already is adopted, what
//! the operator wrote before is restored, and a rollback returns, without a question: none of them may depend on AWS.
//! What is in force may be asked about again from time to time; that is told, and undoes nothing.

mod record;
mod verdict;

use jiff::{SignedDuration, Timestamp};
use podidentity_api::{
    PodIdentityBinding, PreflightFailure, PreflightPass, PreflightPolicy, PreflightResult, PreflightStatus,
};

use crate::account::{Account, AccountState, audience_on, knows_in_force, role_on};
use crate::expectation::Expectation;
use crate::objects::ServiceAccount;
use crate::snapshot::Config;
use crate::step::{Declared, Question, Target};

pub(crate) use record::answered;
pub(crate) use verdict::reason_of;
pub use verdict::{Answered, NoToken, Verdict};

/// What is known of the question whether the role can be assumed.
#[derive(Clone, Debug, PartialEq)]
pub struct Preflight {
    /// Whether AWS is asked, and whether its answer decides.
    pub policy: PreflightPolicy,
    /// When AWS last allowed what is wanted.
    pub passed: Option<PreflightPass>,
    /// How AWS refused what is wanted, or why it could not be asked.
    pub failed: Option<PreflightFailure>,
    /// The pass that the status records, be it of what is wanted or of what was wanted before.
    recorded: Option<PreflightPass>,
    /// Set if the question is to be asked now.
    due: Option<Question>,
    /// When it is asked again, if not now.
    ask_at: Option<Timestamp>,
    /// Whether the service account is to be written, with another role or audience than it had.
    changes: bool,
    /// Whether a binding that requires an answer goes on where there is none to be had.
    proceeds: bool,
}

/// What a question is about.
pub(crate) struct Subject<'a> {
    pub(crate) binding: &'a PodIdentityBinding,
    pub(crate) account: Option<&'a ServiceAccount>,
    pub(crate) judged: &'a Account,
    pub(crate) expected: &'a Expectation,
    /// Whether what is wanted is what was verified before.
    pub(crate) rolled_back: bool,
}

impl Preflight {
    /// Judges what was asked, and whether there is something to ask.
    pub(crate) fn judge(subject: &Subject, config: &Config, now: Timestamp) -> Self {
        let policy = subject.binding.spec.preflight.unwrap_or(config.preflight);
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

    /// When AWS is to be asked; `None`: not by itself. `recheck`: how long after an answer about what is in force.
    fn next(&self, question: &Question, recheck: Option<SignedDuration>, now: Timestamp) -> Option<Timestamp> {
        match (&self.passed, &self.failed) {
            (Some(_), _) if recheck.is_none() => None,
            // A change of the spec may be the correction.
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

    /// When it is to be asked again, if not now.
    pub fn check_at(&self) -> Option<Timestamp> {
        self.ask_at
    }

    /// Whether the service account must not be annotated: AWS has not been asked, or its answer forbids it.
    pub fn holds_back(&self) -> bool {
        self.changes && self.passed.is_none() && (self.due.is_some() || self.forbids())
    }

    /// Whether the answer that there is forbids what is wanted.
    pub fn forbids(&self) -> bool {
        let Some(failed) = self.failed.as_ref().filter(|_| self.changes && self.passed.is_none()) else { return false };
        let proceeds = self.proceeds && failed.result == PreflightResult::Unavailable;
        self.policy == PreflightPolicy::Require && !proceeds
    }

    /// What the status records of it: nothing where AWS is not asked. A pass of an earlier role stays until the next one:
    /// that role may be in force still, or return.
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

    /// Whether what is to be written sets or changes role or audience.
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

    /// Whether what is wanted is what was in force before another manager changed it.
    fn restores(&self) -> bool {
        let Some(status) = &self.binding.status else { return false };
        let written = status.service_account.as_ref().and_then(|account| account.written_role_arn.as_ref());
        let verified = status.last_verified_identity.as_ref();
        let was_verified = verified.is_some_and(|it| {
            it.role_arn == self.expected.identity.role_arn && it.audience == self.expected.identity.audience
        });
        written == Some(&self.expected.identity.role_arn) && (knows_in_force(self.binding) || was_verified)
    }
}
