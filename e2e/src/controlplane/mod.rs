//! A real control plane on the loopback address: etcd, API server, controller manager, scheduler,
//! and kwok in place of kubelets.
//!
//! ```text
//! binaries ─► certificates ─► etcd + API server ─► controller manager, scheduler, kwok ─► nodes ─► a proof pod runs
//! ```

mod components;
mod kwok;
mod ready;

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use kube::Client;
use podidentity_core::kubernetes::minor;
use serde_json::Value;

use crate::audit;
use crate::certs::Authority;
use crate::kubeconfig::{self, User};
use crate::process::{Process, Spec, lock};
use crate::webhook::{Associations, Webhook};
use crate::workdir::Workdir;

pub use components::Component;
pub use kwok::{NEEDS_ROLE, NEVER_READY, NEVER_READY_AS, READY_AFTER};

/// How to run the control plane.
#[derive(Clone, Debug)]
pub struct Options {
    /// Number of fake nodes.
    pub nodes: usize,
    /// Whether controller manager, scheduler and kwok run. Without them, no controller changes
    /// objects, and no node is created.
    pub controllers: bool,
    /// Whether etcd waits for the disk. Tests need no durability; benchmarks should pay for it.
    pub fsync: bool,
    /// Whether the API server logs every request, see [`ControlPlane::audit`].
    pub audit: bool,
    /// How the API server offers lists.
    pub lists: Lists,
    /// The issuer of service accounts' tokens.
    pub issuer: &'static str,
    /// How long the start may take.
    pub deadline: Duration,
}

/// How the API server offers lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lists {
    /// As its version does: newer ones stream them.
    Streamed,
    /// In pages only (feature gate `WatchList`).
    InPages,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            nodes: 3,
            controllers: true,
            fsync: false,
            audit: true,
            lists: Lists::Streamed,
            issuer: "https://kubernetes.default.svc.cluster.local",
            deadline: Duration::from_secs(120),
        }
    }
}

/// A running control plane. Its processes end when it is dropped, on Ctrl-C, and when the harness
/// dies.
pub struct ControlPlane {
    // Dropped in this order: processes before their folder.
    processes: Vec<(Component, Process)>,
    client: Client,
    server: String,
    kubeconfig: PathBuf,
    ports: components::Ports,
    start_time: Duration,
    authority: Authority,
    webhook: Mutex<Option<Webhook>>,
    associations: Associations,
    workdir: Workdir,
}

impl ControlPlane {
    /// Starts a control plane for tests.
    pub async fn start() -> Result<Self> {
        Self::start_with(&Options::default()).await
    }

    /// Starts a control plane. On failure the error names the component and the folder of the logs, which is kept.
    pub async fn start_with(options: &Options) -> Result<Self> {
        crate::signals::install();
        let bin = crate::binaries::folder()?;
        let workdir = Workdir::create()?;
        match Self::start_in(options, bin, &workdir).await {
            Ok(started) => Ok(started.into_control_plane(workdir)),
            Err(error) => {
                workdir.keep_logs();
                Err(error.context(format!("the control plane did not start; logs: {}", workdir.logs().display())))
            }
        }
    }

    async fn start_in(options: &Options, bin: &Path, workdir: &Workdir) -> Result<Started> {
        let began = Instant::now();
        let authority = Authority::create(&workdir.certs())?;
        let ports = components::Ports::reserve()?;
        let server = format!("https://127.0.0.1:{}", ports.api_server.number());
        let admin = authority.client("e2e-admin", "system:masters")?;
        let kubeconfig = workdir.path().join("kubeconfig");
        kubeconfig::write(&kubeconfig, &server, &authority.cert(), &User::Certificate(&admin))?;
        let setup = components::Setup { bin, workdir, authority: &authority, ports: &ports, server: &server, options };

        let mut processes = Vec::new();
        for component in [Component::Etcd, Component::ApiServer] {
            processes.push((component, Process::start(setup.spec(component)?)?));
        }
        let client = kubeconfig::client(&kubeconfig).await?;
        let deadline = began + options.deadline;
        ready::api_server(&client, &processes, deadline).await?;
        if options.controllers {
            for component in [Component::ControllerManager, Component::Scheduler, Component::Kwok] {
                processes.push((component, Process::start(setup.spec(component)?)?));
            }
            kwok::create_nodes(&client, options.nodes).await?;
            if options.nodes > 0 {
                ready::proof_pod(&client, &processes, deadline).await?;
            }
        }
        Ok(Started { processes, client, server, kubeconfig, ports, authority, start_time: began.elapsed() })
    }

    /// A client of the administrator.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// The administrator's kubeconfig file.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// Address of the API server.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// Certificate of the authority that signed the API server's certificate.
    pub fn authority(&self) -> PathBuf {
        self.workdir.certs().join("ca.crt")
    }

    /// How long the start took, without building binaries.
    pub fn start_time(&self) -> Duration {
        self.start_time
    }

    /// The minor version of Kubernetes, for example 37.
    pub async fn minor(&self) -> Result<u32> {
        let version = self.client.apiserver_version().await.context("the API server does not tell its version")?;
        minor(&version.git_version).with_context(|| format!("not a version: {}", version.git_version))
    }

    /// Starts the webhook, replaces a running one, and returns its configuration.
    pub(crate) async fn start_webhook(&self) -> Result<Value> {
        let webhook = Webhook::start(self.client(), &self.authority, self.associations.clone()).await?;
        let configuration = webhook.configuration()?;
        *lock(&self.webhook) = Some(webhook);
        Ok(configuration)
    }

    /// Adds or removes the service account's EKS Pod Identity association. It takes effect where
    /// the webhook injects.
    pub fn associate(&self, namespace: &str, service_account: &str, exists: bool) {
        let account = (namespace.to_owned(), service_account.to_owned());
        let mut associations = lock(&self.associations);
        if exists {
            associations.insert(account)
        } else {
            associations.remove(&account)
        };
    }

    /// The folder of all logs. It is removed in the end unless [`ControlPlane::keep_logs`] was
    /// called.
    pub fn logs(&self) -> PathBuf {
        self.workdir.logs()
    }

    /// The folder of this control plane's files.
    pub fn folder(&self) -> &Path {
        self.workdir.path()
    }

    /// Keeps the logs when the control plane ends, after a failure.
    pub fn keep_logs(&self) {
        self.workdir.keep_logs();
    }

    /// Every request that the API server has answered or begun to answer, except those of the control plane itself.
    pub fn audit(&self) -> Result<Vec<audit::Request>> {
        audit::read(&components::audit_log(&self.workdir))
    }

    /// The requests from this position of the log on, in log order, and the next position. For logs
    /// that are too long to read repeatedly.
    pub fn audit_from(&self, place: u64) -> Result<(Vec<audit::Request>, u64)> {
        audit::read_from(&components::audit_log(&self.workdir), place)
    }

    /// One of the processes, to stop and restart it.
    pub fn process(&self, component: Component) -> Result<&Process> {
        match self.processes.iter().find(|(which, _)| *which == component) {
            Some((_, process)) => Ok(process),
            None => bail!("{} was not started", component.name()),
        }
    }

    /// Returns an error, with the end of the log, if a component has ended by itself.
    pub fn check(&self) -> Result<()> {
        self.processes.iter().try_for_each(|(_, process)| process.check())
    }

    /// Starts another process, with its log next to those of the control plane.
    pub fn spawn(
        &self,
        name: &str,
        program: PathBuf,
        args: Vec<String>,
        env: Vec<(String, String)>,
    ) -> Result<Process> {
        let log = self.logs().join(format!("{name}.log"));
        Process::start(Spec { name: name.to_owned(), program, args, env, log })
    }

    /// Address of etcd.
    pub fn etcd(&self) -> String {
        format!("https://127.0.0.1:{}", self.ports.etcd.number())
    }

    /// The number of the API server's port.
    pub fn port(&self) -> u16 {
        self.ports.api_server.number()
    }
}

struct Started {
    processes: Vec<(Component, Process)>,
    client: Client,
    server: String,
    kubeconfig: PathBuf,
    ports: components::Ports,
    authority: Authority,
    start_time: Duration,
}

impl Started {
    fn into_control_plane(self, workdir: Workdir) -> ControlPlane {
        let Self { processes, client, server, kubeconfig, ports, authority, start_time } = self;
        let (webhook, associations) = (Mutex::default(), Associations::default());
        ControlPlane {
            processes,
            client,
            server,
            kubeconfig,
            ports,
            start_time,
            authority,
            webhook,
            associations,
            workdir,
        }
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        // Clients of the API server end first, so that the logs do not end in connection errors.
        while let Some((_, process)) = self.processes.pop() {
            process.kill();
        }
    }
}
