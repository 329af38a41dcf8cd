//! A client as a user of kubectl expects it: kubeconfig, context, impersonation, time limits.

use std::path::PathBuf;
use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Client, Config};

use crate::client::{CONNECT_TIMEOUT, ClientError};
use crate::pulse::SILENCE;
use crate::read::{Lister, Silent};

/// Where none is given: no list of 500 objects takes longer.
const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// What a user can say about the cluster; what is not said is as in the kubeconfig.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Path of the kubeconfig; `None`: `KUBECONFIG`, which may name several files, or `~/.kube/config`.
    pub kubeconfig: Option<PathBuf>,
    /// Name of the context.
    pub context: Option<String>,
    /// Name of the cluster in the kubeconfig.
    pub cluster: Option<String>,
    /// Name of the user in the kubeconfig.
    pub user: Option<String>,
    /// User to impersonate.
    pub impersonate: Option<String>,
    /// Groups to impersonate.
    pub impersonate_groups: Vec<String>,
    /// How long one request may take.
    pub request_timeout: Option<Duration>,
    /// Who asks.
    pub user_agent: String,
}

/// A client, and what the kubeconfig says about it.
#[derive(Clone)]
pub struct Connection {
    /// The client.
    pub client: Client,
    /// The namespace of the context, `default` where it names none.
    pub namespace: String,
    /// Address of the API server, for messages.
    pub server: String,
    config: Box<Config>,
}

impl Connection {
    /// Lists objects of one namespace or of all, and tells nobody how far it is.
    pub fn lister<'a>(&'a self, namespace: Option<&'a str>) -> Lister<'a> {
        Lister { client: &self.client, namespace, progress: &Silent }
    }

    /// Another client, whose answers may go on for ever: the time limit of a request is not that of a watch.
    pub fn watching(&self) -> Result<Client, ConnectError> {
        let mut config = (*self.config).clone();
        config.read_timeout = Some(SILENCE);
        Ok(Client::try_from(config).map_err(|error| ClientError::Setup(Box::new(error)))?)
    }
}

/// Makes a client. No request is sent yet.
pub async fn connect(options: &Options) -> Result<Connection, ConnectError> {
    let chosen = KubeConfigOptions {
        context: options.context.clone(),
        cluster: options.cluster.clone(),
        user: options.user.clone(),
    };
    let mut config = match &options.kubeconfig {
        Some(path) => Config::from_custom_kubeconfig(Kubeconfig::read_from(path)?, &chosen).await?,
        None if options.context.is_some() || options.cluster.is_some() || options.user.is_some() => {
            Config::from_kubeconfig(&chosen).await?
        }
        None => Config::infer().await.map_err(|error| ClientError::NoCluster(Box::new(error)))?,
    };
    config.connect_timeout = Some(options.request_timeout.unwrap_or(CONNECT_TIMEOUT).min(CONNECT_TIMEOUT));
    config.read_timeout = Some(options.request_timeout.unwrap_or(READ_TIMEOUT));
    config.default_retry = false;
    if let Some(user) = &options.impersonate {
        config.auth_info.impersonate = Some(user.clone());
        config.auth_info.impersonate_groups = Some(options.impersonate_groups.clone()).filter(|all| !all.is_empty());
    }
    let user_agent = options.user_agent.parse().map_err(|_| ClientError::UserAgent)?;
    config.headers.push((http::header::USER_AGENT, user_agent));
    let (namespace, server) = (config.default_namespace.clone(), config.cluster_url.to_string());
    let config = Box::new(config);
    let client = Client::try_from((*config).clone()).map_err(|error| ClientError::Setup(Box::new(error)))?;
    Ok(Connection { client, namespace, server, config })
}

/// The names of the contexts, for completion.
pub fn contexts(kubeconfig: Option<&std::path::Path>) -> Vec<String> {
    let read = match kubeconfig {
        Some(path) => Kubeconfig::read_from(path),
        None => Kubeconfig::read(),
    };
    read.map(|config| config.contexts.into_iter().map(|context| context.name).collect()).unwrap_or_default()
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The kubeconfig cannot be used.
    #[error("the kubeconfig cannot be used: {0}")]
    Kubeconfig(#[from] KubeconfigError),
    /// There is none, or the client cannot be made.
    #[error(transparent)]
    Client(#[from] ClientError),
}
