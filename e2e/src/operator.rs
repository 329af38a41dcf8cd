//! The operator as a real process, with exactly the rights of `config/rbac/`.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use k8s_openapi::api::authentication::v1::TokenRequest;
use k8s_openapi::api::authorization::v1::SubjectAccessReview;
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::Client;
use kube::api::{Api, PostParams};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::kubeconfig::{self, User};
use crate::ports::Port;
use crate::process::Process;
use crate::wait::{self, DEADLINE};
use crate::{ControlPlane, Namespace, audit, repository};

/// The operator's namespace.
pub const NAMESPACE: &str = "podidentity-system";

/// The operator's service account.
pub const SERVICE_ACCOUNT: &str = "podidentity-operator";

/// The name of its process.
const NAME: &str = "podidentity-operator";

/// The user that the API server sees.
pub const USER: &str = "system:serviceaccount:podidentity-system:podidentity-operator";

/// The media type that kubectl requests: one document with every kind.
const AGGREGATED_DISCOVERY: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/// How long the operator may take to terminate.
const GRACE: Duration = Duration::from_secs(15);

/// Waits until the API server allows the operator an action, or denies it: it learns of roles a
/// little later.
pub async fn may(client: &Client, attributes: &Value, allowed: bool) -> Result<()> {
    let review: SubjectAccessReview =
        serde_json::from_value(json!({"spec": {"user": USER, "resourceAttributes": attributes}}))?;
    let api = Api::<SubjectAccessReview>::all(client.clone());
    let params = PostParams::default();
    let what = format!("it is {allowed} that the operator may {attributes}");
    wait::until(&what, async || {
        let answer = api.create(&params, &review).await.map_err(|error| error.to_string())?;
        let status = answer.status.ok_or("there is no answer")?;
        if status.allowed == allowed { Ok(()) } else { Err(format!("it is {}", status.allowed)) }
    })
    .await
}

/// The right to request tokens of a namespace's service accounts.
pub fn tokens_of(namespace: &str) -> Value {
    json!({"namespace": namespace, "verb": "create", "resource": "serviceaccounts", "subresource": "token"})
}

/// A running operator. It ends when it is dropped.
#[derive(Debug)]
pub struct Operator {
    process: Process,
    port: Port,
}

impl ControlPlane {
    /// Installs the custom resource, the operator's rights and its guard, and the injection policy.
    pub async fn install(&self) -> Result<()> {
        self.install_operator().await?;
        self.apply_folder("config/guard").await?;
        self.install_injection().await
    }

    /// Permits the operator to request tokens of a namespace's service accounts, where
    /// `config/preflight` is installed.
    pub async fn permit_preflight(&self, namespace: &Namespace) -> Result<()> {
        namespace.mark(&json!({"labels": {"podidentity.dev/preflight": "enabled"}})).await?;
        let folder = repository().join("config/preflight/rights").display().to_string();
        self.kubectl(&["apply", "--namespace", &namespace.name, "-k", &folder]).await?;
        may(&self.client(), &tokens_of(&namespace.name), true).await
    }

    /// Installs the custom resource and the operator's rights.
    pub async fn install_operator(&self) -> Result<()> {
        self.apply_folder("config/base").await?;
        self.recognised().await
    }

    /// Waits until `kubectl` finds the kind: discovery follows the custom resource after about a
    /// second.
    async fn discoverable(&self) -> Result<()> {
        let began = Instant::now();
        loop {
            let request = http::Request::get("/apis").header("Accept", AGGREGATED_DISCOVERY).body(Vec::new())?;
            if self.client().request_text(request).await?.contains("\"podidentitybindings\"") {
                return Ok(());
            }
            ensure!(began.elapsed() < DEADLINE, "the API server's discovery does not list podidentitybindings");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until the custom resource is usable, also by kubectl.
    pub async fn recognised(&self) -> Result<()> {
        let crd = "crd/podidentitybindings.podidentity.dev";
        self.kubectl(&["wait", "--for=condition=Established", "--timeout=60s", crd]).await?;
        self.discoverable().await?;
        self.forget_kinds();
        Ok(())
    }

    /// The operator's kubeconfig file, once the operator was started.
    pub fn operator_kubeconfig(&self) -> PathBuf {
        self.folder().join("podidentity-operator.kubeconfig")
    }

    /// The operator's requests so far.
    pub fn operator_requests(&self) -> Result<Vec<audit::Request>> {
        let mut requests = self.audit()?;
        requests.retain(|request| request.user.username == USER);
        Ok(requests)
    }
}

impl Operator {
    /// An operator that was started in another way and serves at this port.
    pub(crate) fn started(process: Process, port: Port) -> Self {
        Self { process, port }
    }

    /// Installs everything and starts the operator's binary with these arguments.
    pub async fn start(control_plane: &ControlPlane, args: &[&str]) -> Result<Self> {
        control_plane.install().await?;
        Self::start_installed(control_plane, args).await
    }

    /// Starts the operator's binary on a control plane where everything is installed.
    pub async fn start_installed(control_plane: &ControlPlane, args: &[&str]) -> Result<Self> {
        Self::start_as(NAME, control_plane, control_plane.server(), args).await
    }

    /// The same with the binary of another build.
    pub(crate) async fn start_program(
        control_plane: &ControlPlane,
        program: Option<PathBuf>,
        args: &[&str],
    ) -> Result<Self> {
        let program = program.map_or_else(binary, Ok)?;
        let env = environment(NAME, control_plane, control_plane.server()).await?;
        Self::spawn(NAME, control_plane, program, args, env)
    }

    /// Starts another operator with the same rights. It has no flag for the address on which it
    /// serves.
    pub(crate) async fn start_peer(control_plane: &ControlPlane, command: &[String]) -> Result<Self> {
        let (program, args) = command.split_first().context("the command of the peer is empty")?;
        let env = environment("peer", control_plane, control_plane.server()).await?;
        let process = control_plane.spawn("peer", program.into(), args.to_vec(), env)?;
        Ok(Self { process, port: Port::reserve()? })
    }

    /// Starts another operator under its own name, which reaches the API server at this address.
    pub async fn start_as(name: &str, control_plane: &ControlPlane, server: &str, args: &[&str]) -> Result<Self> {
        Self::start_with(name, control_plane, server, args, Vec::new()).await
    }

    /// The same with further environment variables, which come before the default ones.
    pub async fn start_with(
        name: &str,
        control_plane: &ControlPlane,
        server: &str,
        args: &[&str],
        more: Vec<(String, String)>,
    ) -> Result<Self> {
        let mut env = environment(name, control_plane, server).await?;
        env.extend(more);
        Self::spawn(name, control_plane, binary()?, args, env)
    }

    fn spawn(
        name: &str,
        control_plane: &ControlPlane,
        program: PathBuf,
        args: &[&str],
        env: Vec<(String, String)>,
    ) -> Result<Self> {
        let port = Port::reserve()?;
        let listen = format!("--listen=127.0.0.1:{}", port.number());
        let args = args.iter().map(|&arg| arg.to_owned()).chain([listen]).collect();
        Ok(Self { process: control_plane.spawn(name, program, args, env)?, port })
    }

    /// Where it serves `/metrics`, `/livez` and `/readyz`.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port.number()).into()
    }

    /// The process.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// The process id while it runs.
    pub fn id(&self) -> Option<u32> {
        self.process.id()
    }

    /// Kills it immediately, as a crash does.
    pub fn kill(&self) {
        self.process.kill();
    }

    /// Suspends it in the middle of its work, as on a hanging machine.
    pub fn freeze(&self) {
        self.process.signal(Signal::STOP);
    }

    /// Resumes it after [`Operator::freeze`].
    pub fn thaw(&self) {
        self.process.signal(Signal::CONT);
    }

    /// Terminates it. Returns an error if it does not end in time or ends with a failure.
    pub async fn terminate(&self) -> Result<()> {
        let status = self.process.terminate(GRACE).await?;
        if !status.success() {
            bail!("the operator was asked to end and ended with {status}:\n{}", self.process.tail(20));
        }
        Ok(())
    }

    /// Starts it again after [`Operator::kill`] or [`Operator::terminate`].
    pub fn restart(&self) -> Result<()> {
        self.process.restart()
    }

    /// Returns an error, with the end of the log, if it has ended by itself.
    pub fn check(&self) -> Result<()> {
        self.process.check()
    }

    /// Does the work, but fails immediately when the operator or a part of the control plane ends
    /// by itself. Otherwise, a wait for the operator would end only at its deadline.
    pub async fn while_alive<T>(
        &self,
        control_plane: &ControlPlane,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let ended = async {
            loop {
                tokio::time::sleep(Duration::from_millis(200)).await;
                control_plane.check().and_then(|()| self.check())?;
            }
        };
        tokio::select! {
            done = work => done,
            ended = ended => ended,
        }
    }

    /// The last log lines that contain a text, for example a namespace.
    pub fn log_about(&self, text: &str) -> String {
        let log = std::fs::read_to_string(self.process.log()).unwrap_or_default();
        let lines: Vec<&str> = log.lines().filter(|line| line.contains(text)).collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

/// The environment of an operator: how to reach the API server, with the operator's own rights.
async fn environment(name: &str, control_plane: &ControlPlane, server: &str) -> Result<Vec<(String, String)>> {
    let kubeconfig = control_plane.folder().join(format!("{name}.kubeconfig"));
    let token = token(control_plane, SERVICE_ACCOUNT).await?;
    kubeconfig::write(&kubeconfig, server, &control_plane.authority(), &User::Token(&token))?;
    let level = std::env::var("RUST_LOG").unwrap_or_else(|_| "info".to_owned());
    Ok(vec![
        ("KUBECONFIG".to_owned(), kubeconfig.display().to_string()),
        ("RUST_LOG".to_owned(), level),
        ("NO_COLOR".to_owned(), "1".to_owned()),
    ])
}

/// Environment variable that names another binary than the one of this build.
const PROGRAM: &str = "E2E_OPERATOR";

/// The binary next to this executable: both come from the same build.
fn binary() -> Result<PathBuf> {
    if let Some(program) = std::env::var_os(PROGRAM) {
        return Ok(program.into());
    }
    crate::program("podidentity-operator", "podidentity-operator")
}

/// A client with the rights of the operator's service account.
pub async fn client(control_plane: &ControlPlane) -> Result<kube::Client> {
    let kubeconfig = control_plane.folder().join("operator-rights.kubeconfig");
    let token = token(control_plane, SERVICE_ACCOUNT).await?;
    kubeconfig::write(&kubeconfig, control_plane.server(), &control_plane.authority(), &User::Token(&token))?;
    kubeconfig::client_without_retries(&kubeconfig).await
}

/// The binary that operators run.
pub fn program() -> Result<PathBuf> {
    binary()
}

/// A token of a service account in the operator's namespace.
pub(crate) async fn token(control_plane: &ControlPlane, service_account: &str) -> Result<String> {
    let api = Api::<ServiceAccount>::namespaced(control_plane.client(), NAMESPACE);
    let request: TokenRequest = serde_json::from_value(json!({"spec": {"audiences": [], "expirationSeconds": 86400}}))?;
    let answer = api.create_token_request(service_account, &PostParams::default(), &request).await;
    let answer = answer.with_context(|| format!("cannot get a token for service account {service_account}"))?;
    answer.status.and_then(|status| status.token).context("the API server gave no token")
}
