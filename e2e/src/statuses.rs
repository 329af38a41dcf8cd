//! Records every status of the bindings as one JSON line each, for the tests that check how Argo
//! CD, Flux and Helm interpret them.

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use futures::{StreamExt, pin_mut};
use kube::api::DynamicObject;
use kube::core::ApiResource;
use kube::runtime::watcher::{Config, Event};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client};
use podidentity_api::PodIdentityBinding;

use crate::ControlPlane;

/// Environment variable with the folder to write to; without it, nothing is written.
const FOLDER: &str = "E2E_STATUSES";

/// Records until the harness ends, starting with the existing bindings, if the environment asks for
/// it.
pub fn record(control_plane: &ControlPlane) -> Result<()> {
    if let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) {
        let log = Log::create(&folder, control_plane.port())?;
        tokio::spawn(follow(control_plane.client(), log));
    }
    Ok(())
}

/// Records the wire format, including fields that our types would drop.
async fn follow(client: Client, mut log: Log) {
    let bindings: Api<DynamicObject> = Api::all_with(client, &ApiResource::erase::<PodIdentityBinding>(&()));
    let events = watcher(bindings, Config::default()).default_backoff();
    pin_mut!(events);
    while let Some(event) = events.next().await {
        let written = match event {
            Ok(Event::InitApply(binding) | Event::Apply(binding) | Event::Delete(binding)) => log.write(binding),
            // The watcher retries; the CRD may be absent for a while.
            Ok(Event::Init | Event::InitDone) | Err(_) => Ok(()),
        };
        if let Err(error) = written {
            eprintln!("the statuses are not recorded any more: {error:#}");
            return;
        }
    }
}

struct Log {
    file: File,
    seen: HashSet<String>,
}

impl Log {
    /// Creates a file for this control plane.
    fn create(folder: &Path, port: u16) -> Result<Self> {
        let path = folder.join(format!("{port}.jsonl"));
        let file =
            std::fs::create_dir_all(folder).and_then(|()| OpenOptions::new().create(true).append(true).open(&path));
        Ok(Self { file: file.with_context(|| format!("cannot write {}", path.display()))?, seen: HashSet::new() })
    }

    /// A state that differs from an earlier one only by its resource version is not a new state.
    fn write(&mut self, mut binding: DynamicObject) -> Result<()> {
        binding.metadata.managed_fields = None;
        binding.metadata.resource_version = None;
        let line = serde_json::to_string(&binding)?;
        if self.seen.insert(line.clone()) {
            writeln!(self.file, "{line}")?;
        }
        Ok(())
    }
}
