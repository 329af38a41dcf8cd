//! Compares the model with two independent ones: `iamapi/policy` of versitygw, and `iam_evaluator`
//! of ministack.
//!
//! Where the model is sure, both agree with it. `recorded.txt` has their answers to the first
//! thousand policies. `cargo test -p podidentity-core --test trust -- --ignored` asks them again
//! about ten thousand, and with `UPDATE=1` records the answers to the first thousand.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use podidentity_core::trust::{Policy, Verdict, WebIdentity};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::generate::{ARN, ISSUER, Question, ROLE, question};

const ORACLES: [&str; 2] = ["versitygw", "ministack"];
const RECORDED: usize = 1_000;
const LIVE: usize = 10_000;
/// Letters per line of the record.
const WIDTH: usize = 100;

fn record() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/trust/recorded.txt")
}

/// The model's verdict and, if it is uncertain, the classes of its doubts.
pub fn verdict(policy: &str, subject: &str, audience: &str) -> (Verdict, String) {
    let identity =
        WebIdentity { issuer: ISSUER.to_owned(), subject: subject.to_owned(), audience: audience.to_owned() };
    let Ok(policy) = Policy::read(policy) else { return (Verdict::NotSure, "Unreadable".to_owned()) };
    let judgement = policy.judge(&identity, Some(&ROLE.parse().unwrap()), None);
    let mut classes: Vec<&str> = judgement.doubts.iter().map(|doubt| doubt.reason).collect();
    classes.sort_unstable();
    classes.dedup();
    assert!((judgement.verdict == Verdict::NotSure) != classes.is_empty(), "{policy:?}: {classes:?}");
    (judgement.verdict, classes.join(" "))
}

/// One letter per answer: `A` or `D`.
fn asked(oracle: &str, questions: &[Question]) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../e2e/oracles/run.sh");
    let mut child = Command::new(script).arg(oracle).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut lines = String::new();
    for Question { policy, subject, audience } in questions {
        // AWS documents that the prefix of an action is case-insensitive; versitygw accepts only
        // lower case.
        let policy = policy.to_string().replace("\"STS:", "\"sts:");
        let provider = ISSUER.trim_start_matches("https://");
        let line =
            json!({"policy": policy, "provider": provider, "arn": ARN, "subject": subject, "audience": audience});
        writeln!(lines, "{line}").unwrap();
    }
    let writer = std::thread::spawn(move || input.write_all(lines.as_bytes()).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success(), "{oracle} failed");
    let answers: String = String::from_utf8(output.stdout).unwrap().lines().map(|line| &line[..1]).collect();
    assert_eq!(answers.len(), questions.len(), "{oracle} left questions out");
    answers
}

fn questions(count: usize) -> Vec<Question> {
    (0..count as u64).map(question).collect()
}

fn digest(questions: &[Question]) -> String {
    let mut digest = Sha256::new();
    for question in questions {
        digest.update(format!("{} {} {}\n", question.policy, question.subject, question.audience));
    }
    digest.finalize().iter().take(8).fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

/// Compares the answers, and reports for each class how often the oracles agree or disagree with
/// each other.
fn compare(questions: &[Question], answers: &[String]) -> String {
    let (mut wrong, mut sure) = (String::new(), BTreeMap::<String, usize>::new());
    let mut doubts = BTreeMap::<String, (usize, usize)>::new();
    for (number, question) in questions.iter().enumerate() {
        let policy = question.policy.to_string();
        let (verdict, class) = verdict(&policy, question.subject, question.audience);
        let said: Vec<&str> = answers.iter().map(|all| &all[number..=number]).collect();
        let expected = match verdict {
            Verdict::Allow => "A",
            Verdict::Deny => "D",
            Verdict::NotSure => {
                let (all, disagree) = doubts.entry(class).or_default();
                *all += 1;
                *disagree += usize::from(said[0] != said[1]);
                continue;
            }
        };
        *sure.entry(verdict.to_string()).or_default() += 1;
        if said.iter().any(|it| *it != expected) {
            let Question { subject, audience, .. } = question;
            let _ =
                writeln!(wrong, "{number}: {verdict}, but {ORACLES:?} say {said:?}: {subject} {audience}\n{policy}");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    let open: usize = doubts.values().map(|(all, _)| all).sum();
    assert!(open * 2 < questions.len(), "{open} of {} are not sure", questions.len());
    let mut told = format!("{} policies: {sure:?}, {open} not sure\n", questions.len());
    for (class, (all, disagree)) in doubts {
        let _ = writeln!(told, "{all:6} {class}: the oracles disagree about {disagree}");
    }
    told
}

#[test]
fn a_thousand_answers_of_independent_models_agree() {
    let questions = questions(RECORDED);
    let text = std::fs::read_to_string(record()).unwrap();
    let mut parts = text.split("\n\n");
    let head = parts.next().unwrap();
    assert!(head.ends_with(&digest(&questions)), "the policies have changed: make oracles UPDATE=1");
    let answers: Vec<String> = parts
        .zip(ORACLES)
        .map(|(part, oracle)| {
            let (name, letters) = part.split_once('\n').unwrap();
            assert_eq!(name, oracle);
            letters.split_whitespace().collect()
        })
        .collect();
    println!("{}", compare(&questions, &answers));
}

#[test]
#[ignore = "needs Go, Python and their packages: make oracles"]
fn ten_thousand_live_answers_agree() {
    let questions = questions(LIVE);
    let answers: Vec<String> = ORACLES.iter().map(|oracle| asked(oracle, &questions)).collect();
    if std::env::var_os("UPDATE").is_some() {
        let mut text =
            format!("What independent models answer, a letter for each policy: {}\n", digest(&questions[..RECORDED]));
        for (oracle, answers) in ORACLES.iter().zip(&answers) {
            let _ = write!(text, "\n{oracle}\n");
            for line in answers.as_bytes()[..RECORDED].chunks(WIDTH) {
                let _ = writeln!(text, "{}", String::from_utf8_lossy(line));
            }
        }
        std::fs::write(record(), text).unwrap();
    }
    println!("{}", compare(&questions, &answers));
}
