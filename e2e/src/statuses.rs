//! Every status that bindings go through, one JSON line each: for the tests that ask what Argo CD, Flux and Helm make of
//! them.

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

/// Names the folder to write to; nothing is written without it.
const FOLDER: &str = "E2E_STATUSES";

/// Writes until the harness ends, beginning with the bindings that exist, if the environment asks for it.
pub fn record(control_plane: &ControlPlane) -> Result<()> {
    if let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) {
        let log = Log::create(&folder, control_plane.port())?;
        tokio::spawn(follow(control_plane.client(), log));
    }
    Ok(())
}

/// As they are on the wire: whatever our types would leave out is there.
async fn follow(client: Client, mut log: Log) {
    let bindings: Api<DynamicObject> = Api::all_with(client, &ApiResource::erase::<PodIdentityBinding>(&()));
    let events = watcher(bindings, Config::default()).default_backoff();
    pin_mut!(events);
    while let Some(event) = events.next().await {
        let written = match event {
            Ok(Event::InitApply(binding) | Event::Apply(binding) | Event::Delete(binding)) => log.write(binding),
            // It is tried again; the definition may be gone for a while.
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
    /// Each control plane has its own file.
    fn create(folder: &Path, port: u16) -> Result<Self> {
        let path = folder.join(format!("{port}.jsonl"));
        let file =
            std::fs::create_dir_all(folder).and_then(|()| OpenOptions::new().create(true).append(true).open(&path));
        Ok(Self { file: file.with_context(|| format!("cannot write {}", path.display()))?, seen: HashSet::new() })
    }

    /// A state that differs from an earlier one by its resource version only is no other state.
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
