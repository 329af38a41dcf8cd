//! The list of every binding, and of every service account that is annotated without one. Users can
//! filter it.

use std::io::{self, Write};

use jiff::Timestamp;
use podidentity_core::finding::Severity;

use super::matrix::reasons;
use super::page::{AT_ONCE, Arn, More, Text};
use crate::age::age;
use crate::view::{State, View};

pub(super) fn write(views: &[View], now: Timestamp, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "<section id=\"bindings\">\n<h2>Bindings and service accounts</h2>")?;
    filters(out)?;
    writeln!(
        out,
        "<table class=\"list\">\n<thead><tr><th>State</th><th>Namespace</th><th>Name</th><th>Role</th>\
         <th class=\"number\">Pods</th><th class=\"number\">Age</th></tr></thead>\n<tbody>"
    )?;
    for (index, view) in views.iter().enumerate() {
        row(view, index >= AT_ONCE, now, out)?;
    }
    writeln!(out, "</tbody>\n</table>\n<p id=\"none\" hidden>Nothing matches.</p>")?;
    let more = More { id: " id=\"more\"", all: views.len() };
    writeln!(out, "{more}</section>")
}

fn filters(out: &mut dyn Write) -> io::Result<()> {
    write!(
        out,
        "<form id=\"filter\">\n<input type=\"search\" name=\"text\" placeholder=\"Name, namespace, role, finding\" \
         aria-label=\"Filter\">\n<select name=\"state\" aria-label=\"State\"><option value=\"\">All states</option>"
    )?;
    for state in [State::Failing, State::Working, State::Verified, State::Idle] {
        write!(out, "<option>{}</option>", state.as_str())?;
    }
    writeln!(out, "</select>\n<button type=\"reset\">Show all</button>\n<output id=\"shown\"></output>\n</form>")
}

fn row(view: &View, hidden: bool, now: Timestamp, out: &mut dyn Write) -> io::Result<()> {
    let warning = view.all_findings().find(|finding| finding.severity == Severity::Warning);
    let warning = warning.filter(|_| view.is_right());
    let class = match view.state {
        State::Failing => "failing",
        State::Working => "working",
        _ if warning.is_some() => "warning",
        State::Idle => "idle",
        State::Verified => "verified",
    };
    let reasons: Vec<&str> = reasons(view).into_keys().collect();
    write!(
        out,
        "<tr{} data-state=\"{}\" data-namespace=\"{}\" data-reasons=\"{}\"><td><span class=\"{class}\">{}</span>",
        if hidden { " hidden" } else { "" },
        view.state.as_str(),
        Text(&view.namespace),
        Text(&reasons.join(" ")),
        Text(&view.reason),
    )?;
    write!(out, "</td><td>{}</td><td>{}", Text(&view.namespace), Text(&view.title()))?;
    match &view.binding {
        None => write!(out, " <small>no binding</small>")?,
        Some(binding) if *binding != view.service_account => {
            write!(out, " <small>sa/{}</small>", Text(&view.service_account))?;
        }
        Some(_) => {}
    }
    if !view.is_right() {
        write!(out, "<p>{}</p>", Text(&view.message))?;
    } else if let Some(warning) = warning {
        write!(out, "<p>{}: {}</p>", Text(&warning.reason), Text(&warning.message))?;
    }
    let age = view.created.map(|created| age(created, now)).unwrap_or_default();
    writeln!(
        out,
        "</td><td>{}</td><td class=\"number\">{}/{}</td><td class=\"number\">{age}</td></tr>",
        Arn(&view.role_arn),
        view.pods_verified,
        view.pods_total
    )
}
