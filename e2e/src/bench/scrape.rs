//! The operator's metrics are scraped, as Prometheus does every few seconds.

use std::time::Instant;

use anyhow::{Context, Result, ensure};

use super::process::usage;
use super::results::Scrapes;
use crate::Operator;

/// The CPU of a process is counted in hundredths of a second, so that many scrapes make one figure.
const SCRAPES: u32 = 100;

pub(super) async fn scrape(operator: &Operator) -> Result<Scrapes> {
    let id = operator.id().context("the operator has ended")?;
    let before = usage(id)?.cpu;
    let began = Instant::now();
    let mut bytes = 0;
    for _ in 0..SCRAPES {
        let (code, text) = operator.get("/metrics").await?;
        ensure!(code == 200, "/metrics answered {code}");
        bytes = text.len();
    }
    let each = |seconds: f64| seconds / f64::from(SCRAPES);
    Ok(Scrapes { seconds: each(began.elapsed().as_secs_f64()), cpu: each(usage(id)?.cpu - before), bytes })
}
