//! Schemas of definitions, compared.

use std::collections::BTreeSet;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use serde_json::Value;

/// The schema of a version that is served and stored.
pub fn schema(definition: &CustomResourceDefinition, version: &str) -> Option<Value> {
    let version = definition.spec.versions.iter().find(|it| it.name == version && it.served && it.storage)?;
    serde_json::to_value(version.schema.as_ref()?.open_api_v3_schema.as_ref()?).ok()
}

/// Paths of all fields below `spec` and `status`, items of lists as `[]`.
pub fn fields(schema: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    visit("", schema, &mut |path, _| {
        if path.starts_with(".spec") || path.starts_with(".status") {
            found.insert(path.to_owned());
        }
    });
    found
}

fn visit(path: &str, schema: &Value, seen: &mut impl FnMut(&str, &Value)) {
    seen(path, schema);
    for (name, child) in schema["properties"].as_object().into_iter().flatten() {
        visit(&format!("{path}.{name}"), child, seen);
    }
    if schema["items"].is_object() {
        visit(&format!("{path}[]"), &schema["items"], seen);
    }
}

/// What the earlier schema accepts and the later one refuses or drops, or reads as something else.
pub fn breaks(earlier: &Value, later: &Value) -> Vec<String> {
    let mut found = Vec::new();
    compare("", earlier, later, &mut found);
    found
}

fn compare(path: &str, earlier: &Value, later: &Value, found: &mut Vec<String>) {
    for key in ["type", "format", "default"] {
        if earlier[key] != later[key] {
            found.push(format!("{path}: {key} was {}, is {}", earlier[key], later[key]));
        }
    }
    let names = |schema: &Value, key: &str| -> BTreeSet<String> {
        schema[key].as_array().into_iter().flatten().map(|name| name.as_str().unwrap_or_default().to_owned()).collect()
    };
    for required in names(later, "required").difference(&names(earlier, "required")) {
        found.push(format!("{path}.{required}: is required now"));
    }
    let (values, of_today) = (names(earlier, "enum"), names(later, "enum"));
    if !of_today.is_empty() && (values.is_empty() || !values.is_subset(&of_today)) {
        found.push(format!("{path}: of the values {values:?} only {of_today:?} are left"));
    }
    for (key, grows) in
        [("maximum", true), ("maxLength", true), ("maxItems", true), ("minimum", false), ("minLength", false)]
    {
        let (was, is) = (earlier[key].as_f64(), later[key].as_f64());
        let tighter = match (was, is) {
            (_, None) => false,
            (None, Some(_)) => true,
            (Some(was), Some(is)) => {
                if grows {
                    is < was
                } else {
                    is > was
                }
            }
        };
        if tighter {
            found.push(format!("{path}: {key} was {was:?}, is {is:?}"));
        }
    }
    for (name, child) in earlier["properties"].as_object().into_iter().flatten() {
        match later["properties"].get(name) {
            Some(other) => compare(&format!("{path}.{name}"), child, other, found),
            None => found.push(format!("{path}.{name}: is gone")),
        }
    }
    if earlier["items"].is_object() {
        compare(&format!("{path}[]"), &earlier["items"], &later["items"], found);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn more_is_no_break_and_less_is_one() {
        let earlier = json!({"type": "object", "properties": {
            "a": {"type": "string", "enum": ["x", "y"], "maxLength": 5}, "b": {"type": "array", "items": {"type": "object"}}}});
        let more = json!({"type": "object", "properties": {
            "a": {"type": "string", "enum": ["x", "y", "z"], "maxLength": 6}, "b": {"type": "array", "items": {"type": "object"}},
            "c": {"type": "string"}}});
        assert!(breaks(&earlier, &more).is_empty(), "{:?}", breaks(&earlier, &more));
        let less = json!({"type": "object", "required": ["a"], "properties": {
            "a": {"type": "string", "enum": ["x"], "maxLength": 4, "default": "x"}, "b": {"type": "array", "items": {"type": "string"}}}});
        let found = breaks(&earlier, &less).join("\n");
        for part in [".a: is required", "only", "maxLength", "default", ".b[]: type"] {
            assert!(found.contains(part), "{part} is not in\n{found}");
        }
        assert!(breaks(&more, &earlier).iter().any(|it| it == ".c: is gone"));
    }
}
