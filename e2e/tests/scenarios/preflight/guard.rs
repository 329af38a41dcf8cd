//! The right to create tokens, and the policy that guards it.

use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use e2e::fixtures::{self, ROLE};
use e2e::wait::{self, DEADLINE};
use e2e::{ControlPlane, Namespace, operator};
use http::Request;
use kube::{Client, Error};
use podidentity_api::Reason;
use podidentity_core::kubernetes::MUTATING_POLICIES;
use serde_json::{Value, json};
use tokio::time::{Duration, Instant};

use super::{APP, Asking, acts, said, told};
use crate::world::World;

const INTERVAL: Duration = Duration::from_millis(100);

/// The request, and a part of the expected refusal; `None` if it is granted.
type Line = (&'static str, &'static str, fn() -> Value, Option<&'static str>);

fn right() -> Value {
    json!({"audiences": ["sts.amazonaws.com"], "expirationSeconds": 600})
}

fn with(audiences: &Value, seconds: &Value) -> Value {
    json!({"audiences": audiences, "expirationSeconds": seconds})
}

/// Requests of the operator's own account, in a namespace with the label.
#[rustfmt::skip] // one line for each
const GUARDED: &[Line] = &[
    ("right", APP, right, None),
    ("bound to nothing, in so many words", APP, || json!({"audiences": ["sts.amazonaws.com"], "expirationSeconds": 600, "boundObjectRef": null}), None),
    ("for the API server", APP, || with(&json!(["https://kubernetes.default.svc.cluster.local"]), &json!(600)), Some("of the audience sts.amazonaws.com only")),
    ("for two", APP, || with(&json!(["sts.amazonaws.com", "vault"]), &json!(600)), Some("not sts.amazonaws.com, vault")),
    ("for the same twice", APP, || with(&json!(["sts.amazonaws.com", "sts.amazonaws.com"]), &json!(600)), Some("not sts.amazonaws.com, sts.amazonaws.com")),
    ("for whom the API server likes", APP, || json!({"expirationSeconds": 600}), Some("of the audience sts.amazonaws.com only")),
    ("for nobody", APP, || with(&json!([]), &json!(600)), Some("of the audience sts.amazonaws.com only")),
    ("with a space", APP, || with(&json!(["sts.amazonaws.com "]), &json!(600)), Some("of the audience sts.amazonaws.com only")),
    ("a second longer", APP, || with(&json!(["sts.amazonaws.com"]), &json!(601)), Some("of 600 seconds, not 601")),
    ("for a day", APP, || with(&json!(["sts.amazonaws.com"]), &json!(86400)), Some("of 600 seconds, not 86400")),
    ("for as long as the API server likes", APP, || json!({"audiences": ["sts.amazonaws.com"]}), Some("of 600 seconds, not 3600")),
    ("bound to a secret", APP, || json!({"audiences": ["sts.amazonaws.com"], "expirationSeconds": 600, "boundObjectRef": {"apiVersion": "v1", "kind": "Secret", "name": "s", "uid": "1"}}), Some("bound to nothing but their service account")),
    ("of an account that no binding names", "unbound", right, None),
];

/// The same with the policy for bound accounts.
#[rustfmt::skip] // one line for each
const BOUND: &[Line] = &[
    ("bound", APP, right, None),
    ("bound, for another audience: rewritten, and harmless", APP, || with(&json!(["vault"]), &json!(600)), None),
    ("bound, for a day", APP, || with(&json!(["sts.amazonaws.com"]), &json!(86400)), Some("of 600 seconds, not 86400")),
    ("of an account that no binding names", "unbound", right, Some("no-binding-names-this-account")),
    ("of such an account, for the mark itself", "unbound", || with(&json!(["podidentity.dev/no-binding-names-this-account"]), &json!(600)), Some("no-binding-names-this-account")),
];

/// What the guard permits the operator's own account.
pub(crate) async fn transcript(_: Arc<World>, _: Namespace) -> Result<()> {
    let control_plane = ControlPlane::start().await?;
    control_plane.install().await?;
    let namespace = control_plane.namespace("guarded").await?;
    for account in [APP, "unbound"] {
        namespace.create(fixtures::service_account(account)?).await?;
    }
    namespace.create(fixtures::binding(APP, APP, ROLE)?).await?;
    let folder = e2e::repository().join("config/preflight/rights").display().to_string();
    control_plane.kubectl(&["apply", "--namespace", &namespace.name, "-k", &folder]).await?;
    let client = operator::client(&control_plane).await?;
    until(&client, &namespace, &right(), None).await.context("the right without a guard")?;

    control_plane.apply_folder("config/preflight").await?;
    let label = format!("namespace {} does not ask for preflights by the label", namespace.name);
    until(&client, &namespace, &right(), Some(&label)).await.context("a namespace without the label")?;
    namespace.mark(&json!({"labels": {"podidentity.dev/preflight": "enabled"}})).await?;
    until(&client, &namespace, &right(), None).await.context("a namespace with the label")?;
    told_so(&client, &namespace, GUARDED).await?;
    somebody_else(&control_plane, &namespace).await?;

    if control_plane.minor().await? < MUTATING_POLICIES {
        return Ok(());
    }
    control_plane.apply_folder("config/preflight/bound").await?;
    let unbound = async || match token(&client, &namespace, "unbound", &right()).await {
        Ok(Err(_)) => Ok(()),
        other => Err(format!("{other:?}")),
    };
    wait::until("an account that no binding names is refused", unbound).await?;
    told_so(&client, &namespace, BOUND).await?;
    without_the_definition().await
}

/// Without the definition of `PodIdentityBinding`, everybody but the operator still gets tokens.
async fn without_the_definition() -> Result<()> {
    let control_plane = ControlPlane::start().await?;
    control_plane.apply_folder("config/preflight/bound").await?;
    let by_operator = [
        "create",
        "token",
        "default",
        "--output=yaml",
        "--as=system:serviceaccount:podidentity-system:podidentity-operator",
        "--as-group=system:masters",
    ];
    let in_force = async || match control_plane.kubectl(&by_operator).await {
        Ok(request) if request.contains("no-binding-names-this-account") => Ok(()),
        other => Err(format!("{other:?}")),
    };
    wait::until("the operator's token is for nobody", in_force).await?;
    control_plane.kubectl(&["create", "token", "default"]).await.context("a token of somebody else")?;
    Ok(())
}

async fn told_so(client: &Client, namespace: &Namespace, lines: &[Line]) -> Result<()> {
    for (what, account, spec, refusal) in lines {
        let answer = token(client, namespace, account, &spec()).await?;
        matches(answer, *refusal).map_err(anyhow::Error::msg).with_context(|| format!("a token {what}"))?;
    }
    Ok(())
}

/// The guard does not affect other users.
async fn somebody_else(control_plane: &ControlPlane, namespace: &Namespace) -> Result<()> {
    let answer = token(&control_plane.client(), namespace, APP, &with(&json!(["vault"]), &json!(7200))).await?;
    matches(answer, None).map_err(anyhow::Error::msg).context("a token of somebody else")
}

/// Checks that a token is for STS and lives ten minutes, or that the refusal has this text.
fn matches(answer: std::result::Result<Value, String>, refusal: Option<&str>) -> std::result::Result<(), String> {
    match (answer, refusal) {
        (Ok(_), None) => Ok(()),
        (Err(said), Some(words)) if said.contains(words) => Ok(()),
        (Err(said), _) => Err(format!("refused: {said}")),
        (Ok(spec), Some(_)) => Err(format!("given: {spec}")),
    }
}

async fn until(client: &Client, namespace: &Namespace, spec: &Value, refusal: Option<&str>) -> Result<()> {
    let began = Instant::now();
    loop {
        let Err(seen) = matches(token(client, namespace, APP, spec).await?, refusal) else { return Ok(()) };
        if began.elapsed() > DEADLINE {
            bail!("{seen}");
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

/// Requests a token. Returns its spec as the API server completed it, without the token, or the
/// text of the refusal.
async fn token(
    client: &Client,
    namespace: &Namespace,
    account: &str,
    spec: &Value,
) -> Result<std::result::Result<Value, String>> {
    let path = format!("/api/v1/namespaces/{}/serviceaccounts/{account}/token", namespace.name);
    let body = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec});
    let request = Request::post(path).header("Content-Type", "application/json").body(serde_json::to_vec(&body)?)?;
    match client.request::<Value>(request).await {
        Ok(answer) => {
            ensure!(answer["status"]["token"].is_string(), "no token");
            Ok(Ok(answer["spec"].clone()))
        }
        Err(Error::Api(status)) if matches!(status.code, 403 | 422) => Ok(Err(status.message.clone())),
        Err(error) => Err(error).context("the API server does not answer"),
    }
}

/// Without the label or the right, a binding reports what is missing. Once it is granted, the
/// operator continues by itself.
pub(crate) async fn each_part_is_needed(_: Arc<World>, _: Namespace) -> Result<()> {
    let asking = Asking::start(&[]).await?;
    asking
        .work(async {
            for (name, missing) in [("label", Missing::Label), ("right", Missing::Right)] {
                without(&asking, name, missing).await.with_context(|| name)?;
            }
            asking.keeps_secrets().await
        })
        .await
}

#[derive(Clone, Copy)]
enum Missing {
    Label,
    Right,
}

async fn without(asking: &Asking, name: &str, missing: Missing) -> Result<()> {
    let namespace = asking.namespace(name).await?;
    asking.trust(&namespace);
    let role_binding = ["delete", "rolebinding", "podidentity-operator-preflight", "-n", &namespace.name];
    let words = match missing {
        Missing::Label => {
            namespace.mark(&json!({"labels": {"podidentity.dev/preflight": null}})).await?;
            let client = operator::client(&asking.control_plane).await?;
            namespace.create(fixtures::service_account("witness")?).await?;
            refused_for(&client, &namespace).await?;
            "kubectl label namespace"
        }
        Missing::Right => {
            asking.control_plane.kubectl(&role_binding).await?;
            asking.may_have_tokens(&namespace, false).await?;
            "config/preflight/rights"
        }
    };
    let before = asking.bind(&namespace, "Require").await?;
    let binding = told(&namespace, "Unknown", Reason::TokenRefused).await?;
    ensure!(said(&binding).contains(words), "{words:?} is not in {}", said(&binding));
    e2e::expect::stalled(&namespace, APP, Reason::TokenRefused).await?;
    asking.untouched(&namespace, &before, None).await?;
    ensure!(asking.asked(&namespace) == 0, "AWS was asked without a token");

    namespace.mark(&json!({"labels": {"podidentity.dev/preflight": "enabled"}})).await?;
    let folder = e2e::repository().join("config/preflight/rights").display().to_string();
    asking.control_plane.kubectl(&["apply", "--namespace", &namespace.name, "-k", &folder]).await?;
    acts(&namespace, ROLE).await
}

/// Waits until the guard knows that the namespace has lost its label.
async fn refused_for(client: &Client, namespace: &Namespace) -> Result<()> {
    let refused = async || match token(client, namespace, "witness", &right()).await {
        Ok(Err(_)) => Ok(()),
        other => Err(format!("{other:?}")),
    };
    wait::until("the guard knows that the label is gone", refused).await
}
