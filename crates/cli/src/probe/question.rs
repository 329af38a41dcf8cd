//! Which service account's token is tried on which role.

use podidentity_core::arn::RoleArn;
use podidentity_core::snapshot::Snapshot;

use super::ProbeArgs;
use crate::cluster::{Failure, Session, notes};
use crate::explain::find;
use crate::flags::{Target, TargetKind, target};
use crate::trust::wanted;

/// A service account, and the role that it is to assume.
#[derive(Clone, Debug)]
pub(super) struct Question {
    pub(super) namespace: String,
    pub(super) account: String,
    pub(super) target: Target,
    pub(super) role: RoleArn,
    pub(super) audience: String,
}

/// The question about the object on the command line.
pub(super) async fn one(args: &ProbeArgs, session: &Session) -> Result<Question, Failure> {
    let targets = target::parse(&args.object, None).map_err(Failure::Other)?;
    let [target] = targets.as_slice() else {
        return Err(Failure::Other("probe takes one object at a time; --all takes every binding".to_owned()));
    };
    if !matches!(target.kind, TargetKind::ServiceAccount | TargetKind::Binding) {
        return Err(Failure::Other(format!("{target} has no token of its own: write sa/NAME or pib/NAME")));
    }
    let snapshot = find(session, target, |_| {}).await?.snapshot;
    let (role, audience) = match &args.role_arn {
        // With --role-arn, the declared role may be invalid.
        Some(role) => (Some(role.clone()), wanted(&snapshot, target).map(|(_, audience)| audience).ok()),
        None => wanted(&snapshot, target).map(|(role, audience)| (role, Some(audience)))?,
    };
    let Some(role) = role else {
        return Err(Failure::Other(format!("{target} has no role: give --role-arn")));
    };
    let audience = args.audience.clone().or(audience);
    let audience = audience.unwrap_or_else(|| snapshot.config.settings.audience.clone());
    Ok(question(&snapshot, target.clone(), role, audience))
}

/// A question about every binding, and notes about the bindings that cannot be asked about.
pub(super) async fn all(session: &Session) -> Result<(Vec<Question>, Vec<String>), Failure> {
    let mut wrong = Vec::new();
    let reading = session
        .read(false, |snapshot| {
            let of_binding = |name: &str| {
                let target = Target { kind: TargetKind::Binding, name: name.to_owned() };
                match wanted(&snapshot, &target) {
                    Ok((Some(role), audience)) => Some(question(&snapshot, target, role, audience)),
                    Ok((None, _)) => None,
                    Err(error) => {
                        wrong.push(format!("{}/{name} is not asked about: {error}", snapshot.namespace));
                        None
                    }
                }
            };
            Some(snapshot.bindings.iter().filter_map(|it| it.metadata.name.as_deref()).filter_map(of_binding).collect())
        })
        .await?;
    let mut notes = notes(&reading);
    notes.extend(wrong);
    let mut questions: Vec<Question> = reading.results.into_values().flat_map(|some: Vec<Question>| some).collect();
    questions.sort_by(|a, b| (&a.namespace, &a.target.name).cmp(&(&b.namespace, &b.target.name)));
    Ok((questions, notes))
}

fn question(snapshot: &Snapshot, target: Target, role: RoleArn, audience: String) -> Question {
    Question {
        namespace: snapshot.namespace.clone(),
        account: snapshot.service_account_name.clone(),
        target,
        role,
        audience,
    }
}
