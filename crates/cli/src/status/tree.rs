//! Bindings as a tree: binding, workloads, pods, containers.

use podidentity_core::finding::Severity;
use podidentity_core::message::counted;

use crate::paint::{Mark, Paint};
use crate::terminal_text::Sheet;
use crate::view::{FindingView, PodView, Totals, View, WorkloadView};

/// The most pods of a workload that are shown, unless the user asks for all.
const PODS: usize = 3;

/// How much is shown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Detail {
    /// Whether namespaces are shown as headings.
    pub(crate) namespaces: bool,
    /// Whether every pod and every message is shown, and not only what is wrong.
    pub(crate) everything: bool,
}

/// The tree of all views, with a summary. `views` are sorted.
pub(crate) fn tree(views: &[View], detail: Detail, paint: Paint) -> Sheet {
    let columns = Columns::of(views);
    let mut out = Sheet::of(paint);
    let mut namespace = None;
    for view in views {
        if detail.namespaces && namespace != Some(&view.namespace) {
            namespace = Some(&view.namespace);
            out.line(format_args!("{}", paint.bold(&view.namespace)));
        }
        Tree { out: &mut out, detail, paint, said: Vec::new() }.view(view, columns);
    }
    out.blank();
    out.line(format_args!("{}", paint.dim(Totals::of(views))));
    let unseen = views.iter().filter(|view| !view.observed).count();
    if unseen > 0 {
        let text = format!("No operator has looked at {} yet: does it run?", counted(unseen, "binding"));
        out.line(format_args!("{}", paint.like(Mark::Warning, text)));
    }
    out
}

/// The column widths in the first line of each view.
#[derive(Clone, Copy)]
struct Columns {
    title: usize,
    role: usize,
}

/// The maximum width that counts. A longer text does not widen its column.
const WIDEST: usize = 44;

impl Columns {
    fn of(views: &[View]) -> Self {
        let width = |text: fn(&View) -> String| {
            let widths = views.iter().map(|view| text(view).chars().count());
            widths.filter(|width| *width <= WIDEST).max().unwrap_or_default()
        };
        Self { title: width(names), role: width(role) }
    }
}

/// The binding, and the service account if its name differs.
fn names(view: &View) -> String {
    match &view.binding {
        Some(binding) if *binding != view.service_account => format!("pib/{binding} (sa/{})", view.service_account),
        _ => view.title(),
    }
}

/// The role without the part that is the same in all ARNs.
fn role(view: &View) -> String {
    let short = view.role_arn.rsplit_once(":role/").map(|(_, role)| format!("role/{role}"));
    short.unwrap_or_else(|| view.role_arn.clone())
}

/// The reason with the first warning, and the mark for both.
fn headline(view: &View, mark: Mark) -> (Mark, String) {
    let warning = view.all_findings().find(|finding| finding.severity == Severity::Warning);
    let warning = warning.filter(|_| view.is_right());
    let mut reason = view.reason.clone();
    if let Some(warning) = warning {
        reason = format!("{reason}, {}", warning.reason);
    }
    if view.binding.is_none() {
        reason += ", no binding";
    }
    // If something is wrong, the reason already says so.
    let refused = view.preflight.as_ref().filter(|it| view.is_right() && it.is_wrong());
    if let Some(refused) = refused {
        reason = format!("{reason}, {}", refused.reason);
    }
    (if warning.is_some() || refused.is_some() { Mark::Warning } else { mark }, reason)
}

struct Tree<'a> {
    out: &'a mut Sheet,
    detail: Detail,
    paint: Paint,
    /// The messages that were already shown: binding, workload and pod often have the same message.
    said: Vec<&'a str>,
}

impl<'a> Tree<'a> {
    fn view(mut self, view: &'a View, columns: Columns) {
        let paint = self.paint;
        let mark = Mark::from(view.state);
        let title = format!("{:width$}", names(view), width = columns.title);
        let role = format!("{:width$}", role(view), width = columns.role);
        let pods = format!("{:>9}", format!("{}/{} pods", view.pods_verified, view.pods_total));
        let (mark, reason) = headline(view, mark);
        self.out.line(format_args!(
            "{} {}  {role}  {pods}  {}",
            paint.mark(mark),
            paint.bold(title),
            paint.like(mark, reason)
        ));
        let shown = self.shown_workloads(view);
        let hidden = if view.is_right() && !self.detail.everything { 0 } else { view.workloads.len() - shown.len() };
        let findings: Vec<_> = view.findings.iter().filter(|_| self.detail.everything).collect();
        let last = shown.len() + findings.len() + usize::from(hidden > 0);
        let bar = if last == 0 { "  " } else { "\u{2502} " };
        if self.detail.everything {
            self.text(bar, &format!("{} by service account {}", view.role_arn, view.service_account));
        }
        if self.detail.everything || !view.is_right() {
            self.news(bar, &view.message);
        }
        for (index, workload) in shown.iter().enumerate() {
            self.workload(workload, index + 1 == last);
        }
        for (index, finding) in findings.iter().enumerate() {
            let (branch, below) = branches(shown.len() + index + 1 == last);
            let mark = Mark::from(Some(finding.severity));
            self.out.line(format_args!("{branch}{} {} {}", paint.mark(mark), finding.object, finding.reason));
            self.news(&format!("{below}  "), &finding.message);
        }
        if hidden > 0 {
            let (branch, _) = branches(true);
            self.out.line(format_args!(
                "{branch}{}",
                paint.dim(format!("{} with nothing to say", counted(hidden, "workload")))
            ));
        }
    }

    /// The workloads to show: all of them if the user asks for everything, those in trouble if
    /// something is wrong, otherwise none.
    fn shown_workloads(&self, view: &'a View) -> Vec<&'a WorkloadView> {
        let all = self.detail.everything;
        let at_rest = ["Current", "ScaledToZero", "Excluded", "Unmanaged"];
        let worth = |workload: &&WorkloadView| {
            all || workload.verified() < workload.pods.len() || !at_rest.contains(&workload.state.as_str())
        };
        if all || !view.is_right() { view.workloads.iter().filter(worth).collect() } else { Vec::new() }
    }

    fn workload(&mut self, workload: &'a WorkloadView, last: bool) {
        let paint = self.paint;
        let (branch, below) = branches(last);
        let verified = workload.verified();
        let mark = match workload.state.as_str() {
            _ if verified == workload.pods.len() && workload.pods.is_empty() => Mark::Idle,
            _ if verified == workload.pods.len() => Mark::Right,
            "Rolling" | "Pending" => Mark::Working,
            _ => Mark::Wrong,
        };
        self.out.line(format_args!(
            "{branch}{} {}  {verified}/{} pods  {}",
            paint.mark(mark),
            workload.title(),
            workload.pods.len(),
            paint.like(mark, &workload.state)
        ));
        if let Some(message) = workload.message.as_ref().filter(|_| self.detail.everything) {
            self.news(&format!("{below}  "), message);
        }
        let pods: Vec<&PodView> = workload.pods.iter().filter(|pod| self.detail.everything || !pod.verified).collect();
        let limit = if self.detail.everything { usize::MAX } else { PODS };
        let hidden = pods.len().saturating_sub(limit);
        let mut said: Vec<(&str, Option<&str>)> = Vec::new();
        for (index, pod) in pods.iter().take(limit).enumerate() {
            let last = hidden == 0 && index + 1 == pods.len();
            self.pod(pod, below, last, &mut said);
        }
        if hidden > 0 {
            self.out.line(format_args!("{below}\u{2514}\u{2500} {}", paint.dim(format!("{hidden} more like these"))));
        }
    }

    /// `said` holds the findings of the workload whose message was already shown, by reason and
    /// container.
    fn pod(&mut self, pod: &'a PodView, indent: &str, last: bool, said: &mut Vec<(&'a str, Option<&'a str>)>) {
        let paint = self.paint;
        let (branch, below) = branches(last);
        let worst = pod.findings.iter().map(|finding| finding.severity).min();
        let containers = pod.containers.iter().map(|name| {
            let reasons: Vec<&str> = of_container(pod, name).map(|finding| finding.reason.as_str()).collect();
            let reasons = if reasons.is_empty() { String::new() } else { format!(" {}", reasons.join(", ")) };
            format!(
                "{} {name}{}",
                paint.mark(Mark::from(pod.worst(name))),
                paint.like(Mark::from(pod.worst(name)), reasons)
            )
        });
        let of_pod = pod.findings.iter().filter(|finding| finding.container.is_none());
        let of_pod = of_pod.map(|finding| {
            let mark = Mark::from(Some(finding.severity));
            format!("{} {}", paint.mark(mark), paint.like(mark, &finding.reason))
        });
        let parts: Vec<String> = containers.chain(of_pod).collect();
        self.out.line(format_args!(
            "{indent}{branch}{} {}  {}",
            paint.mark(Mark::from(worst)),
            pod.name,
            parts.join("  ")
        ));
        if !self.detail.everything {
            return;
        }
        for finding in &pod.findings {
            let key = (finding.reason.as_str(), finding.container.as_deref());
            if !said.contains(&key) {
                said.push(key);
                self.news(&format!("{indent}{below}  "), &finding.message);
            }
        }
    }

    /// Shows the text, or only what it adds to a text that was already shown.
    fn news(&mut self, indent: &str, text: &'a str) {
        if self.said.iter().any(|said| said.contains(text)) {
            return;
        }
        let known = self.said.iter().find_map(|said| text.strip_suffix(said));
        self.text(indent, known.map_or(text, |added| added.trim_end_matches([':', ' '])));
        self.said.push(text);
    }

    /// Shows wrapped lines behind the branches.
    fn text(&mut self, indent: &str, text: &str) {
        self.out.paragraph(self.paint, indent, text);
    }
}

fn of_container<'p>(pod: &'p PodView, name: &'p str) -> impl Iterator<Item = &'p FindingView> {
    pod.findings.iter().filter(move |finding| finding.container.as_deref() == Some(name))
}

/// The prefix of a node, and the prefix of everything below it.
fn branches(last: bool) -> (&'static str, &'static str) {
    if last { ("\u{2514}\u{2500} ", "   ") } else { ("\u{251c}\u{2500} ", "\u{2502}  ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::{State, sample};

    #[test]
    fn every_sentence_is_told_once() {
        let sentence = "container main of pod web-1 has no AWS identity";
        let finding = FindingView {
            severity: Severity::Error,
            reason: "InjectionMissed".to_owned(),
            object: "Pod/web-1".to_owned(),
            container: Some("main".to_owned()),
            message: sentence.to_owned(),
            restart_cures: false,
        };
        let pod = PodView {
            name: "web-1".to_owned(),
            verified: false,
            created: None,
            containers: vec!["main".to_owned()],
            findings: vec![finding],
        };
        let workload = WorkloadView {
            kind: "Deployment".to_owned(),
            name: "web".to_owned(),
            state: "Halted".to_owned(),
            message: Some(format!("a restart would not help: {sentence}")),
            pods: vec![pod],
        };
        let mut view = sample();
        view.state = State::Failing;
        sentence.clone_into(&mut view.message);
        view.workloads = vec![workload];
        let text = tree(&[view], Detail { namespaces: false, everything: true }, Paint::plain()).finished();
        assert_eq!(text.matches(sentence).count(), 1, "{text}");
        assert!(text.contains("a restart would not help\n"), "{text}");
    }
}
