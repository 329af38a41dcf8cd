//! The next actions for one identity, and the reported statuses.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use podidentity_core::assess::Assessment;
use podidentity_core::outcome::Outcome;
use podidentity_core::plan::{Plan, plan};
use podidentity_core::snapshot::{Config, Snapshot};
use podidentity_core::status::{Report, reports, transitions};
use serde::Serialize;

use crate::input::Input;
use crate::said::{Said, Whole, step};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Expected {
    steps: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    check_at: Option<String>,
    /// The status of each binding if the plan were not carried out.
    status: BTreeMap<String, Said>,
}

pub fn case(path: &Path) -> Result<String, String> {
    let planned = Planned::read(path)?;
    let expected = Expected {
        steps: planned.plan.shown().map(step).collect(),
        check_at: planned.plan.check_at.map(|at| at.to_string()),
        status: planned.reports.iter().map(|it| (it.binding.name.clone(), Said::from(&it.status))).collect(),
    };
    serde_saphyr::to_string(&expected).map_err(|error| error.to_string())
}

pub fn whole_statuses(path: &Path) -> Result<String, String> {
    let Planned { snapshot, reports, .. } = Planned::read(path)?;
    let whole = |report: Report| {
        let binding = snapshot.bindings.iter().find(|it| it.metadata.name.as_ref() == Some(&report.binding.name));
        let old = binding.and_then(|it| it.status.as_ref());
        let events = transitions(old, &report.status, &Outcome::default());
        (report.binding.name, Whole::new(&report.status, &events))
    };
    let expected: BTreeMap<String, Whole> = reports.into_iter().map(whole).collect();
    serde_saphyr::to_string(&expected).map_err(|error| error.to_string())
}

struct Planned {
    snapshot: Snapshot,
    plan: Plan,
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
        let reports = reports(&snapshot, &assessment, &plan, &Outcome::default());
        Ok(Self { snapshot, plan, reports })
    }
}
