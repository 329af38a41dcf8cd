//! Decides when the control plane has started.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use k8s_openapi::api::core::v1::Pod;
use kube::Client;
use kube::api::{Api, DeleteParams, PostParams};
use serde_json::json;

use super::Component;
use crate::process::Process;
use crate::wait;

/// Interval of polling a server that does not answer yet and cannot be watched.
const INTERVAL: Duration = Duration::from_millis(50);

/// Waits until the API server reports that it is ready.
pub(super) async fn api_server(client: &Client, processes: &[(Component, Process)], deadline: Instant) -> Result<()> {
    let mut last = String::new();
    loop {
        processes.iter().try_for_each(|(_, process)| process.check())?;
        let request = http_get("/readyz")?;
        match tokio::time::timeout(Duration::from_secs(5), client.request_text(request)).await {
            Ok(Ok(answer)) if answer == "ok" => return Ok(()),
            Ok(Ok(answer)) => last = answer,
            Ok(Err(error)) => last = error.to_string(),
            Err(_) => "no answer".clone_into(&mut last),
        }
        if Instant::now() > deadline {
            bail!("the API server is not ready ({last}); the ends of the logs:\n{}", tails(processes));
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

fn http_get(path: &str) -> Result<http::Request<Vec<u8>>> {
    Ok(http::Request::get(path).body(Vec::new())?)
}

/// Waits until a pod runs, which proves that the controllers (its service account), the scheduler
/// and kwok work.
pub(super) async fn proof_pod(client: &Client, processes: &[(Component, Process)], deadline: Instant) -> Result<()> {
    let left = deadline.saturating_duration_since(Instant::now());
    let proven = async {
        wait::default_service_account(client, "default", left).await?;
        let api = Api::<Pod>::default_namespaced(client.clone());
        let pod = serde_json::from_value(json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "proof"},
            "spec": {"containers": [{"name": "main", "image": "proof"}]},
        }))?;
        api.create(&PostParams::default(), &pod).await?;
        wait::within(
            left,
            wait::object(&api, "proof", "a first pod runs", |pod: Option<&Pod>| {
                let phase = pod.and_then(|pod| pod.status.as_ref()?.phase.as_deref());
                if phase == Some("Running") { Ok(()) } else { Err(format!("its phase is {phase:?}")) }
            }),
        )
        .await?;
        api.delete("proof", &DeleteParams::default().grace_period(0)).await?;
        anyhow::Ok(())
    };
    let Err(error) = proven.await else {
        return Ok(());
    };
    processes.iter().try_for_each(|(_, process)| process.check())?;
    Err(error.context(format!("no pod runs; the ends of the logs:\n{}", tails(processes))))
}

fn tails(processes: &[(Component, Process)]) -> String {
    let tails: Vec<_> =
        processes.iter().map(|(_, process)| format!("{}:\n{}", process.name(), process.tail(10))).collect();
    tails.concat()
}
