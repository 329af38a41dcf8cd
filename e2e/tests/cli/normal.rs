//! What differs from run to run, replaced.

use regex::Regex;

/// The random ends of names have no vowels: pods of Deployments are named `NAME-HASH-RANDOM`, those of Jobs
/// `NAME-RANDOM`.
const POD: &str = r"-([bcdf-hj-np-tv-z2456789]{6,10})-[bcdf-hj-np-tv-z2456789]{5}\b";

/// Times, ages, names of pods, addresses.
pub(crate) fn normal(text: &str) -> String {
    replaced(
        text,
        &[
            (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "TIME"),
            (r"\d{4}-\d\d-\d\d \d\d:\d\d UTC", "TIME"),
            (r"\((\d+[smhd])+ ago\)", "(AGE ago)"),
            (r">(\d+[smhd])+</td></tr>", ">AGE</td></tr>"),
            (POD, "-POD"),
            (r"(workload-unmanaged)-[bcdf-hj-np-tv-z2456789]{5}\b", "$1-POD"),
            (r"127\.0\.0\.1:\d+", "SERVER"),
            (r"/tmp/podidentity-e2e-\w+", "/FOLDER"),
        ],
    )
}

fn replaced(text: &str, rules: &[(&str, &str)]) -> String {
    let mut text = text.to_owned();
    for (pattern, replacement) in rules {
        // The patterns are constants: a wrong one fails every test.
        if let Ok(pattern) = Regex::new(pattern) {
            text = pattern.replace_all(&text, *replacement).into_owned();
        }
    }
    text
}
