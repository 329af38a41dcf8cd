//! What status and log report about the odd objects, and whether deleted ones disappear.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::Result;
use kube::api::{DeleteParams, DynamicObject, ListParams};

use super::bindings;
use super::odd::Odd;
use crate::{Namespace, Operator};

/// The report about an odd object.
#[derive(Debug)]
pub struct Said {
    /// What is odd about it.
    pub what: String,
    /// The text in the status or the log; `None`: nothing.
    pub answer: Option<String>,
}

/// Waits until every odd object has a report.
pub(super) async fn all(
    namespace: &Namespace,
    odd: &[Odd],
    operator: &Operator,
    not_created: &BTreeMap<usize, String>,
) -> Result<Vec<Said>> {
    let began = Instant::now();
    loop {
        let all = bindings(namespace).list(&ListParams::default()).await?.items;
        let by_name: BTreeMap<_, _> = all.iter().filter_map(|it| Some((it.metadata.name.as_deref()?, it))).collect();
        let log = std::fs::read_to_string(operator.process().log())?;
        let answer = |(number, odd): (usize, &Odd)| Said {
            what: odd.what.clone(),
            answer: not_created.get(&number).cloned().or_else(|| said(by_name.get(&*odd.binding).copied(), &log, odd)),
        };
        let said: Vec<Said> = odd.iter().enumerate().map(answer).collect();
        if said.iter().all(|said| said.answer.is_some()) || began.elapsed() > Duration::from_secs(60) {
            return Ok(said);
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// The status, if it describes the current generation, or the log.
fn said(binding: Option<&DynamicObject>, log: &str, odd: &Odd) -> Option<String> {
    let status = binding.map(|binding| &binding.data["status"]);
    let spoken = status.filter(|status| {
        let generation = binding.and_then(|binding| binding.metadata.generation);
        status["observedGeneration"].as_i64() == generation && generation.is_some()
    });
    let ready = spoken.and_then(|status| {
        let conditions = status["conditions"].as_array()?;
        let ready = conditions.iter().find(|condition| condition["type"] == "Ready")?;
        Some(format!("Ready={} {}: {}", ready["status"], ready["reason"], ready["message"]))
    });
    ready.or_else(|| {
        let named = |line: &&str| line.contains("WARN") && line.contains(&format!("\"{}\"", odd.binding));
        log.lines().find(named).map(|line| format!("log: {}", line.get(28..).unwrap_or(line)))
    })
}

/// Deletes the odd bindings. Returns those that do not disappear.
pub(super) async fn delete_all(namespace: &Namespace, odd: &[Odd]) -> Result<Vec<String>> {
    let api = bindings(namespace);
    for odd in odd.iter().filter(|odd| odd.is_binding && odd.deleted) {
        let _ = api.delete(&odd.binding, &DeleteParams::default()).await;
    }
    let began = Instant::now();
    loop {
        let left = api.list(&ListParams::default()).await?.items;
        let left: Vec<_> = left.into_iter().filter(|it| it.metadata.deletion_timestamp.is_some()).collect();
        if left.is_empty() || began.elapsed() > Duration::from_secs(30) {
            return Ok(left.into_iter().filter_map(|it| it.metadata.name).collect());
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}
