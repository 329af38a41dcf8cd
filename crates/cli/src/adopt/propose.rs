//! The binding for one service account.

use podidentity_api::{ConflictPolicy, Mechanism, PodIdentityBindingSpec, RolloutPolicy};
use podidentity_core::arn::RoleArn;
use podidentity_core::forecast::Forecast;
use podidentity_core::foreign::shown;
use podidentity_core::injection::has_agent_volume;
use podidentity_core::objects::managed_by;
use podidentity_core::objects::{ServiceAccount, field_owners};
use podidentity_core::settings::{IdentityAnnotation, Settings};
use podidentity_core::snapshot::Snapshot;
use podidentity_core::unbound::{self, annotation, binding};
use serde::Serialize;

use super::comment::{Comment, Name};

/// The proposal for one service account.
pub(crate) struct Proposal {
    pub(crate) comments: Vec<Comment>,
    /// Messages for standard error. They quote foreign text, which a comment must not contain.
    pub(crate) notes: Vec<String>,
    /// `None` if the service account cannot be bound. The comments say why.
    pub(crate) binding: Option<Document>,
    /// Whether pods lack the role, so that the binding waits for a release.
    pub(crate) waits: bool,
}

/// Proposes the binding that declares what the service account's annotations say and that restarts
/// nothing when it is applied. `None` if there is nothing to adopt.
pub(crate) fn propose(snapshot: &Snapshot, on_conflict: ConflictPolicy) -> Option<Proposal> {
    let settings = &snapshot.config.settings;
    let account = snapshot.service_account.as_deref().filter(|_| snapshot.bindings.is_empty())?;
    let mut role_only = unbound::declared(&snapshot.service_account_name, account, settings)?;
    role_only.on_conflict = on_conflict;
    let mut comments = vec![origin(snapshot, account, settings, on_conflict)];
    let title = format!("sa/{} in {}", shown(&snapshot.service_account_name), shown(&snapshot.namespace));
    if let Err(problem) = role_only.role_arn.parse::<RoleArn>() {
        comments.push(Comment::of(&[&"Cannot be bound: its role is not the ARN of an IAM role."]));
        let notes = vec![format!("{title} cannot be bound: {problem}")];
        return Some(Proposal { comments, notes, binding: None, waits: false });
    }
    // The operator enforces what a binding declares. So declare the token lifetime and the STS
    // endpoint only if pods already have them.
    let (fullest, notes_on_it) = if is_associated(snapshot) {
        role_only = PodIdentityBindingSpec { mechanism: Mechanism::PodIdentity, audience: None, ..role_only };
        (role_only.clone(), vec![Comment::of(&[&BY_ASSOCIATION])])
    } else {
        with_the_rest(role_only.clone(), account, settings)
    };
    comments.extend(notes_on_it);
    let mut waiting = role_only.clone();
    waiting.rollout.policy = RolloutPolicy::Manual;
    let candidates = [(fullest, false), (role_only, false), (waiting, true)];
    let proven = candidates.into_iter().find_map(|(spec, waits)| {
        let forecast = forecast(snapshot, spec.clone());
        restarts_nothing(&forecast).then_some((spec, waits, forecast))
    });
    let notes = Vec::new();
    let Some((spec, waits, forecast)) = proven else {
        comments.push(Comment::of(&[&"Cannot be bound without a restart."]));
        return Some(Proposal { comments, notes, binding: None, waits: false });
    };
    comments.push(effect(&forecast, waits));
    Some(Proposal { comments, notes, binding: Some(document(snapshot, &spec)), waits })
}

/// The annotation does not show which role an association gives.
const BY_ASSOCIATION: &str = "Its pods have the credentials of EKS Pod Identity: put the role of the association in roleArn, if \
                              it is another one.";

/// Whether live pods have the credentials of an EKS Pod Identity association.
fn is_associated(snapshot: &Snapshot) -> bool {
    snapshot.pods.iter().any(|pod| pod.is_live() && has_agent_volume(pod))
}

fn forecast(snapshot: &Snapshot, spec: PodIdentityBindingSpec) -> Forecast {
    let binding = binding(&snapshot.service_account_name, &snapshot.namespace, spec);
    Forecast::of(&Snapshot { bindings: vec![binding.into()], ..snapshot.clone() })
}

fn restarts_nothing(forecast: &Forecast) -> bool {
    forecast.restarts_unasked().next().is_none()
}

/// Adds the token lifetime and the STS endpoint from the annotations, if a binding can declare
/// them. A comment reports each value that a binding cannot declare.
fn with_the_rest(
    spec: PodIdentityBindingSpec,
    account: &ServiceAccount,
    settings: &Settings,
) -> (PodIdentityBindingSpec, Vec<Comment>) {
    let annotation = |name: &str| annotation(account, settings, name).map(str::to_owned);
    let mut ignored = Vec::new();
    // Accept only the spelling that the operator would write. Any other spelling would be a
    // conflict.
    let mut same = |name: &'static str, value: Option<String>, accepted: Option<String>| {
        if value.is_some_and(|value| Some(value) != accepted) {
            let what = " has a value that a binding cannot declare: it stays as it is.";
            ignored.push(Comment::of(&[&"The annotation ", &name, &what]));
        }
    };
    let expiration = annotation("token-expiration");
    let seconds = expiration.as_ref().and_then(|text| text.parse::<i64>().ok()).filter(|it| (600..=86400).contains(it));
    same("token-expiration", expiration, seconds.map(|seconds| seconds.to_string()));
    let regional = annotation("sts-regional-endpoints");
    let enabled = regional.as_ref().and_then(|text| text.parse::<bool>().ok());
    same("sts-regional-endpoints", regional, enabled.map(|enabled| enabled.to_string()));
    let spec = PodIdentityBindingSpec { token_expiration_seconds: seconds, sts_regional_endpoints: enabled, ..spec };
    (spec, ignored)
}

/// Says when the annotation was written and which tool manages the service account. `explain` says
/// who wrote it.
fn origin(snapshot: &Snapshot, account: &ServiceAccount, settings: &Settings, on_conflict: ConflictPolicy) -> Comment {
    let (namespace, name) = (Name::of(&snapshot.namespace), Name::of(&snapshot.service_account_name));
    let mut comment = Comment::of(&[&"ServiceAccount ", &namespace, &"/", &name, &": annotated"]);
    let times = field_owners(&account.metadata, &settings.annotation(IdentityAnnotation::RoleArn), false)
        .filter_map(|owner| owner.time);
    match times.max() {
        Some(time) => comment.push(&[&" at ", &time]),
        None => comment.push(&[&", when and by whom is not recorded"]),
    }
    let keepers = managed_by(account);
    for (index, keeper) in keepers.iter().enumerate() {
        comment.push(&[if index == 0 { &"; kept by " } else { &", " }, &keeper.tool]);
    }
    comment.push(&[match on_conflict {
        _ if keepers.is_empty() => &".",
        ConflictPolicy::TakeOver => &", from which the binding takes it over: remove it there.",
        ConflictPolicy::Report | ConflictPolicy::Override => &", which has to go on saying the same.",
    }]);
    comment
}

fn effect(forecast: &Forecast, waits: bool) -> Comment {
    let pods: usize = forecast.workloads.iter().map(|workload| workload.pods).sum::<usize>() + forecast.unmanaged_pods;
    if !waits {
        return match pods {
            0 => Comment::of(&[&"It has no pods: applying this restarts nothing."]),
            1 => Comment::of(&[&"1 pod as it is: applying this restarts nothing."]),
            _ => Comment::of(&[&pods, &" pods as they are: applying this restarts nothing."]),
        };
    }
    let mut comment = Comment::of(&[&"Needs a restart: "]);
    for (index, it) in forecast.restarts().enumerate() {
        let before: &'static str = if index == 0 { "" } else { ", " };
        let name = Name::of(&it.workload.name);
        let kind = it.workload.kind.as_str();
        comment.push(&[&before, &kind, &"/", &name, &" (", &it.lacking, &" of ", &it.pods, &" pods lack the role)"]);
    }
    comment.push(&[&". Applying this restarts nothing; kubectl podidentity release does."]);
    comment
}

/// A binding as a person writes it: fields in the usual order, without defaults.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Document {
    api_version: &'static str,
    kind: &'static str,
    metadata: Metadata,
    spec: Declared,
}

#[derive(Debug, Serialize)]
struct Metadata {
    name: String,
    namespace: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Declared {
    service_account_name: String,
    role_arn: String,
    #[serde(skip_serializing_if = "Mechanism::is_irsa")]
    mechanism: Mechanism,
    #[serde(skip_serializing_if = "Option::is_none")]
    audience: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_expiration_seconds: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sts_regional_endpoints: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    on_conflict: Option<ConflictPolicy>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rollout: Option<Policy>,
}

#[derive(Debug, Serialize)]
struct Policy {
    policy: &'static str,
}

fn document(snapshot: &Snapshot, spec: &PodIdentityBindingSpec) -> Document {
    let manual = spec.rollout.policy == RolloutPolicy::Manual;
    Document {
        api_version: "podidentity.dev/v1alpha1",
        kind: "PodIdentityBinding",
        metadata: Metadata { name: snapshot.service_account_name.clone(), namespace: snapshot.namespace.clone() },
        spec: Declared {
            service_account_name: spec.service_account_name.clone(),
            role_arn: spec.role_arn.clone(),
            mechanism: spec.mechanism,
            audience: spec.audience.clone(),
            token_expiration_seconds: spec.token_expiration_seconds,
            sts_regional_endpoints: spec.sts_regional_endpoints,
            on_conflict: (spec.on_conflict != ConflictPolicy::default()).then_some(spec.on_conflict),
            rollout: manual.then_some(Policy { policy: "Manual" }),
        },
    }
}
