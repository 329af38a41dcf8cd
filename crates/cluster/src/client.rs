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

/// No answer takes longer. Watches end before that: the watcher asks the API server for 290 seconds.
const READ_TIMEOUT: Duration = Duration::from_secs(295);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
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
        let error = match timeout(DISCOVERY_TIMEOUT, issuer(client)).await {
            Ok(Ok(issuer)) => return Some(issuer),
            Ok(Err(kube::Error::Api(refusal))) if matches!(refusal.code, 401 | 403 | 404) => {
                let error = refusal.message;
                info!(error, "the cluster does not tell its OIDC issuer; statuses will not either (see --issuer)");
                return None;
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {} s", DISCOVERY_TIMEOUT.as_secs()),
        };
        warn!(error, "the API server does not tell its OIDC issuer yet, trying again");
        sleep(wait).await;
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}

async fn issuer(client: &Client) -> kube::Result<String> {
    #[derive(serde::Deserialize)]
    struct Discovery {
        issuer: String,
    }
    let request = http::Request::get("/.well-known/openid-configuration").body(Vec::new());
    Ok(client.request::<Discovery>(request.map_err(kube::Error::HttpError)?).await?.issuer)
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
