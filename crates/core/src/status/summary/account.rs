//! Summaries about the service account.

use podidentity_api::Reason;

use super::{Summary, View, reconciling, stalled};
use crate::account::AccountState;
use crate::message::Message;
use crate::status::findings;

pub(super) fn missing(view: &View) -> Option<Summary> {
    let state = match view.case.account.state {
        AccountState::Missing => {
            "does not exist: once it exists, the binding continues by itself; if its name is wrong, delete this binding \
             and bind the right one"
        }
        AccountState::Terminating => "is being deleted: once it exists again, the binding continues by itself",
        _ => return None,
    };
    Some(reconciling(Reason::ServiceAccountNotFound, format!("{} {state}", view.account_name())))
}

pub(super) fn owned_by_others(view: &View) -> Option<Summary> {
    let account = view.account_name();
    match &view.case.account.state {
        AccountState::Conflict(foreign) => Some(stalled(
            Reason::AnnotationConflict,
            Message::new(format!("{} of {account} is set to {:?} by {}", foreign.key, foreign.value, foreign.named()))
                .action(foreign.advice()),
        )),
        AccountState::Contested { drift, silence, .. } => Some(stalled(
            Reason::Contested,
            Message::new(&account)
                .because(format!("{drift}, again and again after it was restored"))
                .action(format!("stop that; it is left alone until nobody has touched it for {} s", silence.as_secs())),
        )),
        AccountState::Rewritten { key, value, retry_at } => {
            let now = value.as_ref().map_or("left out".to_owned(), |value| format!("set to {value:?}"));
            Some(stalled(
                Reason::AnnotationConflict,
                Message::new(format!(
                    "{key} of {account} is {now} by an admission policy or webhook that changes what the operator writes"
                ))
                .action(format!("let it leave that annotation alone (tried again at {retry_at})")),
            ))
        }
        _ => None,
    }
}

/// The annotation would break a workload that works without it.
pub(super) fn breaks_pods(view: &View) -> Option<Summary> {
    let broken = view.case.broken_by_annotating()?.workload.id();
    let finding = findings::injections_refused(view.case).find(|finding| finding.object == broken.to_string())?;
    let before = format!("{} is not annotated, because ", view.account_name());
    Some(stalled(Reason::InjectionRefused, finding.message.prefixed(&before)))
}

pub(super) fn outdated(view: &View) -> Option<Summary> {
    let account = view.account_name();
    if view.case.account.state == AccountState::Ahead {
        let message = format!("{account} was annotated for a later declaration of this binding, which is not seen yet");
        return Some(reconciling(Reason::Annotating, message));
    }
    let AccountState::Outdated { drift, .. } = &view.case.account.state else { return None };
    let message = match drift {
        Some(drift) => format!("restoring {account}: {drift}"),
        None => format!("annotating {account} with {}", view.case.expected.identity.role_arn),
    };
    let reason = if drift.is_some() { Reason::AnnotationRemoved } else { Reason::Annotating };
    Some(view.unless_suspended(reconciling(reason, message)))
}
