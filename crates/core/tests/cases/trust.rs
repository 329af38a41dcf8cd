//! The verdict of a trust policy on a token: `a-sentence.txt` with three parts between lines of
//! `---`.
//!
//! - Deviations from the defaults: `role`, `issuer`, `subject`, `audience`, `provider` (the output
//!   of `aws iam get-open-id-connect-provider`).
//! - The document.
//! - The verdict, the text, and the correction: in words, then the lines that differ.
//!
//! `UPDATE=1` writes the last part. The test checks that each correction admits the subject and
//! changes nothing for others.

use std::fmt::Write as _;

use podidentity_core::arn::RoleArn;
use podidentity_core::trust::{Finding, Judgement, Match, OidcProvider, Policy, ReadError, Verdict, WebIdentity};

const ISSUER: &str = "https://oidc.eks.eu-central-1.amazonaws.com/id/EXAMPLE";
const SUBJECT: &str = "system:serviceaccount:shop:web";
const AUDIENCE: &str = "sts.amazonaws.com";
const ROLE: &str = "arn:aws:iam::111122223333:role/shop";

/// Service accounts other than the one of the case.
pub const OTHERS: [&str; 6] = [
    "system:serviceaccount:shop:api",
    "system:serviceaccount:shop:web2",
    "system:serviceaccount:shop:webb",
    "system:serviceaccount:default:web",
    "system:serviceaccount:default:default",
    "system:serviceaccount:shop:a",
];

/// The text about the document of the case.
pub fn case(usual: &str, document: &str) -> Result<String, String> {
    let said = |key: &str| usual.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(": "));
    let identity = WebIdentity {
        issuer: said("issuer").unwrap_or(ISSUER).to_owned(),
        subject: said("subject").unwrap_or(SUBJECT).to_owned(),
        audience: said("audience").unwrap_or(AUDIENCE).to_owned(),
    };
    let role: Option<RoleArn> = match said("role").unwrap_or(ROLE) {
        "none" => None,
        arn => Some(arn.parse().map_err(|error| format!("{error}"))?),
    };
    let provider = match said("provider").map(OidcProvider::read).transpose() {
        Ok(provider) => provider,
        Err(errors) => return Ok(unreadable(&errors)),
    };
    let policy = match Policy::read(document) {
        Ok(policy) => policy,
        Err(errors) => return Ok(unreadable(&errors)),
    };
    let judgement = policy.judge(&identity, role.as_ref(), provider.as_ref());
    let mut out = told(&judgement);
    match policy.correct(&identity, role.as_ref()) {
        Ok(None) => {}
        Ok(Some(correction)) => {
            for change in &correction.changes {
                let _ = writeln!(out, "correction: {change}");
            }
            out.push_str(&differences(&policy.document(), &correction.policy));
            corrected(&policy, &correction.policy, &identity, policy.role().or(role.as_ref()))?;
        }
        Err(why) => {
            let _ = writeln!(out, "no correction: {why}");
        }
    }
    Ok(out)
}

fn unreadable(errors: &[ReadError]) -> String {
    errors.iter().fold(String::new(), |text, error| text + &format!("unreadable {error}\n"))
}

fn told(judgement: &Judgement) -> String {
    let mut out = format!("{}\n", judgement.verdict);
    let kinds = [("fault", &judgement.faults), ("doubt", &judgement.doubts), ("warning", &judgement.warnings)];
    for (kind, findings) in kinds {
        for Finding { reason, at, message } in findings {
            let _ = writeln!(out, "{kind} {at} {reason}: {message}");
        }
    }
    for statement in &judgement.statements {
        let state = |matches: &Match| match matches {
            Match::Yes => "Yes".to_owned(),
            Match::No => "No".to_owned(),
            Match::NotSure(doubt, _) => doubt.as_str().to_owned(),
        };
        let off: Vec<String> = statement
            .elements
            .iter()
            .filter(|element| element.matches != Match::Yes)
            .map(|element| format!("{} {}", element.name, state(&element.matches)))
            .collect();
        let off = if off.is_empty() { String::new() } else { format!(" ({})", off.join(", ")) };
        let _ = writeln!(out, "{:?} {}: {}{off}", statement.effect, statement.at, state(&statement.applies));
    }
    out
}

/// Checks that the correction admits the subject and changes nothing for others.
fn corrected(policy: &Policy, text: &str, identity: &WebIdentity, role: Option<&RoleArn>) -> Result<(), String> {
    let corrected = Policy::read(text).map_err(|errors| unreadable(&errors))?;
    let verdict = |policy: &Policy, identity: &WebIdentity| policy.judge(identity, role, None).verdict;
    let refused = verdict(policy, identity) == Verdict::NotSure;
    if verdict(&corrected, identity) != Verdict::Allow {
        return Err(format!("the correction does not allow: {text}"));
    }
    for other in OTHERS.iter().filter(|other| **other != identity.subject) {
        let other = WebIdentity { subject: (*other).to_owned(), ..identity.clone() };
        let (before, after) = (verdict(policy, &other), verdict(&corrected, &other));
        if before != after && !(refused && after == Verdict::Deny) {
            return Err(format!("the correction turns {before} into {after} for {}", other.subject));
        }
    }
    Ok(())
}

/// Lines that only one of the two texts has, in order.
fn differences(before: &str, after: &str) -> String {
    let (before, after): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    // The length of the longest common subsequence that follows each pair of lines.
    let mut common = vec![vec![0_usize; after.len() + 1]; before.len() + 1];
    for b in (0..before.len()).rev() {
        for a in (0..after.len()).rev() {
            let same = before[b] == after[a];
            common[b][a] = if same { common[b + 1][a + 1] + 1 } else { common[b + 1][a].max(common[b][a + 1]) };
        }
    }
    let (mut b, mut a, mut out) = (0, 0, String::new());
    while b < before.len() || a < after.len() {
        if b < before.len() && a < after.len() && before[b] == after[a] {
            (b, a) = (b + 1, a + 1);
        } else if b < before.len() && (a == after.len() || common[b + 1][a] >= common[b][a + 1]) {
            let _ = writeln!(out, "- {}", before[b]);
            b += 1;
        } else {
            let _ = writeln!(out, "+ {}", after[a]);
            a += 1;
        }
    }
    out
}
