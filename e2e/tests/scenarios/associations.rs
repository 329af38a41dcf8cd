//! EKS Pod Identity. The harness's webhook plays EKS: it knows which service accounts have an
//! association. The scenarios play ACK.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use e2e::fixtures::{self, OTHER_ROLE, ROLE};
use e2e::policies::{admitted, refused};
use e2e::{Namespace, expect, policies, wait};
use k8s_openapi::api::core::v1::Pod;
use podidentity_api::{PodIdentityBinding, Reason};
use podidentity_core::injection::{AGENT_LABEL, AUTHORIZATION_TOKEN_FILE, CREDENTIALS_URI, ROLE_ARN};
use podidentity_core::objects::RoleObjectKind;
use serde_json::{Value, json};

use crate::roles;
use crate::steps::{bound, change, running};
use crate::world::World;

/// Waits until exactly `count` live pods of the Deployment `app` exist and every container has the association's credentials.
async fn pods_are_associated(namespace: &Namespace, count: usize) -> Result<()> {
    let what = format!("{count} pods have the credentials of the association");
    wait::objects(&namespace.api(), "app=app", &what, |pods: &[&Pod]| {
        let live: Vec<_> = pods.iter().filter(|pod| pod.metadata.deletion_timestamp.is_none()).collect();
        if live.len() != count {
            return Err(format!("there are {} live pods", live.len()));
        }
        let lacking = live.iter().find(|pod| !is_associated(pod));
        lacking.map_or(Ok(()), |pod| Err(format!("pod {:?} does not", pod.metadata.name)))
    })
    .await
}

fn is_associated(pod: &Pod) -> bool {
    let labelled = pod.metadata.labels.iter().flatten().any(|(key, value)| key == AGENT_LABEL && value == "enabled");
    let has = |container: &k8s_openapi::api::core::v1::Container, name: &str| {
        container.env.iter().flatten().any(|variable| variable.name == name)
    };
    let mut containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    labelled && containers.all(|it| has(it, CREDENTIALS_URI) && has(it, AUTHORIZATION_TOKEN_FILE) && !has(it, ROLE_ARN))
}

/// Waits until the binding reports that its pods have the association's credentials.
async fn says_associated(namespace: &Namespace, parts: &[&str]) -> Result<PodIdentityBinding> {
    let what = format!("it is ready and says {parts:?}");
    wait::object(&namespace.api(), "app", &what, |binding: Option<&PodIdentityBinding>| {
        let binding = binding.ok_or("it does not exist")?;
        let ready = expect::condition_of(binding, "Ready").ok_or("it has no condition Ready")?;
        let told = parts.iter().all(|part| ready.message.contains(part));
        if told && ready.status == "True" {
            Ok(binding.clone())
        } else {
            Err(format!("{}: {}", ready.reason, ready.message))
        }
    })
    .await
}

/// From IRSA to EKS Pod Identity and back. Each move restarts every workload once, and removes the
/// annotation last.
pub(crate) async fn moved(world: Arc<World>, namespace: Namespace) -> Result<()> {
    let before = bound(&namespace, &json!({"rollout": {"settleSeconds": 0}})).await?;
    world.control_plane.associate(&namespace.name, "app", true);
    change(&namespace, json!({"mechanism": "PodIdentity"})).await?;
    pods_are_associated(&namespace, 2).await?;
    let binding = says_associated(&namespace, &["all 2 pods", "have the credentials of EKS Pod Identity"]).await?;
    expect::annotated(&namespace, "app", None).await?;
    expect::rolled(&before, &expect::rolled_out(&namespace, "app").await?, 1)?;
    let annotated = expect::condition_of(&binding, "ServiceAccountAnnotated");
    ensure!(annotated.is_none(), "nothing is annotated, and yet {annotated:?}");

    world.control_plane.associate(&namespace.name, "app", false);
    change(&namespace, json!({"mechanism": "IRSA"})).await?;
    expect::pods_have(&namespace, "app", 2, ROLE).await?;
    expect::ready(&namespace, "app").await?;
    expect::annotated(&namespace, "app", Some(ROLE)).await?;
    expect::rolled(&before, &expect::rolled_out(&namespace, "app").await?, 2)
}

/// While EKS has no association yet, the annotated role stays. The binding continues once the
/// association exists.
pub(crate) async fn missing(world: Arc<World>, namespace: Namespace) -> Result<()> {
    bound(&namespace, &json!({"rollout": {"settleSeconds": 0}})).await?;
    change(&namespace, json!({"mechanism": "PodIdentity"})).await?;
    let what = "it reports the web identity";
    wait::object(&namespace.api(), "app", what, |binding: Option<&PodIdentityBinding>| {
        let findings = binding.and_then(|it| it.status.as_ref()).map(|status| status.findings.clone());
        let found = findings.unwrap_or_default().into_iter().any(|it| it.reason == "WebIdentityInstead");
        if found { Ok(()) } else { Err("it does not".to_owned()) }
    })
    .await?;
    expect::annotated(&namespace, "app", Some(ROLE)).await?;
    world.control_plane.associate(&namespace.name, "app", true);
    pods_are_associated(&namespace, 2).await?;
    says_associated(&namespace, &["have the credentials of EKS Pod Identity"]).await?;
    expect::annotated(&namespace, "app", None).await?;
    Ok(())
}

/// An association that ACK creates. It must name the service account, the operator waits for it,
/// and the status reports its role.
pub(crate) async fn made_by_ack(world: Arc<World>, namespace: Namespace) -> Result<()> {
    let kind = RoleObjectKind::AckAssociation;
    namespace.create(fixtures::service_account("app")?).await?;
    running(&namespace, "app", 1).await?;
    let mut spec = roles::refers(kind, "app");
    spec["mechanism"] = json!("PodIdentity");
    namespace.create(fixtures::binding_with("app", "app", "", &spec)?).await?;
    roles::unresolved(&namespace, &["PodIdentityAssociation.eks.services.k8s.aws/app does not exist"]).await?;
    roles::install(&world, kind).await?;
    let of = |account: &str, role: &str| json!({"clusterName": "one", "namespace": namespace.name, "serviceAccount": account, "roleARN": role});
    roles::declare_with(&namespace, kind, "app", &of("other", ROLE)).await?;
    roles::unresolved(&namespace, &["has no ARN yet"]).await?;
    let made = json!({"associationARN": "arn:aws:eks:eu-west-1:111122223333:podidentityassociation/one/a-1", "conditions": []});
    roles::write_status(&namespace, kind, "app", &made).await?;
    let message = expect::stalled(&namespace, "app", Reason::RoleNotResolved).await?;
    let wrong = format!("is for service account {}/other, not for {}/app", namespace.name, namespace.name);
    ensure!(message.contains(&wrong), "{message}");

    world.control_plane.associate(&namespace.name, "app", true);
    let patch = |spec: Value| kube::api::Patch::Merge(json!({"spec": spec}));
    let api = roles::api(&namespace, kind);
    api.patch("app", &kube::api::PatchParams::default(), &patch(of("app", ROLE))).await?;
    pods_are_associated(&namespace, 1).await?;
    says_associated(&namespace, &["whose association names", ROLE]).await?;
    let before = expect::rolled_out(&namespace, "app").await?;
    api.patch("app", &kube::api::PatchParams::default(), &patch(of("app", OTHER_ROLE))).await?;
    says_associated(&namespace, &["whose association names", OTHER_ROLE]).await?;
    expect::rolled(&before, &expect::rolled_out(&namespace, "app").await?, 0)
}

/// With `config/enforcement` a pod without the credentials is refused, and one with them is admitted.
pub(crate) async fn enforced(world: Arc<World>, namespace: Namespace) -> Result<()> {
    namespace.create(fixtures::service_account("app")?).await?;
    world.control_plane.associate(&namespace.name, "app", true);
    running(&namespace, "app", 1).await?;
    namespace.create(fixtures::binding_with("app", "app", ROLE, &json!({"mechanism": "PodIdentity"}))?).await?;
    says_associated(&namespace, &["has the credentials of EKS Pod Identity"]).await?;
    // The template's own web identity takes precedence over the association.
    let env =
        json!([{"name": "AWS_ROLE_ARN", "value": ROLE}, {"name": "AWS_WEB_IDENTITY_TOKEN_FILE", "value": "/token"}]);
    let own = json!({"containers": [{"name": "app", "image": "app", "env": env}]});
    let pod = policies::pod_with("app", own)?;
    let message = policies::enforce_on(&world.control_plane, &namespace, &pod).await?;
    ensure!(message.contains("which SDKs take before the credentials of EKS Pod Identity"), "{message}");
    admitted(&namespace, &policies::plain("app")?).await?;
    world.control_plane.associate(&namespace.name, "app", false);
    let message = refused(&namespace, &policies::plain("app")?).await?;
    for part in ["PodIdentityBinding app", "EKS Pod Identity", "association"] {
        ensure!(message.contains(part), "the message does not say {part:?}: {message}");
    }
    // The operator has not annotated the service account, so the binding is not in force.
    change(&namespace, json!({"mechanism": "IRSA", "suspend": true})).await?;
    let pod = policies::plain("app")?;
    let comes = async || admitted(&namespace, &pod).await.map_err(|error| format!("{error:#}"));
    wait::until("the pod of a binding that is not in force is admitted", comes).await?;
    Ok(())
}

/// A spec for EKS Pod Identity must not have annotation fields of IRSA, and a spec for IRSA must
/// not refer to an association.
pub(crate) async fn refused_fields(_: Arc<World>, namespace: Namespace) -> Result<()> {
    let of_irsa = "are for the mechanism IRSA: leave them out with PodIdentity";
    for (spec, wanted) in [
        (json!({"mechanism": "PodIdentity", "audience": "a"}), of_irsa),
        (json!({"mechanism": "PodIdentity", "tokenExpirationSeconds": 600}), of_irsa),
        (json!({"mechanism": "PodIdentity", "stsRegionalEndpoints": true}), of_irsa),
        (json!({"mechanism": "PodIdentity", "preflight": "Require"}), of_irsa),
        (roles::refers(RoleObjectKind::AckAssociation, "app"), "set mechanism to PodIdentity"),
    ] {
        let created = namespace.create(fixtures::binding_with("app", "app", ROLE, &spec)?).await;
        let error = created.err().with_context(|| format!("{spec} was let in"))?;
        ensure!(format!("{error:#}").to_lowercase().contains(&wanted.to_lowercase()), "{spec}: {error:#}");
    }
    Ok(())
}
