//! The arguments of each component.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::{Lists, Options, kwok};
use crate::audit;
use crate::certs::{Authority, Identity};
use crate::kubeconfig::{self, User};
use crate::ports::Port;
use crate::process::Spec;
use crate::workdir::Workdir;

/// A process of the control plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Component {
    /// etcd
    Etcd,
    /// kube-apiserver
    ApiServer,
    /// kube-controller-manager
    ControllerManager,
    /// kube-scheduler
    Scheduler,
    /// kwok, the fake kubelet
    Kwok,
}

impl Component {
    /// The name of the binary.
    pub fn name(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::ApiServer => "kube-apiserver",
            Self::ControllerManager => "kube-controller-manager",
            Self::Scheduler => "kube-scheduler",
            Self::Kwok => "kwok",
        }
    }
}

/// The ports in use.
#[derive(Debug)]
pub(super) struct Ports {
    pub(super) api_server: Port,
    pub(super) etcd: Port,
    etcd_peer: Port,
}

impl Ports {
    pub(super) fn reserve() -> Result<Self> {
        Ok(Self { api_server: Port::reserve()?, etcd: Port::reserve()?, etcd_peer: Port::reserve()? })
    }
}

/// The inputs of the arguments.
pub(super) struct Setup<'a> {
    pub(super) bin: &'a Path,
    pub(super) workdir: &'a Workdir,
    pub(super) authority: &'a Authority,
    pub(super) ports: &'a Ports,
    pub(super) server: &'a str,
    pub(super) options: &'a Options,
}

impl Setup<'_> {
    /// How to start the component. Writes the files that the component reads.
    pub(super) fn spec(&self, component: Component) -> Result<Spec> {
        let args = match component {
            Component::Etcd => self.etcd()?,
            Component::ApiServer => self.api_server()?,
            Component::ControllerManager => self.controller_manager()?,
            Component::Scheduler => self.scheduler()?,
            Component::Kwok => self.kwok()?,
        };
        let name = component.name();
        Ok(Spec {
            name: name.to_owned(),
            program: self.bin.join(name),
            args,
            env: Vec::new(),
            log: self.workdir.logs().join(format!("{name}.log")),
        })
    }

    fn etcd(&self) -> Result<Vec<String>> {
        let Identity { cert, key } = self.authority.server("etcd")?;
        let client = format!("https://127.0.0.1:{}", self.ports.etcd.number());
        let peer = format!("https://127.0.0.1:{}", self.ports.etcd_peer.number());
        let mut args = vec![
            flag("data-dir", self.workdir.etcd().display()),
            flag("listen-client-urls", &client),
            flag("advertise-client-urls", &client),
            flag("listen-peer-urls", &peer),
            flag("initial-advertise-peer-urls", &peer),
            flag("initial-cluster", format!("default={peer}")),
            // The default of 2 GiB is too little for 50,000 pods with their history.
            flag("quota-backend-bytes", 8_i64 << 30),
        ];
        for prefix in ["", "peer-"] {
            args.push(flag(&format!("{prefix}cert-file"), cert.display()));
            args.push(flag(&format!("{prefix}key-file"), key.display()));
            args.push(flag(&format!("{prefix}trusted-ca-file"), self.authority.cert().display()));
            args.push(flag(&format!("{prefix}client-cert-auth"), true));
        }
        if !self.options.fsync {
            args.push("--unsafe-no-fsync".to_owned());
        }
        Ok(args)
    }

    fn api_server(&self) -> Result<Vec<String>> {
        let authority = self.authority.cert();
        let server = self.authority.server("kube-apiserver")?;
        let etcd = self.authority.client("kube-apiserver-etcd-client", "etcd")?;
        let tokens = self.authority.token_keys()?;
        let mut args = vec![
            flag("bind-address", "127.0.0.1"),
            flag("secure-port", self.ports.api_server.number()),
            flag("cert-dir", self.workdir.certs().display()),
            flag("tls-cert-file", server.cert.display()),
            flag("tls-private-key-file", server.key.display()),
            flag("client-ca-file", authority.display()),
            flag("etcd-servers", format!("https://127.0.0.1:{}", self.ports.etcd.number())),
            flag("etcd-cafile", authority.display()),
            flag("etcd-certfile", etcd.cert.display()),
            flag("etcd-keyfile", etcd.key.display()),
            flag("service-account-issuer", self.options.issuer),
            flag("service-account-key-file", tokens.cert.display()),
            flag("service-account-signing-key-file", tokens.key.display()),
            flag("service-cluster-ip-range", "10.96.0.0/16"),
            flag("authorization-mode", "RBAC"),
            // There is no endpoint to publish, and pods could not reach its address.
            flag("endpoint-reconciler-type", "none"),
        ];
        if self.options.lists == Lists::InPages {
            args.push(flag("feature-gates", "WatchList=false"));
        }
        if self.options.audit {
            let policy = self.workdir.path().join("audit-policy.json");
            std::fs::write(&policy, serde_json::to_vec_pretty(&audit::policy())?)?;
            args.push(flag("audit-policy-file", policy.display()));
            args.push(flag("audit-log-path", audit_log(self.workdir).display()));
            // Never rotate: tests count requests over the whole run.
            args.push(flag("audit-log-maxsize", 0));
        }
        Ok(args)
    }

    fn controller_manager(&self) -> Result<Vec<String>> {
        let kubeconfig = self.kubeconfig("system:kube-controller-manager")?;
        let key = self.workdir.certs().join("service-account.key");
        Ok(vec![
            flag("kubeconfig", kubeconfig.display()),
            flag("controllers", "*"),
            flag("secure-port", 0),
            flag("leader-elect", false),
            flag("service-account-private-key-file", key.display()),
            flag("root-ca-file", self.authority.cert().display()),
            flag("kube-api-qps", 500),
            flag("kube-api-burst", 1000),
            flag("concurrent-deployment-syncs", 20),
            flag("concurrent-replicaset-syncs", 20),
        ])
    }

    fn scheduler(&self) -> Result<Vec<String>> {
        let kubeconfig = self.kubeconfig("system:kube-scheduler")?;
        Ok(vec![
            flag("kubeconfig", kubeconfig.display()),
            flag("secure-port", 0),
            flag("leader-elect", false),
            flag("kube-api-qps", 500),
            flag("kube-api-burst", 1000),
        ])
    }

    fn kwok(&self) -> Result<Vec<String>> {
        let kubeconfig = self.kubeconfig("system:kwok")?;
        let config = self.workdir.path().join("kwok.yaml");
        std::fs::write(&config, kwok::config(self.bin)?)?;
        Ok(vec![
            flag("kubeconfig", kubeconfig.display()),
            flag("config", config.display()),
            flag("manage-all-nodes", true),
        ])
    }

    /// Uses the administrators' group: the rights of the components are not under test.
    fn kubeconfig(&self, user: &str) -> Result<PathBuf> {
        let identity = self.authority.client(user, "system:masters")?;
        let path = self.workdir.certs().join(format!("{}.kubeconfig", user.replace(':', "-")));
        kubeconfig::write(&path, self.server, &self.authority.cert(), &User::Certificate(&identity))?;
        Ok(path)
    }
}

/// Where the API server logs requests.
pub(super) fn audit_log(workdir: &Workdir) -> PathBuf {
    workdir.logs().join("audit.jsonl")
}

fn flag(name: &str, value: impl std::fmt::Display) -> String {
    format!("--{name}={value}")
}
