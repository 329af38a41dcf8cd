//! The question: may this service account assume that role?

use std::borrow::Cow;

use podidentity_core::arn::RoleArn;
use podidentity_core::snapshot::Snapshot;
use podidentity_core::trust::Policy;
use serde::{Serialize, Serializer};

use super::TrustArgs;
use crate::cluster::{Failure, Session, block_on};
use crate::explain::{Around, Subject, find};
use crate::flags::ScopeArgs;
use crate::flags::{Target, TargetKind, target};

/// Which subject wants to assume which role.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Question {
    #[serde(skip_serializing_if = "Option::is_none", rename = "roleArn")]
    pub(crate) role: Option<Role>,
    pub(crate) issuer: String,
    pub(crate) subject: String,
    pub(crate) audience: String,
    /// The namespace, and the service account or binding.
    #[serde(skip)]
    pub(crate) object: Option<(String, Target)>,
}

/// A role, written as its ARN.
#[derive(Clone, Debug)]
pub(crate) struct Role(pub(crate) RoleArn);

impl Serialize for Role {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.as_str())
    }
}

/// The question from the flags, or about the object in the cluster.
pub(super) fn of(args: &TrustArgs, policy: Option<&Policy>) -> Result<Question, Failure> {
    let settings = args.connection.webhook.settings();
    let Some(subject) = &args.subject else { return of_object(args, policy) };
    let Some(issuer) = &args.connection.issuer else {
        return Err(Failure::Other("--subject needs --issuer".to_owned()));
    };
    Ok(Question {
        role: args.role_arn.clone().or_else(|| policy.and_then(Policy::role).cloned()).map(Role),
        issuer: issuer.clone(),
        subject: subject.clone(),
        audience: args.audience.clone().unwrap_or(settings.audience),
        object: None,
    })
}

fn of_object(args: &TrustArgs, policy: Option<&Policy>) -> Result<Question, Failure> {
    let targets = target::parse(&args.object, None).map_err(Failure::Other)?;
    let [target] = targets.as_slice() else {
        return Err(Failure::Other("trust takes one object at a time".to_owned()));
    };
    if !Question::takes(target.kind) {
        return Err(Failure::Other(format!("{target} has no subject of its own: write sa/NAME or pib/NAME")));
    }
    block_on(async {
        let scope = ScopeArgs { namespace: args.namespace.clone(), all_namespaces: false, selector: None };
        let mut session = Session::open(&args.connection, &scope).await?;
        session.discover_issuer().await.map_err(|why| {
            Failure::Other(format!("the API server does not tell the cluster's OIDC issuer ({why}): give --issuer"))
        })?;
        let snapshot = find(&session, target, |_| {}).await?.snapshot;
        let mut question = ask(&snapshot, target)?;
        if let Some(role) = args.role_arn.clone() {
            question.role = Some(Role(role));
        }
        if let Some(audience) = &args.audience {
            question.audience.clone_from(audience);
        }
        if question.role.is_none() {
            question.role = policy.and_then(Policy::role).cloned().map(Role);
        }
        Ok(question)
    })
}

/// The question about a service account or binding of the snapshot.
pub(crate) fn ask(snapshot: &Snapshot, target: &Target) -> Result<Question, Failure> {
    let (role, audience) = wanted(snapshot, target)?;
    let issuer = snapshot.config.issuer.clone();
    Ok(Question {
        role: role.map(Role),
        issuer: issuer.ok_or_else(|| Failure::Other("no issuer is known: give --issuer".to_owned()))?,
        subject: snapshot.subject(),
        audience,
        object: Some((snapshot.namespace.clone(), target.clone())),
    })
}

/// The role and audience of a service account or binding of the snapshot.
pub(crate) fn wanted(snapshot: &Snapshot, target: &Target) -> Result<(Option<RoleArn>, String), Failure> {
    let config = &snapshot.config;
    let around = Around::default();
    let subject = Subject::of(snapshot, target, &around);
    let mut role = subject.role().map(Cow::into_owned);
    let mut audience = subject.case().map(|case| case.expected.effective_audience(&config.settings).to_owned());
    let named = snapshot.bindings.iter().find(|it| it.metadata.name.as_ref() == Some(&target.name));
    if let Some(binding) = named.filter(|_| target.kind == TargetKind::Binding) {
        // Use what the binding declares, even if another role is in force or another binding owns
        // the service account.
        role = Some(binding.spec.role_arn.clone());
        audience = binding.spec.audience.clone().or(audience);
    }
    if subject.case().is_some_and(|case| case.expected.identity.is_of_association()) {
        return Err(Failure::Other(format!(
            "{target} gets its role by EKS Pod Identity, for which neither a provider nor a token of AWS STS counts: \
             kubectl podidentity explain -n {} {target} prints the trust policy that its role needs",
            snapshot.namespace
        )));
    }
    let role = role.map(|role| role.parse()).transpose();
    let role = role.map_err(|error: podidentity_core::arn::ArnError| Failure::Other(error.to_string()))?;
    Ok((role, audience.unwrap_or_else(|| config.settings.audience.clone())))
}
