//! The double of AWS, a service account whose role trusts it, and the plugin that asks both.

use anyhow::{Context, Result, ensure};
use e2e::fixtures::{self, ROLE};
use e2e::kubeconfig;
use e2e::sts::{ACCOUNT, ISSUER, Sts, trust_policy};
use serde_json::Value;
use tokio::runtime::Handle;

use crate::plugin::{Outcome, Plugin};

/// A namespace with a service account whose role trusts it, and a double of AWS.
pub(super) struct Aws<'a> {
    pub(super) plugin: &'a Plugin,
    pub(super) sts: Sts,
    pub(super) namespace: &'static str,
}

impl<'a> Aws<'a> {
    pub(super) fn start(plugin: &'a Plugin, namespace: &'static str) -> Result<Self> {
        plugin.kubectl(&["create", "namespace", namespace])?;
        let client = Handle::current().block_on(kubeconfig::client(plugin.kubeconfig()))?;
        let aws = Self { plugin, sts: Handle::current().block_on(Sts::start(&client))?, namespace };
        aws.account("web", ROLE)?;
        aws.sts.change(|world| {
            world.provider(ACCOUNT, ISSUER);
            world.role(ROLE, &trust_policy(namespace, "web"));
        });
        Ok(aws)
    }

    pub(super) fn account(&self, name: &str, role: &str) -> Result<()> {
        self.plugin.kubectl(&["-n", self.namespace, "create", "serviceaccount", name])?;
        let annotation = format!("{}={role}", fixtures::role_annotation());
        self.plugin.kubectl(&["-n", self.namespace, "annotate", "serviceaccount", name, &annotation])
    }

    /// Runs the plugin against the double.
    pub(super) fn probe(&self, args: &[&str]) -> Result<Outcome> {
        self.probe_with(args, &[])
    }

    pub(super) fn probe_with(&self, args: &[&str], env: &[(&str, &str)]) -> Result<Outcome> {
        let url = self.sts.url();
        let args = [&["probe", "-n", self.namespace, "--endpoint", &url], args].concat();
        let outcome = self.plugin.run_with(&args, "", env)?;
        self.keeps_secrets(&outcome)?;
        Ok(outcome)
    }

    /// Fails if the output contains a part of a token or of credentials.
    pub(super) fn keeps_secrets(&self, outcome: &Outcome) -> Result<()> {
        let printed = format!("{}{}", outcome.stdout, outcome.stderr);
        let secrets = self.sts.secrets();
        let found = secrets.iter().find(|secret| printed.contains(secret.as_str()));
        ensure!(found.is_none(), "a secret was printed: {found:?}\n{printed}");
        // The beginning of every JSON web token.
        ensure!(!printed.contains("eyJ"), "a token was printed:\n{printed}");
        Ok(())
    }

    /// The plugin's JSON output about the service account. Checks the exit status.
    pub(super) fn said(&self, status: i32) -> Result<Value> {
        self.said_of(&["sa/web"], status)
    }

    pub(super) fn said_of(&self, args: &[&str], status: i32) -> Result<Value> {
        let outcome = self.probe(&[args, &["-o", "json"]].concat())?;
        let all = format!("{}{}", outcome.stdout, outcome.stderr);
        ensure!(outcome.status == status, "exit status {} and not {status}:\n{all}", outcome.status);
        serde_json::from_str(&outcome.stdout).with_context(|| format!("not JSON:\n{all}"))
    }

    pub(super) fn requests(&self) -> usize {
        self.sts.seen().len()
    }
}

/// The reasons of the causes, in order.
pub(super) fn reasons(said: &Value) -> Vec<&str> {
    said["causes"].as_array().into_iter().flatten().filter_map(|cause| cause["reason"].as_str()).collect()
}

/// Replaces what differs between runs in the text about a token.
pub(super) fn hidden(outcome: Outcome) -> Outcome {
    let stdout = outcome.stdout.lines().map(|line| match line.split_once("  key  ") {
        Some((indent, _)) => format!("{indent}  key  KEY\n"),
        None => format!("{line}\n"),
    });
    let stdout: String = stdout.map(|line| key_hidden(&line)).collect();
    Outcome { stdout, ..outcome }
}

/// A key's identifier derives from its bytes.
pub(super) fn key_hidden(line: &str) -> String {
    let Some((before, after)) = line.split_once("the key ") else { return line.to_owned() };
    let (word, rest) = after.split_once(' ').unwrap_or((after, ""));
    if word.len() > 30 { format!("{before}the key KEY {}", key_hidden(rest)) } else { line.to_owned() }
}
