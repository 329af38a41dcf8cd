//! The trust policy that a role needs so that pods may act as the role.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::arn::RoleArn;

/// The service that assumes the role of an association.
const SERVICE: &str = "pods.eks.amazonaws.com";
/// Placeholder for the issuer if it is not known.
pub const UNKNOWN_ISSUER: &str = "ISSUER";

/// A trust policy. It serializes to the JSON document that IAM takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct TrustPolicy {
    version: &'static str,
    statement: [Statement; 1],
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Statement {
    effect: &'static str,
    principal: Principal,
    action: Action,
    condition: Condition,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
enum Principal {
    Federated(String),
    Service(&'static str),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
enum Action {
    One(&'static str),
    Both([&'static str; 2]),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Condition {
    string_equals: BTreeMap<String, String>,
}

/// The trust policy that lets the pods of one service account act as the role.
///
/// `issuer`: the cluster's OIDC issuer, for example
/// `https://oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLE`; if it is not known, the document has
/// [`UNKNOWN_ISSUER`] in its place. `subject`: `system:serviceaccount:NAMESPACE:NAME`. The function
/// assumes that the identity provider is in the role's own account and partition.
///
/// Source: "Assign IAM roles to Kubernetes service accounts", Amazon EKS User Guide.
pub fn policy(role: &RoleArn, issuer: Option<&str>, subject: &str, audience: &str) -> TrustPolicy {
    let issuer = issuer.map_or(UNKNOWN_ISSUER, provider_name);
    let federated = format!("arn:{}:iam::{}:oidc-provider/{issuer}", role.partition(), role.account());
    let string_equals =
        BTreeMap::from([(format!("{issuer}:aud"), audience.to_owned()), (format!("{issuer}:sub"), subject.to_owned())]);
    TrustPolicy {
        version: "2012-10-17",
        statement: [Statement {
            effect: "Allow",
            principal: Principal::Federated(federated),
            action: Action::One("sts:AssumeRoleWithWebIdentity"),
            condition: Condition { string_equals },
        }],
    }
}

/// The trust policy that lets the pods of one service account, in any cluster, act as the role of
/// an EKS Pod Identity association. It relies on session tags, which an association may turn off.
///
/// Source: "Create IAM role with trust policy required by EKS Pod Identity", Amazon EKS User Guide.
pub fn association_policy(namespace: &str, service_account: &str) -> TrustPolicy {
    let tags = [("kubernetes-namespace", namespace), ("kubernetes-service-account", service_account)];
    let string_equals = tags.map(|(tag, value)| (format!("aws:RequestTag/{tag}"), value.to_owned())).into();
    TrustPolicy {
        version: "2012-10-17",
        statement: [Statement {
            effect: "Allow",
            principal: Principal::Service(SERVICE),
            action: Action::Both(["sts:AssumeRole", "sts:TagSession"]),
            condition: Condition { string_equals },
        }],
    }
}

/// The name of the IAM identity provider of an issuer: the URL without its scheme. A final slash
/// belongs to the name.
pub fn provider_name(issuer: &str) -> &str {
    issuer.strip_prefix("https://").unwrap_or(issuer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(policy: &TrustPolicy) -> serde_json::Value {
        serde_json::to_value(policy).unwrap()
    }

    #[test]
    fn the_policy_for_an_association_names_the_service_and_the_account_by_session_tags() {
        let found = json(&association_policy("shop", "web"));
        let statement = &found["Statement"][0];
        assert_eq!(statement["Principal"]["Service"], "pods.eks.amazonaws.com");
        assert_eq!(statement["Action"], serde_json::json!(["sts:AssumeRole", "sts:TagSession"]));
        assert_eq!(statement["Condition"]["StringEquals"]["aws:RequestTag/kubernetes-service-account"], "web");
    }

    #[test]
    fn the_policy_names_provider_subject_and_audience() {
        let role: RoleArn = "arn:aws-cn:iam::111122223333:role/path/my-role".parse().unwrap();
        let found = json(&policy(
            &role,
            Some("https://oidc.example.com/id/1"),
            "system:serviceaccount:a:b",
            "sts.amazonaws.com",
        ));
        let statement = &found["Statement"][0];
        let provider = "arn:aws-cn:iam::111122223333:oidc-provider/oidc.example.com/id/1";
        assert_eq!(statement["Principal"]["Federated"], provider);
        let conditions = &statement["Condition"]["StringEquals"];
        assert_eq!(conditions["oidc.example.com/id/1:sub"], "system:serviceaccount:a:b");
        assert_eq!(conditions["oidc.example.com/id/1:aud"], "sts.amazonaws.com");
    }

    #[test]
    fn a_final_slash_of_the_issuer_belongs_to_the_providers_name() {
        let role: RoleArn = "arn:aws:iam::111122223333:role/my-role".parse().unwrap();
        let found =
            json(&policy(&role, Some("https://example.com/"), "system:serviceaccount:a:b", "sts.amazonaws.com"));
        let statement = &found["Statement"][0];
        assert_eq!(statement["Principal"]["Federated"], "arn:aws:iam::111122223333:oidc-provider/example.com/");
        assert_eq!(statement["Condition"]["StringEquals"]["example.com/:sub"], "system:serviceaccount:a:b");
    }

    #[test]
    fn without_an_issuer_there_is_a_place_for_it() {
        let role: RoleArn = "arn:aws:iam::111122223333:role/my-role".parse().unwrap();
        let found = json(&policy(&role, None, "system:serviceaccount:a:b", "sts.amazonaws.com"));
        assert!(found.to_string().contains("oidc-provider/ISSUER"));
    }
}
