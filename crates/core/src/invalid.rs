//! Stored specs that the current CustomResourceDefinition would reject: they were stored before it
//! had this validation.

use podidentity_api::{InvalidSpec, PodIdentityBinding, SelectorOperator};

use crate::arn::RoleArn;
use crate::windows;

/// The field of the stored spec that the operator cannot act on.
pub(crate) fn invalid(binding: &PodIdentityBinding) -> Option<InvalidSpec> {
    let invalid = |field: &str, problem: String| Some(InvalidSpec { field: field.to_owned(), problem });
    let spec = &binding.spec;
    if let Some(undecodable) = &spec.undecodable {
        return Some(undecodable.clone());
    }
    if spec.unresolved.is_none()
        && let Err(error) = spec.role_arn.parse::<RoleArn>()
    {
        return invalid("roleArn", error.to_string());
    }
    if spec.audience.as_ref().is_some_and(|audience| audience.is_empty() || audience.len() > 256) {
        return invalid("audience", "must have 1 to 256 characters".to_owned());
    }
    let rollout = &spec.rollout;
    // `maxConcurrent` is not checked. Any value is safe, because a value below one counts as one.
    let numbers = [
        ("tokenExpirationSeconds", spec.token_expiration_seconds.unwrap_or(600), 600..=86_400),
        ("rollout.settleSeconds", rollout.settle_seconds.into(), 0..=3600),
        ("rollout.progressDeadlineSeconds", rollout.progress_deadline_seconds.into(), 10..=86_400),
    ];
    if let Some((field, number, range)) = numbers.into_iter().find(|(_, number, range)| !range.contains(number)) {
        return invalid(field, format!("is {number}, must be from {} to {}", range.start(), range.end()));
    }
    if let Some(field) = windows::invalid(rollout) {
        return Some(field);
    }
    let mismatched = rollout.workload_selector.match_expressions.iter().find(|requirement| {
        let takes_values = matches!(requirement.operator, SelectorOperator::In | SelectorOperator::NotIn);
        takes_values == requirement.values.is_empty()
    });
    let requirement = mismatched?;
    let (key, operator) = (&requirement.key, requirement.operator);
    let problem = format!("key {key}: In and NotIn take values, other operators none; it is {operator:?}");
    invalid("rollout.workloadSelector", problem)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn reason_of(spec: &Value) -> Option<String> {
        let mut binding = json!({
            "apiVersion": "podidentity.dev/v1alpha1", "kind": "PodIdentityBinding", "metadata": {"name": "app"},
            "spec": {"serviceAccountName": "app", "roleArn": "arn:aws:iam::111122223333:role/my-role"},
        });
        for (key, value) in spec.as_object().into_iter().flatten() {
            binding["spec"][key] = value.clone();
        }
        let binding = serde_json::from_value(binding).expect("a binding that can be read");
        invalid(&binding).map(|invalid| invalid.to_string())
    }

    #[test]
    fn what_the_definition_refuses_today_is_named() {
        assert_eq!(reason_of(&json!({})), None);
        assert_eq!(reason_of(&json!({"rollout": {"maxConcurrent": 0}})), None);
        let named = [
            (json!({"roleArn": "my-role"}), "spec.roleArn: "),
            (json!({"audience": ""}), "spec.audience: must have 1 to 256 characters"),
            (json!({"tokenExpirationSeconds": 599}), "spec.tokenExpirationSeconds: is 599, must be from 600 to 86400"),
            (json!({"rollout": {"settleSeconds": -1}}), "spec.rollout.settleSeconds: is -1, must be from 0 to 3600"),
            (json!({"rollout": {"progressDeadlineSeconds": 9}}), "spec.rollout.progressDeadlineSeconds: is 9, must"),
            (
                json!({"rollout": {"windows": [{"start": "22:00", "length": "1d", "timeZone": "UTC"}]}}),
                "spec.rollout.windows[0].length: is \"1d\", must be a duration",
            ),
            (
                json!({"rollout": {"workloadSelector": {"matchExpressions": [{"key": "a", "operator": "In"}]}}}),
                "spec.rollout.workloadSelector: key a: In and NotIn take values",
            ),
        ];
        for (spec, expected) in named {
            let found = reason_of(&spec).unwrap_or_default();
            assert!(found.starts_with(expected), "{found}");
        }
    }
}
