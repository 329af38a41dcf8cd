//! Compares the injection model with recordings of the webhook's own code: `recorded/webhook.jsonl`
//! has one case per line, with `--compose-role-arn` and `--watch-config-map` on and off. The
//! webhook is the one of commit 3bf80a34.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use podidentity_core::injection::{Entries, Given, inject};
use podidentity_core::objects::{Map, Pod};
use podidentity_core::settings::Settings;
use serde_json::Value;

fn settings(case: &Value) -> Settings {
    let text = |key: &str| case[key].as_str().unwrap_or_default().to_owned();
    Settings {
        audience: text("audience"),
        token_expiration: case["expiration"].as_i64().unwrap(),
        region: Some(text("region")).filter(|region| !region.is_empty()),
        sts_regional_endpoints: case["regional"].as_bool().unwrap(),
        compose_role: case["compose"].as_bool().unwrap().then(|| "111122223333".parse().unwrap()),
        entries: case["map"].as_str().map(|config| Arc::new(Entries::parse(config).unwrap())),
        ..Settings::default()
    }
}

/// Go omits empty lists and writes `null` for creation times; our types do not.
fn plain(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.values_mut().for_each(plain);
            map.retain(|_, value| !value.is_null() && *value != Value::Object(serde_json::Map::new()));
        }
        Value::Array(items) => items.iter_mut().for_each(plain),
        _ => {}
    }
}

#[test]
fn the_model_does_what_the_webhook_did() {
    let text = include_str!("recorded/webhook.jsonl");
    let mut injected = 0;
    for (index, line) in text.lines().enumerate() {
        let case: Value = serde_json::from_str(line).unwrap();
        let settings = settings(&case);
        let annotations: Map = serde_json::from_value(case["account"].clone()).unwrap();
        let pod: Pod = serde_json::from_value(case["pod"].clone()).unwrap();
        let given = Given::of(&annotations, "ns", "app", &settings);
        let injection = inject(&pod, given, &settings);
        injected += usize::from(!injection.is_empty());
        let mut found = case["pod"]["spec"].clone();
        injection.apply_to_value(&mut found).unwrap();
        let mut expected = case["spec"].clone();
        plain(&mut found);
        plain(&mut expected);
        assert_eq!(found, expected, "case {index}: {line}");
    }
    assert!(text.lines().count() >= 200 && injected >= 100, "{injected}");
}
