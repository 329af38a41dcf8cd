//! The questions of an explanation in order, each with its answer.

use super::{Step, Subject, around, containers, mechanism};
use crate::age::age;
use crate::paint::Mark;
use jiff::Timestamp;
use podidentity_core::account::annotated_at;
use podidentity_core::arn::RoleArn;
use podidentity_core::injection::{CONFIG_MAP, Entry, Given, Reasons, reasons};
use podidentity_core::objects::managed_by;
use podidentity_core::objects::{FieldOwner, field_owners};
use podidentity_core::settings::IdentityAnnotation;
use podidentity_core::slip;
use podidentity_core::trust::{self, TrustPolicy};
use podidentity_core::verify::shown;

/// All steps. `no_issuer` says why the cluster's issuer is unknown, if it was looked up.
pub(super) fn of(subject: &Subject<'_>, no_issuer: Option<&str>) -> Vec<Step> {
    let mut steps = vec![service_account(subject), annotation(subject)];
    steps.extend(binding(subject));
    steps.extend(mechanism::of(subject));
    steps.extend(order(subject));
    steps.extend(webhook(subject));
    steps.extend(around::step(subject));
    steps.extend(slips(subject));
    steps.extend(containers::of(subject));
    steps.extend(sdk(subject));
    steps.extend(trusted(subject, no_issuer));
    steps
}

pub(super) fn step(mark: Mark, heading: &str, text: impl Into<String>) -> Step {
    Step { mark, heading: heading.to_owned(), text: text.into(), details: Vec::new(), decisive: None }
}

/// Does the workload name the service account?
fn service_account(subject: &Subject<'_>) -> Step {
    let heading = "Service account";
    let name = &subject.snapshot.service_account_name;
    let by = match (subject.workload(), subject.controller(), &subject.pod) {
        (Some(_), Some(controller), _) => format!("the template of {controller} names it"),
        (None, Some(controller), _) => format!("the pods of {controller} run as it"),
        (_, None, Some(pod)) => format!("pod {} names it", pod.name()),
        (_, None, None) => "no pod runs as it".to_owned(),
    };
    let defaulted = if name == "default" { "; it is the one for pods that name none" } else { "" };
    if subject.snapshot.service_account.is_none() {
        return step(Mark::Wrong, heading, format!("{name} does not exist; {by}"));
    }
    step(Mark::Right, heading, format!("{name}: {by}{defaulted}"))
}

/// Is the service account annotated, by whom, and since when?
fn annotation(subject: &Subject<'_>) -> Step {
    let heading = "Annotation";
    let key = subject.snapshot.config.settings.annotation(IdentityAnnotation::RoleArn);
    let Some(account) = subject.snapshot.service_account.as_deref() else {
        return step(Mark::Wrong, heading, "there is nothing to annotate");
    };
    let of_association = subject.is_of_association();
    let Some(role) = subject.annotated_role() else {
        if of_association {
            return step(Mark::Right, heading, format!("none ({key}): EKS Pod Identity needs none"));
        }
        return step(Mark::Wrong, heading, format!("the service account has no {key}"));
    };
    if let Some(entry) = subject.entry() {
        return of_config_map(subject, entry);
    }
    let wanted = subject.role().is_none_or(|wanted| wanted == role);
    let valid = role.parse::<RoleArn>().is_ok();
    let mut text = format!("{key} is {}", shown(&role));
    if !valid {
        text += ", which is not the ARN of a role";
    }
    let now = subject.snapshot.now;
    let mark = match wanted && valid {
        _ if of_association => {
            text += ": new pods get that role as long as the cluster has no association for the service account, and only then";
            Mark::Note
        }
        true => Mark::Right,
        false => Mark::Wrong,
    };
    let mut annotation = step(mark, heading, text);
    let writers = field_owners(&account.metadata, &key, false);
    annotation.details.extend(writers.map(|owner| ("written by".to_owned(), writer(&owner, now))));
    if annotation.details.is_empty() {
        // This is the case for every service account that was created without labels and
        // annotations.
        annotation.details.push(("written by".to_owned(), "not recorded by the API server, nor when".to_owned()));
    }
    for owner in managed_by(account) {
        annotation.details.push(("kept by".to_owned(), owner.to_string()));
    }
    for other in IdentityAnnotation::ALL.into_iter().filter(|it| *it != IdentityAnnotation::RoleArn) {
        let key = subject.snapshot.config.settings.annotation(other);
        if let Some(value) = account.annotations.get(&key) {
            annotation.details.push((other.name().to_owned(), shown(value)));
        }
    }
    annotation
}

/// The role of a service account without annotation, from the ConfigMap that the webhook watches.
fn of_config_map(subject: &Subject<'_>, entry: &Entry) -> Step {
    let wanted = subject.role().is_none_or(|wanted| wanted == entry.role_arn);
    let valid = entry.role_arn.parse::<RoleArn>().is_ok();
    let mark = if wanted && valid { Mark::Right } else { Mark::Wrong };
    let role = shown(&entry.role_arn);
    let text = format!("none; the ConfigMap {} gives the role {role}", CONFIG_MAP.0);
    let mut found = step(mark, "Annotation", text);
    let audience = if entry.audience.is_empty() { "none: the token is for the API server" } else { &entry.audience };
    found.details.push((IdentityAnnotation::Audience.name().to_owned(), shown(audience)));
    found
}

fn writer(owner: &FieldOwner, now: Timestamp) -> String {
    let how = if owner.applies { ", by server-side apply" } else { "" };
    let when = owner.time.map(|time| format!(", {time} ({} ago)", age(time, now))).unwrap_or_default();
    format!("{}{how}{when}", shown(&owner.manager))
}

/// Which binding owns the service account, and what does the operator do?
fn binding(subject: &Subject<'_>) -> Option<Step> {
    let heading = "Binding";
    if !subject.bound {
        let text = "none: the operator neither watches this service account nor restarts its workloads";
        return subject.annotated_role().map(|_| step(Mark::Note, heading, text));
    }
    let views = crate::view::views(subject.snapshot);
    let owner = subject.assessment.owning_binding().and_then(|owner| owner.metadata.name.clone());
    let first = views.iter().find(|view| view.binding == owner).or(views.first())?;
    let name = first.binding.clone().unwrap_or_default();
    let mut binding = step(Mark::from(first.state), heading, format!("{name}: {}", first.reason));
    if first.role_arn != subject.annotated_role().unwrap_or_default() {
        binding.details.push(("wants".to_owned(), first.role_arn.clone()));
    }
    binding.details.push(("says".to_owned(), first.message.clone()));
    let unsaid = first.preflight.as_ref().filter(|it| !first.message.contains(&it.message));
    binding.details.extend(unsaid.map(|it| ("AWS".to_owned(), it.message.clone())));
    let others = views.iter().filter(|view| view.binding != first.binding);
    let others: Vec<String> = others.filter_map(|view| view.binding.clone()).collect();
    if !others.is_empty() {
        binding.details.push(("claimed as well by".to_owned(), others.join(", ")));
    }
    let shown = subject.snapshot.bindings.iter().find(|binding| binding.metadata.name == first.binding);
    let seen = shown.and_then(|binding| binding.status.as_ref());
    if seen.is_none_or(|status| status.conditions.is_empty()) {
        binding.details.push(("operator".to_owned(), "has not looked at it yet: does it run?".to_owned()));
    }
    Some(binding)
}

/// Was the pod created before or after the annotation was written?
fn order(subject: &Subject<'_>) -> Option<Step> {
    let heading = "Order";
    // When an entry was added to the webhook's ConfigMap is not known.
    let pod = subject.pod.as_ref().filter(|_| !subject.is_of_association() && subject.entry().is_none())?;
    let created = pod.metadata.creation_timestamp.as_ref()?.0;
    let now = subject.snapshot.now;
    let account = subject.snapshot.service_account.as_deref()?;
    subject.annotated_role()?;
    let annotated = annotated_at(account, &subject.snapshot.config.settings);
    let pod_age = format!("the pod was created at {created} ({} ago)", age(created, now));
    Some(match annotated {
        None => step(Mark::Note, heading, format!("{pod_age}; since when the annotation is there is not known")),
        Some(annotated) if created.as_second() < annotated.as_second() => {
            let right = subject.judged.as_ref().is_some_and(|judged| judged.verdict.is_verified());
            let text = "before the annotation was last written: webhooks see pods at creation only";
            step(if right { Mark::Note } else { Mark::Wrong }, heading, format!("{pod_age}, {text}"))
        }
        Some(_) => step(Mark::Right, heading, format!("{pod_age}, after the annotation was written")),
    })
}

/// Which settings do not have the intended effect?
fn slips(subject: &Subject<'_>) -> Option<Step> {
    let slips = slip::of_snapshot(subject.snapshot);
    let worst = slips.iter().map(|(_, slip)| slip.severity).min()?;
    let mut step = step(Mark::from(Some(worst)), "Slips", "what is written without the effect that is meant:");
    step.details = slips.into_iter().map(|(object, slip)| (object, slip.message().to_string())).collect();
    Some(step)
}

/// What would the webhook have done, and why?
fn webhook(subject: &Subject<'_>) -> Option<Step> {
    let heading = "Webhook";
    let target = subject.admitted()?;
    let settings = &subject.snapshot.config.settings;
    let expected = subject.case().map(|case| &case.expected);
    let offered = expected.map(|expected| expected.offered(settings));
    let annotated = subject.snapshot.service_account.as_ref().map(|account| account.annotations.clone());
    // Start from the annotations that the operator has yet to write, as if they were there already.
    // The service account's own annotations take precedence.
    let mut annotations = offered.unwrap_or_default();
    annotations.extend(annotated.unwrap_or_default());
    let source =
        if subject.workload().is_some() { "a pod of the template as it is now" } else { "a pod like this one" };
    let given = expected.map_or(Given::Annotations(&annotations), |expected| expected.given(&annotations));
    let given = subject.entry().map_or(given, Given::Entry);
    let source = if subject.is_of_association() {
        format!("{source}, once the cluster has an association for its service account,")
    } else {
        source.to_owned()
    };
    Some(match reasons(target, given, settings) {
        Reasons::Nothing(why) => step(Mark::Wrong, heading, format!("leaves {source} alone: {why}")),
        Reasons::Containers(all) => {
            let complete = all.iter().all(|(_, addition)| addition.omitted.is_empty());
            let mark = if complete { Mark::Right } else { Mark::Warning };
            let mut webhook = step(mark, heading, format!("of {source} it mutates:"));
            webhook.details = all.into_iter().map(|(name, addition)| (name, addition.to_string())).collect();
            webhook
        }
    })
}

/// The oldest SDK versions that support web identity. Source: "Use IRSA with the AWS SDK", Amazon
/// EKS User Guide.
const SDKS: &[(&str, &str)] = &[
    ("Java", "2.10.11, or 1.12.782 of version 1, with the STS module"),
    ("Go", "all of version 2, or 1.23.13"),
    ("Python", "boto3 1.9.220, botocore 1.12.200, AWS CLI 1.16.232"),
    ("JavaScript", "3.27.0, or 2.525.0 of version 2"),
    ("Ruby", "3.58.0"),
    ("C++", "1.7.174"),
    (".NET", "3.3.659.1, with AWSSDK.SecurityToken"),
    ("PHP", "3.110.7"),
    ("Rust", "all"),
];

/// The oldest SDK versions that support EKS Pod Identity. Source: "Use pod identity with the AWS
/// SDK", Amazon EKS User Guide.
const SDKS_OF_ASSOCIATION: &[(&str, &str)] = &[
    ("Java", "2.21.30, or 1.12.746 of version 1"),
    ("Go", "release-2023-11-14 of version 2, or 1.47.11"),
    ("Python", "boto3 and botocore 1.34.41, AWS CLI 2.15.0 or 1.30.0"),
    ("JavaScript", "3.458.0, or 2.1550.0 of version 2"),
    ("Ruby", "3.188.0"),
    ("C++", "1.11.263"),
    (".NET", "3.7.734.0"),
    ("PHP", "3.287.1"),
    ("Rust", "release-2024-03-13"),
];

fn sdk(subject: &Subject<'_>) -> Option<Step> {
    subject.role()?;
    let (text, sdks) = if subject.is_of_association() {
        ("has to know EKS Pod Identity, which these versions do, and later ones:", SDKS_OF_ASSOCIATION)
    } else {
        ("has to know web identity, which these versions do, and later ones:", SDKS)
    };
    let mut sdk = step(Mark::Note, "SDK", text);
    sdk.details = sdks.iter().map(|(name, version)| ((*name).to_owned(), (*version).to_owned())).collect();
    Some(sdk)
}

/// Where the user finds the cluster's issuer.
const ISSUER: &[(&str, &str)] = &[
    ("on EKS", "aws eks describe-cluster --name CLUSTER --query cluster.identity.oidc.issuer --output text"),
    ("elsewhere", "the first --service-account-issuer of kube-apiserver"),
    ("--issuer URL", "puts it in here"),
];

/// What must the trust policy contain?
fn trusted(subject: &Subject<'_>, no_issuer: Option<&str>) -> Option<Step> {
    let policy = trust_policy(subject)?;
    let role = subject.role()?.parse::<RoleArn>().ok()?;
    let (name, account) = (role.role(), role.account());
    if subject.is_of_association() {
        let text = format!(
            "the trust policy of {name} has to contain this (without the condition where the association turns session tags \
             off), and the association has to name the role:"
        );
        let mut step = step(Mark::Note, "Trust policy", text);
        step.details.push((String::new(), serde_json::to_string_pretty(&policy).unwrap_or_default()));
        return Some(step);
    }
    let text = format!("the trust policy of {name} has to contain this, and account {account} the provider");
    let mut step = step(Mark::Note, "Trust policy", format!("{text}:"));
    if subject.snapshot.config.issuer.is_none() {
        step.text =
            format!("{text}. For ISSUER put the cluster's OIDC issuer, without https://; it is not known here:");
        step.details.extend(no_issuer.map(|why| ("API server".to_owned(), shown(why))));
        step.details.extend(ISSUER.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    }
    step.details.push((String::new(), serde_json::to_string_pretty(&policy).unwrap_or_default()));
    Some(step)
}

/// The trust policy that the role needs.
pub(super) fn trust_policy(subject: &Subject<'_>) -> Option<TrustPolicy> {
    let role: RoleArn = subject.role()?.parse().ok()?;
    let snapshot = subject.snapshot;
    if subject.is_of_association() {
        return Some(trust::association_policy(&snapshot.namespace, &snapshot.service_account_name));
    }
    let config = &snapshot.config;
    let audience = subject
        .case()
        .map_or(config.settings.audience.as_str(), |case| case.expected.effective_audience(&config.settings));
    Some(trust::policy(&role, config.issuer.as_deref(), &snapshot.subject(), audience))
}
