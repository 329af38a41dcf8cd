//! Faults of machines: etcd forgets its history, clocks are wrong.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::{Api, ListParams};
use serde_json::{Value, json};

use crate::ControlPlane;
use crate::certs::Identity;
use crate::kubeconfig::{self, User};

/// A pod on a node runs much sooner than this.
const LOST_AFTER: SignedDuration = SignedDuration::from_secs(60);

/// Where Debian's package `libfaketime` installs the library.
const LIBRARIES: &str = "/usr/lib";

impl ControlPlane {
    /// Makes etcd forget every state except the current one.
    pub async fn compact(&self) -> Result<()> {
        let namespaces = Api::<k8s_openapi::api::core::v1::Namespace>::all(self.client());
        let now = namespaces.list(&ListParams::default()).await?.metadata.resource_version;
        let now = now.context("the list has no resource version")?;
        let certs = self.folder().join("certs");
        let identity = Identity {
            cert: certs.join("kube-apiserver-etcd-client.crt"),
            key: certs.join("kube-apiserver-etcd-client.key"),
        };
        let file = self.folder().join("etcd.kubeconfig");
        kubeconfig::write(&file, &self.etcd(), &self.authority(), &User::Certificate(&identity))?;
        // etcd also speaks JSON, so our client can call it over TLS.
        let body = serde_json::to_vec(&json!({"revision": now, "physical": true}))?;
        let request = http::Request::post("/v3/kv/compaction").header("Content-Type", "application/json").body(body)?;
        let _: Value = kubeconfig::client(&file).await?.request(request).await.context("etcd does not compact")?;
        Ok(())
    }

    /// Returns an error if kwok has lost a pod, which then never runs. A kubelet would list its
    /// pods again after an outage of the API server, but kwok does not always.
    pub async fn nodes_are_well(&self) -> Result<()> {
        let pods = Api::<Pod>::all(self.client()).list(&ListParams::default()).await?;
        match pods.items.iter().find(|pod| is_lost(pod)) {
            Some(pod) => bail!("kwok has lost pod {}/{}", pod.namespace().unwrap_or_default(), pod.name_any()),
            None => Ok(()),
        }
    }

    /// Sets the clock of the operators that were started with [`ControlPlane::clock`], as an offset
    /// in seconds.
    pub fn set_clock(&self, name: &str, offset: &str) -> Result<()> {
        let file = self.clock_file(name);
        // The rename is atomic, so a reader never sees a partial file.
        let new = file.with_extension("new");
        std::fs::write(&new, format!("{offset}\n"))?;
        std::fs::rename(&new, &file).with_context(|| format!("cannot write {}", file.display()))
    }

    /// Environment variables for a process whose clock can be set. They affect only the time of
    /// day: durations stay true, as they do when a machine's clock is set.
    pub fn clock(&self, name: &str) -> Result<Vec<(String, String)>> {
        self.set_clock(name, "+0")?;
        let variables = [
            ("LD_PRELOAD", library()?.display().to_string()),
            ("FAKETIME_TIMESTAMP_FILE", self.clock_file(name).display().to_string()),
            ("FAKETIME_NO_CACHE", "1".to_owned()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ];
        Ok(variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    fn clock_file(&self, name: &str) -> PathBuf {
        self.folder().join(format!("{name}.clock"))
    }
}

/// Whether the pod is on a node, should run, and has not run for a while.
fn is_lost(pod: &Pod) -> bool {
    let pending = pod.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Pending");
    let on_a_node = pod.spec.as_ref().is_some_and(|spec| spec.node_name.is_some());
    let annotations = pod.metadata.annotations.iter().flatten();
    let on_purpose = annotations.into_iter().any(|(key, _)| key.starts_with("e2e.podidentity.dev/"));
    let age = pod.metadata.creation_timestamp.as_ref().map(|created| Timestamp::now().duration_since(created.0));
    pending && on_a_node && !on_purpose && age.is_some_and(|age| age > LOST_AFTER)
}

fn library() -> Result<PathBuf> {
    for folder in std::fs::read_dir(LIBRARIES).into_iter().flatten().flatten() {
        let file = folder.path().join("faketime/libfaketime.so.1");
        if file.is_file() {
            return Ok(file);
        }
    }
    bail!("libfaketime is missing; install it: apt-get install libfaketime")
}
