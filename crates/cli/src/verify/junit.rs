//! A JUnit report: a suite for each namespace, a test for each binding.

use std::collections::BTreeMap;
use std::io::{self, Write};

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite, XmlString};

use crate::view::{State, View};

pub(super) fn write(views: &[View], out: &mut dyn Write) -> io::Result<()> {
    let mut report = Report::new("kubectl podidentity verify");
    let mut suites: BTreeMap<&str, TestSuite> = BTreeMap::new();
    for view in views {
        let suite = suites.entry(&view.namespace).or_insert_with(|| TestSuite::new(view.namespace.clone()));
        suite.add_test_case(case(view));
    }
    report.add_test_suites(suites.into_values());
    let text = report.to_string().map_err(io::Error::other)?;
    write!(out, "{text}")
}

fn case(view: &View) -> TestCase {
    let status = match view.state {
        State::Verified => TestCaseStatus::success(),
        State::Idle => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(view.message.clone());
            status
        }
        State::Failing | State::Working => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_type(view.reason.clone()).set_message(view.message.clone());
            status.set_description(findings(view));
            status
        }
    };
    let mut case = TestCase::new(XmlString::new(view.title()), status);
    case.set_classname(format!("{}.{}", view.namespace, view.service_account));
    case
}

/// One line for each finding.
fn findings(view: &View) -> String {
    let lines = view
        .all_findings()
        .map(|finding| format!("{:?} {} {}: {}", finding.severity, finding.reason, finding.object, finding.message));
    lines.collect::<Vec<_>>().join("\n")
}
