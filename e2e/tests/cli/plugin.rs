//! The plugin as a process, and its output.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use e2e::{ControlPlane, binaries, program, repository};

use crate::normal::normal;

/// Binary and package.
const PLUGIN: &str = "kubectl-podidentity";

/// A user who may list everything that the plugin reads, and has no other right.
pub(crate) const LOOKER_NAME: &str = "looker";

/// The rights of this user.
pub(crate) const LOOKER: &str = r#"
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: looker}
rules:
  - {apiGroups: [""], resources: [namespaces, serviceaccounts, pods], verbs: [list]}
  - {apiGroups: [apps], resources: [deployments, statefulsets, daemonsets], verbs: [list]}
  - {apiGroups: [podidentity.dev], resources: [podidentitybindings], verbs: [list]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: looker}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: looker}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: looker}]
"#;

/// A ConfigMap such as the webhook watches.
pub(crate) const CONFIG_MAP: &str = r#"
apiVersion: v1
kind: ConfigMap
metadata: {name: pod-identity-webhook, namespace: default}
data:
  config: |
    {"*/not-annotated": {"RoleARN": "arn:aws:iam::111122223333:role/listed", "Audience": "sts.amazonaws.com"}}
"#;

/// The plugin and its cluster.
pub(crate) struct Plugin {
    program: PathBuf,
    kubeconfig: PathBuf,
}

/// Exit status and output of a run.
pub(crate) struct Outcome {
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Plugin {
    pub(crate) fn new(control_plane: &ControlPlane) -> Result<Self> {
        Ok(Self { program: program(PLUGIN, PLUGIN)?, kubeconfig: control_plane.kubeconfig().to_owned() })
    }

    /// The plugin without a cluster.
    pub(crate) fn nowhere() -> Result<Self> {
        Ok(Self { program: program(PLUGIN, PLUGIN)?, kubeconfig: PathBuf::new() })
    }

    /// The binary.
    pub(crate) fn program(&self) -> &Path {
        &self.program
    }

    /// The kubeconfig of the cluster.
    pub(crate) fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// Runs kubectl as administrator.
    pub(crate) fn kubectl(&self, args: &[&str]) -> Result<()> {
        let folder = self.kubeconfig.parent().context("the kubeconfig lies in no folder")?;
        let mut command = Command::new(binaries::folder()?.join("kubectl"));
        command.args(args).env("KUBECONFIG", &self.kubeconfig).env("KUBECACHEDIR", folder.join("kubectl-cache"));
        let output = command.output().context("cannot run kubectl")?;
        ensure!(output.status.success(), "kubectl {}: {}", args.join(" "), String::from_utf8_lossy(&output.stderr));
        Ok(())
    }

    /// Runs the plugin.
    pub(crate) fn run(&self, args: &[&str]) -> Result<Outcome> {
        self.run_with(args, "", &[])
    }

    /// Runs the plugin with this standard input and further environment variables.
    pub(crate) fn run_with(&self, args: &[&str], stdin: &str, env: &[(&str, &str)]) -> Result<Outcome> {
        let mut command = Command::new(&self.program);
        // So wide that the length of pod names does not change any line break.
        command.args(args).env("KUBECONFIG", &self.kubeconfig).env("COLUMNS", "10000").env_remove("CLICOLOR_FORCE");
        command.envs(env.iter().copied());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().context("cannot run the plugin")?;
        if let Some(mut input) = child.stdin.take() {
            // The plugin may end without reading.
            let _ = input.write_all(stdin.as_bytes());
        }
        let output = child.wait_with_output()?;
        Ok(Outcome {
            status: output.status.code().context("ended by a signal")?,
            stdout: String::from_utf8(output.stdout)?,
            stderr: String::from_utf8(output.stderr)?,
        })
    }

    /// Runs the plugin and compares the output with a file.
    pub(crate) fn compare(&self, name: &str, args: &[&str]) -> Result<()> {
        let outcome = self.run(args)?;
        compare(name, args, &outcome)
    }
}

/// The only snapshot that is not shortened.
const WHOLE: &str = "explain-deploy-verified";

/// Shortens text that is the same in fifty snapshots, so that only one of them has it: the table of
/// SDKs, and the trust policy as a document. The SARIF rules are in the golden case of `lint`.
fn shortened(name: &str, text: String) -> String {
    if name == WHOLE || !(name.starts_with("explain-") || name == "verify-sarif") {
        return text;
    }
    let rules = [
        (r"(?s)\ni SDK\n.*?\n\n", "\ni SDK (see explain-deploy-verified)\n\n"),
        (r#"(?s)\n\{\n  "Version": "2012-10-17".*?\n\}\n"#, "\n(see explain-deploy-verified)\n"),
        (r#"(?s)"rules": \[\n.*?\n          \]"#, "\"rules\": (see the golden case)"),
    ];
    rules.iter().fold(text, |text, (pattern, replacement)| match regex::Regex::new(pattern) {
        Ok(pattern) => pattern.replace_all(&text, *replacement).into_owned(),
        // The patterns are constants: a wrong one fails every test.
        Err(_) => text,
    })
}

/// Compares an outcome with a file.
pub(crate) fn compare(name: &str, args: &[&str], outcome: &Outcome) -> Result<()> {
    let mut found = format!("$ kubectl podidentity {}\n{}", args.join(" "), outcome.stdout);
    found.push_str(&outcome.stderr);
    if outcome.status != 0 {
        let _ = writeln!(found, "exit status {}", outcome.status);
    }
    let found = shortened(name, normal(&found));
    let path = repository().join("e2e/tests/cli/snapshots").join(format!("{name}.txt"));
    if std::env::var_os("UPDATE").is_some() {
        return Ok(std::fs::write(path, found)?);
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    if expected != found {
        bail!("{} is not what came out (UPDATE=1 rewrites it)\nexpected:\n{expected}\nfound:\n{found}", path.display());
    }
    Ok(())
}
