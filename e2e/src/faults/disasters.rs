//! What is done to machines: etcd forgets its history, clocks are wrong.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use kube::api::{Api, ListParams};
use serde_json::{Value, json};

use crate::certs::Identity;
use crate::kubeconfig::{self, User};
use crate::{Component, ControlPlane};

/// Where Debian's package `libfaketime` puts the library.
const LIBRARIES: &str = "/usr/lib";

impl ControlPlane {
    /// Makes etcd forget every state but the present one.
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
        // etcd speaks JSON too, and our client TLS.
        let body = serde_json::to_vec(&json!({"revision": now, "physical": true}))?;
        let request = http::Request::post("/v3/kv/compaction").header("Content-Type", "application/json").body(body)?;
        let _: Value = kubeconfig::client(&file).await?.request(request).await.context("etcd does not compact")?;
        Ok(())
    }

    /// Starts kwok anew once the API server is well again. A kubelet would list its pods again; kwok may have lost some
    /// while the API server was away, and they would never run.
    pub async fn nodes_come_back(&self) -> Result<()> {
        let mut well = 0;
        // Well at once may mean that it has not noticed yet.
        while well < 3 {
            tokio::time::sleep(Duration::from_millis(500)).await;
            let request = http::Request::get("/readyz").body(Vec::new())?;
            let client = self.client();
            let answer = tokio::time::timeout(Duration::from_secs(5), client.request_text(request)).await;
            well = if matches!(answer, Ok(Ok(answer)) if answer == "ok") { well + 1 } else { 0 };
        }
        self.process(Component::Kwok)?.restart()
    }

    /// Sets the clock of the operators that were started with [`ControlPlane::clock`], as an offset in seconds.
    pub fn set_clock(&self, name: &str, offset: &str) -> Result<()> {
        let file = self.clock_file(name);
        // Renamed into its place: a reader never sees half of it.
        let new = file.with_extension("new");
        std::fs::write(&new, format!("{offset}\n"))?;
        std::fs::rename(&new, &file).with_context(|| format!("cannot write {}", file.display()))
    }

    /// Environment variables for a process whose clock can be set. Only the time of day is: durations stay true, as
    /// they do when the clock of a machine is set.
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

fn library() -> Result<PathBuf> {
    for folder in std::fs::read_dir(LIBRARIES).into_iter().flatten().flatten() {
        let file = folder.path().join("faketime/libfaketime.so.1");
        if file.is_file() {
            return Ok(file);
        }
    }
    bail!("libfaketime is missing; install it: apt-get install libfaketime")
}
