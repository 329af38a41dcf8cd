//! Findings about roles that a namespace does not grant. Covers only namespaces among the files
//! that have the annotation for grants.

use std::collections::BTreeMap;

use podidentity_api::names::ALLOWED_ROLES_ANNOTATION;
use podidentity_core::grants::Grants;
use podidentity_core::settings::{IdentityAnnotation, Settings};

use super::declarations::{field, finding};
use crate::accounts::{Account, Accounts, Binding};
use crate::findings::{Finding, ManifestReason};
use crate::manifest::Object;
use crate::read::Place;

/// A role that a manifest names, and its place.
struct Named<'a> {
    role: &'a str,
    object: &'a Object<'a>,
    place: Place,
}

/// Reports bindings and service accounts with such roles. A namespace without the annotation is not
/// checked, because its manifest does not say whether the cluster requires grants.
pub(super) fn check(objects: &[Object<'_>], accounts: &Accounts<'_>, settings: &Settings) -> Vec<Finding> {
    let namespaces: BTreeMap<&str, (&Object<'_>, Grants)> = objects.iter().filter_map(granting).collect();
    let mut findings = Vec::new();
    for ((namespace, _), account) in &accounts.by_key {
        let Some((granting, grants)) = namespace.as_deref().and_then(|name| namespaces.get(name)) else { continue };
        for named in roles(account, settings).into_iter().filter(|named| !grants.allow(named.role)) {
            let granted = if grants.entries().is_empty() { "none".to_owned() } else { grants.entries().join(", ") };
            let message = format!(
                "{} ({}) does not grant {}: its annotation {ALLOWED_ROLES_ANNOTATION} grants {granted}. Where grants are \
                 required this is refused. Grant the role there, or name another one.",
                granting.title(),
                granting.place,
                named.role,
            );
            findings.push(finding(ManifestReason::RoleNotAllowed, named.object, named.place, message));
        }
    }
    findings
}

fn granting<'o, 'a>(object: &'o Object<'a>) -> Option<(&'a str, (&'o Object<'a>, Grants))> {
    let is_namespace = object.kind == "Namespace" && object.node.text_at(&["apiVersion"]) == Some("v1");
    let granted =
        object.node.text_at(&["metadata", "annotations", ALLOWED_ROLES_ANNOTATION]).filter(|_| is_namespace)?;
    Some((object.name, (object, Grants::parse(granted))))
}

/// The roles of the bindings, and the role of the annotation unless a binding names the same role.
fn roles<'a>(account: &'a Account<'a>, settings: &Settings) -> Vec<Named<'a>> {
    // Skip roles that the files name without an AWS account or by reference: only the cluster shows
    // whether they are granted.
    let known = |binding: &&Binding<'_>| {
        let spec = &binding.binding.spec;
        spec.role_ref.is_none() && (spec.role.is_none() || settings.account.is_some())
    };
    let bindings = account.bindings.iter().filter(known).map(|binding| Named {
        role: &binding.binding.spec.role_arn,
        object: &binding.object,
        place: field(&binding.object, if binding.binding.spec.role.is_some() { "role" } else { "roleArn" }),
    });
    let mut named: Vec<Named<'_>> = bindings.collect();
    let key = settings.annotation(IdentityAnnotation::RoleArn);
    if let (Some(role), Some(object)) = (account.annotations.get(&key), account.objects.last())
        && !role.is_empty()
        && named.iter().all(|binding| binding.role != role)
    {
        named.push(Named {
            role,
            object,
            place: account.annotation_place(&key).unwrap_or_else(|| object.place.clone()),
        });
    }
    named
}
