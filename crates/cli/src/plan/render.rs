//! Plans as text.

use std::fmt::Write as _;

use podidentity_core::forecast::{Fate, WorkloadForecast};

use super::{Change, Planned};
use crate::paint::{Mark, Paint};
use crate::view::counted;

pub(super) fn text(planned: &[Planned], paint: Paint) -> String {
    let mut out = String::new();
    for plan in planned {
        if !out.is_empty() {
            out.push('\n');
        }
        one(&mut out, plan, paint);
    }
    let gap = if out.is_empty() { "" } else { "\n" };
    let _ = writeln!(out, "{gap}{}", paint.bold(summary(planned)));
    out
}

fn one(out: &mut String, plan: &Planned, paint: Paint) {
    let change = match plan.change {
        Change::None => "",
        Change::Created => " (created)",
        Change::Configured => " (configured)",
    };
    let title = format!("{}/pib/{}{change}", plan.namespace, plan.binding);
    let _ = writeln!(out, "{}  {}", paint.bold(title), paint.dim(&plan.role_arn));
    if let Some((reason, message)) = &plan.forecast.blocked {
        let _ = writeln!(
            out,
            "  {} {}",
            paint.mark(Mark::Wrong),
            paint.like(Mark::Wrong, format!("nothing is written: {reason}"))
        );
        paint.paragraph(out, "    ", message);
    }
    for waiting in &plan.waiting {
        let _ = writeln!(out, "  {} pib/{waiting} does not count beside it", paint.mark(Mark::Warning));
    }
    annotations(out, plan, paint);
    let width =
        plan.forecast.workloads.iter().map(|it| it.workload.to_string().chars().count()).max().unwrap_or_default();
    for workload in &plan.forecast.workloads {
        self::workload(out, workload, width, plan.forecast.blocked.is_some(), paint);
        if let Some(refused) = &workload.refused {
            let warning = format!("the API server refuses its next pod: {refused}");
            let _ = writeln!(out, "    {} {}", paint.mark(Mark::Wrong), paint.like(Mark::Wrong, warning));
        }
    }
    if plan.forecast.unmanaged_pods > 0 {
        let pods = counted(plan.forecast.unmanaged_pods, "pod");
        let _ = writeln!(out, "  {} {pods} of other owners: verified, never restarted", paint.mark(Mark::Note));
    }
    let nothing = plan.forecast.blocked.is_none()
        && plan.forecast.annotations.is_empty()
        && plan.forecast.workloads.is_empty()
        && plan.forecast.unmanaged_pods == 0;
    if nothing {
        let _ = writeln!(out, "  {} nothing to do", paint.mark(Mark::Right));
    }
}

fn annotations(out: &mut String, plan: &Planned, paint: Paint) {
    if plan.forecast.annotations.is_empty() {
        return;
    }
    let _ = writeln!(out, "  {} ServiceAccount/{}", paint.like(Mark::Warning, "~"), plan.service_account);
    for change in &plan.forecast.annotations {
        if let Some(from) = &change.from {
            let _ = writeln!(out, "    {}", paint.like(Mark::Wrong, format!("- {}: {from}", change.key)));
        }
        if let Some(to) = &change.to {
            let _ = writeln!(out, "    {}", paint.like(Mark::Right, format!("+ {}: {to}", change.key)));
        }
    }
}

/// `blocked`: what is told happens once nothing stands in its way.
fn workload(out: &mut String, workload: &WorkloadForecast, width: usize, blocked: bool, paint: Paint) {
    let id = format!("{:width$}", workload.workload.to_string());
    let pods = counted(workload.pods, "pod");
    let (sign, text) = match &workload.fate {
        Fate::Restart { turn, canary, after } => {
            let canary = if *canary { ", the canary" } else { "" };
            let after = after.map(|after| format!(", {}", after.as_str())).unwrap_or_default();
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
    let _ = writeln!(out, "  {sign} {id}  {}", lines.next().unwrap_or_default());
    for line in lines {
        let _ = writeln!(out, "{:indent$}{line}", "");
    }
}

/// For example `Plan: 1 service account annotated, 2 workloads with 5 pods restarted. Nothing was written.`
fn summary(planned: &[Planned]) -> String {
    let annotated = planned.iter().filter(|plan| !plan.forecast.annotations.is_empty()).count();
    let blocked = planned.iter().filter(|plan| plan.forecast.blocked.is_some()).count();
    let restarts: Vec<_> = planned.iter().flat_map(|plan| plan.forecast.restarts_unasked()).collect();
    let waiting = planned.iter().filter(|plan| plan.forecast.blocked.is_none());
    let waiting = waiting.map(|plan| plan.forecast.restarts().count()).sum::<usize>() - restarts.len();
    let pods = restarts.iter().map(|workload| workload.pods).sum();
    let mut parts = Vec::new();
    if annotated > 0 {
        parts.push(format!("{} annotated", counted(annotated, "service account")));
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
