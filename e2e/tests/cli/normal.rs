//! What differs from run to run, replaced.

use regex::Regex;

/// The random ends of names have no vowels: pods of Deployments are named `NAME-HASH-RANDOM`, those of Jobs
/// `NAME-RANDOM`.
const POD: &str = r"-([bcdf-hj-np-tv-z2456789]{6,10})-[bcdf-hj-np-tv-z2456789]{5}\b";

/// Which pod was injected last depends on which of those that start together came last.
const INJECTED: &str = r"pod\s+default/[a-z0-9-]+(-POD)?\s+was\s+given\s+its\s+role,\s+so\s+it\s+works";

/// Times, ages, names of pods, addresses, the plugin's version; and how a page looks and is filtered, which are files of their own.
pub(crate) fn normal(text: &str) -> String {
    replaced(
        text,
        &[
            (r"(?s)<style>.*?</style>", "<style>STYLE</style>"),
            (r"(?s)<script>.*?</script>", "<script>SCRIPT</script>"),
            (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "TIME"),
            (r"\d{4}-\d\d-\d\d \d\d:\d\d UTC", "TIME"),
            (r"\((\d+[smhd])+ ago\)", "(AGE ago)"),
            (r">(\d+[smhd])+</td></tr>", ">AGE</td></tr>"),
            (POD, "-POD"),
            (INJECTED, "pod default/NEWEST was given its role, so it works"),
            (r"(workload-unmanaged)-[bcdf-hj-np-tv-z2456789]{5}\b", "$1-POD"),
            (r"127\.0\.0\.1:\d+", "SERVER"),
            (r"/tmp/podidentity-e2e-\w+", "/FOLDER"),
            (r#""semanticVersion": "[^"]+""#, r#""semanticVersion": "VERSION""#),
        ],
    )
}

/// The same for readers: times and names that look like some and are as long, so that lines break alike.
pub(crate) fn pretty(text: &str) -> String {
    replaced(
        text,
        &[
            (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "2026-01-02T03:04:05Z"),
            (r"\((\d+[smhd])+ ago\)", "(2m ago)"),
            (POD, "-$1-x2x7k"),
            (
                INJECTED,
                "pod default/verified-76f4c6d5f7-x2x7k was given\n                                                    its \
                 role, so it works",
            ),
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
