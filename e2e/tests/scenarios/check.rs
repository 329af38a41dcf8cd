//! `kubectl podidentity check` in a bare cluster, in a healthy one, and in one where much is
//! broken: the outputs in `docs/check.md`.

use std::collections::VecDeque;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::fixtures::{self, ROLE};
use e2e::pages::record;
use e2e::{ControlPlane, Namespace, Operator, Options, expect, program, wait};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use serde_json::json;

use crate::world::World;

const ISSUER: &str = "https://oidc.example.com/id/0123456789";
const NAMESPACE: &str = "podidentity-system";
const NAME: &str = "podidentity-operator";

/// The output of a run.
struct Said {
    args: &'static str,
    text: String,
}

fn check(control_plane: &ControlPlane, args: &'static str, status: i32) -> Result<Said> {
    let mut command = Command::new(program("kubectl-podidentity", "kubectl-podidentity")?);
    command.args(args.split(' ')).env("KUBECONFIG", control_plane.kubeconfig()).env("COLUMNS", "100");
    let output = command.output()?;
    let text = String::from_utf8(output.stdout)?;
    let error = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.code() == Some(status), "{args}: {:?}, not {status}:\n{text}{error}", output.status);
    let port = control_plane.server().rsplit(':').next().context("a port")?;
    let mut text = text.replace(port, "6443");
    for (pattern, replacement) in [
        (r"renewed \d+ s ago", "renewed 1 s ago"),
        (r"1 s ago: nobody", "96 s ago: nobody"),
        (r"injection-probe-\d+", "injection-probe"),
        (r"[\w.-]+, renewed", "podidentity-operator-1, renewed"),
    ] {
        text = regex::Regex::new(pattern)?.replace_all(&text, replacement).into_owned();
    }
    Ok(Said { args, text })
}

pub(crate) async fn before_and_after(_: Arc<World>, _: Namespace) -> Result<()> {
    let control_plane = ControlPlane::start_with(&Options { issuer: ISSUER, ..Options::default() }).await?;
    let bare = check(&control_plane, "check --pre", 1)?;
    control_plane.install().await?;
    control_plane.apply_folder("config/default").await?;
    let operator = elected(&control_plane).await?;
    let shop = control_plane.namespace("shop").await?;
    let work = async {
        shop.create(fixtures::service_account("web")?).await?;
        shop.create(fixtures::deployment("web", "web", 2)?).await?;
        shop.create(fixtures::binding("web", "web", ROLE)?).await?;
        expect::ready(&shop, "web").await.map(drop)
    };
    operator.while_alive(&control_plane, Box::pin(work)).await?;
    let right = check(&control_plane, "check", 0)?;
    let json = check(&control_plane, "check -o json", 0)?;
    let json: serde_json::Value = serde_json::from_str(&json.text)?;
    ensure!(json["ok"] == true && json["checks"].as_array().is_some_and(|all| all.len() > 10), "{json}");
    let version = check(&control_plane, "version", 0)?.text;
    let image = concat!("podidentity-operator:", env!("CARGO_PKG_VERSION"));
    ensure!(version.contains(image) && version.contains("Server:    v1."), "{version}");

    drop(operator);
    broken(&control_plane, &shop).await?;
    let broken = check(&control_plane, "check", 1)?;
    let mut said = VecDeque::from([bare, right, broken]);
    record("docs/check.md", |args| {
        let said = said.pop_front().context("the page has more commands than the test")?;
        ensure!(args.join(" ") == said.args, "the page has {args:?}, the test {}", said.args);
        Ok(said.text.replace(&shop.name, "shop"))
    })
}

/// The real operator with the lease of the installation. A fake kubelet runs the Deployment's own
/// pods.
async fn elected(control_plane: &ControlPlane) -> Result<Operator> {
    let deployments: Api<Deployment> = Api::namespaced(control_plane.client(), NAMESPACE);
    wait::object(&deployments, NAME, "its pods are ready", |it: Option<&Deployment>| {
        let ready = it.and_then(|it| it.status.as_ref()?.ready_replicas);
        if ready == Some(2) { Ok(()) } else { Err(format!("{ready:?} ready")) }
    })
    .await?;
    let namespace = format!("--lease-namespace={NAMESPACE}");
    let flags =
        ["--leader-elect", &namespace, "--lease-duration=4s", "--lease-renew-deadline=3s", "--lease-retry-period=1s"];
    let operator = Operator::start_installed(control_plane, &flags).await?;
    let leases: Api<Lease> = Api::namespaced(control_plane.client(), NAMESPACE);
    wait::object(&leases, NAME, "somebody leads", |it: Option<&Lease>| {
        let holder = it.and_then(|it| it.spec.as_ref()?.holder_identity.clone());
        holder.map(drop).ok_or_else(|| "nobody does".to_owned())
    })
    .await?;
    Ok(operator)
}

/// Creates a cluster with no operator, no injection, fewer rights, an older CRD, and a namespace
/// that requests enforcement that is not installed.
async fn broken(control_plane: &ControlPlane, shop: &Namespace) -> Result<()> {
    control_plane.remove_injection().await?;
    let run = |args: &[&str]| {
        let args: Vec<String> = args.iter().map(|it| (*it).to_owned()).collect();
        async move { control_plane.kubectl(&args.iter().map(String::as_str).collect::<Vec<_>>()).await }
    };
    run(&["-n", NAMESPACE, "scale", "deployment", NAME, "--replicas=0"]).await?;
    run(&["label", "namespace", &shop.name, "podidentity.dev/enforce=true"]).await?;
    let rules = json!([{"op": "remove", "path": "/rules/1"}]).to_string();
    run(&["patch", "clusterrole", NAME, "--type=json", "-p", &rules]).await?;
    // Removes the field and the rules that name it.
    let spec = "/spec/versions/0/schema/openAPIV3Schema/properties/spec";
    let remove = |path: &str| json!({"op": "remove", "path": format!("{spec}/{path}")});
    let field = json!([remove("x-kubernetes-validations"), remove("properties/preflight")]).to_string();
    run(&["patch", "crd", "podidentitybindings.podidentity.dev", "--type=json", "-p", &field]).await?;
    // The lease expires, and the API server serves the older CRD.
    tokio::time::sleep(Duration::from_secs(6)).await;
    wait::until("bindings are served", async || {
        run(&["get", "pib", "-A"]).await.map(drop).map_err(|error| error.to_string())
    })
    .await
}
