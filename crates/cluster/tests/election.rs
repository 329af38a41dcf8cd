//! Three replicas stand for election, with watches that lag, answers that are slow or lost, and processes that are
//! stopped in the middle: never do two lead at the same time, and when all is calm somebody does.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use podidentity_cluster::lease::{Election, Next, Record, Timing};
use proptest::prelude::*;
use tokio::time::Instant;

const REPLICAS: usize = 3;
const MILLIS: u64 = 100;

fn timing() -> Timing {
    let seconds = Duration::from_secs;
    Timing { duration: seconds(15), renew_deadline: seconds(10), retry_period: seconds(2) }
}

/// What happens to one request or event.
#[derive(Clone, Copy, Debug)]
enum Fate {
    /// Arrives after so many steps.
    Takes(u64),
    /// Never arrives at the server.
    Lost,
    /// Arrives, but its answer does not.
    AnswerLost,
}

/// What happens in one step.
#[derive(Clone, Copy, Debug)]
enum Happening {
    Nothing,
    /// A replica stops, and goes on after so many steps.
    Stops(usize, u64),
    /// A replica ends and gives the lease up, and another process begins in its place.
    Ends(usize),
    /// A replica dies, and another process begins in its place.
    Dies(usize),
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        12 => (0..8_u64).prop_map(Fate::Takes),
        2 => (20..120_u64).prop_map(Fate::Takes),
        1 => Just(Fate::Lost),
        1 => Just(Fate::AnswerLost),
    ]
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        200 => Just(Happening::Nothing),
        1 => (0..REPLICAS, 1..400_u64).prop_map(|(who, steps)| Happening::Stops(who, steps)),
        1 => (0..REPLICAS).prop_map(Happening::Ends),
        1 => (0..REPLICAS).prop_map(Happening::Dies),
    ]
}

/// The API server: one lease, and writes that are conditional.
#[derive(Default)]
struct Server {
    lease: Option<Record>,
    version: u64,
}

impl Server {
    fn write(&mut self, next: &Next, me: &str) -> Option<Record> {
        let holds = match (next, &self.lease) {
            (Next::Create, None) => true,
            (Next::Take(seen) | Next::Renew(seen), Some(lease)) => seen.version == lease.version,
            _ => false,
        };
        holds.then(|| self.put(Some(me)))
    }

    fn put(&mut self, holder: Option<&str>) -> Record {
        self.version += 1;
        let record = Record {
            uid: "uid".to_owned(),
            version: self.version.to_string(),
            holder: holder.map(str::to_owned),
            duration: Some(timing().duration),
            transitions: 0,
        };
        self.lease = Some(record.clone());
        record
    }
}

/// What has become of a write at the server.
#[derive(Clone, Debug, PartialEq)]
enum Outcome {
    Open,
    Refused,
    Written(Record),
}

/// A write under way.
struct Request {
    next: Next,
    began: Instant,
    arrives: u64,
    answered: u64,
    outcome: Outcome,
    fate: Fate,
}

struct Replica {
    name: String,
    election: Election,
    request: Option<Request>,
    stopped_until: u64,
    /// When it will have seen the present state of the lease by its watch.
    sees_at: u64,
}

impl Replica {
    fn new(name: String) -> Self {
        Self { election: Election::new(name.clone(), timing()), name, request: None, stopped_until: 0, sees_at: 0 }
    }
}

struct World {
    start: Instant,
    step: u64,
    server: Server,
    replicas: Vec<Replica>,
    born: usize,
}

impl World {
    fn new() -> Self {
        let replicas = (0..REPLICAS).map(|n| Replica::new(format!("replica-{n}"))).collect();
        Self { start: Instant::now(), step: 0, server: Server::default(), replicas, born: REPLICAS }
    }

    fn now(&self) -> Instant {
        self.start + Duration::from_millis(self.step * MILLIS)
    }

    fn advance(&mut self, happening: Happening, fates: &mut impl FnMut() -> Fate) {
        self.step += 1;
        match happening {
            Happening::Nothing => {}
            Happening::Stops(who, steps) => self.replicas[who].stopped_until = self.step + steps,
            Happening::Dies(who) => self.replace(who),
            Happening::Ends(who) => {
                let replica = &self.replicas[who];
                let leads = replica.election.leads_until(self.now()).is_some();
                let seen = replica.election.record().map(|record| record.version.clone());
                let current = self.server.lease.as_ref().map(|lease| lease.version.clone());
                if leads && replica.request.is_none() && replica.stopped_until <= self.step && seen == current {
                    self.server.put(None);
                }
                self.replace(who);
            }
        }
        for who in 0..REPLICAS {
            self.serve(who);
            if self.replicas[who].stopped_until <= self.step {
                self.act(who, fates);
            }
        }
    }

    fn replace(&mut self, who: usize) {
        self.born += 1;
        self.replicas[who] = Replica::new(format!("replica-{}", self.born));
    }

    /// The server's part: it does not wait for a process that is stopped.
    fn serve(&mut self, who: usize) {
        let replica = &mut self.replicas[who];
        if let Some(request) = &mut replica.request
            && request.outcome == Outcome::Open
            && request.arrives <= self.step
            && !matches!(request.fate, Fate::Lost)
        {
            request.outcome =
                self.server.write(&request.next, &replica.name).map_or(Outcome::Refused, Outcome::Written);
        }
    }

    fn act(&mut self, who: usize, fates: &mut impl FnMut() -> Fate) {
        let (now, step) = (self.now(), self.step);
        let replica = &mut self.replicas[who];
        if let Some(request) = &mut replica.request {
            let answered = request.outcome != Outcome::Open
                && request.answered <= step
                && !matches!(request.fate, Fate::AnswerLost);
            let given_up = now.duration_since(request.began) >= timing().renew_deadline / 2;
            if !answered && !given_up {
                return;
            }
            match &request.outcome {
                Outcome::Written(record) if answered => replica.election.wrote(record.clone(), request.began),
                // Refused, or unknown: look, and try again later.
                Outcome::Refused | Outcome::Open | Outcome::Written(_) => {
                    if answered && let Some(lease) = self.server.lease.clone() {
                        replica.election.saw(lease, now);
                    }
                    replica.election.failed(now);
                }
            }
            replica.request = None;
        }
        // The watch, which is late now and then.
        if replica.sees_at <= step {
            if let Some(lease) = self.server.lease.clone() {
                replica.election.saw(lease, now);
            }
            replica.sees_at = step + if let Fate::Takes(steps) = fates() { 1 + steps } else { 40 };
        }
        let next = replica.election.next(now);
        if !matches!(next, Next::Wait(_)) {
            let fate = fates();
            let takes = if let Fate::Takes(steps) = fate { steps } else { 2 };
            let (arrives, answered) = (step + takes / 2, step + takes);
            replica.request = Some(Request { next, began: now, arrives, answered, outcome: Outcome::Open, fate });
        }
    }

    fn leaders(&self) -> Vec<&str> {
        let leads = self.replicas.iter().filter(|replica| replica.election.leads_until(self.now()).is_some());
        leads.map(|replica| replica.name.as_str()).collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn two_never_lead_at_the_same_time(
        happenings in prop::collection::vec(happening(), 2000),
        fates in prop::collection::vec(fate(), 512),
    ) {
        let mut world = World::new();
        let mut fates = fates.into_iter().cycle();
        for happening in happenings {
            world.advance(happening, &mut || fates.next().unwrap_or(Fate::Lost));
            let leaders = world.leaders();
            prop_assert!(leaders.len() <= 1, "{leaders:?} lead at step {}", world.step);
        }
        // Calm: everybody runs, and every request is answered at once.
        for _ in 0..400 {
            world.advance(Happening::Nothing, &mut || Fate::Takes(0));
            prop_assert!(world.leaders().len() <= 1);
        }
        prop_assert_eq!(world.leaders().len(), 1, "nobody leads although all is calm");
    }
}

fn record(version: u64, holder: Option<&str>) -> Record {
    Record {
        uid: "uid".to_owned(),
        version: version.to_string(),
        holder: holder.map(str::to_owned),
        duration: Some(Duration::from_secs(15)),
        transitions: 0,
    }
}

#[test]
fn a_lease_that_was_given_up_is_taken_at_once() {
    let (now, mut election) = (Instant::now(), Election::new("me".to_owned(), timing()));
    election.saw(record(1, Some("other")), now);
    assert_eq!(election.next(now), Next::Wait(now + Duration::from_secs(15)));
    election.saw(record(2, None), now);
    assert_eq!(election.next(now), Next::Take(record(2, None)));
}

#[test]
fn a_lease_that_was_deleted_is_waited_for() {
    let (now, mut election) = (Instant::now(), Election::new("me".to_owned(), timing()));
    election.saw(record(1, Some("other")), now);
    election.saw_none();
    assert_eq!(election.next(now), Next::Wait(now + Duration::from_secs(15)));
    assert_eq!(election.next(now + Duration::from_secs(15)), Next::Create);
}

#[test]
fn a_leader_renews_and_stops_when_it_cannot() {
    let (now, mut election) = (Instant::now(), Election::new("me".to_owned(), timing()));
    let at = |seconds| now + Duration::from_secs(seconds);
    assert_eq!(election.next(now), Next::Create);
    election.wrote(record(1, Some("me")), now);
    assert_eq!(election.next(now), Next::Wait(at(2)));
    assert_eq!(election.next(at(2)), Next::Renew(record(1, Some("me"))));
    election.failed(at(9));
    assert_eq!(election.leads_until(at(9)), Some(at(10)));
    assert_eq!(election.next(at(9)), Next::Wait(at(10)));
    assert_eq!(election.leads_until(at(10)), None);
    assert_eq!(election.next(at(11)), Next::Take(record(1, Some("me"))));
}

#[test]
fn old_news_changes_nothing() {
    let (now, mut election) = (Instant::now(), Election::new("me".to_owned(), timing()));
    election.wrote(record(7, Some("me")), now);
    election.saw(record(5, Some("other")), now);
    election.saw(record(6, None), now);
    assert!(election.leads_until(now).is_some());
}

#[test]
fn times_that_do_not_fit_are_refused() {
    let seconds = Duration::from_secs;
    let check = |duration, renew_deadline, retry_period| Timing { duration, renew_deadline, retry_period }.check();
    assert_eq!(check(seconds(15), seconds(10), seconds(2)), Ok(()));
    assert_eq!(check(seconds(2), seconds(1), Duration::from_millis(500)), Ok(()));
    for (duration, renew_deadline, retry_period) in [
        (Duration::from_millis(1500), seconds(1), Duration::from_millis(100)),
        (seconds(10), seconds(10), seconds(2)),
        (seconds(15), seconds(10), seconds(6)),
        (seconds(15), seconds(10), Duration::ZERO),
    ] {
        assert!(check(duration, renew_deadline, retry_period).is_err());
    }
}

/// Whoever may write the lease can name any duration.
#[test]
fn a_lease_that_names_an_absurd_duration_is_waited_for_no_longer_than_a_lease_may_last() {
    let (now, mut election) = (Instant::now(), Election::new("me".to_owned(), timing()));
    let longest = (1..).map(Duration::from_secs).take_while(|duration| {
        Timing { duration: *duration, ..timing() }.check().is_ok() || *duration <= timing().renew_deadline
    });
    let longest = longest.last().unwrap();
    election.saw(Record { duration: Some(Duration::from_secs(1_000_000_000)), ..record(1, Some("other")) }, now);
    assert_eq!(election.next(now), Next::Wait(now + longest));
    assert!(matches!(election.next(now + longest), Next::Take(_)));
}
