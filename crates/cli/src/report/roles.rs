//! Which roles are used, and by whom.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use super::page::{AT_ONCE, Arn, More, Text};
use crate::view::View;

/// The most users of a role that are named.
const USERS: usize = 12;

#[derive(Default)]
struct Usage<'a> {
    users: BTreeSet<(&'a str, &'a str)>,
    namespaces: BTreeSet<&'a str>,
    pods: usize,
}

pub(super) fn write(views: &[View], out: &mut dyn Write) -> io::Result<()> {
    let mut roles: BTreeMap<&str, Usage<'_>> = BTreeMap::new();
    for view in views {
        let usage = roles.entry(&view.role_arn).or_default();
        usage.users.insert((&view.namespace, &view.service_account));
        usage.namespaces.insert(&view.namespace);
        usage.pods += view.pods_total;
    }
    // Roles with the most users come first.
    let mut roles: Vec<(&str, Usage<'_>)> = roles.into_iter().collect();
    roles.sort_by(|(a, used_a), (b, used_b)| {
        (used_b.users.len(), used_b.pods, *a).cmp(&(used_a.users.len(), used_a.pods, *b))
    });
    writeln!(out, "<section id=\"roles\">\n<h2>Roles</h2>")?;
    if roles.is_empty() {
        return writeln!(out, "<p>None is used.</p>\n</section>");
    }
    writeln!(
        out,
        "<p>Whether the trust policy of a role lets a service account in: <code>aws iam get-role --role-name ROLE | \
         kubectl podidentity trust -n NAMESPACE sa/NAME -f -</code></p>"
    )?;
    writeln!(
        out,
        "<table class=\"roles\">\n<thead><tr><th>Role</th><th class=\"number\">Service accounts</th>\
         <th class=\"number\">Namespaces</th><th class=\"number\">Pods</th><th>Used by</th></tr></thead>\n<tbody>"
    )?;
    let more = More { id: "", all: roles.len() };
    for (index, (role, usage)) in roles.into_iter().enumerate() {
        row(role, &usage, index >= AT_ONCE, out)?;
    }
    writeln!(out, "</tbody>\n</table>\n{more}</section>")
}

fn row(role: &str, usage: &Usage<'_>, hidden: bool, out: &mut dyn Write) -> io::Result<()> {
    let named = usage.users.iter().take(USERS).map(|(namespace, account)| format!("{namespace}/{account}"));
    let named = named.collect::<Vec<_>>().join(", ");
    let more = usage.users.len().saturating_sub(USERS);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    writeln!(
        out,
        "<tr{}><td>{}</td><td class=\"number\">{}</td><td class=\"number\">{}</td><td class=\"number\">{}</td><td>{}{more}</td></tr>",
        if hidden { " hidden" } else { "" },
        Arn(role),
        usage.users.len(),
        usage.namespaces.len(),
        usage.pods,
        Text(&named)
    )
}
