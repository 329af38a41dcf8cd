//! Restarts wait for a window, and keep an interval.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::audit::{self, Request};
use e2e::expect::{self, rolled};
use e2e::fixtures::{self, ROLE};
use e2e::{Namespace, wait};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use k8s_openapi::api::apps::v1::Deployment;
use podidentity_api::names::condition;
use podidentity_api::{PodIdentityBinding, Reason, WorkloadState};
use serde_json::{Value, json};

use crate::steps::{change, name, several, writes};
use crate::world::World;

/// The minimum time between the creation of the binding and the opening of the window, so that the
/// status settles first.
const LEAD: SignedDuration = SignedDuration::from_secs(25);
/// Trailing writes (counts, events) are done this long after the status reports the wait.
const SETTLED: SignedDuration = SignedDuration::from_secs(5);
/// The restart must happen this soon after the window opens. It is far longer than necessary,
/// because machines are slow.
const AT_ONCE: SignedDuration = SignedDuration::from_secs(10);
/// The interval between the restarts of two workloads.
const INTERVAL: SignedDuration = SignedDuration::from_secs(8);

/// The next full minute, and a window that opens then, in a time zone with an offset of a quarter
/// of an hour.
fn soon() -> Result<(Timestamp, Value)> {
    let now = Timestamp::now();
    let opens = Timestamp::from_second((now + LEAD).as_second() / 60 * 60 + 60)?;
    let start = TimeZone::get("Asia/Kathmandu")?.to_datetime(opens).strftime("%H:%M").to_string();
    Ok((opens, json!([{"start": start, "length": "10m", "timeZone": "Asia/Kathmandu"}])))
}

/// Requests of the operator about the namespace in this period.
fn requests(world: &World, namespace: &Namespace, from: Timestamp, until: Timestamp) -> Result<Vec<Request>> {
    let mut requests = world.control_plane.operator_requests()?;
    requests.retain(|request| {
        let here = request.object_ref.as_ref().is_some_and(|object| object.namespace == namespace.name);
        here && (from..until).contains(&request.request_received_timestamp)
    });
    Ok(requests)
}

async fn waits(namespace: &Namespace) -> Result<String> {
    let pending = expect::reason(namespace, "app", condition::RECONCILING, "True", Reason::RolloutPending).await?;
    ensure!(expect::condition_of(&pending, condition::STALLED).is_none(), "it is stalled while it waits");
    let ready = expect::condition_of(&pending, condition::READY).context("no condition Ready")?;
    Ok(ready.message.clone())
}

/// Waits until this many Deployments have restarted, long enough for a window to open.
async fn restarted(namespace: &Namespace, count: usize) -> Result<()> {
    let what = format!("{count} have been restarted");
    let api = namespace.api();
    let wait = wait::objects(&api, "", &what, |all: &[&Deployment]| {
        let marked = all.iter().filter(|it| expect::identity(it).is_some()).count();
        if marked >= count { Ok(()) } else { Err(format!("{marked} have been")) }
    });
    wait::within(Duration::from_secs(240), wait).await
}

pub(crate) async fn waited_for(world: Arc<World>, namespace: Namespace) -> Result<()> {
    let before = several(&namespace, 2, |_| json!({})).await?;
    let (opens, windows) = soon()?;
    let rollout = json!({"rollout": {"windows": windows, "interval": "8s", "settleSeconds": 1}});
    namespace.create(fixtures::binding_with("app", "app", ROLE, &rollout)?).await?;
    let message = waits(&namespace).await?;
    ensure!(message.contains(&opens.to_string()) && message.contains("Asia/Kathmandu"), "no time is said: {message}");

    // The annotation does not wait for the window.
    expect::annotated(&namespace, "app", Some(ROLE)).await?;
    e2e::injection::in_force(&namespace, "app", ROLE).await?;
    let told = Timestamp::now();

    restarted(&namespace, 1).await?;
    let first = writes(&world, &namespace, "deployments")?;
    let first = first.first().context("no restart in the audit log")?.request_received_timestamp;
    ensure!(first >= opens, "restarted at {first}, before {opens}");
    ensure!(first <= opens + AT_ONCE, "restarted at {first}, long after {opens}");
    let silence = requests(&world, &namespace, told + SETTLED, opens)?;
    ensure!(silence.is_empty(), "requests while it waits:\n{}", audit::summary(&silence));

    let binding = expect::ready(&namespace, "app").await?;
    expect::status_names(&binding, ROLE, 2)?;
    for (n, before) in before.iter().enumerate() {
        rolled(before, &expect::rolled_out(&namespace, &name(n)).await?, 1)?;
    }
    let all = writes(&world, &namespace, "deployments")?;
    let second = all.get(1).context("only one restart in the audit log")?.request_received_timestamp;
    ensure!(second >= first + INTERVAL, "restarted at {first} and at {second}, with an interval of {INTERVAL}");
    ensure!(all.len() == 2, "{} restarts", all.len());
    Ok(())
}

/// Far from any window: without windows, everything starts at once.
pub(crate) async fn removed(_: Arc<World>, namespace: Namespace) -> Result<()> {
    let before = several(&namespace, 2, |_| json!({})).await?;
    let tomorrow = (Timestamp::now() + 12.hours()).to_zoned(TimeZone::UTC);
    let windows = json!([{"start": tomorrow.strftime("%H:%M").to_string(), "length": "1h", "timeZone": "UTC"}]);
    let rollout = json!({"rollout": {"windows": windows, "settleSeconds": 1}});
    namespace.create(fixtures::binding_with("app", "app", ROLE, &rollout)?).await?;
    waits(&namespace).await?;
    expect::workload(&namespace, "app", "Deployment/app-00", WorkloadState::Pending).await?;

    // A pod that is replaced for another reason gets the role.
    let by_hand = json!({"spec": {"template": {"metadata": {"annotations": {"restarted": "by-hand"}}}}});
    e2e::injection::in_force(&namespace, "app", ROLE).await?;
    namespace.change::<Deployment>(&name(0), &by_hand).await?;
    expect::workload(&namespace, "app", "Deployment/app-00", WorkloadState::Current).await?;
    expect::pods_have(&namespace, &name(0), 1, ROLE).await?;
    rolled(&before[1], &expect::rolled_out(&namespace, &name(1)).await?, 0)?;

    change(&namespace, json!({"rollout": {"windows": null}})).await?;
    expect::status_names(&expect::ready(&namespace, "app").await?, ROLE, 2)?;
    // One restart by hand, one by the operator.
    for (n, before) in before.iter().enumerate() {
        rolled(before, &expect::rolled_out(&namespace, &name(n)).await?, 1)?;
    }
    Ok(())
}

/// The API server does not know which time zones exist.
pub(crate) async fn unknown_zone(_: Arc<World>, namespace: Namespace) -> Result<()> {
    namespace.create(fixtures::service_account("app")?).await?;
    let windows = json!([{"start": "22:00", "length": "4h", "timeZone": "Europe/Berln"}]);
    let rollout = json!({"rollout": {"windows": windows}});
    namespace.create(fixtures::binding_with("app", "app", ROLE, &rollout)?).await?;
    let message = expect::stalled(&namespace, "app", Reason::InvalidSpec).await?;
    let meant = "spec.rollout.windows[0].timeZone: \"Europe/Berln\" is no time zone of the IANA database; did you mean Europe/Berlin?";
    ensure!(message.starts_with(meant), "the message is {message}");
    expect::annotated(&namespace, "app", None).await?;
    let windows = json!([{"start": "22:00", "length": "4h", "timeZone": "Europe/Berlin"}]);
    namespace.change::<PodIdentityBinding>("app", &json!({"spec": {"rollout": {"windows": windows}}})).await?;
    expect::annotated(&namespace, "app", Some(ROLE)).await?;
    Ok(())
}
