//! Discovers the cluster's OIDC issuer and the resources that the API server serves.

use std::time::Duration;

use kube::api::ListParams;
use kube::{Api, Client};
use podidentity_core::objects::Namespace;
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use super::error::{Meaning, chain, message};

const DISCOVERY_TIMEOUT: Duration = Duration::from_secs(10);
/// Wait after the first failed attempt; doubles after each attempt.
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// Returns the cluster's OIDC issuer from its discovery document, or `None` if the API server
/// refuses access to the document.
///
/// Retries until the API server answers: an outage at startup must not remove the issuer from every
/// status until the next start.
pub async fn discover_issuer(client: &Client) -> Option<String> {
    let mut wait = FIRST_WAIT;
    loop {
        match issuer(client).await {
            Ok(issuer) => return Some(issuer),
            Err(NoIssuer::Refused(error)) => {
                info!(error, "the cluster does not tell its OIDC issuer; statuses will not either (see --issuer)");
                return None;
            }
            Err(NoIssuer::Trouble(error)) => {
                warn!(error, "the API server does not tell its OIDC issuer yet, trying again");
            }
        }
        sleep(wait).await;
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}

/// Requests the issuer once. Fails after ten seconds, or after the client's own limit if that is
/// shorter.
pub async fn issuer(client: &Client) -> Result<String, NoIssuer> {
    match timeout(DISCOVERY_TIMEOUT, discovery(client)).await {
        Ok(Ok(document)) => Ok(document.issuer),
        Ok(Err(error)) => Err(match (Meaning::of(&error), error) {
            (Meaning::Unauthorized | Meaning::Forbidden | Meaning::NotFound, error) => {
                NoIssuer::Refused(message(&error))
            }
            (_, kube::Error::Api(status)) => NoIssuer::Trouble(format!("{} {}", status.code, status.message)),
            (_, error) => NoIssuer::Trouble(chain(&error)),
        }),
        Err(_) => Err(NoIssuer::Trouble(format!("no answer within {} s", DISCOVERY_TIMEOUT.as_secs()))),
    }
}

/// The field of the discovery document that the operator reads.
#[derive(serde::Deserialize)]
struct Discovery {
    issuer: String,
}

async fn discovery(client: &Client) -> kube::Result<Discovery> {
    let request = http::Request::get("/.well-known/openid-configuration").body(Vec::new());
    client.request(request.map_err(kube::Error::HttpError)?).await
}

/// Whether the API server serves a resource, for example `rollouts` of `argoproj.io/v1alpha1`.
pub(crate) async fn serves(client: &Client, version: &str, resource: &str) -> kube::Result<bool> {
    match client.list_api_group_resources(version).await {
        Ok(list) => Ok(list.resources.iter().any(|served| served.name == resource)),
        Err(error) if Meaning::of(&error) == Meaning::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Fails if the API server refuses to list namespaces. `--require-grants` reads the grants from
/// them, so no reconcile would ever begin. The watch retries after any other error.
pub async fn may_list_namespaces(client: &Client) -> Result<(), NoGrants> {
    let namespaces = Api::<Namespace>::all(client.clone());
    match namespaces.list_metadata(&ListParams::default().limit(1)).await {
        Err(error) if Meaning::of(&error) == Meaning::Forbidden => Err(NoGrants(message(&error))),
        Err(error) => {
            info!(%error, "cannot list namespaces yet");
            Ok(())
        }
        Ok(_) => Ok(()),
    }
}

/// Why the issuer is not known.
#[derive(Debug, thiserror::Error)]
pub enum NoIssuer {
    /// The API server refuses access to the document or does not serve it. A retry does not help.
    #[error("{0}")]
    Refused(String),
    /// The API server did not answer, or its answer is unusable. A retry may help.
    #[error("{0}")]
    Trouble(String),
}

/// The API server refuses to list namespaces.
#[derive(Debug, thiserror::Error)]
#[error(
    "--require-grants reads the annotations of namespaces, which the API server refuses: {0}; give the operator's \
     service account the verbs list and watch on namespaces by a ClusterRole (no Role can), or leave the flag out"
)]
pub struct NoGrants(String);
