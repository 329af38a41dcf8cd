//! Fuzzes the readers with mutated third-party files. No input may panic, and what is read and
//! printed again must be the same to every reader.

#[path = "../../core/tests/fuzz/mutate.rs"]
mod mutate;

use std::path::Path;

use proptest::prelude::*;
use serde_json::Value;

use crate::read::Input;
use crate::yaml::{emit, json, parse};

fn corpus(reader: &str) -> impl Strategy<Value = String> {
    mutate::like(mutate::stored(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(reader)))
}

/// Reads the input as the commands do. Each YAML document must read the same after printing, for a
/// YAML 1.1 reader as well.
fn check(text: &str) -> Result<(), TestCaseError> {
    for document in Input::of_text(text).documents() {
        let Some(root) = &document.root else { continue };
        let printed = emit(root);
        let again = parse(&printed, 0);
        let Ok(Some(again)) = again else {
            return Err(TestCaseError::fail(format!("{again:?} of what was printed:\n{printed}")));
        };
        prop_assert_eq!(emit(&again), printed.clone());
        let Ok(value) = json(root) else { continue };
        prop_assert_eq!(json(&again).ok(), Some(value.clone()), "printed as:\n{}", printed);
        if let Ok(other) = serde_yaml_ng::from_str::<Value>(&printed) {
            same_structure(&value, &other, &printed)?;
        }
    }
    Ok(())
}

/// Checks that both values have the same keys, lists and strings. Numbers may differ, because
/// readers interpret them differently.
fn same_structure(ours: &Value, others: &Value, printed: &str) -> Result<(), TestCaseError> {
    match (ours, others) {
        (Value::Object(ours), Value::Object(others)) => {
            for (key, value) in ours {
                if let Some(other) = others.get(key) {
                    same_structure(value, other, printed)?;
                }
            }
            prop_assert_eq!(ours.len(), others.len(), "{}", printed);
        }
        (Value::Array(ours), Value::Array(others)) => {
            prop_assert_eq!(ours.len(), others.len(), "{}", printed);
            for (ours, others) in ours.iter().zip(others) {
                same_structure(ours, others, printed)?;
            }
        }
        (Value::String(ours), Value::String(others)) => prop_assert_eq!(ours, others, "{}", printed),
        _ => {}
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, max_shrink_iters: 300, ..ProptestConfig::default() })]

    #[test]
    fn yaml(text in corpus("yaml")) {
        check(&text)?;
    }

    #[test]
    fn streams_of_json(text in corpus("json")) {
        check(&text)?;
    }
}
