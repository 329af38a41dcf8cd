//! The write fence decides what this process may write now. It holds even if leader election or dry
//! run has a bug.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use super::telemetry::RequestKind;

/// What this process may write now. Cheap to clone; all clones are the same fence.
///
/// The fence closes by itself when the lease expires; no task has to run. A process that was
/// suspended and resumes much later finds the fence closed before it can send a write.
#[derive(Clone, Debug)]
pub struct Fence {
    scope: WriteScope,
    standing: Arc<Mutex<Standing>>,
}

/// What may be written while the fence is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteScope {
    /// Everything.
    Everything,
    /// Statuses of bindings, and events.
    Reports,
    /// Nothing.
    Nothing,
}

impl WriteScope {
    fn includes(self, request: &RequestKind) -> bool {
        match self {
            Self::Everything => true,
            Self::Reports => matches!(request.resource.as_str(), "podidentitybindings/status" | "events"),
            Self::Nothing => false,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Closed,
    Open,
    OpenUntil(Instant),
}

impl Fence {
    /// Creates a fence that stays open: no other process of this kind writes.
    pub fn open(scope: WriteScope) -> Self {
        Self { scope, standing: Arc::new(Mutex::new(Standing::Open)) }
    }

    /// Creates a fence that stays closed until a lease opens it.
    pub fn closed(scope: WriteScope) -> Self {
        Self { scope, standing: Arc::new(Mutex::new(Standing::Closed)) }
    }

    /// Whether the request may pass now.
    pub fn lets_pass(&self, request: &RequestKind) -> bool {
        !request.is_write() || (self.scope.includes(request) && self.is_open())
    }

    fn is_open(&self) -> bool {
        match *self.lock() {
            Standing::Closed => false,
            Standing::Open => true,
            Standing::OpenUntil(end) => Instant::now() < end,
        }
    }

    /// Opens the fence until this time; `None` closes it.
    pub(crate) fn set(&self, until: Option<Instant>) {
        *self.lock() = until.map_or(Standing::Closed, Standing::OpenUntil);
    }

    fn lock(&self) -> MutexGuard<'_, Standing> {
        // The value is replaced as a whole, so it is valid even after a panic.
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn request(method: &str, path: &str) -> RequestKind {
        RequestKind::of(&http::Request::builder().method(method).uri(path).body(()).unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn a_lease_that_ran_out_closes_it_without_help() {
        let fence = Fence::closed(WriteScope::Everything);
        let write = request("PATCH", "/api/v1/namespaces/shop/serviceaccounts/app");
        assert!(!fence.lets_pass(&write));
        assert!(fence.lets_pass(&request("GET", "/api/v1/serviceaccounts")));
        fence.set(Some(Instant::now() + Duration::from_secs(10)));
        assert!(fence.lets_pass(&write));
        tokio::time::advance(Duration::from_secs(10)).await;
        assert!(!fence.lets_pass(&write));
    }

    #[test]
    fn a_dry_run_writes_reports_or_nothing() {
        let account = request("PATCH", "/api/v1/namespaces/shop/serviceaccounts/app");
        let binding = request("PATCH", "/apis/podidentity.dev/v1alpha1/namespaces/shop/podidentitybindings/app");
        let status = request("PATCH", "/apis/podidentity.dev/v1alpha1/namespaces/shop/podidentitybindings/app/status");
        let event = request("POST", "/apis/events.k8s.io/v1/namespaces/shop/events");
        let passing = |scope| [&account, &binding, &status, &event].map(|it| Fence::open(scope).lets_pass(it));
        assert_eq!(passing(WriteScope::Everything), [true; 4]);
        assert_eq!(passing(WriteScope::Reports), [false, false, true, true]);
        assert_eq!(passing(WriteScope::Nothing), [false; 4]);
    }
}
