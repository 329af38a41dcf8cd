//! What the user does while something is shown.

use std::io;

#[cfg(unix)]
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Ctrl-C and its like, and a terminal that has another size.
pub(super) struct Signals {
    #[cfg(unix)]
    interrupted: Signal,
    #[cfg(unix)]
    terminated: Signal,
    #[cfg(unix)]
    resized: Signal,
}

#[cfg(unix)]
impl Signals {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            interrupted: signal(SignalKind::interrupt())?,
            terminated: signal(SignalKind::terminate())?,
            resized: signal(SignalKind::window_change())?,
        })
    }

    /// Whether to end; if not, the terminal has another size.
    pub(super) async fn next(&mut self) -> bool {
        tokio::select! {
            _ = self.interrupted.recv() => true,
            _ = self.terminated.recv() => true,
            _ = self.resized.recv() => false,
        }
    }

    /// Until it is to end.
    pub(super) async fn end(&mut self) {
        while !self.next().await {}
    }
}

#[cfg(not(unix))]
impl Signals {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {})
    }

    /// Whether to end, which is all that is known here.
    pub(super) async fn next(&mut self) -> bool {
        tokio::signal::ctrl_c().await.is_ok()
    }

    /// Until it is to end.
    pub(super) async fn end(&mut self) {
        while !self.next().await {}
    }
}
