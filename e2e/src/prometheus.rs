//! A real Prometheus that scrapes an operator every second and evaluates the alerts.

use std::fs;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::ports::Port;
use crate::process::Process;
use crate::{ControlPlane, Operator, binaries};

/// The job name of the scrape.
const JOB: &str = "podidentity-operator";

/// A running Prometheus. It ends when it is dropped.
#[derive(Debug)]
pub struct Prometheus {
    process: Process,
    port: Port,
}

impl Prometheus {
    /// Starts a Prometheus that scrapes this operator.
    pub fn start(control_plane: &ControlPlane, operator: &Operator) -> Result<Self> {
        let folder = control_plane.folder().join("prometheus");
        fs::create_dir_all(&folder)?;
        let alerts = crate::repository().join("config/prometheus/alerts.yaml");
        let targets = json!([{"targets": [operator.address().to_string()]}]);
        let config = json!({
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [alerts],
            "scrape_configs": [{"job_name": JOB, "static_configs": targets}],
        });
        let file = folder.join("prometheus.yml");
        fs::write(&file, config.to_string())?;
        let port = Port::reserve()?;
        let args = vec![
            format!("--config.file={}", file.display()),
            format!("--storage.tsdb.path={}", folder.join("data").display()),
            format!("--web.listen-address=127.0.0.1:{}", port.number()),
        ];
        let program = binaries::prometheus()?.join("prometheus");
        Ok(Self { process: control_plane.spawn("prometheus", program, args, Vec::new())?, port })
    }

    /// The current series of an expression.
    pub async fn ask(&self, expression: &str) -> Result<Vec<Value>> {
        self.process.check()?;
        let server = format!("http://127.0.0.1:{}", self.port.number());
        let mut promtool = Command::new(binaries::prometheus()?.join("promtool"));
        promtool.args(["query", "instant", "--format=json", &server, expression]).kill_on_drop(true);
        let output = promtool.output().await.context("cannot run promtool")?;
        if !output.status.success() {
            bail!("{expression}: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    }
}
