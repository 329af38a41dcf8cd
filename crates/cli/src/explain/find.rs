//! Finds the identity of an object that a command names.

use std::collections::BTreeSet;

use podidentity_core::snapshot::Snapshot;

use super::subject::{contains, names};
use crate::cluster::{Failure, Session, did_you_mean, notes};
use crate::flags::Target;
use crate::messages::Messages;

/// Reads the identities of the namespace, passes each one to `each`, and returns the identity of
/// the object. Fails with the most similar name if the object does not exist.
pub(crate) async fn find(
    session: &Session,
    target: &Target,
    mut each: impl FnMut(&Snapshot) + Send,
) -> Result<Snapshot, Failure> {
    let mut known = BTreeSet::new();
    let reading = session
        .read(true, |snapshot| {
            known.extend(names(&snapshot, target.kind));
            each(&snapshot);
            contains(&snapshot, target).then_some(snapshot)
        })
        .await?;
    Messages::new().notes(&notes(&reading));
    reading.results.into_values().next().ok_or_else(|| {
        let meant = did_you_mean(&target.name, known.iter().map(String::as_str));
        Failure::Other(format!("there is no {target} {}{meant}", session.place()))
    })
}
