//! HTTP responses of the operator and of others: metrics and health.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::Operator;
use crate::wait::DEADLINE;

/// A response that takes longer counts as none.
const PATIENCE: Duration = Duration::from_secs(10);
const EVERY: Duration = Duration::from_millis(20);

/// Metrics at one moment, by name and labels in text form.
#[derive(Clone, Debug)]
pub struct Scrape(BTreeMap<String, f64>);

impl Scrape {
    fn parse(text: &str) -> Result<Self> {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let series = lines.map(|line| {
            let (series, value) = line.rsplit_once(' ').with_context(|| format!("not a sample: {line}"))?;
            Ok((series.to_owned(), value.parse().with_context(|| format!("not a number: {line}"))?))
        });
        Ok(Self(series.collect::<Result<_>>()?))
    }

    /// The sum of all series with this name whose labels contain all of these, written as
    /// `name="value"`.
    pub fn sum(&self, name: &str, labels: &[&str]) -> f64 {
        let of_name = self.0.iter().filter(|(series, _)| series.split('{').next() == Some(name));
        of_name.filter(|(series, _)| labels.iter().all(|label| series.contains(label))).map(|(_, value)| value).sum()
    }

    /// The same for whole numbers.
    #[allow(clippy::cast_possible_truncation)] // counts in tests are small
    pub fn count(&self, name: &str, labels: &[&str]) -> i64 {
        self.sum(name, labels).round() as i64
    }

    /// The names of all series.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().filter_map(|series| series.split('{').next())
    }
}

impl Operator {
    /// Requests a path. Returns the status code and the text.
    pub async fn get(&self, path: &str) -> Result<(u16, String)> {
        get(self.address(), path).await
    }

    /// The metrics now.
    pub async fn metrics(&self) -> Result<Scrape> {
        metrics(self.address()).await
    }

    /// Waits until a path answers with this code. Returns the text.
    pub async fn answers(&self, path: &str, code: u16) -> Result<String> {
        let began = Instant::now();
        loop {
            let seen = self.get(path).await;
            match seen {
                Ok((found, text)) if found == code => return Ok(text),
                _ if began.elapsed() < DEADLINE => tokio::time::sleep(EVERY).await,
                seen => bail!("{path} did not answer {code} within {DEADLINE:?}, but {seen:?}"),
            }
        }
    }

    /// Waits until the metrics satisfy `is_so`.
    pub async fn shows(&self, what: &str, is_so: impl Fn(&Scrape) -> bool) -> Result<Scrape> {
        shows(self.address(), what, is_so).await
    }
}

async fn get(address: SocketAddr, path: &str) -> Result<(u16, String)> {
    let request = format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n");
    let answer = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        anyhow::Ok(answer)
    };
    let answer = tokio::time::timeout(PATIENCE, answer).await.with_context(|| format!("no answer to {path}"))??;
    let (head, body) = answer.split_once("\r\n\r\n").context("not an HTTP answer")?;
    let code = head.split(' ').nth(1).context("no status code")?.parse()?;
    Ok((code, body.to_owned()))
}

async fn metrics(address: SocketAddr) -> Result<Scrape> {
    match get(address, "/metrics").await? {
        (200, text) => Scrape::parse(&text),
        (code, text) => bail!("/metrics answered {code}: {text}"),
    }
}

/// Waits until the metrics at the address satisfy `is_so`.
pub(crate) async fn shows(address: SocketAddr, what: &str, is_so: impl Fn(&Scrape) -> bool) -> Result<Scrape> {
    let began = Instant::now();
    loop {
        let seen = metrics(address).await;
        match seen {
            Ok(scrape) if is_so(&scrape) => return Ok(scrape),
            _ if began.elapsed() < DEADLINE => tokio::time::sleep(EVERY).await,
            seen => bail!("{what}: not so within {DEADLINE:?}; the metrics: {seen:#?}"),
        }
    }
}
