//! The operator's promises, as waits and checks.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Pod, ServiceAccount};
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::Resource;
use kube::api::ListParams;
use podidentity_api::names::{IDENTITY_ANNOTATION, condition};
use podidentity_api::{PodIdentityBinding, PodIdentityBindingStatus, WorkloadState, WorkloadStatus};

use crate::{Namespace, fixtures, injection, wait};

/// Waits until the binding is ready in its current generation.
pub async fn ready(namespace: &Namespace, name: &str) -> Result<PodIdentityBinding> {
    wait::object(&namespace.api(), name, "the binding is ready", |binding: Option<&PodIdentityBinding>| {
        let binding = binding.ok_or("it does not exist")?;
        observed(binding)?;
        is(binding, condition::READY, "True")?;
        for absent in [condition::RECONCILING, condition::STALLED] {
            if condition_of(binding, absent).is_some() {
                return Err(format!("it is ready and yet {absent}"));
            }
        }
        Ok(binding.clone())
    })
    .await
}

/// Waits until the binding has a condition with this status and reason, in its current generation.
pub async fn reason(
    namespace: &Namespace,
    name: &str,
    kind: &str,
    status: &str,
    reason: impl AsRef<str>,
) -> Result<PodIdentityBinding> {
    let reason = reason.as_ref();
    let what = format!("the binding's condition {kind} is {status} with reason {reason}");
    wait::object(&namespace.api(), name, &what, |binding: Option<&PodIdentityBinding>| {
        let binding = binding.ok_or("it does not exist")?;
        observed(binding)?;
        let found = is(binding, kind, status)?;
        if found.reason == reason { Ok(binding.clone()) } else { Err(format!("the reason is {}", found.reason)) }
    })
    .await
}

fn observed(binding: &PodIdentityBinding) -> Result<(), String> {
    let generation = binding.metadata.generation;
    let observed = binding.status.as_ref().and_then(|status| status.observed_generation);
    if observed == generation { Ok(()) } else { Err(format!("generation {generation:?}, observed {observed:?}")) }
}

fn is<'a>(binding: &'a PodIdentityBinding, kind: &str, status: &str) -> Result<&'a Condition, String> {
    let found = condition_of(binding, kind).ok_or_else(|| format!("there is no condition {kind}"))?;
    if found.status == status {
        return Ok(found);
    }
    Err(format!("{kind} is {}, {}: {}", found.status, found.reason, found.message))
}

/// One condition of a binding.
pub fn condition_of<'a>(binding: &'a PodIdentityBinding, kind: &str) -> Option<&'a Condition> {
    binding.status.as_ref()?.conditions.iter().find(|condition| condition.type_ == kind)
}

/// Waits until the Deployment's rollout is complete: all replicas updated and available, no old
/// ones left.
pub async fn rolled_out(namespace: &Namespace, name: &str) -> Result<Deployment> {
    wait::object(&namespace.api(), name, "the rollout is complete", |deployment: Option<&Deployment>| {
        let deployment = deployment.ok_or("it does not exist")?;
        let wanted = deployment.spec.replicas;
        let status = deployment.status.clone().unwrap_or_default();
        let zero_is_absent = |count: Option<i32>| Some(count.unwrap_or(0));
        if status.observed_generation != deployment.metadata.generation {
            return Err("its newest generation is not observed".to_owned());
        }
        for count in [status.updated_replicas, status.available_replicas, status.replicas] {
            if zero_is_absent(count) != wanted {
                return Err(format!("{wanted:?} replicas wanted"));
            }
        }
        Ok(deployment.clone())
    })
    .await
}

/// Waits until exactly `count` live pods with the label `app=NAME` exist and every container has the role.
pub async fn pods_have(namespace: &Namespace, app: &str, count: usize, role: &str) -> Result<()> {
    let what = format!("{count} pods have the role {role}");
    wait::objects(&namespace.api(), &format!("app={app}"), &what, |pods: &[&Pod]| {
        let live: Vec<_> = pods.iter().filter(|pod| pod.metadata.deletion_timestamp.is_none()).collect();
        if live.len() != count {
            return Err(format!("there are {} live pods", live.len()));
        }
        for pod in live {
            let roles = injection::roles(pod);
            if roles.iter().any(|(_, found)| found.as_deref() != Some(role)) {
                return Err(format!("pod {:?} has {roles:?}", pod.metadata.name));
            }
        }
        Ok(())
    })
    .await
}

/// Waits until the service account's role annotation is `role` (`None`: absent).
pub async fn annotated(namespace: &Namespace, name: &str, role: Option<&str>) -> Result<ServiceAccount> {
    let what = format!("the role annotation is {role:?}");
    wait::object(&namespace.api(), name, &what, |account: Option<&ServiceAccount>| {
        let account = account.ok_or("it does not exist")?;
        let found = role_of(account);
        if found == role { Ok(account.clone()) } else { Err(format!("it is {found:?}")) }
    })
    .await
}

/// The identity annotation of the pod template.
pub fn identity(deployment: &Deployment) -> Option<&str> {
    template_annotations(deployment)?.get(IDENTITY_ANNOTATION).map(String::as_str)
}

fn template_annotations(deployment: &Deployment) -> Option<&BTreeMap<String, String>> {
    deployment.spec.template.metadata.as_ref()?.annotations.as_ref()
}

/// Checks that the workload changed exactly `times` since `before`.
pub fn rolled<K: Resource<DynamicType = ()>>(before: &K, after: &K, times: i64) -> Result<()> {
    let generation = |object: &K| object.meta().generation.unwrap_or(0);
    let (old, new) = (generation(before), generation(after));
    ensure!(
        new - old == times,
        "{} {:?} was to be rolled {times} times, but its generation went from {old} to {new}",
        K::kind(&()),
        before.meta().name
    );
    Ok(())
}

/// Waits until the restart of a Deployment is written. Its state in the status is `Rolling` before that,
/// since the status records a restart before the operator makes it.
pub async fn restarted(namespace: &Namespace, before: &Deployment) -> Result<Deployment> {
    let name = before.metadata.name.as_deref().context("the Deployment has no name")?;
    wait::object(&namespace.api(), name, "it is restarted", |now: Option<&Deployment>| {
        let now = now.ok_or("it does not exist")?;
        rolled(before, now, 1).map(|()| now.clone()).map_err(|why| why.to_string())
    })
    .await
}

/// Waits until the binding's status shows the workload, written as `Kind/name`, in this state.
pub async fn workload(namespace: &Namespace, binding: &str, id: &str, state: WorkloadState) -> Result<WorkloadStatus> {
    let what = format!("{id} is {state:?}");
    wait::object(&namespace.api(), binding, &what, |binding: Option<&PodIdentityBinding>| {
        let binding = binding.ok_or("the binding does not exist")?;
        observed(binding)?;
        let listed = binding.status.iter().flat_map(|status| &status.workloads);
        let found = listed.clone().find(|it| format!("{}/{}", it.kind, it.name) == id);
        let found = found.ok_or("the workload is not listed")?;
        if found.state == state { Ok(found.clone()) } else { Err(format!("it is {:?}", found.state)) }
    })
    .await
}

/// Waits until the binding is stalled for this reason.
pub async fn stalled(namespace: &Namespace, name: &str, because: impl AsRef<str>) -> Result<String> {
    let binding = reason(namespace, name, condition::STALLED, "True", because).await?;
    let ready = condition_of(&binding, condition::READY).map(|ready| ready.status.as_str());
    ensure!(ready == Some("False"), "stalled and yet ready: {ready:?}");
    Ok(condition_of(&binding, condition::STALLED).map(|stalled| stalled.message.clone()).unwrap_or_default())
}

/// Waits until the namespace has an event with this reason.
pub async fn event(namespace: &Namespace, reason: impl AsRef<str>) -> Result<Event> {
    let reason = reason.as_ref();
    let what = format!("there is an event {reason}");
    wait::objects(&namespace.api(), "", &what, |events: &[&Event]| {
        let found = events.iter().find(|event| event.reason.as_deref() == Some(reason));
        found.map(|event| (*event).clone()).ok_or_else(|| "there is none".to_owned())
    })
    .await
}

/// The role annotation of a service account.
pub fn role_of(account: &ServiceAccount) -> Option<&str> {
    account.metadata.annotations.as_ref()?.get(&fixtures::role_annotation()).map(String::as_str)
}

/// Checks that the status names this role as in force and verified, and counts this many pods, all
/// verified.
pub fn status_names(binding: &PodIdentityBinding, role: &str, pods: i32) -> Result<()> {
    let status: PodIdentityBindingStatus = binding.status.clone().unwrap_or_default();
    let namespace = binding.metadata.namespace.clone().unwrap_or_default();
    let subject = format!("system:serviceaccount:{namespace}:{}", binding.spec.service_account_name);
    ensure!(status.role_arn.as_deref() == Some(role), "status.roleArn is {:?}, not {role}", status.role_arn);
    let verified = status.last_verified_role_arn.as_deref();
    ensure!(verified == Some(role), "status.lastVerifiedRoleArn is {verified:?}, not {role}");
    ensure!(status.subject.as_deref() == Some(&*subject), "status.subject is {:?}", status.subject);
    ensure!(status.pods_total == pods, "status.podsTotal is {}, not {pods}", status.pods_total);
    ensure!(status.pods_verified == pods, "status.podsVerified is {}, not {pods}", status.pods_verified);
    let column = format!("{pods}/{pods}");
    ensure!(status.verified.as_deref() == Some(&*column), "status.verified is {:?}", status.verified);
    Ok(())
}

/// Waits until the object does not exist.
pub async fn gone<K>(namespace: &Namespace, name: &str) -> Result<()>
where
    K: wait::Watched + Sync + kube::Resource<Scope = k8s_openapi::NamespaceResourceScope>,
{
    let absent = |object: Option<&K>| if object.is_none() { Ok(()) } else { Err("it exists".to_owned()) };
    wait::object(&namespace.api::<K>(), name, "the object is gone", absent).await
}

/// The uids of the live pods with the label `app=NAME`, sorted.
pub async fn pod_uids(namespace: &Namespace, app: &str) -> Result<Vec<String>> {
    let list = namespace.api::<Pod>().list(&ListParams::default().labels(&format!("app={app}"))).await?;
    let live = list.items.into_iter().filter(|pod| pod.metadata.deletion_timestamp.is_none());
    let mut uids: Vec<_> = live.filter_map(|pod| pod.metadata.uid).collect();
    uids.sort();
    Ok(uids)
}
