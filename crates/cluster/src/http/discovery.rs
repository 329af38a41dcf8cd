//! The client, with time limits and without hidden retries.

use std::time::Duration;

use http::Response;
use kube::api::ListParams;
use kube::client::ClientBuilder;
use kube::{Api, Client, Config};
use podidentity_core::objects::Namespace;
use tokio::time::{sleep, timeout};
use tower::util::MapResponseLayer;
use tracing::{info, warn};

use crate::clock;
use crate::read::chain;

/// No answer takes longer. Watches end before that: the watcher asks the API server for 290 seconds.
const READ_TIMEOUT: Duration = Duration::from_secs(295);
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const DISCOVERY_TIMEOUT: Duration = Duration::from_secs(10);
/// Between two tries of the discovery; doubled each time.
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// A client from the environment: `KUBECONFIG`, `~/.kube/config`, or the service account of the pod.
///
/// kube's own retries are off: they would hide up to 15 tries, minutes long, inside of one call. Whoever calls decides
/// when to try again.
pub async fn from_environment(user_agent: &str) -> Result<Client, ClientError> {
    let mut config = Config::infer().await.map_err(|error| ClientError::NoCluster(Box::new(error)))?;
    config.connect_timeout = Some(CONNECT_TIMEOUT);
    config.read_timeout = Some(READ_TIMEOUT);
    config.default_retry = false;
    let user_agent = user_agent.parse().map_err(|_| ClientError::UserAgent)?;
    config.headers.push((http::header::USER_AGENT, user_agent));
    let builder = ClientBuilder::try_from(config).map_err(|error| ClientError::Setup(Box::new(error)))?;
    let listening = MapResponseLayer::new(|answer: Response<_>| {
        clock::hear(answer.headers());
        answer
    });
    Ok(builder.with_layer(&listening).build())
}

/// The cluster's OIDC issuer, from its discovery document; `None` where the API server refuses to tell us.
///
/// It is asked until it answers: a moment of trouble at the start must not take the issuer out of every status until the
/// next start.
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

/// The same, asked for once: after ten seconds, or the client's own limit if that is less, there is no answer.
pub async fn issuer(client: &Client) -> Result<String, NoIssuer> {
    match timeout(DISCOVERY_TIMEOUT, discovery(client)).await {
        Ok(Ok(document)) => Ok(document.issuer),
        Ok(Err(kube::Error::Api(refusal))) if matches!(refusal.code, 401 | 403 | 404) => {
            Err(NoIssuer::Refused(refusal.message.clone()))
        }
        Ok(Err(kube::Error::Api(status))) => Err(NoIssuer::Trouble(format!("{} {}", status.code, status.message))),
        Ok(Err(error)) => Err(NoIssuer::Trouble(chain(&error))),
        Err(_) => Err(NoIssuer::Trouble(format!("no answer within {} s", DISCOVERY_TIMEOUT.as_secs()))),
    }
}

/// The part of the discovery document that is read.
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
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(false),
        Err(error) => Err(error),
    }
}

/// An error if the API server refuses to list namespaces, of which `--require-grants` reads the grants: without them no
/// reconcile would ever begin. Any other trouble is left to the watch, which tries again.
pub async fn may_list_namespaces(client: &Client) -> Result<(), ClientError> {
    let namespaces = Api::<Namespace>::all(client.clone());
    match namespaces.list_metadata(&ListParams::default().limit(1)).await {
        Err(kube::Error::Api(refusal)) if refusal.code == 403 => Err(ClientError::NoGrants(refusal.message.clone())),
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
    /// The API server does not tell it to us, or to anybody: it will not the next time.
    #[error("{0}")]
    Refused(String),
    /// It did not answer, or not as it should: it may the next time.
    #[error("{0}")]
    Trouble(String),
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Neither a kubeconfig nor a service account.
    #[error("no cluster to talk to: set KUBECONFIG, or run inside of a pod with a service account ({0})")]
    NoCluster(#[source] Box<kube::config::InferConfigError>),
    /// The configuration cannot be used.
    #[error("the cluster's configuration cannot be used: {0}")]
    Setup(#[source] Box<kube::Error>),
    /// Grants are required, but the annotations of namespaces cannot be read.
    #[error(
        "--require-grants reads the annotations of namespaces, which the API server refuses: {0}; give the operator's \
         service account the verbs list and watch on namespaces by a ClusterRole (no Role can), or leave the flag out"
    )]
    NoGrants(String),
    /// The user agent has characters that no header may have.
    #[error("the user agent is not valid in a header")]
    UserAgent,
}
