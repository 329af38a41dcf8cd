//! The binding for one service account.

use podidentity_api::{PodIdentityBindingSpec, RolloutPolicy};
use podidentity_core::arn::RoleArn;
use podidentity_core::forecast::Forecast;
use podidentity_core::objects::{ServiceAccount, field_owners};
use podidentity_core::owners::owners;
use podidentity_core::settings::Settings;
use podidentity_core::snapshot::Snapshot;
use podidentity_core::unbound::{self, annotation, binding};
use podidentity_core::verify::shown;
use serde::Serialize;

use crate::view::counted;

/// What is proposed for a service account.
pub(crate) struct Proposal {
    /// Lines without the number sign.
    pub(crate) comments: Vec<String>,
    /// `None`: it cannot be bound; the comments say why.
    pub(crate) binding: Option<Document>,
    /// Whether pods lack the role, so that the binding waits for a release.
    pub(crate) waits: bool,
}

/// The binding that declares what the service account's annotations say and, applied, restarts nothing; `None` if
/// there is nothing to adopt.
pub(crate) fn propose(snapshot: &Snapshot) -> Option<Proposal> {
    let settings = &snapshot.config.settings;
    let account = snapshot.service_account.as_deref().filter(|_| snapshot.bindings.is_empty())?;
    let role_only = unbound::declared(&snapshot.service_account_name, account, settings)?;
    let mut comments = vec![origin(snapshot, account, settings)];
    if let Err(problem) = role_only.role_arn.parse::<RoleArn>() {
        comments.push(format!("Cannot be bound: {problem}"));
        return Some(Proposal { comments, binding: None, waits: false });
    }
    // What is declared is enforced: lifetime and STS endpoint only where pods have them already.
    let (fullest, ignored) = with_the_rest(role_only.clone(), account, settings);
    comments.extend(ignored);
    let mut waiting = role_only.clone();
    waiting.rollout.policy = RolloutPolicy::Manual;
    let candidates = [(fullest, false), (role_only, false), (waiting, true)];
    let proven = candidates.into_iter().find_map(|(spec, waits)| {
        let forecast = forecast(snapshot, spec.clone());
        restarts_nothing(&forecast).then_some((spec, waits, forecast))
    });
    let Some((spec, waits, forecast)) = proven else {
        comments.push("Cannot be bound without a restart.".to_owned());
        return Some(Proposal { comments, binding: None, waits: false });
    };
    comments.push(effect(&forecast, waits));
    Some(Proposal { comments, binding: Some(document(snapshot, &spec)), waits })
}

fn forecast(snapshot: &Snapshot, spec: PodIdentityBindingSpec) -> Forecast {
    let binding = binding(&snapshot.service_account_name, &snapshot.namespace, spec);
    Forecast::of(&Snapshot { bindings: vec![binding.into()], ..snapshot.clone() })
}

fn restarts_nothing(forecast: &Forecast) -> bool {
    forecast.restarts_unasked().next().is_none()
}

/// Lifetime and STS endpoint as well, as the annotations declare them and a binding can; what it cannot, in words.
fn with_the_rest(
    spec: PodIdentityBindingSpec,
    account: &ServiceAccount,
    settings: &Settings,
) -> (PodIdentityBindingSpec, Vec<String>) {
    let annotation = |name: &str| annotation(account, settings, name).map(str::to_owned);
    let mut ignored = Vec::new();
    // Only what the operator would write in the same way: another spelling would be a conflict.
    let mut same = |name: &str, value: Option<String>, accepted: Option<String>| {
        if let Some(value) = value.filter(|value| Some(value) != accepted.as_ref()) {
            ignored.push(format!(
                "{} is {}, which a binding cannot declare: it stays as it is.",
                settings.key(name),
                shown(&value)
            ));
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

/// Who wrote the annotation, and who keeps the account.
fn origin(snapshot: &Snapshot, account: &ServiceAccount, settings: &Settings) -> String {
    let writers: Vec<String> = field_owners(&account.metadata, &settings.key("role-arn"), false)
        .map(|owner| match owner.time {
            Some(time) => format!("{} at {time}", shown(&owner.manager)),
            None => shown(&owner.manager),
        })
        .collect();
    let written =
        if writers.is_empty() { "by whom is not recorded".to_owned() } else { format!("by {}", writers.join(", ")) };
    let keepers: Vec<String> = owners(account).iter().map(ToString::to_string).collect();
    let kept = if keepers.is_empty() {
        String::new()
    } else {
        format!("; kept by {}, which has to go on saying the same", keepers.join(", "))
    };
    format!("ServiceAccount {}/{}: annotated {written}{kept}.", snapshot.namespace, snapshot.service_account_name)
}

fn effect(forecast: &Forecast, waits: bool) -> String {
    let pods: usize = forecast.workloads.iter().map(|workload| workload.pods).sum::<usize>() + forecast.unmanaged_pods;
    if !waits {
        let has = if pods == 0 { "It has no pods".to_owned() } else { format!("{} as they are", counted(pods, "pod")) };
        return format!("{has}: applying this restarts nothing.");
    }
    let names: Vec<String> = forecast
        .restarts()
        .map(|it| format!("{} ({} of {} pods lack the role)", it.workload, it.lacking, it.pods))
        .collect();
    format!("Needs a restart: {}. Applying this restarts nothing; kubectl podidentity release does.", names.join(", "))
}

/// A binding as it is written by hand: in that order, and without defaults.
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
    #[serde(skip_serializing_if = "Option::is_none")]
    audience: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_expiration_seconds: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sts_regional_endpoints: Option<bool>,
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
            audience: spec.audience.clone(),
            token_expiration_seconds: spec.token_expiration_seconds,
            sts_regional_endpoints: spec.sts_regional_endpoints,
            rollout: manual.then_some(Policy { policy: "Manual" }),
        },
    }
}
