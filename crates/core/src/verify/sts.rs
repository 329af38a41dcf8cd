//! Variables that SDKs take for their call to STS.

use super::container::Problem;
use super::env::{Env, Seen};
use crate::expectation::Expectation;
use crate::injection::STS_ENDPOINTS;

/// The variable that names the session of the role.
pub(super) const SESSION_NAME: &str = "AWS_ROLE_SESSION_NAME";
/// The values that SDKs know. That for Python takes them as they are written, that for Go in any
/// case.
const ENDPOINTS: [&str; 2] = ["legacy", "regional"];

/// What is wrong with the choice of the STS endpoint.
pub(super) fn endpoint(env: &Env<'_>, expected: &Expectation) -> Option<Problem> {
    let seen = env.get(STS_ENDPOINTS);
    if let Some(value) = seen.known().filter(|value| !value.is_empty() && !ENDPOINTS.contains(value)) {
        return Some(Problem::StsEndpointUnknown(value.to_owned()));
    }
    let wanted = expected.identity.sts_regional_endpoints?;
    let agrees = match &seen {
        Seen::Absent => !wanted,
        Seen::Known(value) => (value == "regional") == wanted,
        Seen::Unknown(_) => false,
    };
    (!agrees).then_some(Problem::StsEndpoint(seen))
}

/// The name of the session, if STS does not take it.
pub(super) fn session_name(env: &Env<'_>) -> Option<Problem> {
    let seen = env.get(SESSION_NAME);
    let name = seen.known().filter(|name| !name.is_empty() && !is_session_name(name))?;
    Some(Problem::SessionName(name.to_owned()))
}

/// Source: `RoleSessionName` of `AssumeRoleWithWebIdentity` in the AWS STS API Reference.
fn is_session_name(name: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte);
    (2..=64).contains(&name.len()) && name.bytes().all(is_allowed)
}
