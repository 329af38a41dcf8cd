//! Waits for conditions through watches: never by sleeping, always with a deadline, and with an
//! error that shows the expected and the last observed state.

use std::collections::BTreeMap;
use std::fmt::{Debug, Write as _};
use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use futures::{StreamExt, pin_mut};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt, watcher as watch};
use kube::{Api, Client, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The deadline of a condition. It is far longer than necessary, because machines under load are
/// slow, and a successful wait does not take longer for it.
pub const DEADLINE: Duration = Duration::from_secs(120);

/// A type that can be watched and shown.
pub trait Watched: Resource<DynamicType = ()> + Clone + DeserializeOwned + Serialize + Debug + Send + 'static {}
impl<K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Serialize + Debug + Send + 'static> Watched for K {}

/// A wait in progress: give it to [`within`], or await it for [`DEADLINE`].
#[derive(Debug)]
pub struct Wait<'a, K, F> {
    api: &'a Api<K>,
    config: watcher::Config,
    what: String,
    check: F,
}

/// Waits for one object: calls `check` with every observed state (`None`: it does not exist) until
/// it returns `Ok`.
pub fn object<'a, K: Watched, T>(
    api: &'a Api<K>,
    name: &str,
    what: &str,
    mut check: impl FnMut(Option<&K>) -> Result<T, String>,
) -> Wait<'a, K, impl FnMut(&[&K]) -> Result<T, String>> {
    let config = watcher::Config::default().fields(&format!("metadata.name={name}"));
    let what = format!("{what} ({}/{name})", K::kind(&()));
    Wait { api, config, what, check: move |all: &[&K]| check(all.first().copied()) }
}

/// Waits for a set of objects: calls `check` with all objects that match `labels` (empty: all).
pub fn objects<'a, K: Watched, T, F: FnMut(&[&K]) -> Result<T, String>>(
    api: &'a Api<K>,
    labels: &str,
    what: &str,
    check: F,
) -> Wait<'a, K, F> {
    let what = format!("{what} ({} {labels})", K::plural(&()));
    Wait { api, config: watcher::Config::default().labels(labels), what, check }
}

/// Repeats an attempt until it succeeds, for conditions that no watch shows, such as the API
/// server's caches.
pub async fn until<T, F>(what: &str, mut attempt: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Result<T, String>>,
{
    const EVERY: Duration = Duration::from_millis(50);
    let began = std::time::Instant::now();
    loop {
        match attempt().await {
            Ok(done) => return Ok(done),
            Err(why) if began.elapsed() > DEADLINE => bail!("waited until {what}: not within {DEADLINE:?}; {why}"),
            Err(_) => tokio::time::sleep(EVERY).await,
        }
    }
}

/// Runs the wait with its own deadline.
pub async fn within<K: Watched, T, F: FnMut(&[&K]) -> Result<T, String>>(
    deadline: Duration,
    wait: Wait<'_, K, F>,
) -> Result<T> {
    let Wait { api, config, what, mut check } = wait;
    let mut seen = Seen::<K>::default();
    let found = tokio::time::timeout(deadline, follow(api, config, &mut seen, &mut check)).await;
    found
        .unwrap_or_else(|_| Err(anyhow!("not within {deadline:?}")))
        .map_err(|error| anyhow!("waited until {what}: {error:#}; {}\nlast seen:\n{}", seen.why, seen.show()))
}

impl<'a, K: Watched, T: 'a, F: FnMut(&[&K]) -> Result<T, String> + Send + 'a> IntoFuture for Wait<'a, K, F>
where
    K: Sync,
    T: Send,
{
    type Output = Result<T>;
    type IntoFuture = futures::future::BoxFuture<'a, Result<T>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(within(DEADLINE, self))
    }
}

/// The objects that the watch has shown so far.
struct Seen<K> {
    objects: BTreeMap<String, K>,
    why: String,
}

impl<K> Default for Seen<K> {
    fn default() -> Self {
        Self { objects: BTreeMap::new(), why: "nothing was seen".to_owned() }
    }
}

impl<K: Watched> Seen<K> {
    /// Processes an event. Returns whether the set is complete, so that it may be checked.
    fn update(&mut self, event: Event<K>) -> bool {
        match event {
            Event::Init => self.objects.clear(),
            Event::InitApply(object) => {
                self.objects.insert(object.name_any(), object);
            }
            Event::InitDone => return true,
            Event::Apply(object) => {
                self.objects.insert(object.name_any(), object);
                return true;
            }
            Event::Delete(object) => {
                self.objects.remove(&object.name_any());
                return true;
            }
        }
        false
    }

    fn show(&self) -> String {
        if self.objects.is_empty() {
            return "  nothing\n".to_owned();
        }
        self.objects.values().take(5).map(show).collect()
    }
}

async fn follow<K: Watched, T, F: FnMut(&[&K]) -> Result<T, String>>(
    api: &Api<K>,
    config: watcher::Config,
    seen: &mut Seen<K>,
    check: &mut F,
) -> Result<T> {
    let events = watch(api.clone(), config).default_backoff();
    pin_mut!(events);
    while let Some(event) = events.next().await {
        match event {
            Ok(event) => {
                if !seen.update(event) {
                    continue;
                }
                match check(&seen.objects.values().collect::<Vec<_>>()) {
                    Ok(found) => return Ok(found),
                    Err(why) => seen.why = why,
                }
            }
            // The watcher retries; the deadline limits it.
            Err(error) => seen.why = format!("the watch failed: {error}"),
        }
    }
    bail!("the watch ended")
}

/// The object as YAML, without irrelevant parts.
fn show<K: Serialize>(object: &K) -> String {
    let mut value = serde_json::to_value(object).unwrap_or_default();
    if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
    }
    let text = serde_saphyr::to_string(&value).unwrap_or_else(|_| value.to_string());
    text.lines().fold("  -\n".to_owned(), |mut shown, line| {
        let _ = writeln!(shown, "  {line}");
        shown
    })
}

/// Waits until a namespace has its default service account: the API server refuses pods before
/// that.
pub async fn default_service_account(client: &Client, namespace: &str, deadline: Duration) -> Result<()> {
    let api = Api::<ServiceAccount>::namespaced(client.clone(), namespace);
    let exists = |account: Option<&ServiceAccount>| account.map(|_| ()).ok_or_else(|| "it does not exist".to_owned());
    within(deadline, object(&api, "default", &format!("namespace {namespace} has a service account"), exists)).await
}
