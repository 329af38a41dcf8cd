//! Whether the process is alive, and whether it is ready.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use podidentity_cluster::http::heartbeat::Heartbeats;
use podidentity_cluster::index::IdentityKey;
use podidentity_cluster::queue::load::{Load, Reading};
use podidentity_core::foreign::shown;
use tokio::sync::watch;

/// Inputs of the health checks. A check fails only where a restart helps, so not when the API
/// server is unreachable.
#[derive(Clone)]
pub(crate) struct Health {
    pub(crate) heartbeats: Heartbeats,
    pub(crate) load: Load<IdentityKey>,
    pub(crate) leads: watch::Receiver<bool>,
    pub(crate) stalled_after: Duration,
    listed: Arc<AtomicBool>,
}

/// The name of a check and, if it failed, the reason.
type Check = (&'static str, Result<(), String>);

impl Health {
    pub(crate) fn new(
        heartbeats: Heartbeats,
        load: Load<IdentityKey>,
        leads: watch::Receiver<bool>,
        stalled_after: Duration,
    ) -> Self {
        Self { heartbeats, load, leads, stalled_after, listed: Arc::default() }
    }

    /// Records that the index is complete.
    pub(crate) fn all_listed(&self) {
        self.listed.store(true, Ordering::Relaxed);
    }

    /// Whether the process makes progress.
    pub(crate) fn live(&self) -> (bool, String) {
        let leads = *self.leads.borrow();
        verbose(&[
            ("watches", watches(&self.heartbeats.silent(), self.stalled_after)),
            ("queue", if leads { self.queue() } else { Ok(()) }),
        ])
    }

    fn queue(&self) -> Result<(), String> {
        queue(self.load.read(), self.stalled_after, self.load.oldest().as_ref())
    }

    /// Whether the index is complete. A replica that does not lead is ready, too: it can take over.
    pub(crate) fn ready(&self) -> (bool, String) {
        let listed = self.listed.load(Ordering::Relaxed);
        verbose(&[("index", if listed { Ok(()) } else { Err("not every kind has been listed yet".to_owned()) })])
    }
}

fn watches(silent: &[(&'static str, Duration)], limit: Duration) -> Result<(), String> {
    let frozen: Vec<_> = silent.iter().filter(|(_, silence)| *silence > limit).collect();
    let Some((_, longest)) = frozen.first() else { return Ok(()) };
    let kinds: Vec<_> = frozen.iter().map(|(kind, _)| *kind).collect();
    Err(format!("no sign of life from the watch of {} for {} s", kinds.join(", "), longest.as_secs()))
}

/// `oldest`: the identity whose reconcile has run the longest.
fn queue(load: Reading, limit: Duration, oldest: Option<&IdentityKey>) -> Result<(), String> {
    // One reconcile may legitimately take long: up to 30 s for each of its writes.
    if load.longest_run > limit * 3 {
        let which = oldest.map(|key| format!(" of {}", shown(&key.to_string()))).unwrap_or_default();
        return Err(format!("the reconcile{which} has not ended for {} s", load.longest_run.as_secs()));
    }
    let silent = load.since_finish.is_none_or(|since| since > limit);
    if load.longest_wait > limit && silent {
        return Err(format!(
            "{} identities wait, the first for {} s, and nothing is finished",
            load.waiting,
            load.longest_wait.as_secs()
        ));
    }
    Ok(())
}

/// Formats the checks like the API server's `/livez?verbose`.
fn verbose(checks: &[Check]) -> (bool, String) {
    let mut text = String::new();
    for (name, result) in checks {
        let _ = match result {
            Ok(()) => writeln!(text, "[+] {name} ok"),
            Err(why) => writeln!(text, "[-] {name} failed: {why}"),
        };
    }
    (checks.iter().all(|(_, result)| result.is_ok()), text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(300);

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn a_silent_watch_is_named() {
        assert_eq!(watches(&[("Pod", seconds(61)), ("Namespace", seconds(3))], LIMIT), Ok(()));
        let frozen = watches(&[("Pod", seconds(400)), ("Namespace", seconds(301)), ("Deployment", seconds(2))], LIMIT);
        assert_eq!(frozen, Err("no sign of life from the watch of Pod, Namespace for 400 s".to_owned()));
    }

    #[test]
    fn a_queue_is_stuck_when_work_waits_and_none_is_finished() {
        let busy = Reading { waiting: 9, longest_wait: seconds(900), running: 4, ..Reading::default() };
        assert_eq!(queue(Reading { since_finish: Some(seconds(1)), ..busy }, LIMIT, None), Ok(()));
        assert!(queue(Reading { since_finish: Some(seconds(301)), ..busy }, LIMIT, None).is_err());
        assert!(queue(Reading { since_finish: None, ..busy }, LIMIT, None).is_err());
        assert_eq!(queue(Reading::default(), LIMIT, None), Ok(()));
    }

    #[test]
    fn a_reconcile_that_never_ends_is_noticed() {
        let running =
            |longest_run| Reading { running: 1, longest_run, since_finish: Some(seconds(1)), ..Reading::default() };
        assert_eq!(queue(running(seconds(600)), LIMIT, None), Ok(()));
        let key = IdentityKey { namespace: "shop".to_owned(), service_account: "web".to_owned() };
        let stuck = queue(running(seconds(901)), LIMIT, Some(&key));
        assert_eq!(stuck, Err("the reconcile of shop/web has not ended for 901 s".to_owned()));
    }

    #[test]
    fn the_answer_says_what_is_wrong() {
        let (well, text) = verbose(&[("watches", Ok(())), ("queue", Err("stuck".to_owned()))]);
        assert!(!well);
        assert_eq!(text, "[+] watches ok\n[-] queue failed: stuck\n");
    }
}
