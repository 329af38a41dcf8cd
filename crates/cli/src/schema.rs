//! The rules of the binding's schema, applied without an API server.
//!
//! The rules come from the `CustomResourceDefinition` itself, so a change there also takes effect
//! here.

use std::collections::HashMap;
use std::ops::RangeInclusive;

use jiff::SignedDuration;
use podidentity_api::crd::crd;
use podidentity_api::{InvalidSpec, PodIdentityBinding};
use podidentity_core::arn::RoleArn;
use podidentity_core::windows;
use regex::Regex;
use serde_json::Value;

use crate::yaml::{self, Kind, Node, Position};

/// A violation for which the API server or the operator would refuse a binding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    pub(crate) message: String,
    pub(crate) at: Position,
}

/// The schema of bindings.
pub(crate) struct Schema {
    spec: Value,
}

impl Schema {
    pub(crate) fn of_bindings() -> Self {
        let crd = serde_json::to_value(crd()).unwrap_or_default();
        let root = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        Self { spec: root["properties"]["spec"].clone() }
    }

    /// All violations in a binding. Rules about updates (`oldSelf`) cannot be checked.
    pub(crate) fn check(&self, binding: &Node) -> Vec<Violation> {
        let mut violations = Vec::new();
        let spec = binding.get("spec").filter(|spec| !spec.is_null());
        match (spec, yaml::json(spec.unwrap_or(binding))) {
            (_, Err(error)) => violations.push(Violation { message: error.message, at: error.at }),
            (None, Ok(_)) => violations.push(Violation { message: "spec: is required".to_owned(), at: binding.at }),
            (Some(node), Ok(value)) => check(&self.spec, node, &value, "spec", &mut violations),
        }
        violations
    }
}

/// Checks what no rule of the schema can express: whether a time zone exists. The operator refuses
/// such a binding.
pub(crate) fn beyond(node: &Node, binding: &PodIdentityBinding) -> Option<Violation> {
    let invalid = windows::invalid(&binding.spec.rollout)?;
    let at = node.get("spec").map_or(node.at, |spec| place(spec, &invalid).at);
    Some(Violation { message: invalid.to_string(), at })
}

/// The node of the invalid field, or the nearest node that contains it.
fn place<'a>(spec: &'a Node, invalid: &InvalidSpec) -> &'a Node {
    let parts = invalid.field.split(['.', '[']).map(|part| part.trim_end_matches(']'));
    parts.fold(spec, |node, part| match &node.kind {
        Kind::Sequence(items) => part.parse().ok().and_then(|index: usize| items.get(index)).unwrap_or(node),
        _ => node.get(part).unwrap_or(node),
    })
}

/// Checks a node and its children. `value` is the JSON of `node`, so both have the same shape.
fn check(schema: &Value, node: &Node, value: &Value, path: &str, found: &mut Vec<Violation>) {
    let mut add = |message: String| found.push(Violation { message: format!("{path}: {message}"), at: node.at });
    if let Some(expected) = schema["type"].as_str()
        && !has_type(value, expected)
    {
        add(format!("must be of type {expected}, not {}", type_name(value)));
        return;
    }
    if let Some(message) = bounds(schema, value) {
        add(message);
        return; // a second message about the same value would only repeat the first
    }
    for rule in schema["x-kubernetes-validations"].as_array().into_iter().flatten() {
        if let Some(message) = violated(rule, value) {
            add(message);
        }
    }
    match (&node.kind, value) {
        (Kind::Mapping(_), Value::Object(object)) => fields(schema, node, object, path, found),
        (Kind::Sequence(items), Value::Array(values)) => {
            for (index, (item, value)) in items.iter().zip(values).enumerate() {
                check(&schema["items"], item, value, &format!("{path}[{index}]"), found);
            }
        }
        _ => {}
    }
}

fn fields(
    schema: &Value,
    node: &Node,
    object: &serde_json::Map<String, Value>,
    path: &str,
    found: &mut Vec<Violation>,
) {
    for required in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if object.get(required).is_none_or(Value::is_null) {
            found.push(Violation { message: format!("{path}.{required}: is required"), at: node.at });
        }
    }
    let Kind::Mapping(entries) = &node.kind else { return };
    // If a name occurs twice, the last entry counts.
    let by_name: HashMap<&str, &(Node, Node)> =
        entries.iter().filter_map(|entry| Some((entry.0.text()?, entry))).collect();
    for (name, value) in object {
        let Some((key, child)) = by_name.get(name.as_str()) else { continue };
        let known = &schema["properties"][name];
        let more = &schema["additionalProperties"];
        if value.is_null() {
            continue; // a key without a value is as if it were not there
        }
        if known.is_object() || more.is_object() {
            let schema = if known.is_object() { known } else { more };
            check(schema, child, value, &format!("{path}.{name}"), found);
        } else {
            found.push(Violation { message: format!("{path}.{name}: is not a field of a binding"), at: key.at });
        }
    }
}

fn has_type(value: &Value, expected: &str) -> bool {
    match expected {
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        _ => value.is_object(),
    }
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn bounds(schema: &Value, value: &Value) -> Option<String> {
    let length = value.as_str().map(|text| text.chars().count() as u64);
    if let (Some(length), Some(min)) = (length, schema["minLength"].as_u64())
        && length < min
    {
        return Some("must not be empty".to_owned());
    }
    if let (Some(length), Some(max)) = (length, schema["maxLength"].as_u64())
        && length > max
    {
        return Some(format!("must have at most {max} characters, has {length}"));
    }
    let entries = value.as_array().map(Vec::len).or(value.as_object().map(serde_json::Map::len));
    let most = [&schema["maxItems"], &schema["maxProperties"]].into_iter().find_map(Value::as_u64);
    if let (Some(entries), Some(max)) = (entries, most)
        && entries as u64 > max
    {
        return Some(format!("must have at most {max} entries, has {entries}"));
    }
    if let Some(number) = value.as_f64() {
        let (min, max) = (schema["minimum"].as_f64(), schema["maximum"].as_f64());
        if min.is_some_and(|min| number < min) || max.is_some_and(|max| number > max) {
            let range = [min.map(|min| format!("at least {min}")), max.map(|max| format!("at most {max}"))];
            return Some(format!(
                "must be {}, is {number}",
                range.into_iter().flatten().collect::<Vec<_>>().join(" and ")
            ));
        }
    }
    let allowed = schema["enum"].as_array()?;
    let names: Vec<&str> = allowed.iter().filter_map(Value::as_str).collect();
    (!allowed.contains(value)).then(|| format!("must be one of {}, is {value}", names.join(", ")))
}

/// The message of the rule, if the value breaks it. Rules are CEL expressions. This module does not
/// evaluate CEL: it recognizes the rules of the schema by their text.
fn violated(rule: &Value, value: &Value) -> Option<String> {
    let text = rule["rule"].as_str()?;
    let broken = match known(text)? {
        Rule::Matches(pattern) => !pattern.is_match(value.as_str()?),
        Rule::OperatorAndValues => {
            let takes_values = matches!(value["operator"].as_str(), Some("In" | "NotIn"));
            let has_values = value["values"].as_array().is_some_and(|values| !values.is_empty());
            takes_values != has_values
        }
        Rule::Duration { pattern, range } => {
            let text = value.as_str()?;
            let duration = text.parse().ok().filter(|_| pattern.is_match(text));
            duration.is_none_or(|duration| !range.contains(&duration))
        }
        Rule::ExactlyOne(fields) => fields.iter().filter(|field| !value[field.as_str()].is_null()).count() != 1,
        Rule::OneOf(kinds) => {
            let kind = format!("{} {}", value["apiVersion"].as_str()?, value["kind"].as_str()?);
            !kinds.contains(&kind)
        }
        Rule::KeyOfConfigMap => (value["kind"] == "ConfigMap") == value["key"].is_null(),
        Rule::FieldsOfIrsa => {
            let set = |field: &str| !value[field].is_null();
            let asks = set("preflight") && value["preflight"] != "Never";
            is_pod_identity(value) && (asks || FIELDS_OF_IRSA.into_iter().any(set))
        }
        Rule::MechanismOfAssociation => value["roleRef"]["kind"] == "PodIdentityAssociation" && !is_pod_identity(value),
        Rule::LongestKey(most) => value.as_object()?.keys().any(|key| key.chars().count() > most),
        Rule::OfUpdates => false,
    };
    let message = || match (rule["message"].as_str(), value.as_str().map(str::parse::<RoleArn>)) {
        (Some(message), _) => message.to_owned(),
        (None, Some(Err(error))) => error.to_string(),
        _ => format!("must satisfy {text}"),
    };
    broken.then(message)
}

fn is_pod_identity(spec: &Value) -> bool {
    spec["mechanism"] == "PodIdentity"
}

/// Fields that become annotations for IRSA and are invalid with EKS Pod Identity.
const FIELDS_OF_IRSA: [&str; 3] = ["audience", "tokenExpirationSeconds", "stsRegionalEndpoints"];

enum Rule {
    Matches(Regex),
    Duration {
        pattern: Regex,
        range: RangeInclusive<SignedDuration>,
    },
    OperatorAndValues,
    /// Exactly one of these fields is set.
    ExactlyOne(Vec<String>),
    /// The allowed pairs of API version and kind.
    OneOf(Vec<String>),
    KeyOfConfigMap,
    /// Fields that are valid with IRSA only.
    FieldsOfIrsa,
    MechanismOfAssociation,
    /// The maximum number of characters in a key.
    LongestKey(usize),
    OfUpdates,
}

fn known(rule: &str) -> Option<Rule> {
    if rule == "self == oldSelf" {
        return Some(Rule::OfUpdates);
    }
    if rule == "self.kind == 'ConfigMap' ? has(self.key) : !has(self.key)" {
        return Some(Rule::KeyOfConfigMap);
    }
    if rule.starts_with("!has(self.mechanism) || self.mechanism != 'PodIdentity' ||") {
        return Some(Rule::FieldsOfIrsa);
    }
    if rule.starts_with("!has(self.roleRef) || self.roleRef.kind != 'PodIdentityAssociation' ||") {
        return Some(Rule::MechanismOfAssociation);
    }
    if let Some(fields) = rule.strip_prefix("[has(self.").and_then(|rest| rest.strip_suffix(")].exists_one(it, it)")) {
        return Some(Rule::ExactlyOne(fields.split("), has(self.").map(str::to_owned).collect()));
    }
    let kinds = rule.strip_prefix("self.apiVersion + ' ' + self.kind in ['");
    if let Some(kinds) = kinds.and_then(|rest| rest.strip_suffix("']")) {
        return Some(Rule::OneOf(kinds.split("', '").map(str::to_owned).collect()));
    }
    if rule.starts_with("self.operator in ['In', 'NotIn'] ?") {
        return Some(Rule::OperatorAndValues);
    }
    if let Some(most) = rule.strip_prefix("self.all(key, size(key) <= ").and_then(|rest| rest.strip_suffix(')')) {
        return most.parse().ok().map(Rule::LongestKey);
    }
    let pattern = rule.strip_prefix("self.matches('")?;
    if let Some((pattern, range)) = pattern.split_once("') && duration(self) >= duration('") {
        let (least, most) = range.strip_suffix("')")?.split_once("') && duration(self) <= duration('")?;
        let range = least.parse().ok()?..=most.parse().ok()?;
        return Some(Rule::Duration { pattern: Regex::new(pattern).ok()?, range });
    }
    Regex::new(pattern.strip_suffix("')")?).ok().map(Rule::Matches)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules<'a>(schema: &'a Value, found: &mut Vec<&'a str>) {
        match schema {
            Value::Object(object) => {
                for rule in object.get("x-kubernetes-validations").and_then(Value::as_array).into_iter().flatten() {
                    found.extend(rule["rule"].as_str());
                }
                object.values().for_each(|value| rules(value, found));
            }
            Value::Array(items) => items.iter().for_each(|value| rules(value, found)),
            _ => {}
        }
    }

    #[test]
    fn every_rule_of_the_schema_is_known() {
        let schema = Schema::of_bindings();
        let mut found = Vec::new();
        rules(&schema.spec, &mut found);
        assert!(found.len() >= 5, "{found:?}");
        for rule in found {
            assert!(known(rule).is_some(), "{rule}");
        }
    }

    fn messages(spec: &str) -> Vec<String> {
        let node = yaml::parse(&format!("spec:\n{spec}"), 0).unwrap().unwrap();
        let violations = Schema::of_bindings().check(&node);
        violations.iter().map(|violation| format!("{}: {}", violation.at.line, violation.message)).collect()
    }

    #[test]
    fn violations_name_field_and_line() {
        let good = "  serviceAccountName: app\n  roleArn: arn:aws:iam::111122223333:role/r\n";
        assert_eq!(messages(good), [""; 0]);
        for (more, message) in [
            (
                "  tokenExpirationSeconds: 60\n",
                "4: spec.tokenExpirationSeconds: must be at least 600 and at most 86400, is 60",
            ),
            (
                "  tokenExpirationSeconds: \"600\"\n",
                "4: spec.tokenExpirationSeconds: must be of type integer, not string",
            ),
            ("  audience: a b\n", "4: spec.audience: must not contain spaces"),
            ("  onConflict: Fight\n", "4: spec.onConflict: must be one of Report, TakeOver, Override, is \"Fight\""),
            ("  rolearn: x\n", "4: spec.rolearn: is not a field of a binding"),
            (
                "  rollout:\n    windows:\n    - {start: '22:00', length: 1d, timeZone: UTC}\n",
                "6: spec.rollout.windows[0].length: must be a duration of at least 1m and at most 24h",
            ),
            (
                "  rollout:\n    windows:\n    - {start: '22:00', length: 24h1s, timeZone: UTC}\n",
                "6: spec.rollout.windows[0].length: must be a duration of at least 1m and at most 24h",
            ),
            ("  rollout:\n    interval: 0s\n", "5: spec.rollout.interval: must be a duration of at least 1s"),
            (
                "  rollout:\n    windows:\n    - {days: [Monday], start: '22:00', length: 4h, timeZone: UTC}\n",
                "6: spec.rollout.windows[0].days[0]: must be one of Mon, Tue, Wed, Thu, Fri, Sat, Sun, is \"Monday\"",
            ),
            ("  mechanism: PodIdentity\n  audience: a\n", "2: spec: audience, tokenExpirationSeconds,"),
            ("  mechanism: PodIdentity\n  preflight: Report\n", "2: spec: audience, tokenExpirationSeconds,"),
            ("  mechanism: Kiam\n", "4: spec.mechanism: must be one of IRSA, PodIdentity, is \"Kiam\""),
            ("  rollout:\n    maxConcurrent: 0\n", "5: spec.rollout.maxConcurrent: must be at least 1"),
            (
                "  rollout:\n    workloadSelector:\n      matchExpressions:\n      - {key: a, operator: In}\n",
                "7: spec.rollout.workloadSelector.matchExpressions[0]: values must be set",
            ),
        ] {
            let found = messages(&format!("{good}{more}"));
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(found[0].starts_with(message), "{found:?}");
        }
        assert_eq!(messages(&format!("{good}  mechanism: PodIdentity\n  preflight: Never\n")), [""; 0]);
        assert_eq!(
            messages("  serviceAccountName: app\n"),
            ["2: spec: exactly one of roleArn, role and roleRef must be set"]
        );
        let found = messages("  serviceAccountName: App\n  roleArn: my-role\n");
        assert!(found.iter().any(|message| message.contains("lower-case")), "{found:?}");
        assert!(found.iter().any(|message| message.contains("begin with arn:")), "{found:?}");
    }
}
