//! Ctrl-C, SIGTERM and SIGHUP end all started processes, then the harness.

use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Mutex, Once};

use tokio::signal::unix::{SignalKind, signal};

use crate::{process, workdir};

static EXIT_CODE: AtomicI32 = AtomicI32::new(130);

static ENDING: AtomicBool = AtomicBool::new(false);

static LAST_WORD: Mutex<Option<&str>> = Mutex::new(None);

/// Sets the text to print on an interrupt.
pub fn last_word(word: &'static str) {
    *process::lock(&LAST_WORD) = Some(word);
}

/// Whether everything is ending, so that failures are meaningless from now on.
pub fn are_ending() -> bool {
    ENDING.load(Ordering::SeqCst)
}

/// From now on an interrupt is the expected end (`KEEP=1`), not a failure.
pub fn expect_interrupt() {
    EXIT_CODE.store(0, Ordering::SeqCst);
}

/// Installs the handlers once. Children are in their own process groups, so Ctrl-C does not reach
/// them.
pub(crate) fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        std::thread::spawn(|| {
            let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
                return;
            };
            runtime.block_on(interrupted());
            ENDING.store(true, Ordering::SeqCst);
            if let Some(word) = *process::lock(&LAST_WORD) {
                eprintln!("{word}");
            }
            process::kill_all();
            workdir::remove_all();
            std::process::exit(EXIT_CODE.load(Ordering::SeqCst));
        });
    });
}

async fn interrupted() {
    let signals = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
    let waiting = signals.into_iter().filter_map(|kind| signal(kind).ok());
    let waiting = waiting.map(|mut stream| Box::pin(async move { stream.recv().await }));
    futures::future::select_all(waiting).await;
}
