//! The operator needs each of its rights, in the whole cluster and in a few namespaces.
//!
//! The API server streams no lists, because the right to list is needed only there.

use std::fmt;
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use e2e::fixtures::{self, ROLE};
use e2e::wait::{self, DEADLINE};
use e2e::{ControlPlane, Lists, Namespace, Operator, Options, audit, expect, operator};
use k8s_openapi::api::core::v1::{Pod, ServiceAccount};
use k8s_openapi::api::rbac::v1::{ClusterRole, PolicyRule, Role};
use kube::api::{Api, Patch, PatchParams};
use podidentity_api::Reason;
use serde_json::json;
use tokio::time::{Duration, Instant, sleep};

use crate::argo;
use crate::world::World;

/// Interval of polling what cannot be watched: the audit log, and the authorizer's own cache.
const INTERVAL: Duration = Duration::from_millis(100);

/// One verb on one resource.
#[derive(Clone, Debug)]
struct Right {
    group: String,
    resource: String,
    verb: String,
    names: Option<Vec<String>>,
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb, self.resource)?;
        if self.group.is_empty() { Ok(()) } else { write!(f, " of {}", self.group) }
    }
}

impl Right {
    fn all(rules: &[PolicyRule]) -> Vec<Self> {
        let mut rights = Vec::new();
        for rule in rules {
            for group in rule.api_groups.iter().flatten() {
                for resource in rule.resources.iter().flatten() {
                    rights.extend(rule.verbs.iter().map(|verb| Self {
                        group: group.clone(),
                        resource: resource.clone(),
                        verb: verb.clone(),
                        names: rule.resource_names.clone(),
                    }));
                }
            }
        }
        rights
    }

    fn rule(&self) -> PolicyRule {
        PolicyRule {
            api_groups: Some(vec![self.group.clone()]),
            resources: Some(vec![self.resource.clone()]),
            verbs: vec![self.verb.clone()],
            resource_names: self.names.clone(),
            non_resource_urls: None,
        }
    }

    /// Resource and subresource.
    fn parts(&self) -> (&str, &str) {
        self.resource.split_once('/').unwrap_or((&self.resource, ""))
    }

    fn was_refused(&self, request: &audit::Request) -> bool {
        let about = |object: &audit::ObjectRef| (object.resource.as_str(), object.subresource.as_str()) == self.parts();
        let code = request.response_status.as_ref().map(|status| status.code);
        code == Some(403) && request.verb == self.verb && request.object_ref.as_ref().is_some_and(about)
    }
}

/// A role under test, and the namespace in which the operator works.
struct Proof<'a> {
    control_plane: &'a ControlPlane,
    operator: &'a Operator,
    namespace: &'a Namespace,
    role: Place,
}

/// The location of the role under test.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    Cluster,
    Namespace,
    /// The role for the lease, in the operator's own namespace.
    Lease,
}

/// As in a pod, where the operator stands for election.
const ELECTION: [&str; 2] = ["--leader-elect=true", "--lease-namespace=podidentity-system"];

/// Removes each right in turn, and checks that the operator asks for it and is refused.
pub(crate) async fn none_is_spare(_: Arc<World>, _: Namespace) -> Result<()> {
    let control_plane = ControlPlane::start_with(&Options { lists: Lists::InPages, ..Options::default() }).await?;
    let operator = Operator::start(&control_plane, &[]).await?;
    argo::install(&control_plane).await?;
    let namespace = control_plane.namespace("rights").await?;
    let proof =
        Proof { control_plane: &control_plane, operator: &operator, namespace: &namespace, role: Place::Cluster };
    proven(&proof, 20).await?;

    let operator = Operator::start_installed(&control_plane, &ELECTION).await?;
    proven(&Proof { operator: &operator, role: Place::Lease, ..proof }, 5).await
}

/// The same for the rights in one namespace.
pub(crate) async fn none_is_spare_in_a_namespace(_: Arc<World>, _: Namespace) -> Result<()> {
    let control_plane = ControlPlane::start_with(&Options { lists: Lists::InPages, ..Options::default() }).await?;
    control_plane.install().await?;
    control_plane.kubectl(&["delete", "clusterrole,clusterrolebinding", operator::SERVICE_ACCOUNT]).await?;
    let namespace = control_plane.namespace("rights").await?;
    let folder = e2e::repository().join("config/namespaced/rights").display().to_string();
    control_plane.kubectl(&["apply", "--namespace", &namespace.name, "-k", &folder]).await?;
    argo::install(&control_plane).await?;
    let flag = format!("--namespaces={}", namespace.name);
    let operator = Operator::start_installed(&control_plane, &[&flag]).await?;
    let role = Place::Namespace;
    proven(&Proof { control_plane: &control_plane, operator: &operator, namespace: &namespace, role }, 18).await
}

/// `least`: the role must have at least this many rights, otherwise it was not read completely.
async fn proven(proof: &Proof<'_>, least: usize) -> Result<()> {
    let shipped = proof.rules().await?;
    let rights = Right::all(&shipped);
    ensure!(rights.len() >= least, "only {} rights: {rights:?}", rights.len());
    for (n, right) in rights.iter().enumerate() {
        let others = rights.iter().enumerate().filter(|(other, _)| *other != n).map(|(_, right)| right.rule());
        proof.set_rules(&others.collect::<Vec<_>>()).await?;
        proof.in_force(right).await?;
        proof.refused(n, right).await.with_context(|| format!("without the right to {right}"))?;
    }
    println!("{} rights, none of them spare: {}", rights.len(), operator::SERVICE_ACCOUNT);
    proof.operator.kill();
    proof.set_rules(&shipped).await
}

impl Proof<'_> {
    /// The role's namespace; `None` for a ClusterRole.
    fn namespace(&self) -> Option<&str> {
        match self.role {
            Place::Cluster => None,
            Place::Namespace => Some(&self.namespace.name),
            Place::Lease => Some(operator::NAMESPACE),
        }
    }

    fn name(&self) -> &'static str {
        if self.role == Place::Lease { "podidentity-operator-lease" } else { operator::SERVICE_ACCOUNT }
    }

    async fn rules(&self) -> Result<Vec<PolicyRule>> {
        let client = self.control_plane.client();
        Ok(match self.namespace() {
            Some(namespace) => Api::<Role>::namespaced(client, namespace).get(self.name()).await?.rules,
            None => Api::<ClusterRole>::all(client).get(self.name()).await?.rules,
        }
        .unwrap_or_default())
    }

    async fn set_rules(&self, rules: &[PolicyRule]) -> Result<()> {
        let client = self.control_plane.client();
        let (params, patch) = (PatchParams::default(), Patch::Merge(json!({"rules": rules})));
        match self.namespace() {
            Some(namespace) => {
                Api::<Role>::namespaced(client, namespace).patch(self.name(), &params, &patch).await?;
            }
            None => {
                Api::<ClusterRole>::all(client).patch(self.name(), &params, &patch).await?;
            }
        }
        Ok(())
    }

    /// Waits until the API server knows the change.
    async fn in_force(&self, right: &Right) -> Result<()> {
        let (resource, subresource) = right.parts();
        let attributes = json!({
            "namespace": self.namespace(),
            "group": right.group, "resource": resource, "subresource": subresource, "verb": right.verb,
            "name": right.names.as_ref().and_then(|names| names.first()),
        });
        operator::may(&self.control_plane.client(), &attributes, false)
            .await
            .with_context(|| format!("the right to {right} was taken away"))
    }

    /// Restarts the operator, creates work that needs the right, and waits until the operator is
    /// refused.
    async fn refused(&self, n: usize, right: &Right) -> Result<()> {
        let control_plane = self.control_plane;
        let earlier = control_plane.operator_requests()?.len();
        self.operator.restart()?;
        if self.role == Place::Lease {
            // The operator requests the lease at once. It creates a missing lease, and renews an
            // existing one.
            if right.verb == "create" {
                control_plane.kubectl(&["delete", "lease", "--all", "--namespace", operator::NAMESPACE]).await?;
            }
        } else if !matches!(right.verb.as_str(), "list" | "watch" | "get") {
            self.work(&format!("app-{n}"), right).await?;
        }
        let began = Instant::now();
        loop {
            let requests = control_plane.operator_requests()?.split_off(earlier);
            if requests.iter().any(|request| right.was_refused(request)) {
                return Ok(());
            }
            // The operator may end because it lacks the right; the audit log shows the refusal a
            // moment later.
            if began.elapsed() >= DEADLINE {
                self.operator.check()?;
                bail!("nothing was refused: is it spare?\n{}", audit::summary(&requests));
            }
            sleep(INTERVAL).await;
        }
    }

    /// Creates a binding, and a workload of the right's kind whose pods lack the role.
    async fn work(&self, name: &str, right: &Right) -> Result<()> {
        let namespace = self.namespace;
        if right.resource == "rollouts" {
            namespace.create(fixtures::service_account("app")?).await?;
            return argo::bound(namespace).await;
        }
        namespace.create(fixtures::service_account(name)?).await?;
        match right.resource.as_str() {
            "statefulsets" => {
                namespace.create(fixtures::stateful_set(name, name, 1, &json!({}))?).await?;
            }
            "daemonsets" => {
                namespace.create(fixtures::daemon_set(name, name, &json!({}))?).await?;
            }
            _ => {
                namespace.create(fixtures::deployment(name, name, 1)?).await?;
            }
        }
        runs(namespace, name).await?;
        namespace.create(fixtures::binding(name, name, ROLE)?).await?;
        if (right.resource.as_str(), right.verb.as_str()) == ("events", "patch") {
            self.disturbed_twice(name).await?;
        }
        Ok(())
    }

    /// A repeated event is counted with a patch.
    async fn disturbed_twice(&self, name: &str) -> Result<()> {
        expect::ready(self.namespace, name).await?;
        for _ in 0..2 {
            let other = json!({"metadata": {"annotations": {fixtures::role_annotation(): fixtures::OTHER_ROLE}}});
            self.namespace.take_over::<ServiceAccount>("somebody", name, other).await?;
            expect::annotated(self.namespace, name, Some(ROLE)).await?;
            expect::event(self.namespace, Reason::AnnotationRemoved).await?;
        }
        Ok(())
    }
}

async fn runs(namespace: &Namespace, app: &str) -> Result<()> {
    wait::objects(&namespace.api(), &format!("app={app}"), "a pod runs", |pods: &[&Pod]| {
        let phase = |pod: &&&Pod| pod.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Running");
        if pods.iter().any(|pod| phase(&pod)) { Ok(()) } else { Err("none does".to_owned()) }
    })
    .await
}
