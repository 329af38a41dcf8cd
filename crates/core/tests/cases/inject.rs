//! The webhook's result for the pod: the new spec, and the label if it sets one.

use std::path::Path;

use podidentity_core::injection::{Given, inject};
use serde_json::json;

use crate::input::Input;

pub fn case(path: &Path) -> Result<String, String> {
    let input = Input::read(path)?;
    let [account] = input.service_accounts.as_slice() else { return Err("wanted: one service account".to_owned()) };
    let ([pod], [document]) = (input.pods.as_slice(), input.pod_documents.as_slice()) else {
        return Err("wanted: one pod".to_owned());
    };
    let annotations = &account.annotations;
    let given = if input.is_associated { Given::Association(annotations) } else { annotations.into() };
    let injection = inject(pod, given, &input.settings);
    let mut spec = document["spec"].clone();
    injection.apply_to_value(&mut spec).map_err(|error| error.to_string())?;
    let labels = injection.label.map(|(key, value)| json!({key: value}));
    let made = labels.map_or(spec.clone(), |labels| json!({"metadata": {"labels": labels}, "spec": spec}));
    serde_saphyr::to_string(&made).map_err(|error| error.to_string())
}
