//! What the webhook makes of the pod: the spec that results.

use std::path::Path;

use podidentity_core::injection::inject;

use crate::input::Input;

pub fn case(path: &Path) -> Result<String, String> {
    let input = Input::read(path)?;
    let [account] = input.service_accounts.as_slice() else { return Err("wanted: one service account".to_owned()) };
    let ([pod], [document]) = (input.pods.as_slice(), input.pod_documents.as_slice()) else {
        return Err("wanted: one pod".to_owned());
    };
    let injection = inject(pod, &account.annotations, &input.settings);
    let mut spec = document["spec"].clone();
    injection.apply_to_value(&mut spec).map_err(|error| error.to_string())?;
    serde_saphyr::to_string(&spec).map_err(|error| error.to_string())
}
