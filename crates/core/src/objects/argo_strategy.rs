//! The strategy of an Argo Rollout, as far as it says how long the Rollout pauses.

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde::{Deserialize, Serialize};

use super::null_default;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Strategy {
    #[serde(deserialize_with = "null_default")]
    canary: Canary,
    #[serde(deserialize_with = "null_default")]
    blue_green: BlueGreen,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Canary {
    #[serde(deserialize_with = "null_default")]
    steps: Vec<Step>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct BlueGreen {
    auto_promotion_seconds: Option<i64>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Step {
    pause: Option<Pause>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Pause {
    duration: Option<IntOrString>,
}

impl Strategy {
    /// How long the canary step pauses, in seconds; `None` if it does not, or until a person
    /// promotes the Rollout.
    pub(super) fn step_seconds(&self, index: i32) -> Option<i64> {
        self.canary.steps.get(usize::try_from(index).ok()?)?.pause.as_ref()?.seconds()
    }

    /// After how many seconds a blue-green Rollout is promoted by itself; `None` if it never is.
    pub(super) fn promotion_seconds(&self) -> Option<i64> {
        self.blue_green.auto_promotion_seconds.filter(|seconds| *seconds > 0)
    }
}

impl Pause {
    fn seconds(&self) -> Option<i64> {
        match self.duration.as_ref()? {
            IntOrString::Int(seconds) => Some(i64::from(*seconds)),
            IntOrString::String(text) => text.parse().ok().or_else(|| go_duration(text)),
        }
    }
}

/// The whole seconds of a duration as Go writes it: `1h30m`, `1.5h`, `90s`.
fn go_duration(text: &str) -> Option<i64> {
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest.is_empty() {
        return None;
    }
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let number = rest.find(|c: char| c != '.' && !c.is_ascii_digit())?;
        let (value, after) = rest.split_at(number);
        let unit = after.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, next) = after.split_at(unit);
        let scale = match unit {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "us" | "\u{b5}s" | "\u{3bc}s" => 1e-6,
            "ns" => 1e-9,
            _ => return None,
        };
        seconds += value.parse::<f64>().ok()? * scale;
        rest = next;
    }
    // Longer than a person waits, and far from what a number of seconds can hold.
    #[allow(clippy::cast_possible_truncation)] // in range, and whole seconds are wanted
    (0.0..1e12).contains(&seconds).then_some(seconds as i64)
}

#[cfg(test)]
mod tests {
    use super::go_duration;

    #[test]
    fn durations_are_read_as_go_reads_them() {
        let read = ["1h30m", "1.5h", "90s", "+5m", "1500ms", "0.5s", "1m1.5s"].map(go_duration);
        assert_eq!(read, [5400, 5400, 90, 300, 1, 0, 61].map(Some));
        for text in ["", "+", "h", "5", "5d", "1h30", "1h 30m", "-5m", "..s", "1e3s"] {
            assert_eq!(go_duration(text), None, "{text}");
        }
    }
}
