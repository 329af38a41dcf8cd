//! The user's actions while faults occur: the initial world, then step by step.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::core::v1::{Pod, ServiceAccount};
use kube::ResourceExt;
use kube::api::{DeleteParams, ListParams};
use podidentity_api::{PodIdentityBinding, names};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::rules::Deed;
use crate::fixtures::{self, ROLE, role_annotation};
use crate::sts::{self, Sts};
use crate::{Component, ControlPlane, Namespace, expect, injection, wait};

/// A story without faults.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Case {
    /// Short name.
    pub name: String,
    /// The objects before the operator starts.
    pub world: World,
    /// The steps after that.
    pub steps: Vec<Step>,
    /// The declared roles in order: none may be written after a later one.
    pub roles: Vec<String>,
    /// How often the operator may roll each workload.
    pub rolls: usize,
}

/// The objects before the operator starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum World {
    /// Nothing.
    Empty,
    /// The service account `app` and a Deployment `app` with two running pods.
    Running,
    /// Like `Running`, but the annotation and the pods' role are already right.
    Adopted,
    /// The service account `app`, and the Deployments `app` and `second` and the StatefulSet `third`.
    Fleet,
    /// Like `Running`, but with the role `other` the pods never become ready.
    Picky,
    /// Like `Running`, and the operator may ask AWS, which knows the cluster but no role.
    Aws,
}

/// An action or a wait.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Step {
    /// Creates a binding of the service account `app` with these fields of its spec.
    Bind(String, Value),
    /// Changes fields of a binding's spec.
    Change(String, Value),
    /// Like `Change`, but the API server must refuse it with a message that contains this text.
    Refused(String, Value, String),
    /// Releases the current generation of a binding for rollout.
    Release(String),
    /// Deletes a binding.
    Unbind(String),
    /// AWS's roles trust the service account `app` from now on.
    Trust,
    /// Creates the service account `app`.
    CreateAccount,
    /// Creates the Deployment `app` with two pods, as soon as pods would get this role.
    CreateDeployment(String),
    /// Waits a second: times on the wire have whole seconds.
    NextSecond,
    /// Waits until pods of the service account would get this role.
    InForce(String),
    /// Sets the clock of the operator's machine, as an offset in seconds.
    Clock(String),
    /// An action that rules also trigger at bad moments.
    Do(Deed),
    /// Waits until a binding is ready and this many pods are verified.
    Ready(String, i32),
    /// Waits until a condition of a binding has this status and reason.
    Reason(String, String, String, String),
    /// Waits until a binding has restored the annotation this often.
    Restored(String, i32),
    /// Waits until a binding does not exist.
    Gone(String),
    /// Waits until two live pods of `app` have this role, or none.
    Pods(Option<String>),
}

/// Where a case takes place.
#[derive(Clone, Copy)]
pub struct Stage<'a> {
    /// The namespace of the case.
    pub namespace: &'a Namespace,
    /// The control plane.
    pub control_plane: &'a ControlPlane,
    /// The AWS of a world that has one.
    pub aws: Option<&'a Sts>,
}

impl World {
    /// Creates the objects.
    pub async fn create(self, namespace: &Namespace) -> Result<()> {
        match self {
            Self::Empty => Ok(()),
            Self::Running | Self::Aws => {
                namespace.create(fixtures::service_account("app")?).await?;
                deployment(namespace, "app", 2, &json!({})).await
            }
            Self::Picky => {
                namespace.create(fixtures::service_account("app")?).await?;
                deployment(namespace, "app", 2, &json!({crate::NEVER_READY_AS: fixtures::OTHER_ROLE})).await
            }
            Self::Adopted => {
                namespace.create(fixtures::annotated_service_account("app", ROLE)?).await?;
                injection::in_force(namespace, "app", ROLE).await?;
                deployment(namespace, "app", 2, &json!({})).await
            }
            Self::Fleet => {
                namespace.create(fixtures::service_account("app")?).await?;
                namespace.create(fixtures::stateful_set("third", "app", 1, &json!({}))?).await?;
                deployment(namespace, "app", 1, &json!({})).await?;
                deployment(namespace, "second", 1, &json!({})).await?;
                let available = |set: Option<&StatefulSet>| {
                    let count = set.and_then(|set| set.status.as_ref()?.available_replicas);
                    if count == Some(1) { Ok(()) } else { Err(format!("{count:?} available")) }
                };
                wait::object(&namespace.api(), "third", "the StatefulSet runs", available).await
            }
        }
    }
}

async fn deployment(namespace: &Namespace, name: &str, replicas: i32, annotations: &Value) -> Result<()> {
    namespace.create(fixtures::deployment_with(name, "app", replicas, annotations)?).await?;
    expect::rolled_out(namespace, name).await.map(|_| ())
}

impl Step {
    /// Takes the step. A wait lasts no longer than `patience`.
    pub async fn take(&self, stage: Stage<'_>, patience: Duration) -> Result<()> {
        self.attempt(stage, patience).await.with_context(|| format!("step {self:?}"))
    }

    async fn attempt(&self, stage: Stage<'_>, patience: Duration) -> Result<()> {
        let Stage { namespace, control_plane, aws } = stage;
        match self {
            Self::Bind(name, spec) => {
                let mut binding = fixtures::binding_with(name, "app", ROLE, spec)?;
                if spec["rollout"]["settleSeconds"].is_null() {
                    // Long enough for the API server's caches, and a second shorter in each plan.
                    binding.spec.rollout.settle_seconds = 1;
                }
                namespace.create(binding).await.map(|_| ())
            }
            Self::Change(name, spec) => change(namespace, name, spec).await,
            Self::Refused(name, spec, why) => refused(namespace, name, spec, why).await,
            Self::Release(name) => {
                let binding: PodIdentityBinding = namespace.api().get(name).await?;
                let release = podidentity_core::role::release_value(&binding);
                let patch = json!({"metadata": {"annotations": {names::RELEASE_ANNOTATION: release}}});
                namespace.change::<PodIdentityBinding>(name, &patch).await.map(|_| ())
            }
            Self::Unbind(name) => namespace.delete::<PodIdentityBinding>(name).await,
            Self::Trust => {
                let aws = aws.context("the world has no AWS")?;
                let policy = sts::trust_policy(&namespace.name, "app");
                aws.change(|world| [ROLE, fixtures::OTHER_ROLE].iter().for_each(|role| world.role(role, &policy)));
                Ok(())
            }
            Self::CreateAccount => namespace.create(fixtures::service_account("app")?).await.map(|_| ()),
            Self::CreateDeployment(role) => {
                injection::in_force(namespace, "app", role).await?;
                deployment(namespace, "app", 2, &json!({})).await
            }
            Self::NextSecond => {
                tokio::time::sleep(Duration::from_secs(1)).await;
                Ok(())
            }
            Self::InForce(role) => injection::in_force(namespace, "app", role).await,
            Self::Clock(offset) => control_plane.set_clock(&namespace.name, offset),
            Self::Do(deed) => deed.happen(namespace, control_plane).await,
            Self::Ready(name, pods) => ready(namespace, name, *pods, patience).await,
            Self::Reason(name, kind, status, reason) => {
                expect::reason(namespace, name, kind, status, reason).await.map(|_| ())
            }
            Self::Restored(name, times) => restored(namespace, name, *times).await,
            Self::Gone(name) => expect::gone::<PodIdentityBinding>(namespace, name).await,
            Self::Pods(role) => pods(namespace, role.as_deref()).await,
        }
    }
}

async fn strip(namespace: &Namespace) -> Result<()> {
    let patch = json!({"metadata": {"annotations": {role_annotation(): null}}});
    namespace.change::<ServiceAccount>("app", &patch).await.map(|_| ())
}

async fn change(namespace: &Namespace, name: &str, spec: &Value) -> Result<()> {
    namespace.change::<PodIdentityBinding>(name, &json!({"spec": spec})).await.map(|_| ())
}

async fn refused(namespace: &Namespace, name: &str, spec: &Value, why: &str) -> Result<()> {
    let Err(error) = change(namespace, name, spec).await else { bail!("{spec} was accepted") };
    let message = format!("{error:#}");
    ensure!(message.contains(why), "{spec} was refused, but not with `{why}`: {message}");
    Ok(())
}

async fn ready(namespace: &Namespace, name: &str, pods: i32, patience: Duration) -> Result<()> {
    let what = format!("the binding is ready with {pods} pods");
    let api = namespace.api();
    let ready = wait::object(&api, name, &what, |binding: Option<&PodIdentityBinding>| {
        let binding = binding.ok_or("it does not exist")?;
        let status = binding.status.clone().unwrap_or_default();
        if status.observed_generation != binding.metadata.generation {
            return Err(format!("generation {:?} is not observed", binding.metadata.generation));
        }
        let ready = expect::condition_of(binding, names::condition::READY).map(|ready| ready.status.as_str());
        if ready != Some("True") || status.pods_verified != pods || status.pods_total != pods {
            return Err(format!("ready {ready:?}, {} of {} pods verified", status.pods_verified, status.pods_total));
        }
        Ok(())
    });
    wait::within(patience, ready).await
}

async fn restored(namespace: &Namespace, name: &str, times: i32) -> Result<()> {
    wait::object(&namespace.api(), name, "the restoration is counted", |binding: Option<&PodIdentityBinding>| {
        let account = binding.and_then(|binding| binding.status.as_ref()?.service_account.as_ref());
        let restored = account.map(|account| account.restored);
        if restored == Some(times) { Ok(()) } else { Err(format!("restored: {restored:?}")) }
    })
    .await
}

async fn pods(namespace: &Namespace, role: Option<&str>) -> Result<()> {
    wait::objects(&namespace.api(), "app=app", &format!("two pods have {role:?}"), |pods: &[&Pod]| {
        let live: Vec<_> = pods.iter().filter(|pod| pod.metadata.deletion_timestamp.is_none()).collect();
        let have = |pod: &Pod| injection::roles(pod).iter().all(|(_, found)| found.as_deref() == role);
        if live.len() == 2 && live.iter().all(|pod| have(pod)) { Ok(()) } else { Err(format!("{} live", live.len())) }
    })
    .await
}

impl Deed {
    /// Does the action.
    pub async fn happen(self, namespace: &Namespace, control_plane: &ControlPlane) -> Result<()> {
        match self {
            Self::RecreateAccount => {
                // No controller acts on a deleted service account, so it is gone at once.
                namespace.delete::<ServiceAccount>("app").await?;
                namespace.create(fixtures::service_account("app")?).await.map(|_| ())
            }
            Self::RecreateDeployment => {
                namespace.api::<Deployment>().delete("app", &DeleteParams::foreground()).await?;
                expect::gone::<Deployment>(namespace, "app").await?;
                namespace.create(fixtures::deployment("app", "app", 2)?).await.map(|_| ())
            }
            Self::Scale => {
                let spec = json!({"spec": {"replicas": 3}});
                namespace.change::<Deployment>("app", &spec).await.map(|_| ())
            }
            Self::Touch => {
                let deployment: Deployment = namespace.api().get("app").await?;
                let version = deployment.resource_version().unwrap_or_default();
                let patch = json!({"metadata": {"labels": {"touched-at": version}}});
                namespace.change::<Deployment>("app", &patch).await.map(|_| ())
            }
            Self::StripAccount => strip(namespace).await,
            Self::UnrollDeployment => {
                let annotations = json!({names::IDENTITY_ANNOTATION: null});
                let patch = json!({"spec": {"template": {"metadata": {"annotations": annotations}}}});
                namespace.change::<Deployment>("app", &patch).await.map(|_| ())
            }
            Self::Compact => {
                control_plane.compact().await?;
                control_plane.process(Component::ApiServer)?.restart()
            }
            // The servers come back while the operator continues; this code does not wait for them.
            Self::RestartApiServer => control_plane.process(Component::ApiServer)?.restart(),
            Self::RestartEtcd => control_plane.process(Component::Etcd)?.restart(),
            Self::RemoveInjection => control_plane.remove_injection().await,
            Self::InstallInjection => control_plane.install_injection().await,
            Self::StealLease => super::leases::stolen(namespace).await,
            Self::DeleteLease => {
                namespace.delete::<k8s_openapi::api::coordination::v1::Lease>(super::leases::NAME).await
            }
            Self::DeletePods => {
                let all = ListParams::default();
                namespace.api::<Pod>().delete_collection(&DeleteParams::default(), &all).await?;
                Ok(())
            }
        }
    }
}
