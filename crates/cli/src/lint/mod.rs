//! `lint`: reports what will be wrong, before anything is applied.
//!
//! ```text
//! read ──► objects ──► accounts (bindings + service accounts) ──► declarations, grants: findings about these
//!                 ├──► slips: settings without the intended effect
//!                 └──► workloads ──► predicted pods ──► core's verification: findings about pods ──► output
//! ```

mod args;
pub(crate) mod declarations;
mod grants;
mod placeholders;
pub(crate) mod slips;
mod sources;
mod text;

use std::io::{self, Write};

use podidentity_core::finding::Severity;
use podidentity_core::objects::PodTemplate;
use podidentity_core::settings::Settings;
use podidentity_core::verify::AccountOf;

pub(crate) use self::args::LintArgs;

use self::slips::Slips;
use self::sources::Sources;

use crate::accounts::{Accounts, entries, key, unreadable};
use crate::exit::Exit;
use crate::findings::Finding;
use crate::manifest::{Object, Role, no_object, objects};
use crate::messages::Messages;
use crate::output::{self, Report, Totals};
use crate::predict::{By, Predicted, judge, judge_without_role};
use crate::read::{Input, Problem, read};
use crate::yaml::decode;

/// Runs the command. Findings go to `out`.
pub(crate) fn run(args: &LintArgs, out: &mut dyn Write, colour: bool) -> io::Result<Exit> {
    let mut input = read(&args.input.files);
    if args.templates {
        placeholders::fill(&mut input);
    }
    let mended = text::mend(&mut input);
    let report = Linter { args, settings: args.webhook.settings(), problems: Vec::new() }
        .watching(&input)
        .report(&input, mended);
    let mut messages = Messages::new();
    messages.notes(&input.notes);
    messages.problems(&report.problems);
    output::write(&report, args.output, out, colour)?;
    let fails = |finding: &Finding| match finding.severity {
        Severity::Error => true,
        Severity::Warning => args.strict,
        Severity::Info => false,
    };
    Ok(match (report.problems.is_empty(), report.findings.iter().any(fails)) {
        (false, _) => Exit::Unreadable,
        (true, true) => Exit::Findings,
        (true, false) => Exit::Ok,
    })
}

struct Linter<'a> {
    args: &'a LintArgs,
    settings: Settings,
    problems: Vec<Problem>,
}

impl Linter<'_> {
    /// Adds the entries of the webhook's ConfigMap, if the user asks for it.
    fn watching(mut self, input: &Input) -> Self {
        if let Some(namespace) = &self.args.webhook.watch_config_map {
            let all: Vec<Object<'_>> = input.documents().flat_map(objects).collect();
            match entries(&all, namespace) {
                Ok(entries) => self.settings.entries = entries,
                Err(problem) => self.problems.push(problem),
            }
        }
        self
    }

    /// Builds the report. `findings` are the findings from reading the files.
    fn report(&self, input: &Input, mut findings: Vec<Finding>) -> Report {
        let namespace = self.args.input.namespace.as_deref();
        let all: Vec<Object<'_>> = input.documents().flat_map(objects).collect();
        let accounts = Accounts::of(&all, namespace, self.settings.account.as_ref());
        findings.extend(declarations::check(&accounts, &self.settings));
        findings.extend(grants::check(&all, &accounts, &self.settings));
        let watched = self.args.webhook.watch_config_map.as_deref();
        let slips = Slips { objects: &all, accounts: &accounts, settings: &self.settings, watched, namespace, input };
        findings.extend(slips.check());
        let mut problems: Vec<Problem> =
            input.problems.iter().chain(&accounts.problems).chain(&self.problems).cloned().collect();
        problems.extend(input.documents().filter_map(no_object));
        let sources = Sources::of(&all, namespace);
        let mut totals = Totals { files: input.files.len(), objects: all.len(), ..Totals::default() };
        for object in all.iter().filter(|object| matches!(object.role, Role::Workload(_) | Role::Custom)) {
            match self.workload(object, &accounts, &sources) {
                Err(problem) => problems.push(problem),
                Ok((has_role, found)) => {
                    let total =
                        if has_role { &mut totals.workloads_with_role } else { &mut totals.workloads_without_role };
                    *total += 1;
                    findings.extend(found);
                }
            }
        }
        findings.sort_by(|a, b| a.order().cmp(&b.order()));
        problems.sort_by(|a, b| a.place.cmp(&b.place));
        Report { findings, problems, totals }
    }

    /// Whether the future pods of a workload will have a role, and the findings in them.
    fn workload(
        &self,
        object: &Object<'_>,
        accounts: &Accounts<'_>,
        sources: &Sources,
    ) -> Result<(bool, Vec<Finding>), Problem> {
        let by = if self.args.without_webhook { By::Nobody } else { By::Webhook };
        let (mut has_role, mut found) = (false, Vec::new());
        for node in object.template_nodes() {
            let mut template: PodTemplate = match decode(&node) {
                Ok(template) => template,
                // The controller of a custom resource accepts what Kubernetes does not. `slips`
                // reports that the resource is not checked.
                Err(_) if object.role == Role::Custom => continue,
                Err(error) => return Err(unreadable(object, &error)),
            };
            let key = key(object, template.spec.service_account(), self.args.input.namespace.as_deref());
            template.spec.reveal(&|source| sources.get(key.0.as_deref(), source));
            let identity = accounts.identity(&key, &self.settings);
            let Some(identity) = identity else {
                let account =
                    if by == By::Nobody || accounts.is_known(&key) { AccountOf::NoRole } else { AccountOf::Unknown };
                found.extend(judge_without_role(object, &node, &template, &self.settings, account));
                continue;
            };
            has_role = true;
            let predicted = Predicted::new(object, &template, &identity, &self.settings, by);
            found.extend(judge(object, &node, &predicted, &identity, &self.settings));
        }
        Ok((has_role, found))
    }
}
