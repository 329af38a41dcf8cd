//! Decides which process leads, from the observed states of the lease and their times. It has no
//! clock and no I/O: time is an argument.
//!
//! These rules keep two processes from leading at the same time, whatever their wall clocks say:
//!
//! 1. The holder of the lease leads for [`Timing::renew_deadline`] from the moment *before* the
//!    write that confirmed the lease.
//! 2. Any other process waits for the lease's whole duration, which is longer, from the moment
//!    *after* it observed the last change. It waits no longer once the holder gives up the lease.
//! 3. Every write is conditional on the last observed version, so only one of two competing writes
//!    succeeds.
//!
//! An observed lease duration above [`LONGEST`] counts as [`LONGEST`], because no process sets a
//! longer one.

use std::time::Duration;

use tokio::time::Instant;

/// The longest lease duration. A client with write access to the lease can set any duration, and no
/// process leads for that long.
pub const LONGEST: Duration = Duration::from_secs(600);

/// The times of an election.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// How long other processes wait for a renewal before they take over.
    pub duration: Duration,
    /// How long the holder leads without a successful renewal.
    pub renew_deadline: Duration,
    /// How long to wait between two attempts.
    pub retry_period: Duration,
}

impl Timing {
    /// Checks that the times are consistent. The error says what to change.
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

/// A lease as stored in the API server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// `metadata.uid`
    pub uid: String,
    /// `metadata.resourceVersion`
    pub version: String,
    /// `spec.holderIdentity`; `None` if no process holds the lease.
    pub holder: Option<String>,
    /// `spec.leaseDurationSeconds`
    pub duration: Option<Duration>,
    /// `spec.leaseTransitions`
    pub transitions: i32,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Wait until this time, unless the lease changes earlier.
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
    /// Until when another process may believe that it leads.
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

    /// The last known holder of the lease.
    pub fn holder(&self) -> Option<&str> {
        self.record.as_ref()?.holder.as_deref()
    }

    /// The lease as it was seen last.
    pub fn record(&self) -> Option<&Record> {
        self.record.as_ref()
    }

    /// Records an observed lease. Ignores a state that is not newer than the known one.
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
            // The previous holder gave up the lease and has stopped.
            None => {
                self.mine_until = None;
                self.others_until = None;
            }
        }
        self.record = Some(record);
    }

    /// Records that the lease does not exist. Its previous holder may still lead: deleting a lease
    /// does not give it up.
    pub fn saw_none(&mut self) {
        self.record = None;
    }

    /// Records the result of our own write that began at `began`.
    pub fn wrote(&mut self, record: Record, began: Instant) {
        self.mine_until = Some(began + self.timing.renew_deadline);
        self.others_until = None;
        self.not_before = Some(began + self.timing.retry_period);
        self.record = Some(record);
    }

    /// Records a failed read or write of the lease.
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

/// Whether one state of a lease came after another. Resource versions are increasing decimal
/// numbers (KEP-5504).
fn is_newer(new: &Record, known: &Record) -> bool {
    let version = |record: &Record| record.version.parse::<u64>().ok();
    match version(new).zip(version(known)) {
        Some((new, known)) => new > known,
        None => new != known,
    }
}
