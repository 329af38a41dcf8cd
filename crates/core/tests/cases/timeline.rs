//! A timeline: what users, controllers and time do, and the operator's actions and reports. After
//! each entry, the operator reconciles until it has nothing left to do at that moment. The output
//! has only what is new.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use podidentity_api::{PodIdentityBinding, names};
use podidentity_core::assess::Assessment;
use podidentity_core::objects::{ServiceAccount, Workload};
use podidentity_core::outcome::{Outcome, Problem, ProblemKind};
use podidentity_core::plan::plan;
use podidentity_core::role::release_value;
use podidentity_core::snapshot::Snapshot;
use podidentity_core::status::{Transition, deletion_events, reports, step_events, transitions};
use podidentity_core::step::Step;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::entry::{Entry, Make};
use crate::said::{Said, Whole, step};
use crate::sim::{Cluster, Refusal};

/// The operator's actions and reports at one moment.
#[derive(Default, Serialize)]
struct Heard {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    does: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    events: Vec<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    says: BTreeMap<String, Said>,
}

#[derive(Serialize)]
struct Told {
    at: String,
    after: String,
    #[serde(flatten)]
    heard: Heard,
}

struct Story {
    cluster: Cluster,
    began: Timestamp,
    /// After how many steps of the next plan the operator is killed.
    crash_after: Option<usize>,
    /// Whether it stays down after that.
    dies: bool,
    away: bool,
    /// The visible state of a Deployment that has changed since.
    behind: Option<Arc<Workload>>,
    /// The visible state of a service account that has changed since.
    account_behind: Option<Arc<ServiceAccount>>,
}

pub fn case(path: &Path) -> Result<String, String> {
    let (told, _) = tell(path)?;
    serde_saphyr::to_string(&told).map_err(|error| error.to_string())
}

/// The whole statuses at the end.
pub fn whole_statuses(path: &Path) -> Result<String, String> {
    let (_, cluster) = tell(path)?;
    let whole = |binding: &PodIdentityBinding| binding.status.as_ref().map(|status| Whole::new(status, &[]));
    let statuses: BTreeMap<_, _> = cluster.bindings.iter().map(|(name, it)| (name, whole(it))).collect();
    serde_saphyr::to_string(&statuses).map_err(|error| error.to_string())
}

fn tell(path: &Path) -> Result<(Vec<Told>, Cluster), String> {
    let text = fs::read_to_string(path).map_err(|error| format!("input.yaml: {error}"))?;
    let script: Vec<Value> = serde_saphyr::from_str(&text).map_err(|error| format!("input.yaml: {error}"))?;
    let cluster = Cluster::new();
    let began = cluster.now;
    let (behind, account_behind) = (None, None);
    let mut story = Story { began, cluster, crash_after: None, dies: false, away: false, behind, account_behind };
    let mut told = Vec::new();
    for entry in script {
        let what = entry.to_string().replace('"', "");
        let entry = serde_json::from_value(entry).map_err(|error| format!("input.yaml: {what}: {error}"))?;
        story.happen(entry);
        let heard = story.reconcile()?;
        if !heard.does.is_empty() || !heard.says.is_empty() {
            let at = format!("{} s", story.cluster.now.duration_since(story.began).as_secs());
            told.push(Told { at, after: what, heard });
        }
    }
    Ok((told, story.cluster))
}

impl Story {
    #[expect(clippy::too_many_lines, reason = "one arm for each kind of entry")]
    fn happen(&mut self, entry: Entry) {
        let cluster = &mut self.cluster;
        match entry {
            Entry::Account => cluster.create_account(),
            Entry::DeleteAccount => cluster.account = None,
            Entry::Annotate { manager, role } => cluster.overwrite_annotation(&manager, &arn(&role)),
            Entry::RemoveAnnotation => cluster.remove_annotation(),
            Entry::AnnotateKey { manager, key, value } => {
                cluster.overwrite_key(&manager, &format!("eks.amazonaws.com/{key}"), &value);
            }
            Entry::RemoveKey(key) => cluster.remove_key(&format!("eks.amazonaws.com/{key}")),
            Entry::Bind { name, spec } => bind(cluster, &name, spec),
            Entry::AwsAccount(account) => cluster.roles.account = Some(account.parse().unwrap()),
            Entry::RoleObject { role, problem } => {
                cluster.roles.set(role.map(|role| arn(&role)).as_deref(), problem.as_deref());
            }
            Entry::DeleteRoleObject => cluster.roles.delete(),
            Entry::ReferencesNotWatched => cluster.roles.watched = false,
            Entry::Unbind(name) => cluster.delete_binding(&name),
            Entry::Release(name) => {
                let release = release_value(&cluster.roles.resolved(&cluster.bindings[&name]));
                cluster.annotate_binding(&name, names::RELEASE_ANNOTATION, &release);
            }
            Entry::Deploy { name, replicas } => {
                cluster.deploy(&name, replicas);
                while cluster.progress(&name) {}
            }
            Entry::Make(Make { kind, name, replicas, strategy }) => {
                cluster.create(kind, &name, |it| (it.replicas, it.strategy) = (replicas, strategy));
                while cluster.progress(&name) {}
            }
            Entry::Scale(name, replicas) => cluster.deploy(&name, replicas),
            Entry::NeverStarts(name, stuck) => cluster.touch(&name, |it| it.stuck = stuck),
            Entry::Quota(name, quota) => cluster.touch(&name, |it| it.quota = quota),
            Entry::Node(name, node, down) => cluster.touch(&name, |it| it.node(node, down)),
            Entry::Undo(name) => cluster.undo(&name),
            Entry::NeedsRole(name) => cluster.touch(&name, |it| it.needs_role = true),
            Entry::Broken(name, broken) => cluster.touch(&name, |it| it.broken = broken),
            Entry::BrokenAs(name, role) => cluster.touch(&name, |it| it.broken_as = Some(arn(&role))),
            Entry::Elsewhere(name, on) => cluster.edit_template(&name, |it| it.template.elsewhere = on),
            Entry::Drain(name) => {
                cluster.drain(&name);
                cluster.progress(&name);
            }
            Entry::Behind(name) => {
                self.behind = cluster.snapshot().workloads.into_iter().find(|it| it.id().name == name);
            }
            Entry::AccountBehind => self.account_behind = cluster.snapshot().service_account,
            Entry::CaughtUp => (self.behind, self.account_behind) = (None, None),
            Entry::Away(away) => self.away = away,
            Entry::Crash(steps) => self.crash_after = Some(steps),
            Entry::Dies(steps) => (self.crash_after, self.dies) = (Some(steps), true),
            Entry::UserRollout(name) => cluster.edit_template(&name, |it| it.template.revision += 1),
            Entry::Preset(name) => cluster.edit_template(&name, |it| it.template.preset = true),
            Entry::Paused(name, paused) => cluster.pause(&name, paused),
            Entry::Revert(name) => cluster.revert(&name),
            Entry::Progress(name, times) => {
                for _ in 0..times {
                    cluster.progress(&name);
                }
            }
            Entry::Finish(name) => while cluster.progress(&name) {},
            Entry::Grants(roles) => {
                let roles: Vec<String> = roles.iter().map(|role| arn(role)).collect();
                cluster.grants = Some(roles.join(","));
            }
            Entry::Webhook(there) => cluster.webhook = there,
            Entry::Association(there) => cluster.association = there,
            Entry::Refuse(name, true) => drop(cluster.refused.insert(name)),
            Entry::Refuse(name, false) => drop(cluster.refused.remove(&name)),
            Entry::RewriteMark(name, mark) => drop(cluster.rewritten.insert(name, mark)),
            Entry::RewriteRole(role) => cluster.role_rewritten = Some(arn(&role)),
            Entry::Preflight(policy) => cluster.preflight = policy,
            Entry::Proceed(proceed) => cluster.proceed_unasked = proceed,
            Entry::Recheck(seconds) => cluster.recheck = Some(SignedDuration::from_secs(seconds)),
            Entry::AwsRefuses(role, true) => drop(cluster.sts.refuses.insert(arn(&role))),
            Entry::AwsRefuses(role, false) => drop(cluster.sts.refuses.remove(&arn(&role))),
            Entry::AwsAway(away) => cluster.sts.away = away,
            Entry::NoTokens(none) => cluster.sts.no_tokens = none,
            Entry::Pass(seconds) => cluster.pass(seconds),
            Entry::Clock(time) => cluster.pass(time.duration_since(cluster.now).as_secs()),
        }
    }

    /// The cluster as the operator sees it.
    fn view(&self) -> Snapshot {
        let mut view = self.cluster.snapshot();
        view.service_account = self.account_behind.clone().or(view.service_account);
        for workload in &mut view.workloads {
            if let Some(behind) = self.behind.as_ref().filter(|behind| behind.id() == workload.id()) {
                *workload = Arc::clone(behind);
            }
        }
        view
    }

    /// Reconciles until nothing is left to do at this moment.
    #[expect(clippy::too_many_lines, reason = "the operator's loop, in its order")]
    fn reconcile(&mut self) -> Result<Heard, String> {
        let mut heard = Heard::default();
        if self.away {
            return Ok(heard);
        }
        for _ in 0..20 {
            let view = self.view();
            let assessment = Assessment::of(&view);
            let plan = plan(&view, &assessment);
            let (mut done, mut problems, mut answered) = (Vec::new(), Vec::new(), None);
            let crash_after = if plan.steps.is_empty() { None } else { self.crash_after.take() };
            for planned in plan.steps.into_iter().take(crash_after.unwrap_or(usize::MAX)) {
                match self.cluster.apply(&planned) {
                    Ok(()) => {}
                    Err(Refusal::Stale) if self.behind.is_some() || self.account_behind.is_some() => {
                        problems.push(problem(&planned, ProblemKind::Stale, ""));
                        break;
                    }
                    Err(Refusal::Refused) => {
                        problems.push(problem(&planned, ProblemKind::Refused, "denied by policy"));
                        heard.does.push(format!("{}: refused", step(&planned)));
                        continue;
                    }
                    Err(Refusal::Rewritten) => {
                        problems.push(problem(&planned, ProblemKind::Rewritten, "changed by admission"));
                        heard.does.push(format!("{}: rewritten", step(&planned)));
                        continue;
                    }
                    Err(refusal) => return Err(format!("{}: {refusal:?}", step(&planned))),
                }
                heard.does.push(step(&planned));
                if let Step::Preflight(question) = &planned {
                    answered = Some(self.cluster.ask(question));
                }
                done.push(planned);
            }
            if crash_after.is_some() && std::mem::take(&mut self.dies) {
                self.away = true;
                return Ok(heard);
            }
            if crash_after.is_some() {
                continue;
            }
            let outcome = Outcome { answered, ..Outcome::of(&assessment, done, problems) };
            heard.events.extend(deletion_events(&view, &assessment, &outcome).iter().map(|(_, it)| unreported(it)));
            heard.events.extend(step_events(&view, &outcome).iter().map(unreported));
            let after = self.view();
            let after_assessment = Assessment::of(&after);
            let after_plan = podidentity_core::plan::plan(&after, &after_assessment);
            let reports = reports(&after, &after_assessment, &after_plan, &outcome);
            if reports.is_empty() && outcome.done.is_empty() {
                return Ok(heard);
            }
            for report in reports {
                let name = report.binding.name.clone();
                let old = self.cluster.bindings[&name].status.as_ref();
                heard.events.extend(transitions(old, &report.status, &outcome).into_iter().map(|it| it.reason.into()));
                heard.says.insert(name, Said::from(&report.status));
                self.cluster.store_status(&report);
            }
        }
        Err("the operator does not come to rest".to_owned())
    }
}

/// An event about a deleted binding or a step. What such a warning says stands in no status.
fn unreported(event: &Transition) -> String {
    if event.warning { format!("{}: {}", event.reason, event.note) } else { event.reason.to_string() }
}

fn problem(planned: &Step, kind: ProblemKind, message: &str) -> Problem {
    let workload = match planned {
        Step::Restart { workload, .. } => Some(workload.clone()),
        Step::SetFinalizer { .. } | Step::Annotate { .. } | Step::Preflight(_) => None,
    };
    Problem { workload, what: step(planned), kind, message: message.to_owned() }
}

fn bind(cluster: &mut Cluster, name: &str, mut spec: Map<String, Value>) {
    if let Some(Value::String(role)) = spec.get_mut("roleArn") {
        *role = arn(role);
    }
    let known = cluster.bindings.get(name).map(|binding| json!(binding.spec));
    let mut whole = known.unwrap_or_else(|| json!({"serviceAccountName": crate::sim::ACCOUNT}));
    merge(&mut whole, Value::Object(spec));
    let spec: podidentity_api::PodIdentityBindingSpec = serde_json::from_value(whole).unwrap();
    if cluster.bindings.contains_key(name) {
        cluster.edit_binding(name, |it| *it = spec);
    } else {
        cluster.bind(name, &spec.role_arn.clone());
        cluster.touch_binding(name, |it| it.spec = spec);
    }
}

fn merge(base: &mut Value, patch: Value) {
    match (base, patch) {
        (Value::Object(base), Value::Object(patch)) => {
            for (key, value) in patch {
                if value.is_null() {
                    base.remove(&key);
                } else {
                    merge(base.entry(key).or_insert(Value::Null), value);
                }
            }
        }
        (base, patch) => *base = patch,
    }
}

fn arn(role: &str) -> String {
    format!("arn:aws:iam::111122223333:role/{role}")
}
