//! Builds every client of the operator and the plugin: kubeconfig or service account,
//! impersonation, timeouts, clock.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response, Uri};
use hyper_util::client::legacy::Error as HyperError;
use kube::client::{Body, ClientBuilder, DynBody};
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Client, Config};
use tower::BoxError;
use tower::util::{BoxService, MapErrLayer, MapResponseLayer, option_layer};

use super::clock::Clock;
use super::fence::Fence;
use super::heartbeat::SILENCE;
use super::layers::{TelemetryLayer, fence_layer};
use super::overrides::Overrides;
use super::retry::{self, Retry};
use super::telemetry::Telemetry;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Upper limit for a list page of 500 objects.
const LIST_TIMEOUT: Duration = Duration::from_secs(60);
/// Upper limit for any response. A watch ends earlier: the watcher requests a timeout of 290
/// seconds.
const WATCH_TIMEOUT: Duration = Duration::from_secs(295);

/// The user's connection options. The kubeconfig supplies the rest.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Path of the kubeconfig. `None`: the files that `KUBECONFIG` lists, else `~/.kube/config`,
    /// else the service account of the pod.
    pub kubeconfig: Option<PathBuf>,
    /// Name of the context.
    pub context: Option<String>,
    /// Name of the cluster in the kubeconfig.
    pub cluster: Option<String>,
    /// Name of the user in the kubeconfig.
    pub user: Option<String>,
    /// Values that override the kubeconfig.
    pub overrides: Overrides,
    /// User to impersonate.
    pub impersonate: Option<String>,
    /// Groups to impersonate.
    pub impersonate_groups: Vec<String>,
    /// UID to impersonate.
    pub impersonate_uid: Option<String>,
    /// How long a response may take.
    pub answers: AnswerTime,
    /// The `User-Agent` of all requests.
    pub user_agent: String,
}

/// How long a response may take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AnswerTime {
    /// The limit of a list page. The client retries list pages that an overloaded API server
    /// refuses.
    #[default]
    List,
    /// The limit of a watch. The watcher retries its lists itself.
    Watch,
    /// A limit that the user sets.
    AtMost(Duration),
}

impl AnswerTime {
    fn limit(self) -> Duration {
        match self {
            Self::List => LIST_TIMEOUT,
            Self::Watch => WATCH_TIMEOUT,
            Self::AtMost(limit) => limit,
        }
    }
}

/// A client, its clock, and the kubeconfig's namespace and server.
#[derive(Clone)]
pub struct Connection {
    /// The client.
    pub client: Client,
    /// The API server's clock, which the client's answers set.
    pub clock: Clock,
    /// The context's namespace, or `default` if the context has none.
    pub namespace: String,
    /// Address of the API server, for messages.
    pub server: String,
    config: Box<Config>,
}

impl Connection {
    /// Returns another client with the same clock, for watches. It tolerates silence for as long as
    /// a live API server may stay silent.
    pub fn watching(&self) -> Result<Client, ConnectError> {
        let mut config = (*self.config).clone();
        config.read_timeout = Some(SILENCE);
        Ok(builder(config, &self.clock)?.build())
    }

    /// Returns another client with the same clock, for the operator: it reports its requests, and
    /// sends only the writes that the fence allows. Its tasks run where it is created.
    pub fn reporting(&self, telemetry: &Arc<dyn Telemetry>, fence: Option<Fence>) -> Result<Client, ConnectError> {
        let builder = builder((*self.config).clone(), &self.clock)?;
        let builder = builder.with_layer(&TelemetryLayer(Arc::clone(telemetry)));
        Ok(builder.with_layer(&option_layer(fence.map(fence_layer))).build())
    }
}

/// Creates a client without sending a request.
///
/// kube's own retries are off: one call would hide up to 15 attempts that take minutes. The caller
/// decides when to retry.
pub async fn connect(options: &Options) -> Result<Connection, ConnectError> {
    let mut config = configuration(options).await?;
    config.connect_timeout = Some(options.answers.limit().min(CONNECT_TIMEOUT));
    config.read_timeout = Some(options.answers.limit());
    config.default_retry = false;
    if let Some(user) = &options.impersonate {
        config.auth_info.impersonate = Some(user.clone());
        config.auth_info.impersonate_groups = Some(options.impersonate_groups.clone()).filter(|all| !all.is_empty());
        config.auth_info.impersonate_uid.clone_from(&options.impersonate_uid);
    }
    let user_agent = options.user_agent.parse().map_err(|_| ConnectError::UserAgent)?;
    config.headers.push((http::header::USER_AGENT, user_agent));
    let (namespace, server) = (config.default_namespace.clone(), config.cluster_url.to_string());
    let (config, clock) = (Box::new(config), Clock::default());
    let client = builder((*config).clone(), &clock)?.build();
    let client = match options.answers {
        AnswerTime::Watch => client,
        AnswerTime::List | AnswerTime::AtMost(_) => retry::with_retry(&client, Retry::EveryPage),
    };
    Ok(Connection { client, clock, namespace, server, config })
}

async fn configuration(options: &Options) -> Result<Config, ConnectError> {
    let chosen = KubeConfigOptions {
        context: options.context.clone(),
        cluster: options.cluster.clone(),
        user: options.user.clone(),
    };
    if !options.overrides.is_empty() {
        let kubeconfig = match &options.kubeconfig {
            Some(path) => Kubeconfig::read_from(path)?,
            // With `--server`, the kubeconfig is optional.
            None if options.overrides.server.is_some() => Kubeconfig::read().unwrap_or_default(),
            None => Kubeconfig::read()?,
        };
        let kubeconfig = options.overrides.put_into(kubeconfig, &chosen);
        return Ok(Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?);
    }
    Ok(match &options.kubeconfig {
        Some(path) => Config::from_custom_kubeconfig(Kubeconfig::read_from(path)?, &chosen).await?,
        None if options.context.is_some() || options.cluster.is_some() || options.user.is_some() => {
            Config::from_kubeconfig(&chosen).await?
        }
        None => Config::infer().await.map_err(|error| ConnectError::NoCluster(Box::new(error)))?,
    })
}

/// What a client sends its requests to, in kube's types.
type Requests = BoxService<Request<Body>, Response<Box<DynBody>>, BoxError>;

/// The builder of a client whose responses set the clock.
fn builder(config: Config, clock: &Clock) -> Result<ClientBuilder<Requests>, ConnectError> {
    let proxy = config.proxy_url.as_ref().map(without_password);
    let builder = ClientBuilder::try_from(config).map_err(|error| ConnectError::Setup(Box::new(error)))?;
    let clock = clock.clone();
    let observing = MapResponseLayer::new(move |answer: Response<_>| {
        clock.observe(answer.headers());
        answer
    });
    let naming_proxy = MapErrLayer::new(move |error| match &proxy {
        Some(proxy) => behind(proxy, error),
        None => error,
    });
    Ok(builder.with_layer(&observing).with_layer(&naming_proxy).with_layer(&BoxService::layer()))
}

/// Adds the proxy's URL to a connection error: the user may have forgotten the proxy setting in the
/// kubeconfig or the environment.
fn behind(proxy: &str, error: BoxError) -> BoxError {
    let mut next: Option<&(dyn Error + 'static)> = Some(&*error);
    let mut connecting = false;
    while let Some(cause) = next {
        connecting |= cause.downcast_ref::<HyperError>().is_some_and(HyperError::is_connect);
        next = cause.source();
    }
    if !connecting {
        return error;
    }
    Box::new(BehindProxy { proxy: proxy.to_owned(), error })
}

/// A connection through a proxy failed.
#[derive(Debug, thiserror::Error)]
#[error(
    "through the proxy {proxy} (proxy-url of the kubeconfig, or HTTPS_PROXY; NO_PROXY names what is reached without)"
)]
struct BehindProxy {
    proxy: String,
    #[source]
    error: BoxError,
}

/// The URL of a proxy without user and password.
fn without_password(url: &Uri) -> String {
    let host = url.authority().map(|authority| authority.as_str().rsplit('@').next().unwrap_or_default());
    format!("{}://{}", url.scheme_str().unwrap_or("http"), host.unwrap_or_default())
}

/// The names of the contexts, for completion.
pub fn contexts(kubeconfig: Option<&Path>) -> Vec<String> {
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
    /// Neither a kubeconfig nor a service account.
    #[error("no cluster to talk to: set KUBECONFIG, or run inside of a pod with a service account ({0})")]
    NoCluster(#[source] Box<kube::config::InferConfigError>),
    /// The configuration cannot be used.
    #[error("the cluster's configuration cannot be used: {0}")]
    Setup(#[source] Box<kube::Error>),
    /// The user agent has characters that no header may have.
    #[error("the user agent is not valid in a header")]
    UserAgent,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_named_without_its_password() {
        for (url, named) in [
            ("http://proxy.example.com:3128", "http://proxy.example.com:3128"),
            ("http://user:secret@proxy.example.com:3128", "http://proxy.example.com:3128"),
            ("socks5://user:secret@[::1]:1080", "socks5://[::1]:1080"),
        ] {
            assert_eq!(without_password(&url.parse().unwrap()), named);
        }
    }
}
