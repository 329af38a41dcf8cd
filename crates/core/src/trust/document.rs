//! A trust policy: its statements, as far as they matter for web identities.

use serde::Serialize;

use super::input;
use super::json::{Kind, Member, Node};
use super::operator::Operator;
use super::text::{Place, ReadError};
use crate::arn::RoleArn;

/// The form of statements, for messages.
const STATEMENT: &str = "expected is a list of objects with Effect, Principal, Action and perhaps Condition";

/// A parsed trust policy of a role.
#[derive(Clone, Debug)]
pub struct Policy {
    pub(super) root: Node,
    pub(super) variables: bool,
    pub(super) statements: Vec<Statement>,
    /// The reasons why IAM does not save the document.
    pub(super) refusals: Vec<Refusal>,
    pub(super) role: Option<RoleArn>,
}

/// A reason why IAM refuses to save a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) at: Place,
    /// Index of the statement at fault; `None` if the fault is outside the statements.
    pub(super) statement: Option<usize>,
    pub(super) message: String,
}

/// A text and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) text: String,
    pub(super) at: Place,
}

/// What a statement does if it applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Effect {
    /// Allows.
    Allow,
    /// Denies, whatever other statements allow.
    Deny,
}

#[derive(Clone, Debug)]
pub(super) struct Statement {
    pub(super) at: Place,
    pub(super) sid: Option<String>,
    pub(super) effect: Effect,
    pub(super) principal: Principal,
    pub(super) principal_at: Place,
    pub(super) actions: Vec<Word>,
    /// Whether the statement has `NotAction`: the actions are the excluded ones.
    pub(super) not_action: bool,
    pub(super) actions_at: Place,
    pub(super) conditions: Vec<Condition>,
}

#[derive(Clone, Debug)]
pub(super) enum Principal {
    /// `"*"`.
    Anyone,
    /// By kind: `Federated`, `AWS`, `Service`.
    Of(Vec<(String, Vec<Word>)>),
    /// `NotPrincipal`.
    Not,
}

impl Principal {
    /// The principals of a kind.
    pub(super) fn of(&self, kind: &str) -> impl Iterator<Item = &Word> {
        let all = if let Self::Of(all) = self { all.as_slice() } else { &[] };
        all.iter().filter(move |(of, _)| of == kind).flat_map(|(_, words)| words)
    }

    /// Whether the principal is everybody, AWS accounts included.
    pub(super) fn is_anyone(&self) -> bool {
        matches!(self, Self::Anyone) || self.of("AWS").any(|word| word.text == "*")
    }
}

/// One operator with one key.
#[derive(Clone, Debug)]
pub(super) struct Condition {
    pub(super) operator_name: String,
    /// `None` if IAM does not know the operator.
    pub(super) operator: Option<Operator>,
    pub(super) key: String,
    pub(super) at: Place,
    pub(super) values: Vec<Value>,
}

#[derive(Clone, Debug)]
pub(super) struct Value {
    pub(super) text: String,
    pub(super) at: Place,
    /// Whether it is a string in JSON, and not a number or boolean.
    pub(super) is_string: bool,
}

impl Policy {
    /// Reads a trust policy: the output of `aws iam get-role`, a bare document, or either of these
    /// percent-encoded or in a JSON string. `Err`: what is wrong with its form, and where.
    pub fn read(text: &str) -> Result<Self, Vec<ReadError>> {
        let found = input::find(text)?;
        let mut policy = Self::of(found.root)?;
        policy.role = found.role;
        Ok(policy)
    }

    /// The role that the trust policy belongs to, if the input says so.
    pub fn role(&self) -> Option<&RoleArn> {
        self.role.as_ref()
    }

    pub(super) fn of(root: Node) -> Result<Self, Vec<ReadError>> {
        let mut reader = Reader::default();
        let variables = reader.version(&root);
        let statements = reader.statements(&root);
        reader.sids(&statements);
        for member in root.members().iter().filter(|it| !["Version", "Id", "Statement"].contains(&it.key.as_str())) {
            reader.refuse(member.at, None, format!("a policy has no element {:?}: remove it", member.key));
        }
        if !reader.errors.is_empty() {
            return Err(reader.errors);
        }
        Ok(Self { root, variables, statements, refusals: reader.refusals, role: None })
    }
}

#[derive(Default)]
struct Reader {
    errors: Vec<ReadError>,
    refusals: Vec<Refusal>,
}

impl Reader {
    fn error(&mut self, at: Place, message: impl Into<String>) {
        self.errors.push(ReadError { at, message: message.into() });
    }

    fn refuse(&mut self, at: Place, statement: Option<usize>, message: String) {
        self.refusals.push(Refusal { at, statement, message });
    }

    /// Whether `${...}` is a policy variable.
    fn version(&mut self, root: &Node) -> bool {
        let Some(version) = root.get("Version") else { return false };
        match version.as_str() {
            Some("2012-10-17") => true,
            Some("2008-10-17") => false,
            Some(_) => {
                let message = format!(
                    "Version is {}: write \"2012-10-17\", the date is that of the language",
                    version.described()
                );
                self.refuse(version.at, None, message);
                true
            }
            None => {
                self.error(
                    version.at,
                    format!("Version is {}, not a string: write \"2012-10-17\"", version.described()),
                );
                false
            }
        }
    }

    fn statements(&mut self, root: &Node) -> Vec<Statement> {
        let Some(all) = root.get("Statement") else {
            let similar = root.members().iter().find(|it| it.key.to_lowercase().starts_with("statement"));
            let hint = similar.map(|it| format!("; the key {:?} is to be \"Statement\"", it.key)).unwrap_or_default();
            self.error(root.at, format!("there is no Statement{hint}; {STATEMENT}"));
            return Vec::new();
        };
        if all.each().is_empty() {
            self.error(all.at, format!("Statement is empty; {STATEMENT}"));
        }
        let mut statements = Vec::new();
        for (index, node) in all.each().iter().enumerate() {
            if matches!(node.kind, Kind::Object(_)) {
                statements.extend(self.statement(index, node));
            } else {
                self.error(node.at, format!("a statement is {}; {STATEMENT}", node.described()));
            }
        }
        statements
    }

    fn statement(&mut self, index: usize, node: &Node) -> Option<Statement> {
        self.elements(index, node);
        let sid = node.get("Sid").and_then(|sid| {
            if sid.as_str().is_none() {
                self.error(sid.at, format!("Sid is {}, not a string", sid.described()));
            }
            sid.as_str().map(str::to_owned)
        });
        let effect = self.effect(node);
        let principal = self.principal(index, node);
        let actions = self.actions(index, node);
        let conditions = self.conditions(index, node);
        let (principal, principal_at) = principal?;
        let (actions, not_action, actions_at) = actions?;
        let effect = effect?;
        Some(Statement {
            at: node.at,
            sid,
            effect,
            principal,
            principal_at,
            actions,
            not_action,
            actions_at,
            conditions,
        })
    }

    /// Elements that a statement of a trust policy must not have.
    fn elements(&mut self, index: usize, node: &Node) {
        const KNOWN: [&str; 7] = ["Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Condition"];
        for member in node.members().iter().filter(|member| !KNOWN.contains(&member.key.as_str())) {
            let message = match member.key.as_str() {
                "Resource" | "NotResource" => {
                    format!("a trust policy has no {}: the role itself is the resource; remove it", member.key)
                }
                other => match crate::likeness::closest(other, &KNOWN) {
                    Some(meant) => format!("a statement has no element {other:?}: write {meant:?}"),
                    None => format!("a statement has no element {other:?}: remove it"),
                },
            };
            self.refuse(member.at, Some(index), message);
        }
    }

    fn effect(&mut self, node: &Node) -> Option<Effect> {
        let Some(effect) = node.get("Effect") else {
            self.error(node.at, "the statement has no Effect; expected is \"Allow\" or \"Deny\"");
            return None;
        };
        match effect.as_str() {
            Some("Allow") => Some(Effect::Allow),
            Some("Deny") => Some(Effect::Deny),
            _ => {
                let message =
                    format!("Effect is {}; expected is \"Allow\" or \"Deny\", in that case", effect.described());
                self.error(effect.at, message);
                None
            }
        }
    }

    fn principal(&mut self, index: usize, node: &Node) -> Option<(Principal, Place)> {
        if let Some(not) = node.get("NotPrincipal") {
            self.refuse(not.at, Some(index), "a trust policy must not have NotPrincipal: write Principal".to_owned());
            return Some((Principal::Not, not.at));
        }
        let Some(principal) = node.get("Principal") else {
            self.error(node.at, "the statement has no Principal; expected is {\"Federated\": \"ARN of the provider\"}");
            return None;
        };
        if principal.as_str() == Some("*") {
            let message = "a trust policy does not take \"*\" for the Principal: name the principals".to_owned();
            self.refuse(principal.at, Some(index), message);
            return Some((Principal::Anyone, principal.at));
        }
        if !matches!(principal.kind, Kind::Object(_)) || principal.members().is_empty() {
            let is_object = matches!(principal.kind, Kind::Object(_));
            let what = if is_object { "an empty object".to_owned() } else { principal.described() };
            let message = format!("Principal is {what}; expected is {{\"Federated\": \"ARN of the provider\"}}");
            self.error(principal.at, message);
            return None;
        }
        let mut all = Vec::new();
        for Member { key, at, value } in principal.members() {
            if !["AWS", "Federated", "Service", "CanonicalUser"].contains(&key.as_str()) {
                let message = format!("{key:?} is no kind of principal: write \"Federated\" for an identity provider");
                self.refuse(*at, Some(index), message);
            }
            all.push((key.clone(), self.words(value, &format!("Principal.{key}"))?));
        }
        Some((Principal::Of(all), principal.at))
    }

    /// A string or a list of strings.
    fn words(&mut self, node: &Node, name: &str) -> Option<Vec<Word>> {
        let mut words = Vec::new();
        for one in node.each() {
            let Some(text) = one.as_str() else {
                let message = format!("{name} has {}; expected is a string or a list of strings", one.described());
                self.error(one.at, message);
                return None;
            };
            words.push(Word { text: text.to_owned(), at: one.at });
        }
        Some(words)
    }

    fn actions(&mut self, index: usize, node: &Node) -> Option<(Vec<Word>, bool, Place)> {
        let (action, not_action) = (node.get("Action"), node.get("NotAction"));
        if let (Some(_), Some(not)) = (action, not_action) {
            self.refuse(not.at, Some(index), "a statement has Action or NotAction, not both".to_owned());
        }
        let Some(actions) = action.or(not_action) else {
            self.error(node.at, "the statement has no Action; expected is \"sts:AssumeRoleWithWebIdentity\"");
            return None;
        };
        let name = if action.is_some() { "Action" } else { "NotAction" };
        let words = self.words(actions, name)?;
        if words.is_empty() {
            self.error(actions.at, format!("{name} is empty; expected is \"sts:AssumeRoleWithWebIdentity\""));
            return None;
        }
        for word in &words {
            if !word.text.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("sts:")) {
                let message = format!("{:?} is no action of STS, and a trust policy takes no others", word.text);
                self.refuse(word.at, Some(index), message);
            }
        }
        Some((words, action.is_none(), actions.at))
    }

    fn conditions(&mut self, index: usize, node: &Node) -> Vec<Condition> {
        let mut conditions = Vec::new();
        let Some(condition) = node.get("Condition") else { return conditions };
        let expected = "expected is an object of operators, such as {\"StringEquals\": {\"KEY\": \"VALUE\"}}";
        if !matches!(condition.kind, Kind::Object(_)) {
            self.error(condition.at, format!("Condition is {}; {expected}", condition.described()));
        }
        for Member { key: name, at, value: keys } in condition.members() {
            let operator = Operator::parse(name);
            if operator.is_none() {
                self.refuse(*at, Some(index), super::operator::unknown(name));
            }
            if !matches!(keys.kind, Kind::Object(_)) {
                let message = format!("{name} has {}; expected is an object of keys and values", keys.described());
                self.error(keys.at, message);
            }
            for Member { key, at, value } in keys.members() {
                let values = self.values(value, key);
                conditions.push(Condition { operator_name: name.clone(), operator, key: key.clone(), at: *at, values });
            }
        }
        conditions
    }

    fn values(&mut self, node: &Node, key: &str) -> Vec<Value> {
        let mut values = Vec::new();
        for one in node.each() {
            let (text, is_string) = match &one.kind {
                Kind::String(text) => (text.clone(), true),
                Kind::Number(text) => (text.clone(), false),
                Kind::Bool(value) => (value.to_string(), false),
                _ => {
                    let message = format!("{key} has {}; expected is a string or a list of strings", one.described());
                    self.error(one.at, message);
                    continue;
                }
            };
            values.push(Value { text, at: one.at, is_string });
        }
        values
    }

    fn sids(&mut self, statements: &[Statement]) {
        for (index, statement) in statements.iter().enumerate() {
            let Some(sid) = statement.sid.as_ref().filter(|sid| !sid.is_empty()) else { continue };
            if !sid.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
                let message = format!("the Sid {sid:?} has characters other than letters and digits");
                self.refuse(statement.at, Some(index), message);
            }
            if statements[..index].iter().any(|other| other.sid.as_ref() == Some(sid)) {
                self.refuse(
                    statement.at,
                    Some(index),
                    format!("another statement has the Sid {sid:?}, too: change one"),
                );
            }
        }
    }
}
