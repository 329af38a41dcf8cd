//! What each container has, and which credentials an SDK in the container would choose.

use podidentity_core::finding::Severity;
use podidentity_core::verify::{Observed, SourceState, TokenSeen, observe, renewed_after, shown};

use super::{Step, Subject};
use crate::paint::Mark;

/// One step for each container of the pod, init containers first.
pub(super) fn of(subject: &Subject<'_>) -> Vec<Step> {
    let Some(pod) = subject.pod.as_deref() else { return Vec::new() };
    let init = pod.spec.init_containers.iter().map(|container| (container, "Init container"));
    let all = init.chain(pod.spec.containers.iter().map(|container| (container, "Container")));
    let steps = all.map(|(container, kind)| {
        let observed = observe(pod, container);
        let worst = worst(subject, &container.name);
        let used = observed.credentials().into_iter().find(|source| source.state == SourceState::Used);
        let text =
            used.map_or_else(String::new, |used| format!("an SDK uses the {}: {}", used.kind.as_str(), used.detail));
        let (details, decisive) = details(&observed);
        Step {
            mark: match subject.judged {
                Some(_) => Mark::from(worst),
                None => Mark::Note,
            },
            heading: format!("{kind} {}", shown(&container.name)),
            text,
            details,
            decisive,
        }
    });
    steps.collect()
}

fn worst(subject: &Subject<'_>, container: &str) -> Option<Severity> {
    let findings = &subject.judged.as_ref()?.verdict.findings;
    let of = findings.iter().filter(|finding| finding.container.as_deref() == Some(container));
    of.map(|finding| finding.severity).min()
}

/// The details of a container, and the index of the detail with the credentials that an SDK uses.
fn details(observed: &Observed) -> (Vec<(String, String)>, Option<usize>) {
    let mut details = vec![
        ("AWS_ROLE_ARN".to_owned(), observed.role.shown()),
        ("AWS_WEB_IDENTITY_TOKEN_FILE".to_owned(), observed.token_file.shown()),
    ];
    if let Some((uri, token)) = &observed.agent {
        details.push(("agent".to_owned(), uri.shown()));
        details.push(("agent's token".to_owned(), self::token(token)));
    }
    if !observed.sts_endpoints.is_unset() {
        details.push(("AWS_STS_REGIONAL_ENDPOINTS".to_owned(), observed.sts_endpoints.shown()));
    }
    let region = if observed.region.is_unset() {
        "not set: the program has to set one itself".to_owned()
    } else {
        observed.region.shown()
    };
    details.push(("region".to_owned(), region));
    details.push(("token".to_owned(), token(&observed.token)));
    let credentials = observed.credentials();
    let used = credentials.iter().position(|source| source.state == SourceState::Used);
    let decisive = used.map(|index| details.len() + index);
    let order = credentials.into_iter().enumerate().map(|(index, source)| {
        let state = match source.state {
            SourceState::Used => "<- used",
            SourceState::Later => "(not reached)",
            SourceState::Absent => "no",
            SourceState::Unknown => "?",
        };
        (format!("{}. {}", index + 1, source.kind.as_str()), format!("{state:<13} {}", shown(&source.detail)))
    });
    details.extend(order);
    (details, decisive)
}

fn token(token: &TokenSeen) -> String {
    match token {
        TokenSeen::NoPath => "none: there is no path to look at".to_owned(),
        TokenSeen::NotMounted => "none: nothing is mounted at that path".to_owned(),
        TokenSeen::Foreign(volume) => format!("none: volume {} has no token there", shown(volume)),
        TokenSeen::Token { audience, lifetime, volume, frozen } => {
            let audience = if audience.is_empty() { "the API server itself" } else { audience };
            let renewed = if *frozen {
                "never renewed, because it is mounted by subPath".to_owned()
            } else {
                format!("renewed by the kubelet after {}", hours(renewed_after(*lifetime)))
            };
            format!("for {}, lives {}, {renewed}; volume {}", shown(audience), hours(*lifetime), shown(volume))
        }
    }
}

/// For example `24 h`, `19 h 12 min`, `10 min`, `90 s`.
fn hours(seconds: i64) -> String {
    let (hours, minutes, rest) = (seconds / 3600, seconds % 3600 / 60, seconds % 60);
    match (hours, minutes, rest) {
        (0, 0, _) | (0, _, 1..) => format!("{seconds} s"),
        (0, minutes, _) => format!("{minutes} min"),
        (hours, 0, _) => format!("{hours} h"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lifetimes_are_told_in_hours() {
        for (seconds, text) in [(86400, "24 h"), (69120, "19 h 12 min"), (600, "10 min"), (90, "90 s"), (45, "45 s")] {
            assert_eq!(hours(seconds), text);
        }
    }
}
