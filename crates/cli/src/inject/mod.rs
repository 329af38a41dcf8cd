//! `inject`: writes what the webhook would add into manifests.

mod add;
mod args;
mod associated;
#[cfg(test)]
mod tests;

use std::io::{self, Write};

use podidentity_core::finding::Severity;
use podidentity_core::injection::Injection;
use podidentity_core::objects::{Map, PodTemplate};
use podidentity_core::settings::Settings;

pub(crate) use self::args::InjectArgs;

use self::args::Injector;
use self::associated::Associated;

use crate::accounts::{Accounts, Identity, entries, key, unreadable};
use crate::exit::Exit;
use crate::findings::{Finding, ManifestReason, Reason};
use crate::lint::{declarations, slips::Slips};
use crate::manifest::{self, Object, Role, objects};
use crate::messages::Messages;
use crate::predict::{By, Predicted, judge};
use crate::read::{Document, Input, Problem, read};
use crate::yaml::{decode, emit, unquote};

/// Runs the command. Manifests go to `out`, problems to standard error.
pub(crate) fn run(args: &InjectArgs, out: &mut dyn Write) -> io::Result<Exit> {
    let input = read(&args.input.files);
    let associated = match args.container_credentials_config.as_deref().map(associated::read) {
        None => Associated::default(),
        Some(Ok(associated)) => associated,
        Some(Err(why)) => {
            Messages::new().failure(&why);
            return Ok(Exit::Unreadable);
        }
    };
    let done = work(args, &input, associated);
    out.write_all(done.printed.as_bytes())?;

    let mut messages = Messages::new();
    messages.notes(&input.notes);
    if done.no_role && done.problems.is_empty() {
        messages.note(NO_ROLE);
    }
    messages.warnings(&done.warnings);
    messages.problems(&done.problems);
    Ok(if done.problems.is_empty() { Exit::Ok } else { Exit::Unreadable })
}

const NO_ROLE: &str = "nothing was injected: among the manifests is no ServiceAccount with a role and no \
                       PodIdentityBinding (see --role-arn)";

/// The result for the whole input.
struct Done {
    printed: String,
    problems: Vec<Problem>,
    warnings: Vec<Problem>,
    /// Whether nothing in the input asks for a role, although there are objects.
    no_role: bool,
}

fn work(args: &InjectArgs, input: &Input, associated: Associated) -> Done {
    let mut settings = args.webhook.settings();
    let all: Vec<Object<'_>> = input.documents().flat_map(objects).collect();
    let accounts = Accounts::of(&all, args.input.namespace.as_deref(), settings.account.as_ref());
    let mut problems = input.problems.clone();
    if let Some(namespace) = &args.webhook.watch_config_map {
        match entries(&all, namespace) {
            Ok(entries) => settings.entries = entries,
            Err(problem) => problems.push(problem),
        }
    }
    let is_alone = associated.is_empty();
    let mut work = Work { args, settings: &settings, accounts: &accounts, associated, problems, warnings: Vec::new() };
    let mut printed = String::new();
    for document in input.documents() {
        append(&mut printed, &work.document(document));
    }
    let Work { mut problems, mut warnings, .. } = work;
    // A role by flags holds whatever the service accounts say.
    if !args.role.is_given() {
        let namespace = args.input.namespace.as_deref();
        let watched = args.webhook.watch_config_map.as_deref();
        let slips = Slips { objects: &all, accounts: &accounts, settings: &settings, watched, namespace, input };
        let found = slips.check().into_iter().chain(declarations::check(&accounts, &settings));
        // What breaks the schema is a problem.
        let invalid = Reason::Manifest(ManifestReason::InvalidSpec);
        warnings.extend(found.filter(|found| found.reason != invalid).filter_map(warning));
    }
    warnings.sort_by(|a, b| a.place.cmp(&b.place));
    problems.extend(input.documents().filter_map(manifest::no_object));
    problems.extend(accounts.problems.iter().cloned());
    for (object, violations) in &accounts.refused {
        problems.extend(violations.iter().map(|violation| Problem {
            place: object.place.with(violation.at),
            message: format!("{} breaks the schema and counts for nothing: {}", object.title(), violation.message),
        }));
    }
    problems.sort_by(|a, b| a.place.cmp(&b.place));
    let roles = !is_alone
        || settings.entries.is_some()
        || accounts.by_key.values().any(|account| account.identity(&settings).is_some());
    Done { printed, problems, warnings, no_role: !all.is_empty() && !roles && !args.role.is_given() }
}

/// A finding as a warning, in the words of `lint`. `None` if it is only worth knowing.
fn warning(found: Finding) -> Option<Problem> {
    (found.severity != Severity::Info).then(|| Problem {
        message: format!("{}: {}: {}", found.object, found.reason, found.message),
        place: found.place,
    })
}

/// Adds a document to the stream.
fn append(printed: &mut String, text: &str) {
    if !printed.is_empty() {
        if !printed.ends_with('\n') {
            printed.push('\n');
        }
        // Directives must follow the end of a document.
        let directives = text.lines().find(|line| !line.trim().is_empty() && !line.starts_with('#'));
        let directives = directives.is_some_and(|line| line.starts_with('%'));
        printed.push_str(if directives { "...\n" } else { "---\n" });
    }
    printed.push_str(text);
}

struct Work<'a> {
    args: &'a InjectArgs,
    settings: &'a Settings,
    accounts: &'a Accounts<'a>,
    associated: Associated,
    problems: Vec<Problem>,
    warnings: Vec<Problem>,
}

impl Work<'_> {
    /// The document with its injections. A YAML document without injections keeps its own text.
    fn document(&mut self, document: &Document) -> String {
        let edits: Vec<_> = objects(document).into_iter().filter_map(|object| self.edit(&object)).collect();
        let Some(root) = document.root.as_ref().filter(|_| document.json || !edits.is_empty()) else {
            return document.text.clone();
        };
        let mut root = root.clone();
        if document.json {
            unquote(&mut root);
        }
        for (items, path, injection) in edits {
            if let Some(object) = manifest::node_mut(&mut root, &items) {
                add::apply(object, path, &injection);
            }
        }
        emit(&root)
    }

    /// The injection for an object, and where to add it.
    fn edit(&mut self, object: &Object<'_>) -> Option<(Vec<usize>, &'static [&'static str], Injection)> {
        let Role::Workload(path) = object.role else {
            self.warn_of_custom(object);
            return None;
        };
        if self.args.injector == Injector::Webhook && !path.is_empty() {
            return None;
        }
        let template = match object.template()? {
            Ok(template) => template,
            Err(error) => {
                self.problems.push(unreadable(object, &error));
                return None;
            }
        };
        let identity = self.identity(object, &template)?;
        let by = match self.args.injector {
            Injector::Hand => By::Hand,
            Injector::Webhook => By::Webhook,
        };
        let injection = by.inject(&template, &identity, self.settings);
        self.warn(object, &template, &identity, by);
        (!injection.is_empty()).then(|| (object.items.clone(), path, injection))
    }

    fn identity(&self, object: &Object<'_>, template: &PodTemplate) -> Option<Identity> {
        let name = template.spec.service_account();
        let key = key(object, name, self.args.input.namespace.as_deref());
        let identity = match self.args.role.desired(name) {
            Some(desired) => Some(Identity::of(desired, &Map::new(), self.settings)),
            None => self.accounts.identity(&key, self.settings),
        };
        if self.associated.has(key.0.as_deref().unwrap_or_default(), name) {
            return Some(identity.map_or_else(Identity::of_association, Identity::with_association));
        }
        identity
    }

    /// Warns about what still keeps containers from getting the role.
    fn warn(&mut self, object: &Object<'_>, template: &PodTemplate, identity: &Identity, by: By) {
        let predicted = Predicted::new(object, template, identity, self.settings, by);
        let Some(node) = object.template_node() else { return };
        let findings = judge(object, node, &predicted, identity, self.settings);
        self.warnings.extend(findings.into_iter().filter_map(warning));
    }

    /// Warns of a custom resource that makes pods with a role, or may: its controller, and not its
    /// manifest, says what its pods look like.
    fn warn_of_custom(&mut self, object: &Object<'_>) {
        let nodes = object.template_nodes();
        let templates = nodes.iter().filter_map(|node| decode::<PodTemplate>(node).ok());
        let has_role = templates.into_iter().any(|template| self.identity(object, &template).is_some());
        if self.args.injector == Injector::Hand && (has_role || object.hidden_pods().is_some()) {
            let message = format!(
                "{}: inject does not look into the pods of custom resources, and leaves it as it is: set the variables and \
                 the volume of the token in it by hand, where its controller takes them",
                object.title()
            );
            self.warnings.push(Problem { message, place: object.place.clone() });
        }
    }
}
