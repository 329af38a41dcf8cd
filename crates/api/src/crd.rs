//! The `CustomResourceDefinition`: the derived schema plus what a derive cannot say.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSON, JSONSchemaProps, JSONSchemaPropsOrArray,
};
use kube_core::CustomResourceExt;
use serde_json::json;

use crate::PodIdentityBinding;

// A rule is a CEL expression and the message of its violation.

pub(crate) const SERVICE_ACCOUNT_NAME_RULE: (&str, &str) = (
    "self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$')",
    "must be the name of a service account: lower-case letters, digits, '-' and '.', for example my-service-account (the name alone, without namespace)",
);

pub(crate) const AUDIENCE_RULE: (&str, &str) =
    ("self.matches('^[!-~]+$')", "must not contain spaces or control characters, for example sts.amazonaws.com");

pub(crate) const TIME_OF_DAY_RULE: (&str, &str) =
    ("self.matches('^([01][0-9]|2[0-3]):[0-5][0-9]$')", "must be a time of day from 00:00 to 23:59, for example 22:00");

pub(crate) const TIME_ZONE_RULE: (&str, &str) = (
    "self.matches('^[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*$')",
    "must be the name of a time zone in the IANA database, for example Europe/Berlin or UTC",
);

// `podidentity_core::windows` accepts the same durations.

pub(crate) const WINDOW_LENGTH_RULE: (&str, &str) = (
    "self.matches('^([0-9]{1,5}h)?([0-9]{1,5}m)?([0-9]{1,5}s)?$') && duration(self) >= duration('1m') && duration(self) <= duration('24h')",
    "must be a duration of at least 1m and at most 24h, for example 4h, 90m or 1h30m",
);

pub(crate) const INTERVAL_RULE: (&str, &str) = (
    "self.matches('^([0-9]{1,5}h)?([0-9]{1,5}m)?([0-9]{1,5}s)?$') && duration(self) >= duration('1s') && duration(self) <= duration('24h')",
    "must be a duration of at least 1s and at most 24h, for example 10m, 1h or 1h30m",
);

pub(crate) const ONE_ROLE_RULE: (&str, &str) = (
    "[has(self.roleArn), has(self.role), has(self.roleRef)].exists_one(it, it)",
    "exactly one of roleArn, role and roleRef must be set",
);

pub(crate) const MECHANISM_RULE: (&str, &str) = (
    "!has(self.mechanism) || self.mechanism != 'PodIdentity' || (!has(self.audience) && !has(self.tokenExpirationSeconds) && !has(self.stsRegionalEndpoints) && (!has(self.preflight) || self.preflight == 'Never'))",
    "audience, tokenExpirationSeconds, stsRegionalEndpoints and preflight are for the mechanism IRSA: leave them out with PodIdentity",
);

pub(crate) const ASSOCIATION_RULE: (&str, &str) = (
    "!has(self.roleRef) || self.roleRef.kind != 'PodIdentityAssociation' || (has(self.mechanism) && self.mechanism == 'PodIdentity')",
    "a PodIdentityAssociation gives its role by EKS Pod Identity: set mechanism to PodIdentity",
);

pub(crate) const ROLE_NAME_RULE: (&str, &str) = (
    "self.matches('^[A-Za-z0-9_+=,.@-]{1,64}$')",
    "must be the name of a role alone, of letters, digits and _+=,.@-: a path goes to role.path, an ARN to roleArn",
);

pub(crate) const ROLE_PATH_RULE: (&str, &str) = (
    "self.matches('^/([A-Za-z0-9_+=,.@-]+/)*$')",
    "must begin and end with a slash and consist of letters, digits and _+=,.@-, for example /team-a/",
);

pub(crate) const ROLE_REF_NAME_RULE: (&str, &str) = (
    SERVICE_ACCOUNT_NAME_RULE.0,
    "must be the name of the object: lower-case letters, digits, '-' and '.', without namespace",
);

/// The kinds of `podidentity_core::objects::RoleObjectKind`.
pub(crate) const ROLE_REF_KIND_RULE: (&str, &str) = (
    "self.apiVersion + ' ' + self.kind in ['v1 ConfigMap', 'iam.services.k8s.aws/v1alpha1 Role', 'iam.aws.upbound.io/v1beta1 Role', 'iam.aws.m.upbound.io/v1beta1 Role', 'iam.aws.crossplane.io/v1beta1 Role', 'eks.services.k8s.aws/v1alpha1 PodIdentityAssociation']",
    "must be a ConfigMap of v1, a PodIdentityAssociation of eks.services.k8s.aws/v1alpha1, or a Role of iam.services.k8s.aws/v1alpha1, iam.aws.upbound.io/v1beta1, iam.aws.m.upbound.io/v1beta1 or iam.aws.crossplane.io/v1beta1",
);

pub(crate) const ROLE_REF_KEY_RULE: (&str, &str) = (
    "self.kind == 'ConfigMap' ? has(self.key) : !has(self.key)",
    "key must be set for a ConfigMap, and for no other kind",
);

/// Accepts what `podidentity_core::arn::RoleArn` accepts.
pub(crate) const ROLE_ARN_RULE: &str =
    "self.matches('^arn:aws(-[a-z0-9]+)*:iam::[0-9]{12}:role/([A-Za-z0-9_+=,.@-]+/)*[A-Za-z0-9_+=,.@-]{1,64}$')";

/// Names the mistake; the order is from the most telling to the most general.
pub(crate) const ROLE_ARN_MESSAGE: &str = concat!(
    "self.trim() != self ? 'must not begin or end with white space: remove it' : ",
    "self.contains('*') || self.contains('?') ? 'must name one role: wildcards are not allowed' : ",
    "!self.startsWith('arn:') ? 'must be the ARN of the role, not its name: write arn:aws:iam::ACCOUNT:role/' + self : ",
    "!self.matches('^arn:aws(-[a-z0-9]+)*:') ? 'must have an AWS partition: write arn:aws:..., arn:aws-cn:..., arn:aws-us-gov:... or another arn:aws-*:...' : ",
    "self.matches('^[^:]*:[^:]*:sts:.*:assumed-role/') ? 'must be the role itself, not a session of it: write arn:aws:iam::ACCOUNT:role/ROLE instead of arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION' : ",
    "!self.matches('^[^:]*:[^:]*:iam:') ? 'must be an ARN of the service iam: write arn:aws:iam::ACCOUNT:role/ROLE' : ",
    "!self.matches('^[^:]*:[^:]*:iam::') ? 'must have no region (IAM is global): write arn:aws:iam::ACCOUNT:role/ROLE' : ",
    "!self.matches('^[^:]*:[^:]*:iam::[0-9]{12}:') ? 'must have an account of 12 digits: write arn:aws:iam::111122223333:role/ROLE' : ",
    "!self.matches('^[^:]*:[^:]*:iam::[0-9]{12}:role/') ? 'must be the ARN of a role, not of a user, group, policy or instance profile: write ...:role/ROLE' : ",
    "self.matches('//') ? 'must not have empty path elements: remove the double slash' : ",
    "self.endsWith('/') ? 'must end with the name of the role, not with a slash' : ",
    "self.matches('/[^/]{65,}$') ? 'must have a role name of at most 64 characters' : ",
    "'must have a role path and name of letters, digits and _+=,.@-, as in arn:aws:iam::111122223333:role/path/my-role'"
);

/// The `CustomResourceDefinition` of [`PodIdentityBinding`].
pub fn crd() -> CustomResourceDefinition {
    let mut crd = PodIdentityBinding::crd();
    for version in &mut crd.spec.versions {
        if let Some(schema) = version.schema.as_mut().and_then(|v| v.open_api_v3_schema.as_mut()) {
            default_status(schema);
            prune_null_roles(schema);
            unwrap_descriptions(schema);
        }
    }
    crd
}

/// Gives a brand-new binding a status that no tool can take for ready (kstatus: observedGeneration != generation).
fn default_status(schema: &mut JSONSchemaProps) {
    if let Some(status) = schema.properties.as_mut().and_then(|p| p.get_mut("status")) {
        status.default = Some(JSON(json!({"observedGeneration": -1})));
    }
}

/// A key without a value is pruned, as of `roleArn`: so that it does not count as set.
fn prune_null_roles(schema: &mut JSONSchemaProps) {
    let spec = schema.properties.as_mut().and_then(|all| all.get_mut("spec")).and_then(|spec| spec.properties.as_mut());
    for (name, property) in spec.into_iter().flatten() {
        if name == "role" || name == "roleRef" {
            property.nullable = None;
        }
    }
}

/// Joins the lines of each paragraph: doc comments are wrapped at our margin, and `kubectl explain` wraps at its own.
fn unwrap_descriptions(schema: &mut JSONSchemaProps) {
    if let Some(description) = &mut schema.description {
        let paragraphs: Vec<String> =
            description.split("\n\n").map(|it| it.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        *description = paragraphs.join("\n\n");
    }
    for property in schema.properties.iter_mut().flatten().map(|(_, property)| property) {
        unwrap_descriptions(property);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &mut schema.items {
        unwrap_descriptions(items);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_binding_is_not_taken_for_observed() {
        let crd = serde_json::to_value(crd()).unwrap();
        let status = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"];
        assert_eq!(status["default"], json!({"observedGeneration": -1}));
    }

    #[test]
    fn descriptions_are_not_wrapped_at_our_margin() {
        let crd = serde_json::to_value(crd()).unwrap();
        let spec = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"];
        for description in [&spec["roleArn"]["description"], &spec["rollout"]["properties"]["policy"]["description"]] {
            assert!(!description.as_str().unwrap().contains('\n'), "{description}");
        }
    }

    /// What of a spec has no bound of its own, by path.
    fn unbounded(schema: &serde_json::Value, path: &str, found: &mut Vec<String>) {
        let bound = |name: &str| schema.get(name).is_some_and(serde_json::Value::is_u64);
        let fixed = schema.get("enum").is_some() || schema.get("format").is_some();
        let missing = match schema["type"].as_str() {
            Some("string") => !fixed && !bound("maxLength"),
            Some("array") => !bound("maxItems"),
            Some("object") => schema.get("additionalProperties").is_some() && !bound("maxProperties"),
            _ => false,
        };
        if missing {
            found.push(path.to_owned());
        }
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            unbounded(property, &format!("{path}.{name}"), found);
        }
        for inner in ["items", "additionalProperties"] {
            if let Some(inner) = schema.get(inner) {
                unbounded(inner, &format!("{path}[]"), found);
            }
        }
    }

    #[test]
    fn everything_of_a_spec_is_bounded() {
        let crd = serde_json::to_value(crd()).unwrap();
        let spec = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
        let mut found = Vec::new();
        unbounded(spec, "spec", &mut found);
        assert_eq!(found, [] as [String; 0]);
    }

    #[test]
    fn conditions_are_a_map_keyed_by_type() {
        let crd = serde_json::to_value(crd()).unwrap();
        let status = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"];
        let conditions = &status["properties"]["conditions"];
        assert_eq!(conditions["x-kubernetes-list-type"], "map");
        assert_eq!(conditions["x-kubernetes-list-map-keys"], json!(["type"]));
    }
}
