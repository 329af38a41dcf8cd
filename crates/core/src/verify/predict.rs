//! Predicts a container after a restart: injects into the template, and judges the result like a
//! pod.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::mem::discriminant;

use super::container::{Judge, Problem};
use super::size::is_too_large;
use crate::expectation::Expectation;
use crate::injection::{Target, inject};
use crate::objects::{PodSpec, PodTemplate};
use crate::settings::Settings;

/// The next pod of a template. It is predicted only on demand, because most pods have nothing to
/// fix.
pub(super) struct Prediction<'a> {
    template: Option<&'a PodTemplate>,
    expected: &'a Expectation,
    settings: &'a Settings,
    made: OnceCell<Made>,
}

/// The predicted pod.
struct Made {
    /// Whether the API server would refuse it.
    refused: bool,
    /// Its containers by name; if two have the same name, the first one.
    containers: HashMap<String, Predicted>,
}

/// A container of the predicted pod.
struct Predicted {
    problems: Vec<Problem>,
    sets_wrong_role: bool,
}

impl<'a> Prediction<'a> {
    pub(super) fn new(template: Option<&'a PodTemplate>, expected: &'a Expectation, settings: &'a Settings) -> Self {
        Self { template, expected, settings, made: OnceCell::new() }
    }

    /// Whether the container would have neither the problem nor any error (`None`: no error). False
    /// for a container that the template does not have, because it may be added after the
    /// injection. False for all containers if the API server would refuse the pod.
    pub(super) fn cures(&self, container: &str, problem: Option<&Problem>) -> bool {
        let Some((pod, Predicted { problems, .. })) = self.container(container) else {
            return false;
        };
        let mut problems = problems.iter();
        !pod.refused
            && problems.all(|left| {
                !left.is_error() && problem.is_none_or(|problem| discriminant(left) != discriminant(problem))
            })
    }

    /// Whether the template itself gives the container a role other than the wanted one; `None` if
    /// the template does not have the container.
    pub(super) fn sets_wrong_role(&self, container: &str) -> Option<bool> {
        Some(self.container(container)?.1.sets_wrong_role)
    }

    fn container(&self, name: &str) -> Option<(&Made, &Predicted)> {
        let template = self.template.filter(|template| !is_too_large(&template.spec))?;
        let made = self.made.get_or_init(|| self.make(template));
        Some((made, made.containers.get(name)?))
    }

    fn make(&self, template: &PodTemplate) -> Made {
        let mut spec: PodSpec = template.spec.clone();
        let injection = inject(template, self.expected.given(&self.expected.offered(self.settings)), self.settings);
        let refused = injection.refusal(&template.spec).is_some();
        injection.apply(&mut spec);
        let judge = Judge::new(Target { spec: &spec, ..Target::from(template) }, self.expected, self.settings);
        let mut containers = HashMap::new();
        for container in spec.all_containers() {
            let sets = container.env.iter().any(|var| var.name == crate::injection::ROLE_ARN);
            containers.entry(container.name.clone()).or_insert_with(|| Predicted {
                problems: judge.problems(container),
                sets_wrong_role: sets && Judge::role(container).known() != Some(&self.expected.identity.role_arn),
            });
        }
        Made { refused, containers }
    }
}
