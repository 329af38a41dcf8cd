//! Decides who leads, from what was seen of the lease and when. No clock and no I/O: time is an
//! argument.
//!
//! The rules that keep two from leading at the same time, whatever their wall clocks say:
//!
//! 1. Who holds the lease leads for [`Timing::renew_deadline`] from the moment *before* the write that confirmed it.
//! 2. Who does not hold it waits for the lease's whole duration, which is longer, from the moment *after* it has seen
//!    the last change, or until the holder has given the lease up.
//! 3. Every write is conditional on the version seen last, so of two that try only one succeeds.
//!
//! No process has a lease of more than [`LONGEST`], so a longer one that is seen counts as that.

use std::time::Duration;

use tokio::time::Instant;

/// The longest that a lease may last. Whoever may write the lease can name any duration, and for so
/// long nobody leads.
pub const LONGEST: Duration = Duration::from_secs(600);

/// The times of an election.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// How long others wait for a sign of the holder before they take its place.
    pub duration: Duration,
    /// How long the holder goes on without having been able to confirm that it holds the lease.
    pub renew_deadline: Duration,
    /// How long to wait between two tries.
    pub retry_period: Duration,
}

impl Timing {
    /// Checks that the times fit together; says what to change if not.
    pub fn check(&self) -> Result<(), String> {
        let Self { duration, renew_deadline, retry_period } = *self;
        if duration.as_secs() == 0 || duration.subsec_nanos() != 0 {
            return Err(format!("the lease duration ({duration:?}) must be whole seconds, at least one"));
        }
        if duration > LONGEST {
            return Err(format!("the lease duration ({duration:?}) must be at most {LONGEST:?}"));
        }
        if renew_deadline >= duration {
            return Err(format!(
                "the renew deadline ({renew_deadline:?}) must be shorter than the lease duration ({duration:?}): the \
                 holder has to stop before others may take its place"
            ));
        }
        if retry_period.is_zero() || retry_period * 2 > renew_deadline {
            return Err(format!(
                "the retry period ({retry_period:?}) must be more than zero and at most half of the renew deadline \
                 ({renew_deadline:?}): one failed try must not lose the lease"
            ));
        }
        Ok(())
    }
}

/// A lease as the API server has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// `metadata.uid`
    pub uid: String,
    /// `metadata.resourceVersion`
    pub version: String,
    /// `spec.holderIdentity`; `None` if nobody holds it.
    pub holder: Option<String>,
    /// `spec.leaseDurationSeconds`
    pub duration: Option<Duration>,
    /// `spec.leaseTransitions`
    pub transitions: i32,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing before this time, unless something is seen.
    Wait(Instant),
    /// Create the lease, held by this process.
    Create,
    /// Make this process the holder, if the lease is still as recorded.
    Take(Record),
    /// Confirm that this process holds it, if the lease is still as recorded.
    Renew(Record),
}

/// The election as one process sees it.
#[derive(Debug)]
pub struct Election {
    me: String,
    timing: Timing,
    /// The lease as seen last; `None` while it does not exist.
    record: Option<Record>,
    /// Until when somebody else may believe to lead.
    others_until: Option<Instant>,
    /// Until when this process leads.
    mine_until: Option<Instant>,
    /// No write before this.
    not_before: Option<Instant>,
}

impl Election {
    /// An election in which nothing has been seen yet.
    pub fn new(me: String, timing: Timing) -> Self {
        Self { me, timing, record: None, others_until: None, mine_until: None, not_before: None }
    }

    /// Until when this process leads, if it does.
    pub fn leads_until(&self, now: Instant) -> Option<Instant> {
        self.mine_until.filter(|until| now < *until)
    }

    /// Who holds the lease, as far as is known.
    pub fn holder(&self) -> Option<&str> {
        self.record.as_ref()?.holder.as_deref()
    }

    /// The lease as it was seen last.
    pub fn record(&self) -> Option<&Record> {
        self.record.as_ref()
    }

    /// Takes in the lease as it was seen. What is not newer than what is known is old news.
    pub fn saw(&mut self, record: Record, now: Instant) {
        let newer = self.record.as_ref().is_none_or(|known| is_newer(&record, known));
        if !newer {
            return;
        }
        match record.holder.as_deref() {
            Some(holder) if holder == self.me => self.others_until = None,
            Some(_) => {
                self.mine_until = None;
                self.others_until = Some(now + record.duration.unwrap_or(self.timing.duration).min(LONGEST));
            }
            // Given up: whoever held it has stopped.
            None => {
                self.mine_until = None;
                self.others_until = None;
            }
        }
        self.record = Some(record);
    }

    /// Takes in that the lease does not exist. Who held it may still lead: deleting a lease is not
    /// giving it up.
    pub fn saw_none(&mut self) {
        self.record = None;
    }

    /// Takes in the answer to a write of ours that was begun at `began`.
    pub fn wrote(&mut self, record: Record, began: Instant) {
        self.mine_until = Some(began + self.timing.renew_deadline);
        self.others_until = None;
        self.not_before = Some(began + self.timing.retry_period);
        self.record = Some(record);
    }

    /// Takes in that a write or a look failed.
    pub fn failed(&mut self, now: Instant) {
        self.not_before = Some(now + self.timing.retry_period);
    }

    /// What to do now.
    pub fn next(&mut self, now: Instant) -> Next {
        let leads = self.leads_until(now);
        if leads.is_none() {
            self.mine_until = None;
        }
        if let Some(until) = self.others_until.filter(|until| now < *until) {
            return Next::Wait(until);
        }
        if let Some(not_before) = self.not_before.filter(|not_before| now < *not_before) {
            return Next::Wait(leads.map_or(not_before, |end| end.min(not_before)));
        }
        match &self.record {
            None => Next::Create,
            Some(record) if leads.is_some() => Next::Renew(record.clone()),
            Some(record) => Next::Take(record.clone()),
        }
    }
}

/// Whether one state of a lease came after another. Resource versions are decimal numbers that grow
/// (KEP-5504).
fn is_newer(new: &Record, known: &Record) -> bool {
    let version = |record: &Record| record.version.parse::<u64>().ok();
    match version(new).zip(version(known)) {
        Some((new, known)) => new > known,
        None => new != known,
    }
}
