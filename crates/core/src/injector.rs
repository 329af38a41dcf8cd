//! The webhooks and admission policies that inject roles in a cluster, and whether they see a pod.
//!
//! ```text
//! MutatingWebhookConfiguration, MutatingAdmissionPolicy ──► Injector ──► of this pod: sees it, or why not
//! ```

use serde::Deserialize;
use serde_json::Value;

use crate::objects::Map;

/// A webhook or an admission policy that may inject roles.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)] // each is a question of its own
pub struct Injector {
    /// For example `MutatingWebhookConfiguration/pod-identity-webhook`.
    pub title: String,
    /// Whether the API server admits pods if the injector fails (`failurePolicy: Ignore`).
    pub ignores_failure: bool,
    /// How the API server calls it; `None` for a policy, which the API server evaluates itself.
    pub call: Option<Call>,
    /// Whether it is in force: a policy without a binding does nothing.
    pub bound: bool,
    /// Whether its rules cover the creation of pods.
    sees_pods: bool,
    /// The pods and namespaces that it handles.
    objects: Selector,
    namespaces: Selector,
    /// Whether CEL conditions narrow it further. They are not evaluated here.
    pub conditional: bool,
}

/// How a webhook is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// For example `service eks/pod-identity-webhook`, or the URL.
    pub to: String,
    /// Whether the configuration names the certificate authority of the webhook.
    pub has_ca: bool,
}

/// The injectors that the API server lets the user see.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Injectors {
    /// All objects that look like an injector.
    pub found: Vec<Injector>,
    /// Resources that the user may not list, as an RBAC role names them.
    pub forbidden: Vec<String>,
}

impl Injectors {
    /// Reads webhook configurations, policies and policy bindings. Objects that do not inject roles
    /// are left out.
    pub fn of<'a>(objects: impl Iterator<Item = &'a Value> + Clone) -> Self {
        let bound: Vec<&str> = objects
            .clone()
            .filter(|object| object["kind"] == "MutatingAdmissionPolicyBinding")
            .filter_map(|object| object["spec"]["policyName"].as_str())
            .collect();
        let found = objects.flat_map(|object| match object["kind"].as_str() {
            Some("MutatingWebhookConfiguration") => webhooks(object),
            Some("MutatingAdmissionPolicy") => policy(object, &bound).into_iter().collect(),
            _ => Vec::new(),
        });
        Self { found: found.collect(), forbidden: Vec::new() }
    }
}

impl Injector {
    /// Why it does not see a pod with these labels in a namespace with these labels; `None` if it
    /// does.
    pub fn overlooks(&self, pod: &Map, namespace: &Map) -> Option<String> {
        let title = &self.title;
        if !self.sees_pods {
            return Some(format!("{title} has no rule for the creation of pods"));
        }
        if !self.bound {
            return Some(format!("{title} has no MutatingAdmissionPolicyBinding, so it is not in force"));
        }
        if let Some(why) = self.namespaces.misses(namespace) {
            return Some(format!("the namespaceSelector of {title} leaves the namespace out: {why}"));
        }
        self.objects.misses(pod).map(|why| format!("the objectSelector of {title} leaves the pod out: {why}"))
    }
}

/// A Kubernetes label selector.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Selector {
    match_labels: Option<std::collections::BTreeMap<String, String>>,
    match_expressions: Option<Vec<Requirement>>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct Requirement {
    key: String,
    operator: String,
    values: Option<Vec<String>>,
}

impl Selector {
    fn of(value: &Value) -> Self {
        Self::deserialize(value).unwrap_or_default()
    }

    /// The part of the selector that the labels do not satisfy.
    fn misses(&self, labels: &Map) -> Option<String> {
        let exact = self.match_labels.iter().flatten().find(|(key, value)| labels.get(*key) != Some(*value));
        if let Some((key, value)) = exact {
            return Some(format!("it asks for the label {key}={value}"));
        }
        let broken = self.match_expressions.iter().flatten().find(|requirement| !requirement.holds(labels))?;
        let values = broken.values.as_ref().filter(|values| !values.is_empty());
        let values = values.map(|values| format!(" {}", values.join(", "))).unwrap_or_default();
        Some(format!("it asks for {} {}{values}", broken.key, broken.operator))
    }
}

impl Requirement {
    fn holds(&self, labels: &Map) -> bool {
        let value = labels.get(&self.key);
        let among = value.is_some_and(|value| self.values.iter().flatten().any(|known| known == value));
        match self.operator.as_str() {
            "In" => among,
            "NotIn" => !among,
            "Exists" => value.is_some(),
            "DoesNotExist" => value.is_none(),
            _ => true,
        }
    }
}

/// The webhooks of a configuration that inject roles, recognized by the name of the configuration,
/// the webhook or its service.
fn webhooks(object: &Value) -> Vec<Injector> {
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    let is_ours = |text: &str| text.contains("pod-identity") || text.contains("iam-for-pods");
    let all = object["webhooks"].as_array().into_iter().flatten();
    let ours = all.filter(|webhook| {
        let service = webhook["clientConfig"]["service"]["name"].as_str().unwrap_or_default();
        [name, webhook["name"].as_str().unwrap_or_default(), service].into_iter().any(is_ours)
    });
    ours.map(|webhook| {
        let client = &webhook["clientConfig"];
        let service = &client["service"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let to = match service["name"].as_str() {
            Some(service_name) => format!("service {}/{service_name}", text(&service["namespace"])),
            None => text(&client["url"]),
        };
        Injector {
            title: format!("MutatingWebhookConfiguration/{name}"),
            ignores_failure: webhook["failurePolicy"].as_str() == Some("Ignore"),
            call: Some(Call { to, has_ca: !text(&client["caBundle"]).is_empty() }),
            bound: true,
            sees_pods: sees_pods(&webhook["rules"]),
            objects: Selector::of(&webhook["objectSelector"]),
            namespaces: Selector::of(&webhook["namespaceSelector"]),
            conditional: webhook["matchConditions"].as_array().is_some_and(|all| !all.is_empty()),
        }
    })
    .collect()
}

/// The policy as an injector, if it sets the token's variable.
fn policy(object: &Value, bound: &[&str]) -> Option<Injector> {
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    let spec = &object["spec"];
    let injects = spec["variables"].to_string().contains(crate::injection::TOKEN_FILE)
        || spec["mutations"].to_string().contains(crate::injection::TOKEN_FILE);
    injects.then(|| Injector {
        title: format!("MutatingAdmissionPolicy/{name}"),
        ignores_failure: spec["failurePolicy"].as_str() == Some("Ignore"),
        call: None,
        bound: bound.contains(&name),
        sees_pods: sees_pods(&spec["matchConstraints"]["resourceRules"]),
        objects: Selector::of(&spec["matchConstraints"]["objectSelector"]),
        namespaces: Selector::of(&spec["matchConstraints"]["namespaceSelector"]),
        // The policy of this project has a condition, but only on the annotation of the service
        // account.
        conditional: false,
    })
}

fn sees_pods(rules: &Value) -> bool {
    let has = |rule: &Value, field: &str, wanted: &[&str]| {
        let mut all = rule[field].as_array().into_iter().flatten();
        all.any(|value| value.as_str().is_some_and(|value| value == "*" || wanted.contains(&value)))
    };
    rules.as_array().into_iter().flatten().any(|rule| {
        has(rule, "apiGroups", &[""])
            && has(rule, "resources", &["pods", "*/*"])
            && has(rule, "operations", &["CREATE"])
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn webhook(more: &Value) -> Value {
        let mut webhook = json!({
            "name": "iam-for-pods.amazonaws.com", "failurePolicy": "Ignore",
            "clientConfig": {"service": {"name": "pod-identity-webhook", "namespace": "eks"}, "caBundle": "Y2E="},
            "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}],
        });
        for (key, value) in more.as_object().into_iter().flatten() {
            webhook[key] = value.clone();
        }
        json!({"kind": "MutatingWebhookConfiguration", "metadata": {"name": "w"}, "webhooks": [webhook]})
    }

    fn one(object: &Value) -> Injector {
        Injectors::of([object].into_iter()).found.remove(0)
    }

    fn labels(pairs: &[(&str, &str)]) -> Map {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn selectors_decide_which_pods_are_seen() {
        let plain = one(&webhook(&json!({})));
        assert_eq!(plain.overlooks(&labels(&[]), &labels(&[])), None);
        let call = plain.call.unwrap();
        assert_eq!((call.to.as_str(), call.has_ca), ("service eks/pod-identity-webhook", true));
        let inner = one(&webhook(&json!({"namespaceSelector": {"matchLabels": {"irsa": "on"}}})));
        assert!(inner.overlooks(&labels(&[]), &labels(&[])).unwrap().contains("irsa=on"));
        assert_eq!(inner.overlooks(&labels(&[]), &labels(&[("irsa", "on")])), None);
        let skip = json!({"matchExpressions": [{"key": "skip", "operator": "DoesNotExist"}]});
        let skipping = one(&webhook(&json!({"objectSelector": skip})));
        assert!(skipping.overlooks(&labels(&[("skip", "")]), &labels(&[])).unwrap().contains("objectSelector"));
        let services = json!([{"apiGroups": [""], "operations": ["CREATE"], "resources": ["services"]}]);
        assert!(one(&webhook(&json!({"rules": services}))).overlooks(&labels(&[]), &labels(&[])).is_some());
    }

    #[test]
    fn a_policy_without_a_binding_is_not_in_force() {
        let policy = json!({
            "kind": "MutatingAdmissionPolicy", "metadata": {"name": "p"},
            "spec": {
                "variables": [{"name": "x", "expression": "'AWS_WEB_IDENTITY_TOKEN_FILE'"}],
                "matchConstraints": {"resourceRules": [
                    {"apiGroups": [""], "operations": ["CREATE"], "resources": ["pods"]},
                ]},
            },
        });
        assert!(
            one(&policy).overlooks(&labels(&[]), &labels(&[])).unwrap().contains("no MutatingAdmissionPolicyBinding")
        );
        let binding = json!({"kind": "MutatingAdmissionPolicyBinding", "spec": {"policyName": "p"}});
        let both = Injectors::of([&policy, &binding].into_iter());
        assert_eq!(both.found[0].overlooks(&labels(&[]), &labels(&[])), None);
    }

    #[test]
    fn other_webhooks_are_left_out() {
        let other = json!({
            "kind": "MutatingWebhookConfiguration", "metadata": {"name": "istio"},
            "webhooks": [{"name": "sidecar.istio.io", "clientConfig": {"service": {"name": "istiod"}}}],
        });
        assert!(Injectors::of([&other].into_iter()).found.is_empty());
    }
}
