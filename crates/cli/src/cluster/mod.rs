//! What all commands that look at a cluster do first: connect, read, find what is asked for.

mod names;
mod picture;
mod progress;

use std::collections::HashSet;
use std::sync::Arc;

use podidentity_api::PodIdentityBinding;
use podidentity_cluster::http::connection::{ConnectError, Connection, connect};
use podidentity_cluster::http::discovery::{NoIssuer, issuer};
use podidentity_cluster::read::injectors::{injectors, pod_labels};
use podidentity_cluster::read::{ReadError, ReadScope, Reading, read};
use podidentity_core::injector::Injectors;
use podidentity_core::objects::{Map, ObservedAccount};
use podidentity_core::snapshot::{Config, Snapshot};

use crate::flags::{ConnectionArgs, ScopeArgs};
use crate::view::{View, views};

pub(crate) use names::did_you_mean;
pub(crate) use picture::Picture;
pub(crate) use progress::Progress;

/// Why a command cannot do what it is asked for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error(transparent)]
    Read(#[from] ReadError),
    /// In words.
    #[error("{0}")]
    Other(String),
    /// The output cannot be written to.
    #[error("cannot write the output: {0}")]
    Output(#[from] std::io::Error),
}

/// Runs what waits for the cluster.
pub(crate) fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    // Of the threads one decodes what another receives.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(work)
}

/// A cluster, and the part of it that is looked at.
#[derive(Clone)]
pub(crate) struct Session {
    pub(crate) connection: Connection,
    /// `None`: all.
    pub(crate) namespace: Option<String>,
    pub(crate) config: Arc<Config>,
    selector: Option<String>,
    grants: Option<bool>,
    /// Whether long reads say nothing of how far they are.
    quiet: bool,
}

/// What was read, and what is to be said about it.
pub(crate) struct Views {
    /// What needs somebody first.
    pub(crate) views: Vec<View>,
    pub(crate) notes: Vec<String>,
}

impl Session {
    /// Connects; nothing is read yet.
    pub(crate) async fn open(connection: &ConnectionArgs, scope: &ScopeArgs) -> Result<Self, Failure> {
        let settings = connection.webhook.settings();
        let config = Config { settings, issuer: connection.issuer.clone(), ..Config::default() };
        let grants = connection.require_grants;
        let connection = connect(&connection.options()).await?;
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

    /// The same cluster, but another part of it.
    pub(crate) fn across(&self, namespace: Option<String>) -> Self {
        Self { namespace, selector: None, ..self.clone() }
    }

    /// The same objects of another part of the cluster, read without a word.
    pub(crate) fn quietly(&self, namespace: Option<String>) -> Self {
        Self { namespace, quiet: true, ..self.clone() }
    }

    /// Asks the cluster for its issuer, once, where the user has not given it.
    pub(crate) async fn discover_issuer(&mut self) -> Result<(), NoIssuer> {
        if self.config.issuer.is_none() {
            let issuer = Some(issuer(&self.connection.client).await?);
            self.config = Arc::new(Config { issuer, ..(*self.config).clone() });
        }
        Ok(())
    }

    /// Reads identities, with or without a role, and judges each.
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

    /// The views of all that is asked for. Fails if the namespace does not exist.
    pub(crate) async fn views(&self) -> Result<Views, Failure> {
        let read = self.views_if_any().await?;
        if read.views.is_empty() {
            self.namespace_exists().await?;
        }
        Ok(read)
    }

    /// The views of all that is asked for, which may be nothing.
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

    /// What the label selector selects; `None`: there is none.
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

    /// Nothing was found in the namespace: perhaps there is none of that name.
    async fn namespace_exists(&self) -> Result<(), Failure> {
        let Some(name) = &self.namespace else { return Ok(()) };
        let all = self.connection.lister(None).namespace_names().await?;
        if all.is_empty() || all.contains(name) {
            return Ok(());
        }
        Err(Failure::Other(format!(
            "there is no namespace {name}{}",
            did_you_mean(name, all.iter().map(String::as_str))
        )))
    }

    /// What injects in the cluster, as far as the user may see it.
    pub(crate) async fn injectors(&self) -> Result<Injectors, Failure> {
        Ok(injectors(&self.connection.client).await?)
    }

    /// Namespaces and names of all service accounts; none where the user may not list them.
    pub(crate) async fn account_names(&self) -> Result<Vec<(String, String)>, Failure> {
        match self.connection.lister(None).selected::<ObservedAccount>("serviceaccounts", "").await {
            Ok(names) => Ok(names),
            Err(ReadError::Forbidden(_)) => Ok(Vec::new()),
            Err(error) => Err(error.into()),
        }
    }

    /// All labels of a pod; `None` if it is gone.
    pub(crate) async fn pod_labels(&self, namespace: &str, name: &str) -> Result<Option<Map>, Failure> {
        Ok(pod_labels(&self.connection.client, namespace, name).await?)
    }

    /// In which part of the cluster, for messages.
    pub(crate) fn place(&self) -> String {
        match &self.namespace {
            Some(namespace) => format!("in namespace {namespace}"),
            None => "in any namespace".to_owned(),
        }
    }
}

/// Names by namespace.
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

/// What a user should know about a reading.
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
