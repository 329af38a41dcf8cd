//! Properties of `inject` on generated manifests.

use clap::Parser;
use podidentity_core::injection::inject;
use podidentity_core::objects::{Map, PodTemplate};
use podidentity_core::settings::Settings;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::command::{Cli, Command};
use crate::yaml;

const ROLE: &str = "arn:aws:iam::111122223333:role/my-role";

fn args() -> InjectArgs {
    match Cli::parse_from(["kubectl-podidentity", "inject", "-f", "-"]).command {
        Command::Inject(args) => args,
        _ => panic!("not inject"),
    }
}

fn injected(text: &str) -> String {
    let done = work(&args(), &Input::of_text(text), Associated::default());
    assert_eq!(done.problems, [], "{text}");
    done.printed
}

fn values(text: &str) -> Vec<Value> {
    let input = Input::of_text(text);
    assert_eq!(input.problems, [], "{text}");
    input.documents().filter_map(|document| document.root.as_ref()).map(|root| yaml::json(root).unwrap()).collect()
}

fn env() -> impl Strategy<Value = Value> {
    let name = prop_oneof![
        Just("AWS_ROLE_ARN"),
        Just("AWS_WEB_IDENTITY_TOKEN_FILE"),
        Just("AWS_REGION"),
        Just("AWS_STS_REGIONAL_ENDPOINTS"),
        Just("OTHER"),
    ];
    let value = prop_oneof![Just("yes".to_owned()), Just("1e3".to_owned()), Just(ROLE.to_owned()), "[ -~\\n]{0,8}"];
    (name, value).prop_map(|(name, value)| json!({"name": name, "value": value}))
}

fn container() -> impl Strategy<Value = Value> {
    let env = prop_oneof![Just(json!(null)), prop::collection::vec(env(), 0..4).prop_map(Value::from)];
    let mounts = prop_oneof![
        Just(json!(null)),
        Just(json!([])),
        Just(json!([{"name": "aws-iam-token", "mountPath": "/x"}])),
        Just(json!([{"name": "tmp", "mountPath": "/tmp"}])),
    ];
    ("[a-c]", env, mounts)
        .prop_map(|(name, env, mounts)| json!({"name": name, "env": env, "volumeMounts": mounts, "args": ["0o7"]}))
}

fn template() -> impl Strategy<Value = Value> {
    let containers = || prop::collection::vec(container(), 0..3);
    let volumes = prop_oneof![
        Just(json!(null)),
        Just(json!([{"name": "tmp", "emptyDir": {}}])),
        Just(json!([{"name": "aws-iam-token"}]))
    ];
    let annotations = prop_oneof![
        Just(json!({})),
        Just(json!({"eks.amazonaws.com/skip-containers": "a,b"})),
        Just(json!({"eks.amazonaws.com/token-expiration": "900"})),
    ];
    let account = prop_oneof![4 => Just("app"), 1 => Just("other")];
    (containers(), containers(), volumes, annotations, account).prop_map(
        |(init, main, volumes, annotations, account)| {
            json!({
                "metadata": {"annotations": annotations},
                "spec": {"serviceAccountName": account, "initContainers": init, "containers": main, "volumes": volumes},
            })
        },
    )
}

fn object(kind: &str, template: Value) -> Value {
    match kind {
        "Pod" => {
            let mut pod = template;
            pod["apiVersion"] = json!("v1");
            pod["kind"] = json!("Pod");
            pod
        }
        "CronJob" => {
            json!({"apiVersion": "batch/v1", "kind": kind, "spec": {"jobTemplate": {"spec": {"template": template}}}})
        }
        "List" => {
            json!({"apiVersion": "v1", "kind": kind, "items": [object("Pod", template.clone()), object("Deployment", template)]})
        }
        _ => json!({"apiVersion": "apps/v1", "kind": kind, "spec": {"template": template}}),
    }
}

/// The object with core's injection.
fn expected(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(items) = object.get_mut("items").and_then(Value::as_array_mut) {
        for item in items {
            *item = expected(item);
        }
        return object;
    }
    let path = match object["kind"].as_str() {
        Some("Pod") => "",
        Some("CronJob") => "/spec/jobTemplate/spec/template",
        _ => "/spec/template",
    };
    let template = object.pointer_mut(path).unwrap();
    let typed: PodTemplate = serde_json::from_value(template.clone()).unwrap();
    if typed.spec.service_account() == "app" {
        let annotations = Map::from_iter([("eks.amazonaws.com/role-arn".to_owned(), ROLE.to_owned())]);
        let injection = inject(&typed, &annotations, &Settings::default());
        injection.apply_to_value(&mut template["spec"]).unwrap();
    }
    object
}

fn stream(object: &Value, as_yaml: bool) -> String {
    let account = json!({
        "apiVersion": "v1", "kind": "ServiceAccount",
        "metadata": {"name": "app", "annotations": {"eks.amazonaws.com/role-arn": ROLE}},
    });
    if as_yaml {
        format!("{}---\n{}", serde_saphyr::to_string(&account).unwrap(), serde_saphyr::to_string(object).unwrap())
    } else {
        format!("{account}\n{object}")
    }
}

proptest! {
    #[test]
    fn inject_adds_what_core_adds_and_nothing_else_and_only_once(
        template in template(),
        kind in prop_oneof![Just("Pod"), Just("Deployment"), Just("CronJob"), Just("List"), Just("ConfigMap")],
        as_yaml: bool,
    ) {
        let object = object(kind, template);
        let text = stream(&object, as_yaml);
        let once = injected(&text);
        let expected = if kind == "ConfigMap" { object } else { expected(&object) };
        prop_assert_eq!(values(&once).pop().unwrap(), expected, "{}", once);
        prop_assert_eq!(injected(&once), once.clone());
    }
}
