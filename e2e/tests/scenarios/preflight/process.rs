//! Crashes, drift and silence with preflights.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use e2e::fixtures::{OTHER_ROLE, ROLE};
use e2e::sts::{Fault, trust_policy};
use e2e::{Namespace, audit, expect, wait};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ServiceAccount;
use podidentity_api::PodIdentityBinding;
use podidentity_api::Reason;
use podidentity_api::names::condition;
use serde_json::json;

use super::{APP, Asking, acts, told};
use crate::world::World;

/// How long the test observes a converged binding. Silence can only be measured by listening for a
/// while.
const WINDOW: Duration = Duration::from_secs(20);

/// Writes that follow `Ready` (counts, events) are done by then.
const SETTLED: Duration = Duration::from_secs(5);

/// The operator records a pass before it writes anything: a process that is killed then repeats no
/// question. It also records refused attempts, so a crash does not ask earlier.
pub(crate) async fn killed(_: Arc<World>, _: Namespace) -> Result<()> {
    let asking = Asking::start(&[]).await?;
    asking
        .work(async {
            let namespace = asking.namespace("killed").await?;
            asking.aws.change(|aws| aws.role(ROLE, &trust_policy(&namespace.name, "another")));
            let before = asking.bind(&namespace, "Require").await?;
            told(&namespace, "False", Reason::RoleNotAssumable).await?;
            let refused = asking.asked(&namespace);
            asking.operator.restart()?;
            // Another identity shows that the new process has started to work.
            let witness = asking.namespace("witness").await?;
            asking.bind(&witness, "Never").await?;
            expect::ready(&witness, APP).await?;
            let at = next_attempt(&namespace).await?;
            let asked = asking.asked(&namespace);
            ensure!(asked == refused || Timestamp::now() >= at, "asked before {at}");
            asking.untouched(&namespace, &before, None).await?;
            Ok(())
        })
        .await?;
    passed_and_killed(&asking).await
}

async fn next_attempt(namespace: &Namespace) -> Result<Timestamp> {
    let what = "the next attempt is recorded";
    wait::object(&namespace.api(), APP, what, |binding: Option<&PodIdentityBinding>| {
        let failed = binding.and_then(|it| it.status.as_ref()?.preflight.as_ref()?.failed.clone());
        failed.map(|it| it.next_at.0).ok_or_else(|| "it is not".to_owned())
    })
    .await
}

async fn passed_and_killed(asking: &Asking) -> Result<()> {
    let namespace = asking.namespace("passed").await?;
    asking.trust(&namespace);
    // A policy that refuses the annotation holds the operator between the pass and the write.
    asking.control_plane.apply_yaml(&no_annotations(&namespace.name)).await?;
    asking.bind(&namespace, "Require").await?;
    told(&namespace, "True", Reason::RoleAssumable).await?;
    let asked = asking.asked(&namespace);
    asking.operator.kill();
    asking.aws.change(|aws| aws.always = Some(Fault::Internal));
    for kind in ["validatingadmissionpolicybinding", "validatingadmissionpolicy"] {
        asking.control_plane.kubectl(&["delete", kind, "no-annotations"]).await?;
    }
    asking.operator.restart()?;
    let done = asking.work(acts(&namespace, ROLE)).await;
    asking.aws.change(|aws| aws.always = None);
    done?;
    ensure!(asked == 1 && asking.asked(&namespace) == 1, "asked {} times", asking.asked(&namespace));
    asking.keeps_secrets().await
}

fn no_annotations(namespace: &str) -> String {
    let policy = json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": "no-annotations"},
        "spec": {
            "matchConstraints": {"resourceRules": [
                {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["UPDATE"], "resources": ["serviceaccounts"]},
            ]},
            "validations": [{"expression": format!("object.metadata.namespace != '{namespace}'")}],
        },
    });
    let binding = json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": "no-annotations"},
        "spec": {"policyName": "no-annotations", "validationActions": ["Deny"]},
    });
    json!({"apiVersion": "v1", "kind": "List", "items": [policy, binding]}).to_string()
}

/// While AWS is down, the operator restores drift without asking. Once everything is converged, it
/// sends no requests.
pub(crate) async fn drift_and_silence(_: Arc<World>, _: Namespace) -> Result<()> {
    let asking = Asking::start(&[]).await?;
    asking
        .work(async {
            let namespace = asking.namespace("drift").await?;
            asking.trust(&namespace);
            asking.bind(&namespace, "Require").await?;
            acts(&namespace, ROLE).await?;
            asking.aws.change(|aws| aws.always = Some(Fault::Internal));
            for role in [json!(null), json!(OTHER_ROLE)] {
                let patch = json!({"metadata": {"annotations": {e2e::fixtures::role_annotation(): role}}});
                namespace.change::<ServiceAccount>(APP, &patch).await?;
                expect::annotated(&namespace, APP, Some(ROLE)).await?;
            }
            acts(&namespace, ROLE).await?;
            ensure!(asking.asked(&namespace) == 1, "asked {} times", asking.asked(&namespace));
            silent(&asking, &namespace).await
        })
        .await
}

async fn silent(asking: &Asking, namespace: &Namespace) -> Result<()> {
    tokio::time::sleep(SETTLED).await;
    let (began, asked) = (Timestamp::now(), asking.asked(namespace));
    tokio::time::sleep(WINDOW).await;
    let mut seen = asking.control_plane.operator_requests()?;
    // The operator reopens a watch that ends after five minutes.
    seen.retain(|request| request.request_received_timestamp >= began && request.verb != "watch");
    ensure!(seen.is_empty(), "{} requests in {WINDOW:?} of silence:\n{}", seen.len(), audit::summary(&seen));
    ensure!(asking.asked(namespace) == asked, "AWS was asked");
    Ok(())
}

/// With `--preflight-recheck`, the status reports a role that AWS refuses later, and the operator
/// undoes nothing. In the meantime, it restores drift.
pub(crate) async fn rechecked(_: Arc<World>, _: Namespace) -> Result<()> {
    let asking = Asking::start(&["--preflight-recheck=1m"]).await?;
    asking
        .work(async {
            let namespace = asking.namespace("rechecked").await?;
            asking.trust(&namespace);
            asking.bind(&namespace, "Require").await?;
            acts(&namespace, ROLE).await?;
            let before = expect::rolled_out(&namespace, APP).await?;
            asking.aws.change(|aws| aws.role(ROLE, &trust_policy(&namespace.name, "another")));
            // Within one minute plus a tenth.
            let api = namespace.api();
            let refused = wait::object(&api, APP, "the recheck is told", |binding: Option<&PodIdentityBinding>| {
                let told = binding.and_then(|it| expect::condition_of(it, condition::ROLE_ASSUMABLE));
                if told.is_some_and(|it| it.status == "False") { Ok(()) } else { Err(format!("{told:?}")) }
            });
            wait::within(Duration::from_secs(120), refused).await?;
            let binding = expect::ready(&namespace, APP).await?;
            let message = expect::condition_of(&binding, condition::READY).map(|it| it.message.clone());
            ensure!(message.is_some_and(|it| it.contains("But: ") && it.contains("set up to act as")), "{binding:?}");
            let patch = json!({"metadata": {"annotations": {e2e::fixtures::role_annotation(): null}}});
            namespace.change::<ServiceAccount>(APP, &patch).await?;
            expect::annotated(&namespace, APP, Some(ROLE)).await?;
            asking.trust(&namespace);
            told(&namespace, "True", Reason::RoleAssumable).await?;
            acts(&namespace, ROLE).await?;
            expect::rolled(&before, &expect::rolled_out(&namespace, APP).await?, 0)
        })
        .await
}
