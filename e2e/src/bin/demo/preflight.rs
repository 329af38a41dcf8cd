//! The last chapter: the operator holds back a role that AWS refuses before it restarts anything,
//! and continues once the role's trust policy is corrected.

use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use e2e::sts::{ACCOUNT, ISSUER, Sts, trust_policy};
use e2e::{Operator, expect};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::ServiceAccount;
use podidentity_api::PodIdentityBinding;
use podidentity_api::Reason;
use podidentity_api::names::condition;
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::promises::Promises;
use crate::{APP, Demo, NEW_ROLE};

const ROLE: &str = "arn:aws:iam::111122223333:role/my-guarded-role";
const SERVICE_ACCOUNT: &str = "my-service-account";

impl Demo<'_> {
    /// A double of AWS, and the operator that asks it. Both stay idle until the last chapter.
    pub(crate) async fn start_asking(&self) -> Result<(Sts, Operator)> {
        let aws = Sts::start(&self.control_plane.client()).await?;
        aws.change(|world| {
            world.provider(ACCOUNT, ISSUER);
            // The policy names another service account, as copied policies do.
            world.role(ROLE, &trust_policy("default", "another-account"));
        });
        let endpoint = format!("--sts-endpoint={}", aws.url());
        let operator = Operator::start_installed(self.control_plane, &[&endpoint]).await?;
        Ok((aws, operator))
    }

    pub(crate) async fn refuse(&self, aws: &Sts, promises: &mut Promises) -> Result<()> {
        self.screen.step("Letting the operator ask AWS (a double of it) before it puts a role in force");
        self.screen.command("kubectl apply --server-side -k config/preflight");
        self.control_plane.apply_folder("config/preflight").await?;
        self.screen.command("kubectl apply -n default -k config/preflight/rights");
        let rights = e2e::repository().join("config/preflight/rights").display().to_string();
        self.control_plane.kubectl(&["apply", "-n", "default", "-k", &rights]).await?;
        self.run(&["label", "namespace", "default", "podidentity.dev/preflight=enabled"]).await?;

        self.screen.step(&format!("Changing the role to {ROLE}, whose trust policy names another service account"));
        let before: Deployment = self.namespace.api().get(APP).await?;
        let patch = format!(r#"{{"spec":{{"roleArn":"{ROLE}","preflight":"Require"}}}}"#);
        self.run(&["patch", "pib", APP, "--type=merge", "-p", &patch]).await?;
        let told = (condition::ROLE_ASSUMABLE, "False", Reason::RoleNotAssumable);
        let binding = expect::reason(&self.namespace, APP, told.0, told.1, told.2).await?;
        self.screen.block(&said(&binding));
        let account: ServiceAccount = self.namespace.api().get(SERVICE_ACCOUNT).await?;
        promises.check("a role that AWS refuses is not annotated", expect::role_of(&account) == Some(NEW_ROLE));
        let same = expect::rolled(&before, &self.namespace.api().get(APP).await?, 0);
        promises.keep("and nothing is restarted for it", same);

        self.correct(aws).await?;
        let after = self.watch_until_ready().await?;
        self.promised(&before, &after, ROLE, promises).await?;
        let binding: PodIdentityBinding = self.namespace.api().get(APP).await?;
        let ready = expect::condition_of(&binding, condition::READY).map(|it| it.message.clone()).unwrap_or_default();
        promises.check(
            "corrected in AWS, it continues by itself, and says that the pods act as the role",
            ready.contains("act as"),
        );
        let objects = self.control_plane.kubectl(&["get", "pib,sa,events.events.k8s.io", "-A", "-o", "yaml"]).await?;
        let log = std::fs::read_to_string(self.control_plane.logs().join("podidentity-operator.log"))?;
        let leaks =
            aws.secrets().iter().any(|secret| objects.contains(secret.as_str()) || log.contains(secret.as_str()));
        promises.check("no token and no credential is in a status, an event or the log", !leaks);
        Ok(())
    }

    /// The policy that `kubectl podidentity trust` prints becomes the role's policy.
    async fn correct(&self, aws: &Sts) -> Result<()> {
        self.screen.step("Correcting the trust policy with what the plugin prints");
        self.screen.command(&format!(
            "aws iam get-role --role-name my-guarded-role | kubectl podidentity trust pib/{APP} -f - -o policy"
        ));
        let wrong = trust_policy("default", "another-account");
        let corrected = self.corrected(&wrong).await?;
        self.screen.block(corrected.trim_end());
        aws.change(|world| world.role(ROLE, &corrected));
        self.screen.say("the policy is in force in AWS; nobody tells the operator");
        Ok(())
    }

    async fn corrected(&self, policy: &str) -> Result<String> {
        let plugin = e2e::program("kubectl-podidentity", "kubectl-podidentity")?;
        let kubeconfig = format!("--kubeconfig={}", self.control_plane.kubeconfig().display());
        let target = format!("pib/{APP}");
        let mut child = Command::new(plugin)
            .args(["trust", &target, "-n", "default", &kubeconfig, "-f", "-", "-o", "policy"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .context("cannot run the plugin")?;
        child.stdin.take().context("no input")?.write_all(policy.as_bytes()).await?;
        let output = child.wait_with_output().await?;
        let text = String::from_utf8(output.stdout)?;
        ensure!(serde_json::from_str::<Value>(&text).is_ok(), "the plugin prints no policy: {text}");
        Ok(text)
    }
}

fn said(binding: &PodIdentityBinding) -> String {
    expect::condition_of(binding, condition::READY).map(|it| it.message.clone()).unwrap_or_default()
}
