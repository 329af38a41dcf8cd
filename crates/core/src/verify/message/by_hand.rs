//! Messages about containers that name a role by themselves, while their service account gives none.

use super::{Described, Words};
use crate::foreign::shown;
use crate::injection::{ROLE_ARN, TOKEN_FILE};
use crate::settings::IdentityAnnotation;
use crate::verify::by_hand::AccountOf;
use crate::verify::container::Problem;

impl Words<'_> {
    /// The description for a container that names its role by itself; for others as it is. No
    /// webhook mends such a container, so the advice differs.
    pub(super) fn by_hand(&self, problem: &Problem, seen: String, action: String) -> Described {
        let Some(account) = self.account else { return (seen, action) };
        let seen = match problem {
            Problem::RoleMissing => format!(
                "sets {TOKEN_FILE} but no {ROLE_ARN}. Some SDKs, those for Go and Python among them, fail at that."
            ),
            _ => seen,
        };
        let name = shown(self.pod.spec.service_account());
        let seen = if account == AccountOf::Unknown {
            format!(
                "{seen} Its service account {name} is not known: annotated with the role, it would give the pod a token."
            )
        } else {
            seen
        };
        let action = match problem {
            Problem::RoleMissing
            | Problem::TokenFileMissing
            | Problem::TokenElsewhere { .. }
            | Problem::NotMounted { .. }
            | Problem::Foreign { .. }
            | Problem::ApiServerToken { .. } => format!(
                "Give the service account {name} the role, by a PodIdentityBinding or the annotation {}, and take {ROLE_ARN} \
                 and {TOKEN_FILE} out of the template; or set both, and mount a projected serviceAccountToken for the audience \
                 {} at the path of {TOKEN_FILE}.",
                self.settings.annotation(IdentityAnnotation::RoleArn),
                self.settings.audience
            ),
            _ => action,
        };
        (seen, action)
    }

    /// Whether it is not certain that the problem keeps a container from the role that it names
    /// itself: what is not known may give it a token, and another audience may be meant.
    pub(super) fn is_doubtful(&self, problem: &Problem) -> bool {
        let other_audience = matches!(problem, Problem::Audience { seen } if !seen.is_empty());
        self.account.is_some_and(|account| account == AccountOf::Unknown || other_audience)
    }
}
