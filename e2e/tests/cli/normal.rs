//! Replaces everything that differs between runs.

use regex::Regex;

/// The random suffixes of names have no vowels. Pods of Deployments are named `NAME-HASH-RANDOM`,
/// those of Jobs `NAME-RANDOM`.
const POD: &str = r"-([bcdf-hj-np-tv-z2456789]{6,10})-[bcdf-hj-np-tv-z2456789]{5}\b";

/// Of pods that start together, any one may be the last injected.
const INJECTED: &str = r"pod\s+default/[a-z0-9-]+(-POD)?\s+was\s+given\s+its\s+role,\s+so\s+it\s+works";

/// The beginning of the binding's uid in the value that releases its restarts, as long as a real one.
const UID_IN_RELEASE: (&str, &str) = (r"(podidentity\.dev/release=\d+)-[0-9a-f]{8}", "$1-0a1b2c3d");

/// Replaces times, ages, pod names, addresses and the plugin's version, and the style and script of
/// a page, which have their own files.
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
            UID_IN_RELEASE,
            (r"/tmp/podidentity-e2e-\w+", "/FOLDER"),
            (r#""semanticVersion": "[^"]+""#, r#""semanticVersion": "VERSION""#),
        ],
    )
}

/// Replaces the same for readers, with plausible times and names of the same length, so that lines
/// break in the same places.
pub(crate) fn pretty(text: &str) -> String {
    replaced(
        text,
        &[
            (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "2026-01-02T03:04:05Z"),
            UID_IN_RELEASE,
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
