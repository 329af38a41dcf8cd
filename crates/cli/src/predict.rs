//! Predicts the pod that a manifest will create, and judges it as the operator would.

mod locate;

use std::sync::Arc;

use podidentity_core::finding::{Finding as Found, FindingReason};
use podidentity_core::injection::{Refusal, inject};
use podidentity_core::objects::{Pod, PodMeta, PodTemplate, SharedMeta, TemplateMeta};
use podidentity_core::settings::Settings;
use podidentity_core::verify::{next_pod_refused, verify_pod};

use crate::accounts::Identity;
use crate::findings::{Finding, Reason};
use crate::manifest::Object;
use crate::yaml::Node;

/// A predicted pod, and the template that it comes from.
pub(crate) struct Predicted<'a> {
    template: &'a PodTemplate,
    pod: Pod,
    injects: bool,
    refusal: Option<Refusal>,
}

impl<'a> Predicted<'a> {
    /// `injects` says whether the cluster's webhook, or `inject`, adds the injection.
    pub(crate) fn new(
        object: &Object<'_>,
        template: &'a PodTemplate,
        identity: &Identity,
        settings: &Settings,
        injects: bool,
    ) -> Self {
        let mut spec = template.spec.clone();
        let mut refusal = None;
        let TemplateMeta { mut labels, annotations } = template.metadata.clone();
        if injects {
            let injection = inject(template, identity.given(), settings);
            refusal = injection.refusal(&template.spec);
            injection.apply(&mut spec);
            labels.extend(injection.label.map(|(key, value)| (key.to_owned(), value.to_owned())));
        }
        let shared = Arc::new(SharedMeta { labels, annotations, ..SharedMeta::default() });
        // The pod has no creation time, because it does not exist yet.
        let metadata = PodMeta { name: Some(object.name.to_owned()), shared, ..PodMeta::default() };
        let pod = Pod { metadata, spec: Arc::new(spec), ..Pod::default() };
        Self { template, pod, injects, refusal }
    }
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
    // If the API server refuses the pod, there is no pod to judge.
    let found = match &predicted.refusal {
        Some(refusal) => vec![next_pod_refused(object.title(), refusal, &identity.expected, settings, true)],
        None => verify_pod(&predicted.pod, Some(predicted.template), &identity.expected, settings).findings,
    };
    let located = found.into_iter().map(|found| Finding {
        severity: found.severity,
        reason: Reason::Pod(found.reason),
        object: object.title(),
        namespace: object.namespace.map(str::to_owned),
        place: object.place.with(locate::position(node, &found, settings)),
        message: message(object, predicted, identity, &found),
        container: found.container,
    });
    located.collect()
}

/// Adapts the message to a cluster without a webhook, because core assumes that there is one.
fn message(object: &Object<'_>, predicted: &Predicted<'_>, identity: &Identity, found: &Found) -> String {
    match (&found.container, found.reason) {
        (Some(container), FindingReason::InjectionMissed) if !predicted.injects => format!(
            "container {container} of {} has no AWS identity, and no webhook gives it one; wanted is {}. Run \
             `kubectl podidentity inject` on the manifest.",
            object.title(),
            identity.expected.identity.role_arn
        ),
        _ => found.message.to_string(),
    }
}
