//! The API server, the load's own identity, and the operator.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use kube::Client;
use podidentity_api::names;
use serde_json::json;

use super::objects::Size;
use super::process::{Sampler, Usage, usage};
use super::ready::Readiness;
use super::replicas::Replicas;
use super::requests::{Log, is_lease};
use crate::kubeconfig::{self, User};
use crate::operator::{NAMESPACE, SERVICE_ACCOUNT, token};
use crate::{Component, ControlPlane, Operator, Options, audit};

/// An operator without requests for this long is at rest.
const REST: Duration = Duration::from_secs(3);
/// If the operator is not at rest after this long, something is broken.
const RESTLESS: Duration = Duration::from_secs(600);

/// The environment of a benchmark.
pub struct World {
    /// etcd and the API server.
    pub control_plane: ControlPlane,
    /// The number of objects.
    pub size: Size,
    /// The client of the load; the audit log omits its requests.
    pub load: Client,
    /// A client with the operator's own identity and rights, for the raw client.
    pub raw: Client,
    /// Plays the controllers.
    pub replicas: Replicas,
    /// Which bindings are ready.
    pub readiness: Readiness,
    /// The operator's memory over time.
    pub sampler: Sampler,
    /// How the operator is started.
    pub program: Program,
}

/// Lifts the operator's limit on restarts, which would otherwise dominate the measurement.
pub const UNLIMITED: &str = "--max-concurrent-rollouts=1000000";

/// How an operator is started.
#[derive(Clone, Debug)]
pub enum Program {
    /// This project's operator, from this build or another one.
    Operator {
        /// The binary; `None`: the one of this build.
        program: Option<PathBuf>,
        /// Its flags.
        flags: Vec<String>,
    },
    /// Another operator for the same job: a command that finds the cluster by `KUBECONFIG`.
    Peer(Vec<String>),
}

/// CPU seconds of the parts, in total or over a period.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cpu {
    /// The operator.
    pub operator: f64,
    /// This process: load, played controllers, and the raw client.
    pub harness: f64,
    /// API server and etcd.
    pub server: f64,
}

impl std::ops::Sub for Cpu {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            operator: self.operator - before.operator,
            harness: self.harness - before.harness,
            server: self.server - before.server,
        }
    }
}

impl World {
    /// Starts the control plane, with an etcd that waits for the disk, and installs the operator's
    /// objects.
    pub async fn start(size: Size, flags: Vec<String>) -> Result<Self> {
        Self::start_with(size, Program::Operator { program: None, flags }).await
    }

    /// The same with any operator.
    pub async fn start_with(size: Size, program: Program) -> Result<Self> {
        let options = Options { nodes: 0, controllers: false, fsync: true, ..Options::default() };
        let control_plane = ControlPlane::start_with(&options).await?;
        control_plane.install_operator().await?;
        control_plane.apply_yaml(&load_account()).await?;
        let load = client(&control_plane, audit::LOAD).await?;
        Ok(Self {
            raw: client(&control_plane, SERVICE_ACCOUNT).await?,
            replicas: Replicas::start(load.clone(), size),
            readiness: Readiness::start(load.clone()),
            sampler: Sampler::start(),
            control_plane,
            size,
            load,
            program,
        })
    }

    /// Starts the operator.
    pub async fn operator(&self) -> Result<Operator> {
        let operator = match &self.program {
            Program::Operator { program, flags } => {
                let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
                Operator::start_program(&self.control_plane, program.clone(), &flags).await?
            }
            Program::Peer(command) => Operator::start_peer(&self.control_plane, command).await?,
        };
        self.sampler.process(operator.id());
        Ok(operator)
    }

    /// Waits until the operator has sent no request for a while.
    pub async fn rest(&self, operator: &Operator) -> Result<()> {
        let began = Instant::now();
        let mut log = Log::now(self)?;
        loop {
            tokio::time::sleep(REST).await;
            operator.check()?;
            self.replicas.check()?;
            if log.read(self)?.iter().all(is_lease) {
                return Ok(());
            }
            ensure!(began.elapsed() < RESTLESS, "the operator does not come to rest within {RESTLESS:?}");
        }
    }

    /// CPU seconds so far.
    pub fn cpu(&self, operator: Option<&Operator>) -> Result<Cpu> {
        let of = |component| -> Result<Usage> {
            usage(self.control_plane.process(component)?.id().context("a part of the control plane has ended")?)
        };
        let operator = operator.and_then(Operator::id).map(usage).transpose()?.unwrap_or_default();
        Ok(Cpu {
            operator: operator.cpu,
            harness: usage(std::process::id())?.cpu,
            server: of(Component::ApiServer)?.cpu + of(Component::Etcd)?.cpu,
        })
    }
}

/// A service account with all rights.
fn load_account() -> String {
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": audit::LOAD, "namespace": NAMESPACE}});
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": audit::LOAD},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"kind": "ServiceAccount", "name": audit::LOAD, "namespace": NAMESPACE}],
    });
    format!("{account}\n---\n{binding}\n")
}

/// A client of a service account in the operator's namespace.
async fn client(control_plane: &ControlPlane, account: &str) -> Result<Client> {
    let token = token(control_plane, account).await?;
    let path = control_plane.folder().join(format!("{account}-bench.kubeconfig"));
    kubeconfig::write(&path, control_plane.server(), &control_plane.authority(), &User::Token(&token))?;
    kubeconfig::client(&path).await
}

/// The field manager of the raw client.
pub const MANAGER: &str = names::FIELD_MANAGER;
