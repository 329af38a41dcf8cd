//! Known differences between policy and webhook: what CEL cannot do, or not within its limits.
//! `docs/injection-policy.md` has the same list.

use std::collections::BTreeMap;

use e2e::fixtures;
use podidentity_core::settings::Settings;
use serde_json::{Value, json};

use super::generate::{Account, Case};

pub(super) struct Difference {
    pub(super) what: &'static str,
    pub(super) account: Account,
    pub(super) case: Case,
    /// The webhook's settings.
    pub(super) settings: Settings,
}

pub(super) fn known() -> Vec<Difference> {
    let defaults = Settings::default;
    vec![
        difference("lifetimes of 19 digits are ignored", Some("1000000000000000000"), 1, defaults()),
        difference("negative lifetimes of 19 digits are ignored", Some("-1000000000000000000"), 1, defaults()),
        difference("more containers than CEL can handle are left alone", None, 2500, defaults()),
        difference("a region is not injected unless the policy names it", None, 1, region("eu-west-1")),
        difference("the regional STS is not the default", None, 1, regional_sts()),
    ]
}

fn region(name: &str) -> Settings {
    Settings { region: Some(name.to_owned()), ..Settings::default() }
}

fn regional_sts() -> Settings {
    Settings { sts_regional_endpoints: true, ..Settings::default() }
}

fn difference(what: &'static str, lifetime: Option<&str>, containers: usize, settings: Settings) -> Difference {
    let containers: Vec<Value> = (0..containers).map(|n| json!({"name": format!("c{n}"), "image": "app"})).collect();
    let name = what.replace(' ', "-").to_lowercase();
    let mut annotations = BTreeMap::from([(fixtures::role_annotation(), fixtures::ROLE.to_owned())]);
    if let Some(lifetime) = lifetime {
        annotations.insert("eks.amazonaws.com/token-expiration".to_owned(), lifetime.to_owned());
    }
    let pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"serviceAccountName": name, "schedulerName": "nobody", "containers": containers},
    });
    Difference {
        what,
        account: Account { name: name.clone(), annotations },
        case: Case { account: name.clone(), name, pod },
        settings,
    }
}
