//! Plans as text.

use podidentity_core::forecast::{Fate, WorkloadForecast};
use podidentity_core::message::counted;

use super::{Change, Planned};
use crate::paint::{Mark, Paint};
use crate::terminal_text::Sheet;

pub(super) fn text(planned: &[Planned], paint: Paint) -> Sheet {
    let mut out = Sheet::of(paint);
    for plan in planned {
        if !out.is_empty() {
            out.blank();
        }
        one(&mut out, plan, paint);
    }
    if !out.is_empty() {
        out.blank();
    }
    out.line(paint.bold(summary(planned)));
    out
}

fn one(out: &mut Sheet, plan: &Planned, paint: Paint) {
    let change = match plan.change {
        Change::None => "",
        Change::Created => " (created)",
        Change::Configured => " (configured)",
    };
    let title = format!("{}/pib/{}{change}", plan.namespace, plan.binding);
    out.line(format_args!("{}  {}", paint.bold(title), paint.dim(&plan.role_arn)));
    if let Some((reason, message)) = &plan.forecast.blocked {
        out.line(format_args!(
            "  {} {}",
            paint.mark(Mark::Wrong),
            paint.like(Mark::Wrong, format!("nothing is written: {reason}"))
        ));
        out.paragraph(paint, "    ", message);
    }
    for waiting in &plan.waiting {
        out.line(format_args!("  {} pib/{waiting} does not count beside it", paint.mark(Mark::Warning)));
    }
    annotations(out, plan, paint);
    association(out, plan, paint);
    let width =
        plan.forecast.workloads.iter().map(|it| it.workload.to_string().chars().count()).max().unwrap_or_default();
    for workload in &plan.forecast.workloads {
        self::workload(out, workload, width, plan.forecast.blocked.is_some(), paint);
        if let Some(refused) = &workload.refused {
            let warning = format!("the API server refuses its next pod: {refused}");
            out.line(format_args!("    {} {}", paint.mark(Mark::Wrong), paint.like(Mark::Wrong, warning)));
        }
    }
    if let Some(interval) = plan.forecast.interval.as_ref().filter(|_| plan.forecast.restarts().count() > 1) {
        out.line(format_args!(
            "  {} at least {interval} between two restarts (rollout.interval)",
            paint.mark(Mark::Note)
        ));
    }
    if plan.forecast.unmanaged_pods > 0 {
        let pods = counted(plan.forecast.unmanaged_pods, "pod");
        out.line(format_args!("  {} {pods} of other owners: verified, never restarted", paint.mark(Mark::Note)));
    }
    let nothing = plan.forecast.blocked.is_none()
        && plan.forecast.annotations.is_empty()
        && plan.forecast.workloads.is_empty()
        && plan.forecast.unmanaged_pods == 0;
    if nothing {
        out.line(format_args!("  {} nothing to do", paint.mark(Mark::Right)));
    }
}

fn annotations(out: &mut Sheet, plan: &Planned, paint: Paint) {
    if plan.forecast.annotations.is_empty() {
        return;
    }
    let last = if plan.forecast.waits_for_association {
        ", once all pods have the credentials of EKS Pod Identity"
    } else {
        ""
    };
    out.line(format_args!("  {} ServiceAccount/{}{last}", paint.like(Mark::Warning, "~"), plan.service_account));
    for change in &plan.forecast.annotations {
        if let Some(from) = &change.from {
            out.line(format_args!("    {}", paint.like(Mark::Wrong, format!("- {}: {from}", change.key))));
        }
        if let Some(to) = &change.to {
            out.line(format_args!("    {}", paint.like(Mark::Right, format!("+ {}: {to}", change.key))));
        }
    }
}

/// The association that must exist before the restarts.
fn association(out: &mut Sheet, plan: &Planned, paint: Paint) {
    if plan.forecast.waits_for_association && plan.forecast.restarts().next().is_some() {
        out.line(format_args!(
            "  {} make the association of {}/{} before: new pods get the credentials of one that exists",
            paint.mark(Mark::Note),
            plan.namespace,
            plan.service_account
        ));
    }
}

/// `blocked` means that the plan takes effect only after the obstacle is removed.
fn workload(out: &mut Sheet, workload: &WorkloadForecast, width: usize, blocked: bool, paint: Paint) {
    let id = format!("{:width$}", workload.workload.to_string());
    let pods = counted(workload.pods, "pod");
    let (sign, text) = match &workload.fate {
        Fate::Restart { turn, canary, after } => {
            let canary = if *canary { ", the canary" } else { "" };
            let after = after.as_ref().map(|after| format!(", {after}")).unwrap_or_default();
            let would = if blocked { "then " } else { "" };
            let lacking = workload.lacking;
            let mark = if blocked || !after.is_empty() { Mark::Idle } else { Mark::Warning };
            (
                paint.like(mark, "\u{21bb}"),
                format!("{would}restart {turn}{canary}{after}: {pods}, {lacking} without the role"),
            )
        }
        Fate::Restarting => {
            (paint.mark(Mark::Working), format!("is being restarted: {pods}, {} without the role", workload.lacking))
        }
        Fate::LeftAlone(why) => {
            (paint.mark(Mark::Wrong), format!("{pods}, {} without the role: {why}", workload.lacking))
        }
        Fate::Untouched(why) => (paint.mark(Mark::Right), format!("{pods}: {why}")),
    };
    let indent = 2 + 2 + width + 2;
    let mut lines = paint.wrap(&text, indent).into_iter();
    out.line(format_args!("  {sign} {id}  {}", lines.next().unwrap_or_default()));
    for line in lines {
        out.line(format_args!("{:indent$}{line}", ""));
    }
}

/// For example `Plan: 1 service account annotated, 2 workloads with 5 pods restarted. Nothing was written.`
fn summary(planned: &[Planned]) -> String {
    let (written, given_up): (Vec<_>, Vec<_>) = planned
        .iter()
        .map(|plan| &plan.forecast.annotations)
        .filter(|changes| !changes.is_empty())
        .partition(|changes| changes.iter().any(|change| change.to.is_some()));
    let blocked = planned.iter().filter(|plan| plan.forecast.blocked.is_some()).count();
    let restarts: Vec<_> = planned.iter().flat_map(|plan| plan.forecast.restarts_unasked()).collect();
    let waiting = planned.iter().filter(|plan| plan.forecast.blocked.is_none());
    let waiting = waiting.map(|plan| plan.forecast.restarts().count()).sum::<usize>() - restarts.len();
    let pods = restarts.iter().map(|workload| workload.pods).sum();
    let mut parts = Vec::new();
    if !written.is_empty() {
        parts.push(format!("{} annotated", counted(written.len(), "service account")));
    }
    if !given_up.is_empty() {
        parts.push(format!("annotations of {} given up", counted(given_up.len(), "service account")));
    }
    if restarts.is_empty() {
        parts.push("no restarts".to_owned());
    } else {
        parts.push(format!("{} with {} restarted", counted(restarts.len(), "workload"), counted(pods, "pod")));
    }
    if waiting > 0 {
        parts.push(format!("{} waiting to be released or resumed", counted(waiting, "restart")));
    }
    if blocked > 0 {
        parts.push(format!("{} blocked", counted(blocked, "binding")));
    }
    format!("Plan: {}. Nothing was written.", parts.join(", "))
}
