//! The API server refuses malformed bindings, and the message says what to write instead.

use std::sync::Arc;

use anyhow::{Result, bail, ensure};
use e2e::fixtures::{self, ROLE};
use e2e::{ControlPlane, Namespace};
use futures::future::try_join_all;
use podidentity_api::PodIdentityBinding;
use serde_json::json;

use crate::world::World;

/// The mistake, the spec, and a part of the advice.
const REFUSED: &[(&str, &str, &str)] = &[
    ("the role's name only", "{serviceAccountName: app, roleArn: my-role}", "write arn:aws:iam::ACCOUNT:role/my-role"),
    ("no role", "{serviceAccountName: app}", "exactly one of roleArn, role and roleRef must be set"),
    ("an empty role", "{serviceAccountName: app, roleArn: ''}", "spec.roleArn"),
    ("a null role", "{serviceAccountName: app, roleArn: null}", "exactly one of roleArn, role and roleRef"),
    ("a number", "{serviceAccountName: app, roleArn: 111122223333}", "must be of type string"),
    (
        "a trailing space",
        "{serviceAccountName: app, roleArn: 'arn:aws:iam::111122223333:role/my-role '}",
        "must not begin or end with white space: remove it",
    ),
    (
        "a leading line break",
        "{serviceAccountName: app, roleArn: \"\\narn:aws:iam::111122223333:role/my-role\"}",
        "must not begin or end with white space: remove it",
    ),
    (
        "a wildcard",
        "{serviceAccountName: app, roleArn: 'arn:aws:iam::111122223333:role/*'}",
        "must name one role: wildcards are not allowed",
    ),
    (
        "an unknown partition",
        "{serviceAccountName: app, roleArn: 'arn:azure:iam::111122223333:role/my-role'}",
        "must have an AWS partition: write arn:aws:..., arn:aws-cn:..., arn:aws-us-gov:...",
    ),
    (
        "an assumed role",
        "{serviceAccountName: app, roleArn: 'arn:aws:sts::111122223333:assumed-role/my-role/session'}",
        "must be the role itself, not a session of it: write arn:aws:iam::ACCOUNT:role/ROLE",
    ),
    (
        "another service",
        "{serviceAccountName: app, roleArn: 'arn:aws:s3:::my-bucket'}",
        "must be an ARN of the service iam",
    ),
    (
        "a region",
        "{serviceAccountName: app, roleArn: 'arn:aws:iam:eu-west-1:111122223333:role/my-role'}",
        "must have no region (IAM is global)",
    ),
    (
        "an account of 11 digits",
        "{serviceAccountName: app, roleArn: 'arn:aws:iam::11112222333:role/my-role'}",
        "must have an account of 12 digits: write arn:aws:iam::111122223333:role/ROLE",
    ),
    (
        "an account of 13 digits",
        "{serviceAccountName: app, roleArn: 'arn:aws:iam::1111222233334:role/my-role'}",
        "must have an account of 12 digits",
    ),
    (
        "no account",
        "{serviceAccountName: app, roleArn: 'arn:aws:iam:::role/my-role'}",
        "must have an account of 12 digits",
    ),
    (
        "a user",
        "{serviceAccountName: app, roleArn: 'arn:aws:iam::111122223333:user/me'}",
        "must be the ARN of a role, not of a user, group, policy or instance profile",
    ),
    (
        "a policy",
        "{serviceAccountName: app, roleArn: 'arn:aws:iam::aws:policy/ReadOnlyAccess'}",
        "must have an account of 12 digits",
    ),
    (
        "a double slash",
        "{serviceAccountName: app, roleArn: 'arn:aws:iam::111122223333:role//my-role'}",
        "must not have empty path elements: remove the double slash",
    ),
    (
        "no name after the path",
        "{serviceAccountName: app, roleArn: 'arn:aws:iam::111122223333:role/team/'}",
        "must end with the name of the role, not with a slash",
    ),
    (
        "a role name of 65 characters",
        "{serviceAccountName: app, roleArn: 'arn:aws:iam::111122223333:role/\
         aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'}",
        "must have a role name of at most 64 characters",
    ),
    (
        "a letter outside IAM's alphabet",
        "{serviceAccountName: app, roleArn: 'arn:aws:iam::111122223333:role/my role'}",
        "must have a role path and name of letters, digits and _+=,.@-",
    ),
    (
        "no service account",
        "{roleArn: 'arn:aws:iam::111122223333:role/my-role'}",
        "spec.serviceAccountName: Required value",
    ),
    (
        "a service account with its namespace",
        "{serviceAccountName: ns/app, roleArn: 'arn:aws:iam::111122223333:role/my-role'}",
        "must be the name of a service account",
    ),
    (
        "a service account in capitals",
        "{serviceAccountName: App, roleArn: 'arn:aws:iam::111122223333:role/my-role'}",
        "lower-case letters, digits, '-' and '.'",
    ),
    (
        "a misspelt field",
        "{serviceAccountName: app, roleARN: 'arn:aws:iam::111122223333:role/my-role'}",
        "unknown field \"spec.roleARN\"",
    ),
    (
        "a token that lives too short",
        "{serviceAccountName: app, roleArn: 'arn:aws:iam::111122223333:role/my-role', tokenExpirationSeconds: 60}",
        "should be greater than or equal to 600",
    ),
    (
        "a token that lives too long",
        "{serviceAccountName: app, roleArn: 'arn:aws:iam::111122223333:role/my-role', tokenExpirationSeconds: 90000}",
        "should be less than or equal to 86400",
    ),
    (
        "an audience with a space",
        "{serviceAccountName: app, roleArn: 'arn:aws:iam::111122223333:role/my-role', audience: 'sts amazonaws'}",
        "must not contain spaces or control characters, for example sts.amazonaws.com",
    ),
    (
        "an unknown policy",
        "{serviceAccountName: app, roleArn: 'arn:aws:iam::111122223333:role/my-role', rollout: {policy: Always}}",
        "supported values: \"Automatic\", \"Manual\", \"Never\"",
    ),
    (
        "no workload at a time",
        "{serviceAccountName: app, roleArn: 'arn:aws:iam::111122223333:role/my-role', rollout: {maxConcurrent: 0}}",
        "should be greater than or equal to 1",
    ),
    (
        "a selector without values",
        "{serviceAccountName: app, roleArn: 'arn:aws:iam::111122223333:role/my-role', \
         rollout: {workloadSelector: {matchExpressions: [{key: tier, operator: In}]}}}",
        "values must be set for the operators In and NotIn",
    ),
    (
        "a window without a time zone",
        "{serviceAccountName: app, roleArn: 'arn:aws:iam::111122223333:role/my-role', \
         rollout: {windows: [{start: '22:00', length: 4h}]}}",
        "spec.rollout.windows[0].timeZone: Required value",
    ),
    (
        "a window that begins at no time of day",
        "{serviceAccountName: app, roleArn: 'arn:aws:iam::111122223333:role/my-role', \
         rollout: {windows: [{start: '25:00', length: 4h, timeZone: UTC}]}}",
        "must be a time of day from 00:00 to 23:59, for example 22:00",
    ),
    (
        "a window of more than a day",
        "{serviceAccountName: app, roleArn: 'arn:aws:iam::111122223333:role/my-role', \
         rollout: {windows: [{start: '22:00', length: 24h1s, timeZone: UTC}]}}",
        "must be a duration of at least 1m and at most 24h, for example 4h, 90m or 1h30m",
    ),
    (
        "a window of days",
        "{serviceAccountName: app, roleArn: 'arn:aws:iam::111122223333:role/my-role', \
         rollout: {windows: [{start: '22:00', length: 1d, timeZone: UTC}]}}",
        "must be a duration of at least 1m and at most 24h",
    ),
    (
        "a day in full",
        "{serviceAccountName: app, roleArn: 'arn:aws:iam::111122223333:role/my-role', \
         rollout: {windows: [{days: [Monday], start: '22:00', length: 4h, timeZone: UTC}]}}",
        "supported values: \"Mon\", \"Tue\"",
    ),
    (
        "a time zone with a space",
        "{serviceAccountName: app, roleArn: 'arn:aws:iam::111122223333:role/my-role', \
         rollout: {windows: [{start: '22:00', length: 4h, timeZone: Central European Time}]}}",
        "must be the name of a time zone in the IANA database, for example Europe/Berlin or UTC",
    ),
    (
        "an interval of nothing",
        "{serviceAccountName: app, roleArn: 'arn:aws:iam::111122223333:role/my-role', \
         rollout: {interval: 0s}}",
        "must be a duration of at least 1s and at most 24h",
    ),
    (
        "an interval of more than a day",
        "{serviceAccountName: app, roleArn: 'arn:aws:iam::111122223333:role/my-role', \
         rollout: {interval: 25h}}",
        "must be a duration of at least 1s and at most 24h, for example 10m, 1h or 1h30m",
    ),
];

/// Unusual but valid specs.
const ACCEPTED: &[(&str, &str)] = &[
    ("the least", "{serviceAccountName: app, roleArn: 'arn:aws:iam::111122223333:role/my-role'}"),
    ("China", "{serviceAccountName: app, roleArn: 'arn:aws-cn:iam::111122223333:role/my-role'}"),
    ("GovCloud", "{serviceAccountName: app, roleArn: 'arn:aws-us-gov:iam::111122223333:role/my-role'}"),
    ("an isolated region", "{serviceAccountName: app, roleArn: 'arn:aws-iso-b:iam::111122223333:role/my-role'}"),
    ("a path", "{serviceAccountName: app, roleArn: 'arn:aws:iam::111122223333:role/a/b/my-role'}"),
    ("every letter", "{serviceAccountName: app, roleArn: 'arn:aws:iam::111122223333:role/aZ9_+=,.@-'}"),
    ("a dotted account", "{serviceAccountName: my.app-1, roleArn: 'arn:aws:iam::111122223333:role/my-role'}"),
    (
        "everything",
        "{serviceAccountName: app, roleArn: 'arn:aws:iam::111122223333:role/my-role', audience: sts.amazonaws.com, \
         tokenExpirationSeconds: 3600, stsRegionalEndpoints: true, onConflict: Override, deletionPolicy: Revoke, \
         suspend: true, rollout: {policy: Manual, maxConcurrent: 2, settleSeconds: 0, onFailure: Continue, \
         progressDeadlineSeconds: 60, interval: 1h30m, windows: [{days: [Sat, Sun], start: '22:00', length: 24h, \
         timeZone: America/Argentina/Buenos_Aires}, {start: '00:00', length: 1m, timeZone: Etc/GMT+12}], workloadSelector: {matchLabels: {tier: web}, \
         matchExpressions: [{key: tier, operator: In, values: [web]}, {key: canary, operator: DoesNotExist}]}}}",
    ),
];

/// Kubectl's error about a binding with this spec, with its default strict validation; `None` if it
/// is accepted.
async fn refusal(control_plane: &ControlPlane, namespace: &str, spec: &str) -> Result<Option<String>> {
    let yaml = format!(
        "apiVersion: podidentity.dev/v1alpha1\nkind: PodIdentityBinding\nmetadata: {{name: app}}\nspec: {spec}\n"
    );
    let args = ["create", "--dry-run=server", "-n", namespace, "-f", "-"];
    let output = control_plane.kubectl_output(&args, Some(&yaml)).await?;
    Ok(if output.status.success() { None } else { Some(String::from_utf8(output.stderr)?) })
}

pub(crate) async fn refused(world: Arc<World>, namespace: Namespace) -> Result<()> {
    let mut wrong = Vec::new();
    for cases in REFUSED.chunks(4) {
        let answers = cases.iter().map(|(_, spec, _)| refusal(&world.control_plane, &namespace.name, spec));
        for ((what, _, advice), answer) in cases.iter().zip(try_join_all(answers).await?) {
            match answer {
                None => wrong.push(format!("{what}: accepted")),
                Some(text) if !text.contains(advice) => wrong.push(format!("{what}: no {advice:?} in: {text}")),
                Some(_) => {}
            }
        }
    }
    ensure!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), REFUSED.len(), wrong.join("\n"));
    Ok(())
}

pub(crate) async fn accepted(world: Arc<World>, namespace: Namespace) -> Result<()> {
    for (what, spec) in ACCEPTED {
        if let Some(text) = refusal(&world.control_plane, &namespace.name, spec).await? {
            bail!("{what} is refused: {text}");
        }
    }
    Ok(())
}

pub(crate) async fn immutable(_: Arc<World>, namespace: Namespace) -> Result<()> {
    namespace.create(fixtures::binding("app", "app", ROLE)?).await?;
    let other = json!({"spec": {"serviceAccountName": "other"}});
    let Err(error) = namespace.change::<PodIdentityBinding>("app", &other).await else {
        bail!("serviceAccountName could be changed");
    };
    let text = format!("{error:#}");
    let advice = "serviceAccountName is immutable: delete this binding and create one for the other service account";
    ensure!(text.contains(advice), "no advice in: {text}");
    Ok(())
}
