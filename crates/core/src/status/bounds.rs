//! Bounds of a status. Much of its text comes from others. If the API server rejects a status, the
//! stored one stays as it was, whatever happens. So every text has a bound, and with the limits of
//! the lists the whole status has one.

use podidentity_api::PodIdentityBindingStatus;

use crate::foreign::Foreign;

/// Maximum number of characters in a condition's message.
const CONDITION: usize = 4096;
/// Maximum number of characters in the message of a finding, a workload or a rollback.
const MESSAGE: usize = 2048;
/// Maximum number of characters in a name, in a kind and a name together, or in a container's name.
const NAME: usize = 320;
/// Maximum number of characters in a value, such as a role or an audience. AWS accepts no longer
/// ones.
const VALUE: usize = 2048;

/// The status with every text within its bound, and every message in one line. Applying it twice
/// changes nothing more.
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
