//! Summaries about pods: there are none, too few, or none that count.

use podidentity_api::Reason;

use super::{Summary, View, done, reconciling, stalled};
use crate::message::Message;
use crate::rollout::{Phase, Shortage, WorkloadVerdict};
use crate::status::findings;

/// The message if everything is as declared and verified.
pub(super) fn verified(view: &View) -> String {
    let (account, role) = (view.account_name(), &view.case.expected.identity.role_arn);
    if view.case.expected.identity.is_of_association() {
        return of_association(view);
    }
    // A pod's spec does not show whether AWS accepts the role. Only a preflight pass does.
    let (one, many) = if view.case.preflight.passed.is_some() {
        ("acts as", "act as")
    } else {
        ("is set up to act as", "are set up to act as")
    };
    let all = match view.counts.pods {
        1 => format!("the pod of {account} {one} {role}"),
        pods => format!("all {pods} pods of {account} {many} {role}"),
    };
    with_excluded(view, all, "do")
}

/// The message that all pods have credentials from an association, and what is known about its
/// role.
fn of_association(view: &View) -> String {
    let (account, role) = (view.account_name(), &view.case.expected.identity.role_arn);
    let all = match view.counts.pods {
        1 => format!("the pod of {account} has the credentials of EKS Pod Identity"),
        pods => format!("all {pods} pods of {account} have the credentials of EKS Pod Identity"),
    };
    let all = with_excluded(view, all, "have them");
    if view.case.names_association() {
        format!("{all}, whose association names {role}")
    } else {
        format!("{all}; that their association names {role} cannot be seen in the cluster")
    }
}

fn with_excluded(view: &View, all: String, do_so: &str) -> String {
    match view.counts.pods_excluded {
        0 => all,
        pods => format!(
            "{all}; rollout.workloadSelector leaves out {pods} more, of which {} {do_so}",
            view.counts.pods_excluded_verified
        ),
    }
}

/// `service account shop/web is annotated with ROLE`, or how else its pods get the role.
fn offered(view: &View) -> String {
    let (account, role) = (view.account_name(), &view.case.expected.identity.role_arn);
    if view.case.expected.identity.is_of_association() {
        format!("{account} is to have {role} by an association of EKS Pod Identity")
    } else {
        format!("{account} is annotated with {role}")
    }
}

/// The API server would refuse the next pods, although those that run may have the identity.
pub(super) fn next_refused(view: &View) -> Option<Summary> {
    let finding = findings::injections_refused(view.case).next()?;
    Some(stalled(Reason::InjectionRefused, finding.message))
}

/// A workload has fewer pods than it wants.
pub(super) fn missing(view: &View) -> Option<Summary> {
    // If nothing else is there, what the selector excludes counts too.
    let counts = |verdict: &&WorkloadVerdict| verdict.phase != Phase::Excluded || view.counts.selects_nothing();
    let counted = view.case.workloads.iter().filter(counts);
    let short = counted.filter_map(|verdict| Some((verdict, verdict.shortage.as_ref()?)));
    let (verdict, shortage) = short.min_by_key(|(_, it)| (it.failure.is_none(), it.present))?;
    let what = describe(verdict, shortage);
    Some(if let Some(failure) = &shortage.failure {
        let message = Message::new(format!("{what}, and the API server refuses to create more")).because(failure);
        stalled(Reason::PodsMissing, message.action("change what refuses them: a quota, an admission policy"))
    } else {
        let action = "if this lasts, look at its events (a quota, an admission policy?)";
        reconciling(Reason::PodsMissing, Message::new(what).action(action))
    })
}

fn describe(verdict: &WorkloadVerdict, Shortage { desired, present, .. }: &Shortage) -> String {
    format!("{} has {present} of {desired} pods", verdict.workload.id())
}

/// The selector excludes all workloads that exist, and pods of theirs lack the identity.
pub(super) fn nothing_selected(view: &View) -> Option<Summary> {
    let counts = view.counts;
    if !counts.selects_nothing() || counts.pods_excluded == counts.pods_excluded_verified {
        return None;
    }
    let action = "correct the selector, or restart them yourself";
    Some(stalled(Reason::NothingSelected, Message::new(selects_none(view)).action(action)))
}

/// The selector excludes all workloads that exist, and all of their pods have the identity.
pub(super) fn none_selected(view: &View) -> Option<Summary> {
    let applies = view.counts.selects_nothing() && view.counts.pods_excluded > 0;
    applies.then(|| done(Reason::Verified, selects_none(view)))
}

fn selects_none(view: &View) -> String {
    let (pods, verified) = (view.counts.pods_excluded, view.counts.pods_excluded_verified);
    format!(
        "{}; rollout.workloadSelector selects none of its {} workloads, so none is restarted: {verified} of their {pods} pods \
         have the role",
        offered(view),
        view.counts.excluded
    )
}

/// Nothing runs as the service account, and nothing should.
pub(super) fn none(view: &View) -> Option<Summary> {
    let message = || format!("{}; no pod runs as it yet, so there was nothing to verify", offered(view));
    (view.counts.pods == 0).then(|| done(Reason::NoPods, message()))
}
