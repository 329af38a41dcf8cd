//! The next actions for one identity, and the reported statuses.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use podidentity_core::assess::Assessment;
use podidentity_core::finding::Finding;
use podidentity_core::outcome::Outcome;
use podidentity_core::plan::{Plan, plan};
use podidentity_core::snapshot::{Config, Snapshot};
use podidentity_core::status::{Report, Transition, deletion_events, findings_of_workloads, reports, transitions};
use serde::Serialize;

use crate::input::Input;
use crate::said::{Said, Whole, event, step};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Expected {
    steps: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    check_at: Option<String>,
    /// Restarts under way that hold a slot of the operator-wide limit.
    #[serde(skip_serializing_if = "is_zero")]
    in_flight: usize,
    /// Whether that limit defers a restart.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    wants_slots: bool,
    /// The events about deleted bindings if the plan is carried out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    events: Vec<String>,
    /// The findings that need a view of all pods.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    findings_of_workloads: Vec<String>,
    /// The status of each binding if the plan were not carried out.
    status: BTreeMap<String, Said>,
}

pub fn case(path: &Path) -> Result<String, String> {
    let planned = Planned::read(path)?;
    let expected = Expected {
        steps: planned.plan.shown().map(step).collect(),
        check_at: planned.plan.check_at.map(|at| at.to_string()),
        in_flight: planned.plan.in_flight,
        wants_slots: planned.plan.wants_slots,
        events: planned.events.iter().map(event).collect(),
        findings_of_workloads: planned.findings.iter().map(|it| format!("{} {}", it.reason, it.object)).collect(),
        status: planned.reports.iter().map(|it| (it.binding.name.clone(), Said::from(&it.status))).collect(),
    };
    serde_saphyr::to_string(&expected).map_err(|error| error.to_string())
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

pub fn whole_statuses(path: &Path) -> Result<String, String> {
    let Planned { snapshot, reports, .. } = Planned::read(path)?;
    let whole = |report: Report| {
        let binding = snapshot.bindings.iter().find(|it| it.metadata.name.as_ref() == Some(&report.binding.name));
        let old = binding.and_then(|it| it.status.as_ref());
        let events = transitions(old, &report.status, &Outcome::default());
        let mut whole = Whole::new(&report.status, &events);
        whole.may_wait = !report.urgent;
        (report.binding.name, whole)
    };
    let expected: BTreeMap<String, Whole> = reports.into_iter().map(whole).collect();
    serde_saphyr::to_string(&expected).map_err(|error| error.to_string())
}

struct Planned {
    snapshot: Snapshot,
    plan: Plan,
    /// The events about deleted bindings if the plan is carried out.
    events: Vec<Transition>,
    /// The findings that need a view of all pods.
    findings: Vec<Finding>,
    /// The status of each binding if the plan were not carried out.
    reports: Vec<Report>,
}

impl Planned {
    fn read(path: &Path) -> Result<Self, String> {
        let input = Input::read(path)?;
        let binding = input.bindings.first().ok_or("wanted: a binding")?;
        let snapshot = Snapshot {
            namespace: binding.metadata.namespace.clone().unwrap_or_default(),
            service_account_name: binding.spec.service_account_name.clone(),
            now: input.now,
            config: Arc::new(Config {
                settings: input.settings,
                require_grants: input.require_grants,
                ..Config::default()
            }),
            namespace_object: input.namespace.map(Arc::new),
            service_account: input.service_accounts.into_iter().next().map(Arc::new),
            bindings: input.bindings.into_iter().map(Arc::new).collect(),
            workloads: input.workloads.into_iter().map(Arc::new).collect(),
            pods: input.pods.into_iter().map(Arc::new).collect(),
            rollout_slots: input.slots.unwrap_or(usize::MAX),
        };
        let assessment = Assessment::of(&snapshot);
        let plan = plan(&snapshot, &assessment);
        let withheld = if input.dry_run { plan.shown().cloned().collect() } else { Vec::new() };
        let outcome = Outcome { withheld, problems: input.problems, ..Outcome::default() };
        let reports = reports(&snapshot, &assessment, &plan, &outcome);
        let done = Outcome::of(&assessment, plan.shown().cloned().collect(), Vec::new());
        let events = deletion_events(&snapshot, &assessment, &done).into_iter().map(|(_, event)| event).collect();
        let namespace = &snapshot.namespace;
        let findings = assessment.owner.iter().flat_map(|case| findings_of_workloads(case, namespace)).collect();
        Ok(Self { snapshot, plan, events, findings, reports })
    }
}
