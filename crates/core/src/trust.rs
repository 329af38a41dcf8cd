//! What a role's trust policy has to contain, so that pods may act as the role.

use serde_json::{Value, json};

use crate::arn::RoleArn;

/// Stands for the issuer where it is not known.
pub const UNKNOWN_ISSUER: &str = "ISSUER";

/// The trust policy of the role that lets the pods of one service account act as it, as a JSON document.
///
/// `issuer` is the cluster's OIDC issuer, for example `https://oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLE`; where it is
/// not known the document says [`UNKNOWN_ISSUER`]. `subject` is `system:serviceaccount:NAMESPACE:NAME`. The identity
/// provider is taken to be in the role's own account and partition.
///
/// Source: "Assign IAM roles to Kubernetes service accounts", Amazon EKS User Guide.
pub fn policy(role: &RoleArn, issuer: Option<&str>, subject: &str, audience: &str) -> Value {
    let issuer = issuer.map_or(UNKNOWN_ISSUER, provider_name);
    json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Principal": {
                "Federated": format!("arn:{}:iam::{}:oidc-provider/{issuer}", role.partition(), role.account()),
            },
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {
                "StringEquals": {
                    format!("{issuer}:aud"): audience,
                    format!("{issuer}:sub"): subject,
                },
            },
        }],
    })
}

/// The name of the IAM identity provider of an issuer: the URL without scheme and final slash.
pub fn provider_name(issuer: &str) -> &str {
    issuer.strip_prefix("https://").unwrap_or(issuer).trim_end_matches('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_names_provider_subject_and_audience() {
        let role: RoleArn = "arn:aws-cn:iam::111122223333:role/path/my-role".parse().unwrap();
        let found = policy(&role, Some("https://oidc.example.com/id/1/"), "system:serviceaccount:a:b", "sts.amazonaws.com");
        let statement = &found["Statement"][0];
        let provider = "arn:aws-cn:iam::111122223333:oidc-provider/oidc.example.com/id/1";
        assert_eq!(statement["Principal"]["Federated"], provider);
        let conditions = &statement["Condition"]["StringEquals"];
        assert_eq!(conditions["oidc.example.com/id/1:sub"], "system:serviceaccount:a:b");
        assert_eq!(conditions["oidc.example.com/id/1:aud"], "sts.amazonaws.com");
    }

    #[test]
    fn without_an_issuer_there_is_a_place_for_it() {
        let role: RoleArn = "arn:aws:iam::111122223333:role/my-role".parse().unwrap();
        let found = policy(&role, None, "system:serviceaccount:a:b", "sts.amazonaws.com");
        assert!(found.to_string().contains("oidc-provider/ISSUER"));
    }
}
