//! What a status may hold. Much of it comes from texts of others, and a status that the API server does not take stays as
//! it was, whatever happens: so each text has a bound, and with the bounds of the lists all of it has one.

use podidentity_api::PodIdentityBindingStatus;

use crate::foreign::Foreign;

/// The most characters of a condition's message.
const CONDITION: usize = 4096;
/// The most characters of the message of a finding, a workload or a rollback.
const MESSAGE: usize = 2048;
/// The most characters of a name, of a kind and a name together, or of a container's.
const NAME: usize = 320;
/// The most characters of a value, such as a role or an audience: longer ones are none that AWS takes.
const VALUE: usize = 2048;

/// The status with every text within its bound, and messages in one line. Bounded once more it stays as it is.
pub(super) fn bounded(mut status: PodIdentityBindingStatus) -> PodIdentityBindingStatus {
    let it = &mut status;
    it.conditions.iter_mut().for_each(|condition| line(&mut condition.message, CONDITION));
    for finding in &mut it.findings {
        line(&mut finding.object, NAME);
        finding.container.iter_mut().for_each(|name| line(name, NAME));
        line(&mut finding.message, MESSAGE);
    }
    for workload in &mut it.workloads {
        line(&mut workload.kind, NAME);
        line(&mut workload.name, NAME);
        workload.message.iter_mut().for_each(|message| line(message, MESSAGE));
    }
    if let Some(rollback) = &mut it.rollback {
        line(&mut rollback.message, MESSAGE);
        cut(&mut rollback.from);
        cut(&mut rollback.to);
    }
    if let Some(passed) = it.preflight.as_mut().and_then(|it| it.passed.as_mut()) {
        cut(&mut passed.role_arn);
        cut(&mut passed.audience);
        passed.issuer.iter_mut().for_each(cut);
    }
    if let Some(failed) = it.preflight.as_mut().and_then(|it| it.failed.as_mut()) {
        cut(&mut failed.role_arn);
        cut(&mut failed.audience);
        failed.issuer.iter_mut().for_each(cut);
        line(&mut failed.message, MESSAGE);
    }
    if let Some(identity) = &mut it.last_verified_identity {
        cut(&mut identity.role_arn);
        identity.audience.iter_mut().for_each(cut);
    }
    let account = it.service_account.iter_mut().filter_map(|account| account.written_role_arn.as_mut());
    let roles = [&mut it.declared_role_arn, &mut it.role_arn, &mut it.last_verified_role_arn];
    let values = roles.into_iter().chain([&mut it.subject, &mut it.audience, &mut it.issuer]);
    values.into_iter().flatten().chain(account).for_each(cut);
    status
}

fn line(text: &mut String, limit: usize) {
    let bounded = Foreign::new(text).up_to(limit).line().to_string();
    *text = bounded;
}

fn cut(value: &mut String) {
    if let Some((end, _)) = value.char_indices().nth(VALUE) {
        value.truncate(end);
    }
}
