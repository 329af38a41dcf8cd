//! The first steps of every command that reads a cluster: connect, read, and find the requested
//! objects.

mod names;
mod picture;
mod progress;

use std::collections::HashSet;
use std::sync::Arc;

use podidentity_api::PodIdentityBinding;
use podidentity_cluster::http::connection::{ConnectError, Connection, connect};
use podidentity_cluster::http::discovery::{NoIssuer, issuer};
use podidentity_cluster::read::injectors::{injectors, pod_labels};
use podidentity_cluster::read::webhook_config::webhook_config;
use podidentity_cluster::read::{ReadError, ReadScope, Reading, read};
use podidentity_core::injection::{CONFIG_MAP, Entries};
use podidentity_core::injector::Injectors;
use podidentity_core::objects::{Map, ObservedAccount};
use podidentity_core::snapshot::{Config, Snapshot};

use crate::flags::{ConnectionArgs, ScopeArgs};
use crate::view::{View, views};

pub(crate) use names::{did_you_mean, not_there};
pub(crate) use picture::Picture;
pub(crate) use progress::Progress;

/// Why a command fails.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Any other failure, as a message.
    #[error("{0}")]
    Other(String),
    /// The output cannot be written to.
    #[error("cannot write the output: {0}")]
    Output(#[from] std::io::Error),
}

/// Runs an asynchronous command to its end.
pub(crate) fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    // Two threads: one decodes what the other receives.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(work)
}

/// A connection to a cluster, and the part of the cluster to read.
#[derive(Clone)]
pub(crate) struct Session {
    pub(crate) connection: Connection,
    /// `None` means all namespaces.
    pub(crate) namespace: Option<String>,
    pub(crate) config: Arc<Config>,
    selector: Option<String>,
    grants: Option<bool>,
    /// Whether long reads show no progress.
    quiet: bool,
}

/// The views that were read, and notes for the user about the reading.
pub(crate) struct Views {
    /// Sorted: views that need attention come first.
    pub(crate) views: Vec<View>,
    pub(crate) notes: Vec<String>,
}

impl Session {
    /// Connects to the cluster. Reads no objects yet.
    pub(crate) async fn open(connection: &ConnectionArgs, scope: &ScopeArgs) -> Result<Self, Failure> {
        let mut settings = connection.webhook.settings();
        let watched = connection.webhook.watch_config_map.clone();
        let issuer = connection.issuer.clone();
        let grants = connection.require_grants;
        let connection = connect(&connection.options()).await?;
        if let Some(namespace) = watched {
            settings.entries = Some(Arc::new(entries(&connection, &namespace).await?));
        }
        let config = Config { settings, issuer, ..Config::default() };
        let own = scope.namespace.clone().unwrap_or_else(|| connection.namespace.clone());
        let namespace = (!scope.all_namespaces).then_some(own);
        Ok(Self {
            connection,
            namespace,
            config: Arc::new(config),
            selector: scope.selector.clone(),
            grants,
            quiet: false,
        })
    }

    /// A session for another part of the same cluster, without the label selector.
    pub(crate) fn across(&self, namespace: Option<String>) -> Self {
        Self { namespace, selector: None, ..self.clone() }
    }

    /// A session for another part of the same cluster, with the same label selector and without
    /// progress.
    pub(crate) fn quietly(&self, namespace: Option<String>) -> Self {
        Self { namespace, quiet: true, ..self.clone() }
    }

    /// Asks the API server for the cluster's issuer, unless the issuer is already known.
    pub(crate) async fn discover_issuer(&mut self) -> Result<(), NoIssuer> {
        if self.config.issuer.is_none() {
            let issuer = Some(issuer(&self.connection.client).await?);
            self.config = Arc::new(Config { issuer, ..(*self.config).clone() });
        }
        Ok(())
    }

    /// Reads identities and passes each one to `judge`. `without_role` includes identities without
    /// a role.
    pub(crate) async fn read<T>(
        &self,
        without_role: bool,
        mut judge: impl FnMut(Snapshot) -> Option<T>,
    ) -> Result<Reading<T>, Failure> {
        let scope = ReadScope { namespace: self.namespace.clone(), without_role, grants: self.grants };
        let progress = Progress::new(self.quiet);
        let Connection { client, clock, .. } = &self.connection;
        let reading = read(client, clock, &scope, &self.config, &progress, &mut judge).await;
        progress.end();
        Ok(reading?)
    }

    /// The views of all requested identities. Fails if the namespace does not exist.
    pub(crate) async fn views(&self) -> Result<Views, Failure> {
        let read = self.views_if_any().await?;
        if read.views.is_empty() {
            self.namespace_exists().await?;
        }
        Ok(read)
    }

    /// The views of all requested identities. May be empty.
    pub(crate) async fn views_if_any(&self) -> Result<Views, Failure> {
        let selected = self.selected().await?;
        let reading = self.read(false, |snapshot| Some(views(&snapshot))).await?;
        let notes = notes(&reading);
        let mut views: Vec<View> = reading.results.into_values().flatten().collect();
        if let Some(selected) = &selected {
            views.retain(|view| selected.contains(view));
        }
        views.sort_by(|a, b| a.order().cmp(&b.order()));
        Ok(Views { views, notes })
    }

    /// The objects that the label selector selects. `None` if there is no selector.
    pub(crate) async fn selected(&self) -> Result<Option<Selected>, Failure> {
        let Some(selector) = &self.selector else { return Ok(None) };
        let lister = self.connection.lister(self.namespace.as_deref());
        let bindings = match lister.selected::<PodIdentityBinding>("podidentitybindings", selector).await {
            Err(ReadError::Absent(_)) => Vec::new(),
            bindings => bindings?,
        };
        let accounts = lister.selected::<ObservedAccount>("serviceaccounts", selector).await?;
        Ok(Some(Selected { bindings: bindings.into_iter().collect(), accounts: accounts.into_iter().collect() }))
    }

    /// Fails if the namespace does not exist, which explains why nothing was found in it.
    async fn namespace_exists(&self) -> Result<(), Failure> {
        if self.namespace.is_none() {
            return Ok(());
        }
        self.is_among(&self.connection.lister(None).namespace_names().await?)
    }

    /// Fails if the namespace is not among all namespaces of the cluster. Empty: they are not known.
    pub(crate) fn is_among(&self, all: &[String]) -> Result<(), Failure> {
        let Some(name) = self.namespace.as_ref().filter(|name| !all.is_empty() && !all.contains(name)) else {
            return Ok(());
        };
        Err(Failure::Other(format!(
            "there is no namespace {name}{}",
            did_you_mean(name, all.iter().map(String::as_str))
        )))
    }

    /// The injectors of the cluster (webhooks and policies) that the user may list.
    pub(crate) async fn injectors(&self) -> Result<Injectors, Failure> {
        Ok(injectors(&self.connection.client).await?)
    }

    /// Namespaces and names of all service accounts. Empty if the user may not list them.
    pub(crate) async fn account_names(&self) -> Result<Vec<(String, String)>, Failure> {
        match self.connection.lister(None).selected::<ObservedAccount>("serviceaccounts", "").await {
            Ok(names) => Ok(names),
            Err(ReadError::Forbidden(_)) => Ok(Vec::new()),
            Err(error) => Err(error.into()),
        }
    }

    /// All labels of a pod. `None` if the pod is gone.
    pub(crate) async fn pod_labels(&self, namespace: &str, name: &str) -> Result<Option<Map>, Failure> {
        Ok(pod_labels(&self.connection.client, namespace, name).await?)
    }

    /// The part of the cluster that is read, for messages.
    pub(crate) fn place(&self) -> String {
        match &self.namespace {
            Some(namespace) => format!("in namespace {namespace}"),
            None => "in any namespace".to_owned(),
        }
    }
}

/// The entries of the ConfigMap that the webhook watches in this namespace.
async fn entries(connection: &Connection, namespace: &str) -> Result<Entries, Failure> {
    let name = CONFIG_MAP.0;
    let Some(config) = webhook_config(&connection.client, namespace).await? else {
        return Err(Failure::Other(format!(
            "there is no ConfigMap {name} with the key {} in namespace {namespace}: name the one that the webhook watches by \
             --watch-config-map=NAMESPACE, or leave the flag out",
            CONFIG_MAP.1
        )));
    };
    Entries::parse(&config).map_err(|why| {
        Failure::Other(format!("ConfigMap {namespace}/{name} {why}; the webhook takes none of its entries: correct it"))
    })
}

/// The namespaces and names of the selected objects.
pub(crate) struct Selected {
    bindings: HashSet<(String, String)>,
    accounts: HashSet<(String, String)>,
}

impl Selected {
    fn contains(&self, view: &View) -> bool {
        match &view.binding {
            Some(binding) => self.has_binding(&view.namespace, binding),
            None => self.has_account(&view.namespace, &view.service_account),
        }
    }

    pub(crate) fn has_binding(&self, namespace: &str, name: &str) -> bool {
        self.bindings.contains(&(namespace.to_owned(), name.to_owned()))
    }

    pub(crate) fn has_account(&self, namespace: &str, name: &str) -> bool {
        self.accounts.contains(&(namespace.to_owned(), name.to_owned()))
    }
}

/// What the user should know about a reading.
pub(crate) fn notes<T>(reading: &Reading<T>) -> Vec<String> {
    let mut notes = Vec::new();
    if !reading.bindings_known {
        notes.push(
            "PodIdentityBinding is not installed in this cluster (or you may not see it): only annotated service \
             accounts are looked at"
                .to_owned(),
        );
    }
    notes.extend(reading.undecodable.iter().take(5).map(|what| format!("left out, cannot be read: {what}")));
    if reading.undecodable.len() > 5 {
        notes.push(format!("{} more cannot be read", reading.undecodable.len() - 5));
    }
    notes
}
