//! What each container has, which credentials an SDK takes in it, and what is wrong with a role that
//! its template names by itself: if its service account gives no role, and if that is not known.

use std::path::Path;

use podidentity_core::verify::{AccountOf, Observed, SourceState, TokenSeen, observe, renewed_after, verify_by_hand};
use serde::Serialize;

use crate::input::Input;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PodSeen {
    pod: String,
    containers: Vec<Container>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    without_role: Vec<String>,
    /// If they differ.
    #[serde(skip_serializing_if = "Option::is_none")]
    account_unknown: Option<Vec<String>>,
}

#[derive(Serialize)]
struct Container {
    name: String,
    region: String,
    token: String,
    credentials: Vec<String>,
}

pub fn case(path: &Path) -> Result<String, String> {
    let input = Input::read(path)?;
    let seen = input.pods.iter().map(|pod| {
        let found = |account| {
            let findings = verify_by_hand(pod, account, &input.settings).into_iter();
            findings.map(|it| format!("{:?} {}: {}", it.severity, it.reason, it.message)).collect::<Vec<_>>()
        };
        let containers = pod.spec.all_containers().map(|container| {
            let seen = observe(pod, container);
            Container {
                name: container.name.clone(),
                region: seen.region.shown(),
                token: token(&seen.token),
                credentials: credentials(&seen),
            }
        });
        let without_role = found(AccountOf::NoRole);
        let account_unknown = Some(found(AccountOf::Unknown)).filter(|found| *found != without_role);
        PodSeen { pod: pod.name().to_owned(), containers: containers.collect(), without_role, account_unknown }
    });
    serde_saphyr::to_string(&seen.collect::<Vec<_>>()).map_err(|error| error.to_string())
}

fn credentials(seen: &Observed) -> Vec<String> {
    let sources = seen.credentials().into_iter().filter(|source| source.state != SourceState::Absent);
    sources.map(|source| format!("{} {:?}: {}", source.kind.as_str(), source.state, source.detail)).collect()
}

fn token(seen: &TokenSeen) -> String {
    match seen {
        TokenSeen::Token { audience, lifetime, volume, frozen } => {
            let renewed = renewed_after(*lifetime);
            let frozen = if *frozen { ", never renewed in the container" } else { "" };
            format!("of {volume} for {audience:?}, {lifetime} s, renewed after {renewed} s{frozen}")
        }
        other => format!("{other:?}"),
    }
}
