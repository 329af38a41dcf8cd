//! The views of the requested identities, kept up to date.
//!
//! ```text
//! read all ──► picture ◄── read again the namespaces in which something has changed ◄── watches
//! ```

use std::collections::BTreeSet;
use std::time::Duration;

use podidentity_cluster::read::{Change, Changes, ReadError};
use tokio::time::{Instant, sleep, sleep_until};

use super::{Failure, Session};
use crate::view::{State, View};

/// How long to wait for more changes before a read, because changes come in bursts.
const SWARM: Duration = Duration::from_millis(250);
/// The interval between reads if the user may not watch.
const UNWATCHED: Duration = Duration::from_secs(2);
/// The interval at which identities in progress are read again, because time alone may complete
/// them without any change.
const UNDER_WAY: Duration = Duration::from_secs(30);
/// The pause after a read, as a multiple of its duration. It keeps a large cluster from being read
/// all the time.
const RESPITE: u32 = 4;
/// The most namespaces to read one by one. With more, a single read of everything is faster.
const ONE_BY_ONE: usize = 30;

/// The views that were read, and which of them are out of date.
pub(crate) struct Picture<'a> {
    session: &'a Session,
    /// `None` if the user may not watch.
    changes: Option<Changes>,
    /// Sorted: views that need attention come first.
    pub(crate) views: Vec<View>,
    /// Why the views may be out of date.
    pub(crate) problem: Option<String>,
    due: Due,
}

/// What has to be read again, and when.
#[derive(Default)]
struct Due {
    everything: bool,
    namespaces: BTreeSet<String>,
    /// The earliest time of the next read.
    rested: Option<Instant>,
}

impl<'a> Picture<'a> {
    /// Starts the watches and reads everything. Fails if the namespace does not exist.
    pub(crate) async fn open(session: &'a Session) -> Result<Self, Failure> {
        let (client, watching) = (&session.connection.client, session.connection.watching()?);
        let changes = match Changes::open(client, &watching, session.namespace.as_deref()).await {
            Ok(changes) => Some(changes),
            // A user who may list but not watch gets periodic reads instead.
            Err(ReadError::Forbidden(_)) => None,
            Err(error) => return Err(error.into()),
        };
        let views = session.views().await?.views;
        Ok(Self { session, changes, views, problem: None, due: Due::default() })
    }

    /// Whether changes are seen when they happen. If not, everything is read every two seconds.
    pub(crate) fn is_live(&self) -> bool {
        self.changes.is_some()
    }

    /// Waits until something has changed, and reads it. The caller may drop the future at any time:
    /// what is due then stays due.
    pub(crate) async fn next(&mut self) {
        if !self.due.is_anything() {
            self.wait().await;
        }
        let soon = Instant::now() + SWARM;
        sleep_until(self.due.rested.map_or(soon, |rested| rested.max(soon))).await;
        while let Some(change) = self.changes.as_mut().and_then(Changes::already) {
            self.note(change);
        }
        let began = Instant::now();
        let respite = match self.read().await {
            Ok(()) => {
                self.due = Due::default();
                began.elapsed() * RESPITE
            }
            Err(failure) => {
                self.problem = Some(failure.to_string());
                self.due.everything = true;
                UNWATCHED
            }
        };
        self.due.rested = Some(Instant::now() + respite);
    }

    /// Waits until something is due or there is a problem.
    async fn wait(&mut self) {
        let under_way: BTreeSet<String> = self.under_way().map(|view| view.namespace.clone()).collect();
        let Some(changes) = &mut self.changes else {
            sleep(UNWATCHED).await;
            self.due.everything = true;
            return;
        };
        tokio::select! {
            change = changes.next() => self.note(change),
            () = sleep(UNDER_WAY), if !under_way.is_empty() => self.due.namespaces.extend(under_way),
        }
    }

    fn note(&mut self, change: Change) {
        match change {
            Change::In(namespace) => drop(self.due.namespaces.insert(namespace)),
            Change::Everywhere => self.due.everything = true,
            Change::Unseen(error) => self.problem = Some(error.to_string()),
        }
    }

    async fn read(&mut self) -> Result<(), Failure> {
        if self.due.everything || self.due.namespaces.len() > ONE_BY_ONE {
            self.views = self.session.quietly(self.session.namespace.clone()).views_if_any().await?.views;
            self.problem = None;
            return Ok(());
        }
        for namespace in self.due.namespaces.clone() {
            let read = self.session.quietly(Some(namespace.clone())).views_if_any().await?;
            self.views.retain(|view| view.namespace != namespace);
            self.views.extend(read.views);
        }
        self.views.sort_by(|a, b| a.order().cmp(&b.order()));
        Ok(())
    }

    fn under_way(&self) -> impl Iterator<Item = &View> {
        self.views.iter().filter(|view| view.state == State::Working)
    }
}

impl Due {
    fn is_anything(&self) -> bool {
        self.everything || !self.namespaces.is_empty()
    }
}
