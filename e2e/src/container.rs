//! The operator as a container: a real runtime runs its image as confined as its Deployment
//! requires.
//!
//! ```text
//! OCI layout ─► umoci: files and config.json ─► confined, given the pod's environment ─► runc
//! ```

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::kubeconfig::{self, User};
use crate::ports::Port;
use crate::{ControlPlane, Operator, installed, operator};

const ID: &str = "podidentity-operator";

/// Where the container finds its kubeconfig, the only mount.
const MOUNT: &str = "/kube";

/// An unpacked image.
#[derive(Debug)]
pub struct Image {
    bundle: PathBuf,
    /// The runtime configuration from the image.
    config: Value,
}

impl Image {
    /// Unpacks `FOLDER:TAG`, an image in an OCI layout, into a folder that does not exist yet.
    pub fn unpack(image: &str, bundle: PathBuf) -> Result<Self> {
        run(Command::new("umoci").args(["unpack", "--image", image]).arg(&bundle))?;
        let config = fs::read(bundle.join("config.json"))?;
        Ok(Self { config: serde_json::from_slice(&config)?, bundle })
    }

    /// All files in the image: paths below the root, sorted.
    pub fn files(&self) -> Result<Vec<String>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(self.root())? {
            files.push(entry?.file_name().to_string_lossy().into_owned());
        }
        files.sort();
        Ok(files)
    }

    /// The folder of its files.
    pub fn root(&self) -> PathBuf {
        self.bundle.join("rootfs")
    }

    /// User and command from the image.
    pub fn process(&self) -> &Value {
        &self.config["process"]
    }

    /// Starts the container in place of one of the operator's pods. It uses the host's network,
    /// where the API server listens.
    pub async fn start(mut self, control_plane: &ControlPlane) -> Result<(Operator, Container)> {
        let (args, env) = installed::args_and_env(control_plane).await?;
        let port = Port::reserve()?;
        let kube = self.bundle.join("kube");
        credentials(control_plane, &kube).await?;
        let process = &mut self.config["process"];
        process["terminal"] = json!(false);
        process["noNewPrivileges"] = json!(true);
        process["capabilities"] = json!({});
        let env = env.iter().map(|(name, value)| format!("{name}={value}"));
        process["env"] = env
            .chain([format!("KUBECONFIG={MOUNT}/config"), format!("PODIDENTITY_LISTEN=127.0.0.1:{}", port.number())])
            .collect();
        if let Some(command) = process["args"].as_array_mut() {
            command.extend(args.into_iter().map(Value::from));
        }
        self.config["root"]["readonly"] = json!(true);
        if let Some(namespaces) = self.config["linux"]["namespaces"].as_array_mut() {
            namespaces.retain(|namespace| namespace["type"] != "network");
        }
        if let Some(mounts) = self.config["mounts"].as_array_mut() {
            mounts.push(json!({"destination": MOUNT, "type": "bind", "source": kube, "options": ["bind", "ro"]}));
        }
        fs::write(self.bundle.join("config.json"), serde_json::to_vec(&self.config)?)?;

        let state = self.bundle.join("state").display().to_string();
        let bundle = self.bundle.display().to_string();
        let args = ["--root", &state, "run", "--bundle", &bundle, ID].map(str::to_owned).into();
        let process = control_plane.spawn(ID, "runc".into(), args, Vec::new())?;
        Ok((Operator::started(process, port), Container { state }))
    }
}

/// Ends the container when dropped: killing the runtime does not end the container.
#[derive(Debug)]
pub struct Container {
    state: String,
}

impl Drop for Container {
    fn drop(&mut self) {
        // If the container has ended by itself, there is nothing to delete.
        let _ = Command::new("runc").args(["--root", &self.state, "delete", "--force", ID]).output();
    }
}

/// The operator's credentials, readable for the container's user.
async fn credentials(control_plane: &ControlPlane, folder: &Path) -> Result<()> {
    fs::create_dir(folder)?;
    let (authority, config) = (folder.join("ca.crt"), folder.join("config"));
    fs::copy(control_plane.authority(), &authority)?;
    let token = operator::token(control_plane, operator::SERVICE_ACCOUNT).await?;
    let authority_inside = Path::new(MOUNT).join("ca.crt");
    kubeconfig::write(&config, control_plane.server(), &authority_inside, &User::Token(&token))?;
    for file in [&authority, &config] {
        fs::set_permissions(file, fs::Permissions::from_mode(0o644))?;
    }
    Ok(())
}

fn run(command: &mut Command) -> Result<()> {
    let output = command.output().with_context(|| format!("cannot run {command:?}"))?;
    if !output.status.success() {
        bail!("{command:?} failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}
