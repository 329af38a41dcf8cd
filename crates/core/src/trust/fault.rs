//! Explains in plain words why a statement does not apply to a token.

use serde::Serialize;

use super::document::{Condition, Principal, Statement, Value};
use super::evaluate::{ACTION, Part, place};
use super::identity::{Context, is_account, provider_parts};
use super::operator::{Base, Operator};
use super::text::Place;

/// A finding about a place in the input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Reason in CamelCase.
    pub reason: &'static str,
    /// Its place in the input.
    #[serde(flatten)]
    pub at: Place,
    /// What was found, and what to do.
    pub message: String,
}

/// Why a part does not match.
pub(super) fn of(statement: &Statement, part: Part, context: &Context<'_>) -> Finding {
    let (reason, at, message) = match part {
        Part::Principal => principal(statement, context),
        Part::Action => action(statement),
        Part::Condition(index) => condition(&statement.conditions[index], context),
    };
    Finding { reason, at: if at == Place::default() { place(statement, part) } else { at }, message }
}

type Said = (&'static str, Place, String);

fn principal(statement: &Statement, context: &Context<'_>) -> Said {
    let expected = context
        .provider_arn()
        .unwrap_or_else(|| format!("arn:PARTITION:iam::ACCOUNT:oidc-provider/{}", context.provider));
    let at = statement.principal_at;
    let federated: Vec<_> = statement.principal.of("Federated").collect();
    if let Some(word) = statement.principal.of("AWS").find(|word| word.text.contains(":oidc-provider/")) {
        let message = "the identity provider stands under \"AWS\": write {\"Federated\": ...} instead".to_owned();
        return ("ProviderNotFederated", word.at, message);
    }
    let mut faults: Vec<(usize, Said)> = federated
        .iter()
        .map(|word| {
            let (rank, reason, message) = provider(&word.text, &expected, context);
            (rank, (reason, word.at, message))
        })
        .collect();
    faults.sort_by_key(|(rank, _)| *rank);
    if let Some((_, said)) = faults.into_iter().next() {
        return said;
    }
    let services: Vec<&str> = statement.principal.of("Service").map(|word| word.text.as_str()).collect();
    if !services.is_empty() {
        let message = format!(
            "is about the AWS service {}, not about tokens of the cluster, whose principal is {{\"Federated\": {expected:?}}}",
            services.join(", ")
        );
        return ("PrincipalIsService", at, message);
    }
    let who = match &statement.principal {
        Principal::Of(all) => all.iter().map(|(kind, _)| kind.as_str()).collect::<Vec<_>>().join(", "),
        Principal::Anyone | Principal::Not => "everybody".to_owned(),
    };
    let message = format!(
        "is about principals of the kind {who}, not about tokens of the cluster, whose principal is {{\"Federated\": {expected:?}}}"
    );
    ("PrincipalNotFederated", at, message)
}

/// What is wrong with the ARN of a provider: its rank (lower is nearer to the right ARN), the
/// reason, and the message.
fn provider(found: &str, expected: &str, context: &Context<'_>) -> (usize, &'static str, String) {
    let write = format!("write {expected:?}");
    let Some((partition, account, name)) = provider_parts(found) else {
        if found.contains('*') || found.contains('?') {
            return (6, "ProviderWildcard", format!("{found:?}: a federated principal takes no wildcards, {write}"));
        }
        if found.contains(":saml-provider/") {
            return (
                8,
                "ProviderIsSaml",
                format!("{found:?} is a SAML provider; tokens need an OIDC provider: {write}"),
            );
        }
        return (3, "ProviderNotArn", format!("{found:?} is not the ARN of an identity provider: {write}"));
    };
    if placeholder(found) {
        return (2, "ProviderPlaceholder", format!("{found:?} has a placeholder that nobody replaced: {write}"));
    }
    if name == context.provider {
        if !is_account(account) {
            let message = format!("the account {account:?} of the provider's ARN does not have 12 digits: {write}");
            return (0, "ProviderAccountInvalid", message);
        }
        let home = context.home.as_ref();
        if home.is_some_and(|home| home.partition != partition) {
            return (
                0,
                "ProviderOfOtherPartition",
                format!("the ARN is of the partition {partition:?}, the role is not: {write}"),
            );
        }
        let message = format!(
            "the provider is of account {account}; it has to be in the role's own account, and to be created there: {write}"
        );
        return (1, "ProviderOfOtherAccount", message);
    }
    other_name(name, found, context, &write)
}

/// What is wrong with the name of a provider.
fn other_name(name: &str, found: &str, context: &Context<'_>, write: &str) -> (usize, &'static str, String) {
    match off_by(name, context.provider) {
        Some(Off::Scheme) => (1, "ProviderHasScheme", format!("the ARN has https:// in it: {write}")),
        Some(Off::Slash) => (1, "ProviderSlash", format!("issuer and ARN differ in their final slash: {write}")),
        Some(Off::Case) => (1, "ProviderCase", format!("{found:?} differs in upper and lower case: {write}")),
        Some(Off::NoPath) => (2, "ProviderWithoutPath", format!("the ARN lacks the path of the issuer: {write}")),
        Some(Off::OtherPath) => {
            let message =
                format!("{name:?} is the issuer of another cluster, the token is of {:?}: {write}", context.provider);
            (4, "ProviderOfOtherCluster", message)
        }
        None => {
            let message =
                format!("{name:?} is another identity provider, the token is of {:?}: {write}", context.provider);
            (5, "OtherProvider", message)
        }
    }
}

/// How the name of a provider differs from the right one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Off {
    Scheme,
    Slash,
    Case,
    NoPath,
    OtherPath,
}

pub(super) fn off_by(name: &str, right: &str) -> Option<Off> {
    let host = |name: &str| name.split('/').next().unwrap_or_default().to_ascii_lowercase();
    let bare = name.strip_prefix("https://").or(name.strip_prefix("http://"));
    if bare.is_some_and(|bare| bare == right) {
        Some(Off::Scheme)
    } else if name.trim_end_matches('/') == right.trim_end_matches('/') {
        Some(Off::Slash)
    } else if name.eq_ignore_ascii_case(right) {
        Some(Off::Case)
    } else if host(name) == host(right) {
        Some(if name.contains('/') { Off::OtherPath } else { Off::NoPath })
    } else if host(name).starts_with("oidc.eks.") && host(right).starts_with("oidc.eks.") {
        Some(Off::OtherPath)
    } else {
        None
    }
}

fn placeholder(text: &str) -> bool {
    text.contains(['$', '<', '>', '{', '}']) || text.contains("OIDC_PROVIDER")
}

fn action(statement: &Statement) -> Said {
    let names: Vec<&str> = statement.actions.iter().map(|word| word.text.as_str()).collect();
    let at = statement.actions.first().map_or(statement.actions_at, |word| word.at);
    if statement.not_action {
        let message = format!("NotAction leaves {ACTION} out: write \"Action\": {ACTION:?}");
        return ("ActionExcluded", at, message);
    }
    let message = match names.as_slice() {
        [one] if one.eq_ignore_ascii_case("sts:AssumeRole") => {
            format!("{one:?} is for AWS users, roles and services; tokens need {ACTION:?}")
        }
        _ => format!("{} does not cover {ACTION:?}, which tokens need", names.join(", ")),
    };
    ("ActionNotCovered", at, message)
}

fn condition(condition: &Condition, context: &Context<'_>) -> Said {
    let Condition { key, values, .. } = condition;
    let operator = condition.operator.unwrap_or(Operator::EXACT);
    let at = condition.at;
    if operator.base == Base::Null {
        return ("NullCondition", at, format!("Null demands of {key} what no token of the cluster has"));
    }
    if context.is(key, "sub") {
        return subject(operator, condition, context);
    }
    if context.is(key, "aud") {
        return audience(operator, condition, context);
    }
    let lower = key.to_ascii_lowercase();
    if ["aws:", "sts:"].iter().any(|prefix| lower.starts_with(prefix)) {
        let found: Vec<&str> = values.iter().map(|value| value.text.as_str()).collect();
        return match context.actual(key) {
            super::operator::Actual::Present(actual) => {
                let message = format!("{key} is {actual:?}, not {}", found.join(" or "));
                ("RequestKeyDiffers", at, message)
            }
            _ => ("KeyNeverPresent", at, format!("a request with a token never has {key}: remove the condition")),
        };
    }
    foreign_key(key, at, context)
}

/// What is wrong with a key that no token of the cluster has.
fn foreign_key(key: &str, at: Place, context: &Context<'_>) -> Said {
    let (name, claim) = key.rsplit_once(':').unwrap_or(("", key));
    let write = if ["sub", "aud"].iter().any(|known| claim.eq_ignore_ascii_case(known)) {
        format!("write {:?}", context.key(&claim.to_ascii_lowercase()))
    } else {
        format!("a token of the cluster has {:?} and {:?}", context.key("sub"), context.key("aud"))
    };
    if placeholder(key) {
        return ("KeyPlaceholder", at, format!("the key {key:?} has a placeholder that nobody replaced: {write}"));
    }
    if name.is_empty() || name.eq_ignore_ascii_case("oidc") {
        return ("KeyWithoutProvider", at, format!("the key {key:?} lacks the issuer: {write}"));
    }
    if name.starts_with("arn:") {
        return ("KeyIsArn", at, format!("the key begins with an ARN instead of the issuer's host and path: {write}"));
    }
    if name.eq_ignore_ascii_case(context.provider) {
        return (
            "ClaimNotInToken",
            at,
            format!("a service account's token has no {claim:?} that IAM can see: {write}"),
        );
    }
    match off_by(name, context.provider) {
        Some(Off::Scheme) => ("KeyHasScheme", at, format!("the key has https:// in it: {write}")),
        Some(Off::Slash) => ("KeySlash", at, format!("issuer and key differ in their final slash: {write}")),
        Some(Off::NoPath) => ("KeyWithoutPath", at, format!("the key has the issuer's host without its path: {write}")),
        Some(Off::OtherPath) => {
            ("KeyOfOtherCluster", at, format!("{name:?} is the issuer of another cluster: {write}"))
        }
        Some(Off::Case) | None => {
            ("KeyOfOtherProvider", at, format!("{name:?} is not the token's issuer {:?}: {write}", context.provider))
        }
    }
}

/// Namespace and name in `system:serviceaccount:NAMESPACE:NAME`.
pub(super) fn subject_parts(subject: &str) -> Option<(&str, &str)> {
    let (namespace, name) = subject.strip_prefix("system:serviceaccount:")?.split_once(':')?;
    (!namespace.is_empty() && !name.is_empty() && !name.contains(':')).then_some((namespace, name))
}

/// Whether no service account can have this subject.
pub(super) fn is_no_subject(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.:".contains(c);
    subject_parts(text).is_none() || !text.chars().all(allowed)
}

fn nearest<'a>(values: &'a [Value], wanted: &str) -> Option<&'a Value> {
    values.iter().min_by_key(|value| strsim::osa_distance(&value.text, wanted))
}

fn subject(operator: Operator, condition: &Condition, context: &Context<'_>) -> Said {
    let wanted = &context.identity.subject;
    if operator.negated {
        return ("SubjectExcluded", condition.at, format!("{} leaves {wanted:?} out", condition.operator_name));
    }
    let Some(value) = nearest(&condition.values, wanted) else {
        return ("OtherSubject", condition.at, format!("no value is {wanted:?}"));
    };
    let (found, at) = (&value.text, value.at);
    let write = format!("write {wanted:?}");
    if *found == context.identity.audience {
        return ("SubjectIsAudience", at, format!("sub is compared with an audience: {write}"));
    }
    if placeholder(found) {
        return ("SubjectPlaceholder", at, format!("{found:?} has a placeholder that nobody replaced: {write}"));
    }
    if found.contains(['*', '?']) && !operator.has_wildcards() {
        let name = &condition.operator_name;
        return ("WildcardNotLike", at, format!("{name} takes the * and ? of {found:?} as they are: {write}"));
    }
    if found.contains(['*', '?']) {
        return ("OtherSubject", at, format!("{found:?} does not match the token's subject {wanted:?}"));
    }
    if found.eq_ignore_ascii_case(wanted) {
        return ("SubjectCase", at, format!("{found:?} differs in upper and lower case: {write}"));
    }
    if found.trim() == wanted {
        return ("SubjectBlank", at, format!("{found:?} has blanks around it: {write}"));
    }
    let Some((namespace, name)) = subject_parts(found).filter(|_| !is_no_subject(found)) else {
        let message = format!(
            "{found:?} is no subject of a service account, which is system:serviceaccount:NAMESPACE:NAME: {write}"
        );
        return ("MalformedSubject", at, message);
    };
    let own = subject_parts(wanted).is_some_and(|(own, _)| own == namespace);
    let place = if own { "the same namespace".to_owned() } else { format!("namespace {namespace}") };
    ("OtherSubject", at, format!("is for the service account {name} of {place}; the token is of {wanted:?}"))
}

fn audience(operator: Operator, condition: &Condition, context: &Context<'_>) -> Said {
    let wanted = &context.identity.audience;
    if operator.negated {
        return (
            "AudienceExcluded",
            condition.at,
            format!("{} leaves the audience {wanted:?} out", condition.operator_name),
        );
    }
    let Some(value) = nearest(&condition.values, wanted) else {
        return ("OtherAudience", condition.at, format!("no value is the audience {wanted:?}"));
    };
    let (found, at) = (&value.text, value.at);
    if found.starts_with("system:serviceaccount:") {
        let message = format!("aud is compared with a subject: the key for it is {:?}", context.key("sub"));
        return ("AudienceIsSubject", at, message);
    }
    ("OtherAudience", at, format!("the token's audience is {wanted:?}, not {found:?}"))
}
