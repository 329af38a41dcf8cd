//! Explains what the webhook adds to a container, and why, in words.

use std::fmt;

use super::{
    Given, Identity, REGIONS, ROLE_ARN, SKIP_CONTAINERS, SKIP_LABEL, STS_ENDPOINTS, TOKEN_FILE, Target, inject,
};
use crate::objects::Container;
use crate::settings::{IdentityAnnotation, Settings};

/// What the webhook does to a pod, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reasons {
    /// Nothing, for this reason.
    Nothing(String),
    /// An addition for each container, init containers first.
    Containers(Vec<(String, Addition)>),
}

/// What the webhook does to a container, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addition {
    /// Names of the variables that it adds, in their order.
    pub env: Vec<String>,
    /// Whether it mounts the token.
    pub mount: bool,
    /// Why it leaves something out; empty if it adds both role and token.
    pub omitted: Vec<String>,
}

impl fmt::Display for Addition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut added = self.env.clone();
        added.extend(self.mount.then(|| "the token's mount".to_owned()));
        let added = if added.is_empty() { "adds nothing".to_owned() } else { format!("adds {}", added.join(", ")) };
        f.write_str(&added)?;
        if self.omitted.is_empty() { Ok(()) } else { write!(f, "; {}", self.omitted.join("; ")) }
    }
}

/// What the webhook does to a pod when it is created, and why, given the source of its service
/// account's identity.
pub fn reasons<'a, 'b>(
    target: impl Into<Target<'a>>,
    service_account: impl Into<Given<'b>>,
    settings: &Settings,
) -> Reasons {
    let (target, service_account) = (target.into(), service_account.into());
    if target.is_skipped() {
        return Reasons::Nothing(format!("the pod has the label {SKIP_LABEL}, with whatever value"));
    }
    let Some(identity) = Identity::of(service_account, &target, settings) else {
        return Reasons::Nothing(format!(
            "the service account has no annotation {}",
            settings.annotation(IdentityAnnotation::RoleArn)
        ));
    };
    let names = [identity.variables[0].0, identity.variables[1].0];
    let injection = inject(target, service_account, settings);
    let skipped = target.skipped_containers(settings);
    let containers = target.spec.all_containers();
    let additions = containers.zip(injection.init_containers.into_iter().chain(injection.containers));
    let additions = additions.map(|(container, added)| {
        let omitted = if skipped.contains(&container.name) {
            vec![format!("the pod's annotation {} names the container", settings.key(SKIP_CONTAINERS))]
        } else if added.is_empty() && is_complete(container, names) {
            vec![format!(
                "it leaves a container alone that has an identity variable, a region variable and {STS_ENDPOINTS}"
            )]
        } else {
            let has_variables = added.env.iter().any(|var| var.name == names[0]);
            omitted(container, &identity, has_variables, added.mount.is_some(), &target)
        };
        let env = added.env.into_iter().map(|var| var.name).collect();
        (container.name.clone(), Addition { env, mount: added.mount.is_some(), omitted })
    });
    Reasons::Containers(additions.collect())
}

/// Whether the webhook returns early because the container already has an identity variable, a
/// region variable and the one for the STS endpoint.
fn is_complete(container: &Container, names: [&str; 2]) -> bool {
    names.into_iter().any(|name| has(container, name))
        && REGIONS.into_iter().any(|name| has(container, name))
        && has(container, STS_ENDPOINTS)
}

fn omitted(
    container: &Container,
    identity: &Identity<'_>,
    has_variables: bool,
    mount: bool,
    target: &Target<'_>,
) -> Vec<String> {
    let mut omitted = Vec::new();
    let volume = identity.volume;
    if !has_variables {
        let names = identity.variables.iter().map(|(name, _)| *name);
        let set: Vec<&str> = names.filter(|name| has(container, name)).collect();
        let what = if set.iter().any(|name| [ROLE_ARN, TOKEN_FILE].contains(name)) { "role" } else { "credentials" };
        omitted.push(format!("no {what}, because the template sets {}", set.join(" and ")));
    }
    if !mount {
        omitted.push(format!("no mount, because the template has one named {volume}"));
    }
    if target.spec.volumes.iter().any(|it| it.name == volume) {
        omitted.push(format!("no volume, because the template has one named {volume}"));
    }
    omitted
}

fn has(container: &Container, name: &str) -> bool {
    container.env.iter().any(|var| var.name == name)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::objects::{Map, PodTemplate};

    fn told(template: serde_json::Value) -> Vec<String> {
        let template: PodTemplate = serde_json::from_value(template).unwrap();
        let account = Map::from_iter([("eks.amazonaws.com/role-arn".to_owned(), "r".to_owned())]);
        match reasons(&template, &account, &Settings::default()) {
            Reasons::Nothing(why) => vec![why],
            Reasons::Containers(all) => all.into_iter().map(|(name, added)| format!("{name}: {added}")).collect(),
        }
    }

    #[test]
    fn each_omission_has_its_reason() {
        let of = |container: serde_json::Value| told(json!({"spec": {"containers": [container]}})).remove(0);
        let whole = "a: adds AWS_ROLE_ARN, AWS_WEB_IDENTITY_TOKEN_FILE, the token's mount";
        assert_eq!(of(json!({"name": "a"})), whole);
        let preset = of(json!({"name": "a", "env": [{"name": "AWS_ROLE_ARN", "value": "x"}]}));
        assert_eq!(preset, "a: adds the token's mount; no role, because the template sets AWS_ROLE_ARN");
        let names = ["AWS_ROLE_ARN", "AWS_REGION", "AWS_STS_REGIONAL_ENDPOINTS"];
        let env: Vec<_> = names.iter().map(|name| json!({"name": name, "value": "x"})).collect();
        let complete = of(json!({"name": "a", "env": env}));
        assert!(complete.starts_with("a: adds nothing; it leaves a container alone"), "{complete}");
    }

    #[test]
    fn a_pod_or_a_container_may_opt_out() {
        let label = json!({"metadata": {"labels": {SKIP_LABEL: "false"}}, "spec": {"containers": [{"name": "a"}]}});
        assert!(told(label)[0].contains("the pod has the label"));
        let skips = json!({"eks.amazonaws.com/skip-containers": "b"});
        let told = told(json!({
            "metadata": {"annotations": skips}, "spec": {"containers": [{"name": "a"}, {"name": "b"}]},
        }));
        assert!(told[0].starts_with("a: adds AWS_ROLE_ARN"));
        assert_eq!(
            told[1],
            "b: adds nothing; the pod's annotation eks.amazonaws.com/skip-containers names the container"
        );
    }
}
