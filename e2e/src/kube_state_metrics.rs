//! A real kube-state-metrics with the project's configuration for bindings.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::Result;

use crate::ports::Port;
use crate::process::Process;
use crate::scrape::{self, Scrape};
use crate::{ControlPlane, Namespace, binaries};

const CONFIGURATION: &str = "config/prometheus/kube_state_metrics.yaml";

/// A running kube-state-metrics. It ends when it is dropped.
#[derive(Debug)]
pub struct KubeStateMetrics {
    process: Process,
    port: Port,
    /// For its own metrics, which nobody reads.
    _telemetry: Port,
}

impl KubeStateMetrics {
    /// Starts a kube-state-metrics that shows the bindings of this namespace and nothing else.
    pub fn start(control_plane: &ControlPlane, namespace: &Namespace) -> Result<Self> {
        let (port, telemetry) = (Port::reserve()?, Port::reserve()?);
        let configuration = crate::repository().join(CONFIGURATION);
        let args = vec![
            format!("--kubeconfig={}", control_plane.kubeconfig().display()),
            "--custom-resource-state-only".to_owned(),
            format!("--custom-resource-state-config-file={}", configuration.display()),
            format!("--namespaces={}", namespace.name),
            "--host=127.0.0.1".to_owned(),
            format!("--port={}", port.number()),
            "--telemetry-host=127.0.0.1".to_owned(),
            format!("--telemetry-port={}", telemetry.number()),
        ];
        let program = binaries::kube_state_metrics()?.join("kube-state-metrics");
        let process = control_plane.spawn("kube-state-metrics", program, args, Vec::new())?;
        Ok(Self { process, port, _telemetry: telemetry })
    }

    /// Waits until the metrics satisfy `is_so`.
    pub async fn shows(&self, what: &str, is_so: impl Fn(&Scrape) -> bool) -> Result<Scrape> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port.number()));
        scrape::shows(address, what, is_so).await.inspect_err(|_| {
            // An end by itself explains more than a refused connection.
            if let Err(ended) = self.process.check() {
                eprintln!("{ended:#}");
            }
        })
    }
}
