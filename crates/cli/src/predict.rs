//! The pod that a manifest will make, judged as the operator would judge it.

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

/// A pod to come, and the template that it comes from.
pub(crate) struct Predicted<'a> {
    template: &'a PodTemplate,
    pod: Pod,
    injects: bool,
    refusal: Option<Refusal>,
}

impl<'a> Predicted<'a> {
    /// `injects`: whether the cluster's webhook, or `inject`, adds its part.
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
        // It has no creation time: it is about to be created.
        let metadata = PodMeta { name: Some(object.name.to_owned()), shared, ..PodMeta::default() };
        let pod = Pod { metadata, spec: Arc::new(spec), ..Pod::default() };
        Self { template, pod, injects, refusal }
    }
}

/// What will be found in the pod, with the places in the manifest that it comes from. `node`: that of the template.
pub(crate) fn judge(
    object: &Object<'_>,
    node: &Node,
    predicted: &Predicted<'_>,
    identity: &Identity,
    settings: &Settings,
) -> Vec<Finding> {
    // There will be no pod to be judged if the API server refuses it.
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

/// Core speaks of clusters with a webhook.
fn message(object: &Object<'_>, predicted: &Predicted<'_>, identity: &Identity, found: &Found) -> String {
    match (&found.container, found.reason) {
        (Some(container), FindingReason::InjectionMissed) if !predicted.injects => format!(
            "container {container} of {} has no AWS identity, and no webhook gives it one; wanted is {}. Run \
             `kubectl podidentity inject` on the manifest.",
            object.title(),
            identity.expected.identity.role_arn
        ),
        _ => found.message.clone(),
    }
}
