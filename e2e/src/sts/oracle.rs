//! Evaluates trust policies with the model of IAM in versitygw, which shares no code with the
//! product's (`e2e/oracles`). It is a process that answers one question per line.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result, bail};
use serde_json::json;

use crate::process::lock;
use crate::repository;

/// A question about a trust policy.
pub(super) struct Question {
    pub(super) policy: String,
    /// The provider's URL without its scheme.
    pub(super) provider: String,
    pub(super) provider_arn: String,
    pub(super) subject: String,
    pub(super) audience: String,
}

/// The process.
pub(super) struct Oracle(Arc<Mutex<Lines>>);

struct Lines {
    child: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Oracle {
    /// Starts the process; builds it first if it is missing.
    pub(super) fn start() -> Result<Self> {
        let program = repository().join("e2e/oracles/run.sh");
        // The process ends with its standard input, even if the harness is killed.
        let mut child = Command::new(program)
            .arg("versitygw")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .context("cannot start e2e/oracles/run.sh")?;
        let (Some(questions), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            bail!("the oracle has no pipes");
        };
        Ok(Self(Arc::new(Mutex::new(Lines { child, questions, answers: BufReader::new(answers) }))))
    }

    /// Whether the trust policy admits the token.
    pub(super) async fn allows(&self, question: Question) -> Result<bool> {
        let lines = Arc::clone(&self.0);
        tokio::task::spawn_blocking(move || lock(&lines).allows(&question)).await?
    }
}

impl Lines {
    fn allows(&mut self, question: &Question) -> Result<bool> {
        let Question { policy, provider, provider_arn, subject, audience } = question;
        let line = json!({"policy": policy, "provider": provider, "arn": provider_arn, "subject": subject, "audience": audience});
        writeln!(self.questions, "{line}").context("the oracle does not listen")?;
        self.questions.flush()?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer).context("the oracle does not answer")?;
        match answer.trim_end() {
            "Allow" => Ok(true),
            "Deny" => Ok(false),
            other => bail!("the oracle says {other:?}"),
        }
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        // The process may already have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
