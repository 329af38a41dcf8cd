//! What a restart would make of a container: the template, injected into and judged like a pod.

use std::cell::OnceCell;
use std::mem::discriminant;

use super::container::{Judge, Problem};
use crate::injection::{Target, inject};
use crate::objects::{Container, PodSpec, PodTemplate};
use crate::settings::Settings;
use crate::wanted::Wanted;

/// The pods that a template would give. Made only when asked, since most pods have nothing to be cured.
pub(super) struct Prediction<'a> {
    template: Option<&'a PodTemplate>,
    wanted: &'a Wanted,
    settings: &'a Settings,
    pod: OnceCell<Predicted>,
}

/// The pod that a template gives, and whether the API server takes it.
struct Predicted {
    spec: PodSpec,
    refused: bool,
}

impl<'a> Prediction<'a> {
    pub(super) fn new(template: Option<&'a PodTemplate>, wanted: &'a Wanted, settings: &'a Settings) -> Self {
        Self { template, wanted, settings, pod: OnceCell::new() }
    }

    /// Whether the container would not have the problem, nor any error (`None`: just no error). False for a container
    /// that the template does not have: what adds it may come after the injection. False for all of them if the API
    /// server would refuse the pod.
    pub(super) fn cures(&self, container: &str, problem: Option<&Problem>) -> bool {
        let Some((template, pod, container)) = self.container(container) else {
            return false;
        };
        if pod.refused {
            return false; // there would be no pod at all
        }
        let target = Target { spec: &pod.spec, ..Target::from(template) };
        let left = Judge::new(target, self.wanted, self.settings).problems(container);
        left.iter()
            .all(|left| !left.is_error() && problem.is_none_or(|problem| discriminant(left) != discriminant(problem)))
    }

    /// Whether the container would be given another role than the wanted one by the template; `None` if the template
    /// does not have the container.
    pub(super) fn sets_wrong_role(&self, container: &str) -> Option<bool> {
        let (_, _, container) = self.container(container)?;
        let sets = container.env.iter().any(|var| var.name == crate::injection::ROLE_ARN);
        Some(sets && Judge::role(container).known() != Some(&self.wanted.role_arn))
    }

    fn container(&self, name: &str) -> Option<(&'a PodTemplate, &Predicted, &Container)> {
        let template = self.template?;
        let pod = self.pod.get_or_init(|| {
            let injection = inject(template, &self.wanted.offered(self.settings), self.settings);
            let mut spec = template.spec.clone();
            injection.apply(&mut spec);
            Predicted { spec, refused: injection.refusal(&template.spec).is_some() }
        });
        let mut containers = pod.spec.init_containers.iter().chain(&pod.spec.containers);
        Some((template, pod, containers.find(|container| container.name == name)?))
    }
}
