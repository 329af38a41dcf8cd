//! What differs from run to run, replaced.

use regex::Regex;

/// Times, ages, and the random ends of names of pods.
pub(crate) fn normal(text: &str) -> String {
    let rules = [
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "TIME"),
        (r"\((\d+[smhd])+ ago\)", "(AGE ago)"),
        (r"\d{4}-\d\d-\d\d \d\d:\d\d UTC", "TIME"),
        (r">(\d+[smhd])+</td></tr>", ">AGE</td></tr>"),
        // Deployments: NAME-HASH-RANDOM; Jobs: NAME-RANDOM. Both alphabets have no vowels.
        (r"-[bcdf-hj-np-tv-z2456789]{6,10}-[bcdf-hj-np-tv-z2456789]{5}\b", "-POD"),
        (r"(workload-unmanaged)-[bcdf-hj-np-tv-z2456789]{5}\b", "$1-POD"),
        (r"https://127\.0\.0\.1:\d+", "https://SERVER"),
        (r"127\.0\.0\.1:\d+", "SERVER"),
        (r"/tmp/podidentity-e2e-\w+", "/FOLDER"),
    ];
    let mut text = text.to_owned();
    for (pattern, replacement) in rules {
        // The patterns are constants: a wrong one fails every test.
        if let Ok(pattern) = Regex::new(pattern) {
            text = pattern.replace_all(&text, replacement).into_owned();
        }
    }
    text
}
