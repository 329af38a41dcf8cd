//! Kubeconfig files and clients that use them.

use std::path::Path;

use anyhow::{Context, Result};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::{Value, json};

use crate::certs::Identity;

/// The user of a kubeconfig.
#[derive(Debug)]
pub enum User<'a> {
    /// A client certificate.
    Certificate(&'a Identity),
    /// A bearer token.
    Token(&'a str),
}

/// Writes a kubeconfig file. JSON is YAML, so every client reads it.
pub fn write(path: &Path, server: &str, authority: &Path, user: &User<'_>) -> Result<()> {
    let user = match user {
        User::Certificate(identity) => {
            json!({"client-certificate": identity.cert, "client-key": identity.key})
        }
        User::Token(token) => json!({"token": token}),
    };
    let config: Value = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "e2e", "cluster": {"server": server, "certificate-authority": authority}}],
        "users": [{"name": "e2e", "user": user}],
        "contexts": [{"name": "e2e", "context": {"cluster": "e2e", "user": "e2e"}}],
        "current-context": "e2e",
    });
    std::fs::write(path, serde_json::to_vec_pretty(&config)?)
        .with_context(|| format!("cannot write {}", path.display()))
}

/// A client that uses the kubeconfig file.
pub async fn client(path: &Path) -> Result<Client> {
    Ok(Client::try_from(config(path).await?)?)
}

/// The same for a proxy, which must pass every failure to its client.
pub async fn client_without_retries(path: &Path) -> Result<Client> {
    let mut config = config(path).await?;
    config.default_retry = false;
    Ok(Client::try_from(config)?)
}

async fn config(path: &Path) -> Result<Config> {
    let kubeconfig = Kubeconfig::read_from(path)?;
    Ok(Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?)
}
