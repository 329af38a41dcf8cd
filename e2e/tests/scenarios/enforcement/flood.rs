//! Creates pods continuously, as in a busy namespace, and records the results.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use e2e::policies::{self, Verdict};
use e2e::{Namespace, injection};
use k8s_openapi::api::core::v1::Pod;
use tokio::task::JoinHandle;

/// One pod: when it was requested, and the role that it got or why it was refused.
pub(super) struct Try {
    pub(super) at: Instant,
    pub(super) verdict: Verdict<Option<String>>,
}

/// Creates pods until it is stopped. They are dry runs, because only admission matters.
pub(super) struct Flood {
    over: Arc<AtomicBool>,
    tries: JoinHandle<Result<Vec<Try>>>,
}

/// Fewer pods prove nothing. A slow machine creates the rest afterwards.
const ENOUGH: usize = 20;

/// All created pods.
pub(super) struct Flooded(pub(super) Vec<Try>);

impl Flood {
    pub(super) fn start(namespace: &Namespace) -> Result<Self> {
        let (pod, namespace) = (policies::plain("app")?, namespace.clone());
        let over = Arc::new(AtomicBool::new(false));
        let tries = tokio::spawn(create(namespace, pod, over.clone()));
        Ok(Self { over, tries })
    }

    pub(super) async fn stop(self) -> Result<Flooded> {
        self.over.store(true, Ordering::SeqCst);
        let tries = self.tries.await.context("pods are not created any more")??;
        Ok(Flooded(tries))
    }
}

async fn create(namespace: Namespace, pod: Pod, over: Arc<AtomicBool>) -> Result<Vec<Try>> {
    let mut tries = Vec::new();
    while !over.load(Ordering::SeqCst) || tries.len() < ENOUGH {
        let at = Instant::now();
        let verdict = policies::attempt(&namespace, &pod).await?.map(|pod| injection::roles(&pod).remove(0).1);
        tries.push(Try { at, verdict });
        // Waits for nothing; it only leaves capacity for other clients.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(tries)
}

impl Flooded {
    /// The longest time from the first refusal in a row to the next admitted pod, and the number of
    /// all refusals.
    pub(super) fn longest_refusal(&self) -> (Duration, usize) {
        let (mut longest, mut since) = (Duration::ZERO, None);
        for one in &self.0 {
            match (&one.verdict, since) {
                (Err(_), None) => since = Some(one.at),
                (Ok(_), Some(first)) => {
                    longest = longest.max(one.at - first);
                    since = None;
                }
                (Err(_), Some(_)) | (Ok(_), None) => {}
            }
        }
        if let (Some(first), Some(last)) = (since, self.0.last()) {
            longest = longest.max(last.at - first);
        }
        (longest, self.0.iter().filter(|one| one.verdict.is_err()).count())
    }

    /// Checks that every admitted pod has one of these roles.
    pub(super) fn only_with(&self, roles: &[&str]) -> Result<()> {
        for one in &self.0 {
            let Ok(role) = &one.verdict else { continue };
            let known = role.as_deref().is_some_and(|role| roles.contains(&role));
            ensure!(known, "a pod was let in with {role:?}");
        }
        Ok(())
    }

    /// The pods that were requested later.
    pub(super) fn since(self, moment: Instant) -> Self {
        Self(self.0.into_iter().filter(|one| one.at >= moment).collect())
    }
}
