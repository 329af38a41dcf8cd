//! The signals that arrive while the tree is shown.

use std::io;

#[cfg(unix)]
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Ctrl-C and similar signals, and changes of the terminal's size.
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

    /// Waits for a signal. Returns true to end, and false if the terminal has another size.
    pub(super) async fn next(&mut self) -> bool {
        tokio::select! {
            _ = self.interrupted.recv() => true,
            _ = self.terminated.recv() => true,
            _ = self.resized.recv() => false,
        }
    }

    /// Waits until the command has to end.
    pub(super) async fn end(&mut self) {
        while !self.next().await {}
    }
}

#[cfg(not(unix))]
impl Signals {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {})
    }

    /// Waits for Ctrl-C, the only signal on this platform.
    pub(super) async fn next(&mut self) -> bool {
        tokio::signal::ctrl_c().await.is_ok()
    }

    /// Waits until the command has to end.
    pub(super) async fn end(&mut self) {
        while !self.next().await {}
    }
}
