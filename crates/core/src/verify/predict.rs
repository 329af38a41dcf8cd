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
    spec: OnceCell<PodSpec>,
}

impl<'a> Prediction<'a> {
    pub(super) fn new(template: Option<&'a PodTemplate>, wanted: &'a Wanted, settings: &'a Settings) -> Self {
        Self { template, wanted, settings, spec: OnceCell::new() }
    }

    /// Whether the container would not have the problem, nor any error (`None`: just no error). False for a container
    /// that the template does not have: what adds it may come after the injection.
    pub(super) fn cures(&self, container: &str, problem: Option<&Problem>) -> bool {
        let Some((template, container)) = self.container(container) else {
            return false;
        };
        let spec = self.spec.get().unwrap_or(&template.spec);
        let target = Target { spec, ..Target::from(template) };
        let left = Judge::new(target, self.wanted, self.settings).problems(container);
        left.iter()
            .all(|left| !left.is_error() && problem.is_none_or(|problem| discriminant(left) != discriminant(problem)))
    }

    /// Whether the container would be given another role than the wanted one by the template; `None` if the template
    /// does not have the container.
    pub(super) fn sets_wrong_role(&self, container: &str) -> Option<bool> {
        let (_, container) = self.container(container)?;
        let sets = container.env.iter().any(|var| var.name == crate::injection::ROLE_ARN);
        Some(sets && Judge::role(container).known() != Some(&self.wanted.role_arn))
    }

    fn container(&self, name: &str) -> Option<(&'a PodTemplate, &Container)> {
        let template = self.template?;
        let spec = self.spec.get_or_init(|| {
            let mut spec = template.spec.clone();
            inject(template, &self.wanted.annotations(self.settings), self.settings).apply(&mut spec);
            spec
        });
        let mut containers = spec.init_containers.iter().chain(&spec.containers);
        Some((template, containers.find(|container| container.name == name)?))
    }
}
