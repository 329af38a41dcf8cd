//! The product at work on a real control plane: `make demo`, or `make demo KEEP=1` to look around
//! afterwards.
//!
//! The demo ends by itself, and fails if a promise was broken.

mod preflight;
mod promises;
mod screen;
mod table;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use e2e::fixtures::ROLE;
use e2e::sts::Sts;
use e2e::{ControlPlane, Namespace, Operator, expect, signals};
use k8s_openapi::api::apps::v1::Deployment;
use podidentity_api::PodIdentityBinding;

use promises::Promises;
use screen::Screen;

const NEW_ROLE: &str = "arn:aws:iam::111122223333:role/team-a/my-new-role";
const APP: &str = "my-app";
const PODS: usize = 3;

#[tokio::main]
async fn main() -> ExitCode {
    let screen = Screen::new();
    match demo(&screen).await {
        Ok(promises) => promises.report(&screen),
        Err(error) => {
            eprintln!("\nthe demo failed: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn keep() -> bool {
    let variable = std::env::var("KEEP").unwrap_or_default();
    !matches!(variable.as_str(), "" | "0" | "no" | "false") || std::env::args().any(|arg| arg == "--keep")
}

async fn demo(screen: &Screen) -> Result<Promises> {
    screen.step("Starting etcd, API server, controllers, scheduler and fake nodes");
    let control_plane = ControlPlane::start().await?;
    screen.say(&format!("ready {:.1} s after their start", control_plane.start_time().as_secs_f64()));

    let shown = show(screen, &control_plane).await;
    let broken = shown.as_ref().map_or(true, Promises::broken);
    if broken {
        control_plane.keep_logs();
        screen.say(&format!("logs: {}", control_plane.logs().display()));
    }
    shown
}

async fn show(screen: &Screen, control_plane: &ControlPlane) -> Result<Promises> {
    let namespace = control_plane.existing_namespace("default");
    let demo = Demo { screen, control_plane, namespace };
    let mut promises = Promises::default();

    let (aws, operator) = demo.start_operator().await?;
    operator.while_alive(control_plane, Box::pin(demo.tell(&aws, &mut promises))).await?;
    if keep() {
        demo.keep(&promises).await;
    }
    operator.terminate().await?;
    Ok(promises)
}

struct Demo<'a> {
    screen: &'a Screen,
    control_plane: &'a ControlPlane,
    namespace: Namespace,
}

impl Demo<'_> {
    /// The story, from the application to the third role.
    async fn tell(&self, aws: &Sts, promises: &mut Promises) -> Result<()> {
        let before = self.deploy().await?;
        let first = self.bind(&before, promises).await?;
        self.change_role(&first, promises).await?;
        self.show_result().await?;
        Box::pin(self.refuse(aws, promises)).await
    }

    async fn start_operator(&self) -> Result<(Sts, Operator)> {
        self.screen.step("Installing the custom resource, the operator's rights and the injection policy");
        self.screen.command("kubectl apply --server-side -k config/base");
        self.screen.command("kubectl apply --server-side -k config/injection");
        self.control_plane.install().await?;
        self.screen.step("Starting the operator, as its own service account");
        self.start_asking().await
    }

    /// The application runs before it is bound, so its pods have no role.
    async fn deploy(&self) -> Result<Deployment> {
        self.screen.step("Deploying an application: three pods that run as my-service-account, without a role");
        self.apply("1-service-account.yaml").await?;
        self.apply("2-deployment.yaml").await?;
        let deployment = expect::rolled_out(&self.namespace, APP).await?;
        self.print(&["get", "deployment", APP, "-o", "wide"]).await?;
        Ok(deployment)
    }

    async fn bind(&self, before: &Deployment, promises: &mut Promises) -> Result<Deployment> {
        self.screen.step(&format!("Binding the service account to {ROLE}"));
        self.apply("3-binding.yaml").await?;
        let after = self.watch_until_ready().await?;
        self.promised(before, &after, ROLE, promises).await?;
        Ok(after)
    }

    async fn change_role(&self, before: &Deployment, promises: &mut Promises) -> Result<()> {
        self.screen.step(&format!("Changing the role to {NEW_ROLE}"));
        let patch = format!(r#"{{"spec":{{"roleArn":"{NEW_ROLE}"}}}}"#);
        self.run(&["patch", "pib", APP, "--type=merge", "-p", &patch]).await?;
        let after = self.watch_until_ready().await?;
        promises.check("another role is another identity", expect::identity(before) != expect::identity(&after));
        self.promised(before, &after, NEW_ROLE, promises).await
    }

    async fn show_result(&self) -> Result<()> {
        self.screen.step("What the status says");
        let status = self.run(&["get", "pib", APP, "-o", "jsonpath={.status}"]).await?;
        let status: serde_json::Value = serde_json::from_str(&status)?;
        self.screen.block(&serde_saphyr::to_string(&status)?);
        self.screen.step("What a pod of the application got");
        let variables = r#"jsonpath={.items[0].metadata.name}{"\n"}{range .items[0].spec.containers[0].env[*]}{.name}={.value}{"\n"}{end}"#;
        self.print(&["get", "pods", "-l", "app=my-app", "-o", variables]).await?;
        let requests = self.control_plane.operator_requests()?;
        let writes = requests.iter().filter(|request| request.is_write()).count();
        self.screen.say(&format!("the operator sent {} requests, {writes} of them writes", requests.len()));
        Ok(())
    }

    async fn watch_until_ready(&self) -> Result<Deployment> {
        table::until_ready(self.screen, self.control_plane, &self.namespace, APP).await?;
        expect::rolled_out(&self.namespace, APP).await
    }

    /// Checks the promises about one role.
    async fn promised(
        &self,
        before: &Deployment,
        after: &Deployment,
        role: &str,
        promises: &mut Promises,
    ) -> Result<()> {
        let binding: PodIdentityBinding = self.namespace.api().get(APP).await?;
        promises.keep("the Deployment was rolled exactly once", expect::rolled(before, after, 1));
        promises.check("its pod template names the identity", expect::identity(after).is_some());
        let count = i32::try_from(PODS)?;
        promises.keep(
            "the status names the role and counts every pod as verified",
            expect::status_names(&binding, role, count),
        );
        let what = format!("every pod has AWS_ROLE_ARN={role}");
        promises.keep(&what, expect::pods_have(&self.namespace, APP, PODS, role).await);
        Ok(())
    }

    async fn apply(&self, sample: &str) -> Result<()> {
        let file = format!("config/samples/{sample}");
        let path = e2e::repository().join(&file);
        self.screen.command(&format!("kubectl apply -f {file}"));
        let path = path.to_str().context("the path of the repository is not valid UTF-8")?;
        self.control_plane.kubectl(&["apply", "-f", path]).await?;
        Ok(())
    }

    async fn run(&self, args: &[&str]) -> Result<String> {
        let quoted: Vec<_> = args.iter().map(|arg| quoted(arg)).collect();
        self.screen.command(&format!("kubectl {}", quoted.join(" ")));
        self.control_plane.kubectl(args).await
    }

    async fn print(&self, args: &[&str]) -> Result<()> {
        let output = self.run(args).await?;
        self.screen.block(&output);
        Ok(())
    }

    /// Waits for Ctrl-C, whose handler ends all processes.
    async fn keep(&self, promises: &Promises) {
        promises.list(self.screen);
        self.screen.step("It stays up until Ctrl-C. In another terminal:");
        self.screen.block(&format!("export KUBECONFIG={}", self.control_plane.kubeconfig().display()));
        if let Ok(bin) = e2e::binaries::folder() {
            self.screen.block(&format!("{}/kubectl get pib -A", bin.display()));
        }
        signals::expect_interrupt();
        loop {
            tokio::time::sleep(Duration::from_secs(3600)).await;
        }
    }
}

/// The argument as a user would type it.
fn quoted(arg: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_=./,:".contains(letter);
    if arg.chars().all(plain) { arg.to_owned() } else { format!("'{arg}'") }
}
