//! The surroundings of the identity: other service accounts, the cluster's injectors, and whether
//! these have injected into other pods since.

use jiff::Timestamp;
use podidentity_core::injection::{TOKEN_FILE, VOLUME};
use podidentity_core::injector::{Injector, Injectors};
use podidentity_core::objects::{Map, Pod};
use podidentity_core::slip::NameMatches;
use podidentity_core::snapshot::Snapshot;
use podidentity_core::unbound::annotated_role;

use super::{Step, Subject, steps};
use crate::paint::Mark;

/// What was read besides the identity itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct Around {
    accounts: Vec<Known>,
    /// Pods that an injector gave a role, with their creation times.
    given: Vec<(String, Timestamp)>,
    /// The cluster's injectors. `None` if they were not looked up.
    pub(crate) injectors: Option<Injectors>,
    /// Whether the cluster has no bindings, because their definition is not installed.
    pub(crate) without_bindings: bool,
    /// All labels of the pod, if known.
    pub(crate) pod_labels: Option<Map>,
}

/// A service account that exists.
#[derive(Clone, Debug)]
struct Known {
    namespace: String,
    name: String,
    has_role: bool,
}

impl Around {
    /// Records an identity of the namespace.
    pub(crate) fn note(&mut self, snapshot: &Snapshot) {
        if let Some(account) = &snapshot.service_account {
            let has_role =
                !snapshot.bindings.is_empty() || annotated_role(account, &snapshot.config.settings).is_some();
            self.add_account(&snapshot.namespace, &snapshot.service_account_name, has_role);
        }
        let injected = snapshot.pods.iter().filter(|pod| pod.is_live() && is_injected(pod));
        self.given.extend(injected.filter_map(|pod| {
            let created = pod.metadata.creation_timestamp.as_ref()?.0;
            Some((format!("{}/{}", snapshot.namespace, pod.name()), created))
        }));
    }

    /// Records a service account.
    pub(crate) fn add_account(&mut self, namespace: &str, name: &str, has_role: bool) {
        self.accounts.push(Known { namespace: namespace.to_owned(), name: name.to_owned(), has_role });
    }

    /// Possible matches for a service account that does not exist: similar names in the namespace,
    /// and the same name in other namespaces.
    pub(super) fn elsewhere(&self, namespace: &str, name: &str) -> NameMatches {
        NameMatches::among(namespace, name, self.accounts.iter().map(|it| (it.namespace.as_str(), it.name.as_str())))
    }

    /// The service account of the namespace that has a role and whose name resembles the workload's
    /// name.
    pub(super) fn of_workload(&self, namespace: &str, workload: &str) -> Option<&str> {
        let here = self.accounts.iter().filter(|it| it.namespace == namespace && it.has_role);
        let mut like = here.filter(|it| podidentity_core::likeness::is_slip(&it.name, workload));
        like.next().map(|it| it.name.as_str())
    }

    /// A pod that was given a role and was not created before `time`.
    fn given_since(&self, time: Timestamp) -> Option<&str> {
        self.given.iter().find(|(_, created)| *created >= time).map(|(name, _)| name.as_str())
    }
}

/// Whether the pod has what an injector adds.
fn is_injected(pod: &Pod) -> bool {
    let mut containers = pod.spec.all_containers();
    containers.any(|container| {
        container.env.iter().any(|var| var.name == TOKEN_FILE)
            && container.volume_mounts.iter().any(|mount| mount.name == VOLUME)
    })
}

/// Why the injector missed a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Missed {
    /// The injectors are unknown. Finding them requires the right to list these resources.
    Unknown(Vec<String>),
    /// The cluster has no injector.
    Nothing,
    /// No injector looks at the pod, for these reasons.
    Overlooked(Vec<String>),
    /// The injector works: it has since injected into this other pod.
    Works(String),
    /// This injector looks at the pod, but nothing shows that it works.
    Silent(Box<Injector>),
}

impl Missed {
    pub(super) fn of(subject: &Subject<'_>) -> Self {
        let around = subject.around;
        let Some(injectors) = &around.injectors else { return Self::Unknown(Vec::new()) };
        if injectors.found.is_empty() && !injectors.forbidden.is_empty() {
            return Self::Unknown(injectors.forbidden.clone());
        }
        if injectors.found.is_empty() {
            return Self::Nothing;
        }
        let (pod, namespace) = labels(subject);
        let seeing = injectors.found.iter().find(|injector| injector.overlooks(&pod, &namespace).is_none());
        let Some(seeing) = seeing else {
            return Self::Overlooked(
                injectors.found.iter().filter_map(|injector| injector.overlooks(&pod, &namespace)).collect(),
            );
        };
        let created = subject.pod.as_ref().and_then(|pod| pod.metadata.creation_timestamp.as_ref());
        match created.and_then(|created| around.given_since(created.0)) {
            Some(other) => Self::Works(other.to_owned()),
            None => Self::Silent(Box::new(seeing.clone())),
        }
    }

    /// Whether it is certain that no pod like this one gets a role.
    pub(super) fn is_certain(&self) -> bool {
        matches!(self, Self::Nothing | Self::Overlooked(_))
    }

    /// What to do if a restart alone would not help.
    pub(super) fn next(&self) -> Option<String> {
        match self {
            Self::Works(_) => None,
            Self::Unknown(forbidden) if forbidden.is_empty() => None,
            Self::Unknown(forbidden) => Some(format!(
                "See whether something injects, and whether it answers: kubectl get {0}. You may not list these; with the \
                 right {{apiGroups: [admissionregistration.k8s.io], resources: [{0}], verbs: [list]}} explain would say.",
                forbidden.join(", ").replace(", ", ",")
            )),
            Self::Nothing => Some(
                "Install something that injects: nothing does in this cluster. On a cluster that is not EKS that is the \
                 policy in config/injection, or the EKS pod identity webhook; on EKS the webhook is part of the control \
                 plane, and its MutatingWebhookConfiguration pod-identity-webhook was removed."
                    .to_owned(),
            ),
            Self::Overlooked(reasons) => {
                Some(format!("Change the selector, or the label, and create the pod anew: {}.", reasons.join("; ")))
            }
            Self::Silent(injector) => Some(silent(injector)),
        }
    }
}

fn silent(injector: &Injector) -> String {
    let name = injector.title.rsplit('/').next().unwrap_or_default();
    match &injector.call {
        None => format!("Restart it: {} is in force, and gives new pods the role.", injector.title),
        Some(call) if injector.ignores_failure => {
            let ca = if call.has_ca {
                "whether caBundle is the authority that signed its certificate"
            } else {
                "why it has no caBundle, without which only a publicly signed certificate is accepted"
            };
            format!(
                "Mend the webhook, then restart: {} is configured, but let the pod through (failurePolicy Ignore), as it \
                 does when the webhook does not answer. See whether {} answers, and {ca}: kubectl get \
                 mutatingwebhookconfiguration {name} -o yaml; the API server's log says why a call failed.",
                injector.title, call.to
            )
        }
        Some(_) => format!(
            "See how the webhook is started: {} refuses pods when the webhook does not answer, so it answered and did not \
             inject. Its flag --annotation-prefix may be another one than that of this tool's --annotation-domain.",
            injector.title
        ),
    }
}

/// Labels of the pod and of its namespace.
fn labels(subject: &Subject<'_>) -> (Map, Map) {
    let known = subject.pod.as_ref().map(|pod| pod.metadata.shared.labels.clone()).unwrap_or_default();
    let pod = subject.around.pod_labels.clone().unwrap_or(known);
    let namespace = subject.snapshot.namespace_object.as_ref();
    let labels = namespace.and_then(|namespace| namespace.metadata.labels.clone()).unwrap_or_default();
    let mut namespace: Map = labels.into_iter().collect();
    namespace.insert("kubernetes.io/metadata.name".to_owned(), subject.snapshot.namespace.clone());
    (pod, namespace)
}

/// Which injectors does the cluster have, and do they look at this pod?
pub(super) fn step(subject: &Subject<'_>) -> Option<Step> {
    let heading = "Injector";
    let injectors = subject.around.injectors.as_ref()?;
    subject.role()?;
    if !injectors.forbidden.is_empty() && injectors.found.is_empty() {
        let text = format!("not known: you may not list {}", injectors.forbidden.join(" and "));
        return Some(steps::step(Mark::Note, heading, text));
    }
    if injectors.found.is_empty() {
        let text = "none: no webhook and no policy of this cluster gives pods a role";
        return Some(steps::step(Mark::Wrong, heading, text));
    }
    let (pod, namespace) = labels(subject);
    let mut seen = false;
    let details = injectors.found.iter().map(|injector| {
        let overlooks = injector.overlooks(&pod, &namespace);
        seen |= overlooks.is_none();
        (injector.title.clone(), overlooks.unwrap_or_else(|| described(injector)))
    });
    let mut details: Vec<_> = details.collect();
    if let Missed::Works(other) = Missed::of(subject) {
        details.push(("meanwhile".to_owned(), format!("pod {other} was given its role, so it works")));
    }
    let mark = if seen { Mark::Note } else { Mark::Wrong };
    let text = if seen { "looks at this pod:" } else { "does not look at this pod:" };
    Some(Step { details, ..steps::step(mark, heading, text) })
}

fn described(injector: &Injector) -> String {
    let failure =
        if injector.ignores_failure { "lets pods through when it fails" } else { "refuses pods when it fails" };
    let call = match &injector.call {
        None => "evaluated in the API server".to_owned(),
        Some(call) => {
            let ca = if call.has_ca { "" } else { ", without caBundle" };
            format!("calls {}{ca}", call.to)
        }
    };
    let conditional = if injector.conditional { ", under conditions that are not evaluated here" } else { "" };
    format!("{call}; {failure}{conditional}")
}
