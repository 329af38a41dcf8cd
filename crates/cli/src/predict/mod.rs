//! Predicts the pod that a manifest will create, and judges it as the operator would.

mod locate;

use std::collections::BTreeSet;
use std::sync::Arc;

use podidentity_core::finding::{Finding as Found, FindingReason};
use podidentity_core::injection::{Injection, Refusal, inject};
use podidentity_core::objects::{Pod, PodMeta, PodTemplate, SharedMeta, TemplateMeta};
use podidentity_core::settings::Settings;
use podidentity_core::verify::{AccountOf, left_alone, next_pod_refused, pod_refused, verify_by_hand, verify_pod};

use crate::accounts::Identity;
use crate::findings::{Finding, Reason};
use crate::manifest::{Object, Role};
use crate::yaml::Node;

/// Who adds the injection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    /// The cluster's webhook, which adds it whatever the API server says.
    Webhook,
    /// `inject`, which leaves out what the API server would refuse.
    Hand,
    /// Nobody: the pod is created as it is written.
    Nobody,
}

impl By {
    /// What is added to the template.
    pub(crate) fn inject(self, template: &PodTemplate, identity: &Identity, settings: &Settings) -> Injection {
        match self {
            Self::Nobody => Injection::default(),
            Self::Webhook => inject(template, identity.given(), settings),
            Self::Hand => inject(template, identity.given(), settings).accepted(&template.spec),
        }
    }
}

/// A predicted pod, and the template that it comes from.
pub(crate) struct Predicted<'a> {
    template: &'a PodTemplate,
    pod: Pod,
    by: By,
    refusals: Vec<Refusal>,
}

impl<'a> Predicted<'a> {
    pub(crate) fn new(
        object: &Object<'_>,
        template: &'a PodTemplate,
        identity: &Identity,
        settings: &Settings,
        by: By,
    ) -> Self {
        let injection = by.inject(template, identity, settings);
        // `inject` tells of what it leaves out, too.
        let whole = if by == By::Hand { By::Webhook.inject(template, identity, settings) } else { injection.clone() };
        let refusals = whole.refusals(&template.spec);
        Self { template, pod: pod(object, template, &injection), by, refusals }
    }

    /// What is wrong with the pod.
    fn found(&self, object: &Object<'_>, identity: &Identity, settings: &Settings) -> Vec<Found> {
        let expected = &identity.expected;
        let refusals = self.refusals.iter();
        let refused = refusals.map(|refusal| match self.by {
            By::Hand if !refusal.is_own() => left_alone(object.title(), refusal, expected),
            _ => next_pod_refused(object.title(), refusal, expected, settings, true),
        });
        let mut found: Vec<Found> = refused.collect();
        let is_left = self.by == By::Hand && self.refusals.iter().all(|it| it.container.is_some() && !it.is_own());
        // If the API server refuses the pod, there is no pod to judge.
        if found.is_empty() || is_left {
            let told: BTreeSet<_> = self.refusals.iter().filter_map(|it| it.container.as_deref()).collect();
            let others = verify_pod(&self.pod, Some(self.template), expected, settings).findings;
            let is_told = |found: &Found| found.container.as_deref().is_some_and(|name| told.contains(name));
            found.extend(others.into_iter().filter(|found| !is_told(found)));
        }
        found
    }
}

/// The pod that the template becomes with the injection. It has no creation time, because it does
/// not exist yet.
fn pod(object: &Object<'_>, template: &PodTemplate, injection: &Injection) -> Pod {
    let mut spec = template.spec.clone();
    injection.apply(&mut spec);
    let TemplateMeta { mut labels, annotations } = template.metadata.clone();
    labels.extend(injection.label.map(|(key, value)| (key.to_owned(), value.to_owned())));
    let shared = Arc::new(SharedMeta { labels, annotations, ..SharedMeta::default() });
    let metadata = PodMeta { name: Some(object.name.to_owned()), shared, ..PodMeta::default() };
    Pod { metadata, spec: Arc::new(spec), ..Pod::default() }
}

/// The findings in the predicted pod, with their places in the manifest. `node` is the node of the
/// template.
pub(crate) fn judge(
    object: &Object<'_>,
    node: &Node,
    predicted: &Predicted<'_>,
    identity: &Identity,
    settings: &Settings,
) -> Vec<Finding> {
    let found = predicted.found(object, identity, settings);
    let located = found.into_iter().map(|found| {
        let message = message(object, predicted, identity, &found);
        located(object, node, settings, found, message)
    });
    located.collect()
}

/// The findings in a pod that has no role by its service account.
pub(crate) fn judge_without_role(
    object: &Object<'_>,
    node: &Node,
    template: &PodTemplate,
    settings: &Settings,
    account: AccountOf,
) -> Vec<Finding> {
    let nothing = Injection::default();
    let refusals = nothing.refusals(&template.spec);
    let mut found: Vec<Found> = refusals.iter().map(|refusal| pod_refused(object.title(), refusal)).collect();
    // The controller of a custom resource may add to its pods what they lack.
    if found.is_empty() && object.role != Role::Custom {
        found = verify_by_hand(&pod(object, template, &nothing), account, settings);
    }
    found
        .into_iter()
        .map(|found| {
            let message = found.message.to_string();
            located(object, node, settings, found, message)
        })
        .collect()
}

fn located(object: &Object<'_>, node: &Node, settings: &Settings, found: Found, message: String) -> Finding {
    Finding {
        severity: found.severity,
        reason: Reason::Pod(found.reason),
        object: object.title(),
        namespace: object.namespace.map(str::to_owned),
        place: object.place.with(locate::position(node, &found, settings)),
        message,
        container: found.container,
    }
}

/// Adapts the message to a cluster without a webhook, because core assumes that there is one.
fn message(object: &Object<'_>, predicted: &Predicted<'_>, identity: &Identity, found: &Found) -> String {
    match (&found.container, found.reason) {
        (Some(container), FindingReason::InjectionMissed) if predicted.by == By::Nobody => {
            let next = match object.role {
                Role::Custom => {
                    "Set the variables and the volume of the token by hand: `kubectl podidentity inject` does not look into \
                     custom resources."
                }
                _ => "Run `kubectl podidentity inject` on the manifest.",
            };
            format!(
                "container {container} of {} has no AWS identity, and no webhook gives it one; wanted is {}. {next}",
                object.title(),
                identity.expected.identity.role_arn
            )
        }
        _ => found.message.to_string(),
    }
}
