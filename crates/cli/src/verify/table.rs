//! A table in the style of kubectl.

use podidentity_core::finding::Severity;
use podidentity_core::message::counted;

use crate::paint::{Mark, Paint};
use crate::table::Table;
use crate::terminal_text::Sheet;
use crate::view::{Totals, View};

/// One line for each binding, then what is wrong, then the totals.
pub(super) fn table(views: &[View], namespaces: bool, paint: Paint) -> Sheet {
    let mut out = Sheet::of(paint);
    let mut table = Table::new(&["NAMESPACE", "NAME", "SERVICEACCOUNT", "PODS", "STATE", "REASON"]);
    for view in views {
        let pods = format!("{}/{}", view.pods_verified, view.pods_total);
        let state = paint.like(Mark::from(view.state), view.state.as_str());
        let name = view.binding.clone().unwrap_or_else(|| "<none>".to_owned());
        table.row(vec![view.namespace.clone(), name, view.service_account.clone(), pods, state, view.reason.clone()]);
    }
    out.append(&if namespaces { table.render(paint) } else { table.without(0).render(paint) });
    for view in views.iter().filter(|view| !view.is_right()) {
        let mark = Mark::from(view.state);
        out.blank();
        out.line(format_args!(
            "{} {}/{}: {}",
            paint.mark(mark),
            view.namespace,
            view.title(),
            paint.like(mark, &view.reason)
        ));
        out.paragraph(paint, "  ", &view.message);
    }
    let warnings = views.iter().flat_map(View::all_findings).filter(|it| it.severity == Severity::Warning).count();
    let warnings = if warnings == 0 { String::new() } else { format!("; {}", counted(warnings, "warning")) };
    out.blank();
    out.line(format_args!("{}{}", paint.dim(Totals::of(views)), paint.dim(warnings)));
    out
}
