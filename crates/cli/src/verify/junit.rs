//! A JUnit report: a suite for each namespace, a test for each binding.

use std::collections::BTreeMap;
use std::fmt::{Display, Formatter, Result as FmtResult};
use std::io::{self, Write};

use podidentity_core::foreign::Foreign;

use crate::terminal_text::Sheet;
use crate::view::{State, View};

/// The maximum number of characters in a text of the report.
const LONGEST: usize = 4000;

/// Text of an element or attribute, escaped because names and messages come from the cluster.
struct Text<'a>(&'a str);

impl Display for Text<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> FmtResult {
        Foreign::new(self.0).up_to(LONGEST).html().fmt(f)
    }
}

pub(super) fn write(views: &[View], out: &mut dyn Write) -> io::Result<()> {
    let mut suites: BTreeMap<&str, Vec<&View>> = BTreeMap::new();
    for view in views {
        suites.entry(&view.namespace).or_default().push(view);
    }
    let mut sheet = Sheet::new();
    sheet.line(r#"<?xml version="1.0" encoding="UTF-8"?>"#);
    let (tests, failures) = (views.len(), failures(views.iter()));
    sheet.line(format_args!(
        r#"<testsuites name="kubectl podidentity verify" tests="{tests}" failures="{failures}" errors="0">"#
    ));
    for (namespace, views) in suites {
        suite(namespace, &views, &mut sheet);
    }
    sheet.line("</testsuites>");
    sheet.print(out)
}

fn failures<'a>(views: impl Iterator<Item = &'a View>) -> usize {
    views.filter(|view| !view.is_right()).count()
}

fn suite(namespace: &str, views: &[&View], sheet: &mut Sheet) {
    let skipped = views.iter().filter(|view| view.state == State::Idle).count();
    sheet.line(format_args!(
        r#"    <testsuite name="{}" tests="{}" disabled="{skipped}" errors="0" failures="{}">"#,
        Text(namespace),
        views.len(),
        failures(views.iter().copied()),
    ));
    for view in views {
        case(view, sheet);
    }
    sheet.line("    </testsuite>");
}

fn case(view: &View, sheet: &mut Sheet) {
    let class = format!("{}.{}", view.namespace, view.service_account);
    sheet.line(format_args!(r#"        <testcase name="{}" classname="{}">"#, Text(&view.title()), Text(&class)));
    match view.state {
        State::Verified => {}
        State::Idle => sheet.line(format_args!(r#"            <skipped message="{}"/>"#, Text(&view.message))),
        State::Failing | State::Working => failure(view, sheet),
    }
    sheet.line("        </testcase>");
}

/// The failure of a test, with one line for each finding.
fn failure(view: &View, sheet: &mut Sheet) {
    let begin = format!(r#"            <failure message="{}" type="{}""#, Text(&view.message), Text(&view.reason));
    let findings: Vec<String> = view
        .all_findings()
        .map(|finding| format!("{:?} {} {}: {}", finding.severity, finding.reason, finding.object, finding.message))
        .collect();
    let Some((last, others)) = findings.split_last() else { return sheet.line(format_args!("{begin}/>")) };
    for (index, finding) in others.iter().enumerate() {
        let begin = if index == 0 { format!("{begin}>") } else { String::new() };
        sheet.line(format_args!("{begin}{}", Text(finding)));
    }
    let begin = if others.is_empty() { format!("{begin}>") } else { String::new() };
    sheet.line(format_args!("{begin}{}</failure>", Text(last)));
}
