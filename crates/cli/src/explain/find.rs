//! Finds the identity of an object that a command names.

use std::collections::BTreeSet;

use podidentity_core::snapshot::Snapshot;

use super::subject::{contains, names};
use crate::cluster::{Failure, Session, not_there, notes};
use crate::flags::Target;
use crate::messages::Messages;

/// The identity of an object.
pub(crate) struct Found {
    pub(crate) snapshot: Snapshot,
    /// Whether the cluster knows bindings, and the user may read them.
    pub(crate) bindings_known: bool,
}

/// Reads the identities of the namespace, passes each one to `each`, and returns the identity of
/// the object. Fails with the most similar name if the object does not exist.
pub(crate) async fn find(
    session: &Session,
    target: &Target,
    mut each: impl FnMut(&Snapshot) + Send,
) -> Result<Found, Failure> {
    let mut known = BTreeSet::new();
    let reading = session
        .read(true, |snapshot| {
            known.extend(names(&snapshot, target.kind));
            each(&snapshot);
            contains(&snapshot, target).then_some(snapshot)
        })
        .await?;
    Messages::new().notes(&notes(&reading));
    let bindings_known = reading.bindings_known;
    let found = reading.results.into_values().next().map(|snapshot| Found { snapshot, bindings_known });
    found.ok_or_else(|| {
        let meant = not_there(&target.name, &session.place(), known.iter().map(String::as_str));
        Failure::Other(format!("there is no {target} {}{meant}", session.place()))
    })
}
