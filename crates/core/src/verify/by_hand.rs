//! Judges pods whose service account gives them no role, and whose template names one itself.

use super::association::RELATIVE_URI;
use super::association::has_credentials;
use super::container::{Judge, KEYS, PROFILES, Problem};
use super::env::{Env, Seen};
use super::message::Words;
use super::size::is_too_large;
use crate::arn::RoleArn;
use crate::desired_identity::DesiredIdentity;
use crate::expectation::Expectation;
use crate::finding::{Finding, Severity};
use crate::injection::{ROLE_ARN, TOKEN_FILE, Target, inject};
use crate::objects::{Container, Pod};
use crate::settings::{IdentityAnnotation, Settings};
use podidentity_api::Mechanism;

/// What is known of the service account of a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountOf {
    /// It gives no role.
    NoRole,
    /// It is not known. It may be annotated with the role, and injection may then add what the
    /// template leaves out.
    Unknown,
}

/// The findings in the containers that name a role, or a token for one, by themselves. Says nothing
/// of a container whose variables cannot be seen.
pub fn verify_by_hand(pod: &Pod, account: AccountOf, settings: &Settings) -> Vec<Finding> {
    if is_too_large(&pod.spec) {
        return Vec::new();
    }
    let mut found: Vec<(usize, Finding)> = Vec::new();
    for (index, container) in pod.spec.all_containers().enumerate() {
        let Some(expected) = expected(container) else { continue };
        let cured = (account == AccountOf::Unknown).then(|| once_annotated(pod, index, &expected, settings));
        let judge = Judge::new(Target::from(pod), &expected, settings);
        let problems = judge.problems(container).into_iter().chain(no_arn(&expected, container));
        let has_role = !Env::of(container).get(ROLE_ARN).is_unset();
        // Without a role no SDK asks for the token.
        for problem in problems.filter(|problem| has_role || *problem == Problem::RoleMissing) {
            let of_annotation = cured.as_ref().is_some_and(|left| !left.contains(&problem));
            let account = if of_annotation { AccountOf::Unknown } else { AccountOf::NoRole };
            let words = Words { pod, expected: &expected, settings, has_template: true, account: Some(account) };
            let finding = words.finding(&problem, container, true, false);
            found.extend((finding.severity != Severity::Info).then_some((index, finding)));
        }
    }
    found.sort_by_key(|(index, finding)| (finding.severity, *index, finding.reason));
    found.into_iter().map(|(_, finding)| finding).collect()
}

/// What the container expects of itself: the role that it names. `None` if it names neither role
/// nor token, or if that cannot be seen, or if it may have other credentials for which one of the
/// two variables is enough.
fn expected(container: &Container) -> Option<Expectation> {
    let env = Env::of(container);
    let (role, file) = (env.get(ROLE_ARN), env.get(TOKEN_FILE));
    let is_seen = |seen: &Seen| !matches!(seen, Seen::Unknown(_));
    if !(is_seen(&role) && is_seen(&file) && env.opaque_sources(&[ROLE_ARN, TOKEN_FILE]).is_empty()) {
        return None;
    }
    let has_others = || {
        let names = KEYS.iter().chain(&PROFILES).chain([&RELATIVE_URI]);
        names.into_iter().any(|name| !env.get(name).is_unset()) || has_credentials(&env)
    };
    match (role.is_unset(), file.is_unset()) {
        (true, true) => return None,
        (true, false) | (false, true) if has_others() => return None,
        _ => {}
    }
    let role_arn = role.known().filter(|role| !role.is_empty()).unwrap_or("of the template").to_owned();
    Some(Expectation::from(DesiredIdentity {
        role_arn,
        mechanism: Mechanism::Irsa,
        audience: None,
        token_expiration: None,
        sts_regional_endpoints: None,
    }))
}

/// The role, if the container names one that is no ARN.
fn no_arn(expected: &Expectation, container: &Container) -> Option<Problem> {
    let role = &expected.identity.role_arn;
    let named = Env::of(container).get(ROLE_ARN).known() == Some(role);
    (named && role.parse::<RoleArn>().is_err()).then(|| Problem::NoArn(role.clone()))
}

/// The problems that the container would have if its service account were annotated with the role.
fn once_annotated(pod: &Pod, index: usize, expected: &Expectation, settings: &Settings) -> Vec<Problem> {
    let target = Target::from(pod);
    let role = expected.identity.role_arn.clone();
    let annotations = [(settings.annotation(IdentityAnnotation::RoleArn), role)].into_iter().collect();
    let mut spec = (*pod.spec).clone();
    inject(target, &annotations, settings).apply(&mut spec);
    let judge = Judge::new(Target { spec: &spec, ..target }, expected, settings);
    let mut problems = spec.all_containers().nth(index).map(|it| judge.problems(it)).unwrap_or_default();
    // An annotation does not make an ARN of what is none.
    problems.extend(spec.all_containers().nth(index).and_then(|it| no_arn(expected, it)));
    problems
}
