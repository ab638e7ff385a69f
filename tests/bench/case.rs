//! The cases of the benchmark: which events there are, how AWS behaves, and which contenders run.

use std::time::Duration;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::arguments::Arguments;
use crate::contender::Contender;
use crate::trial::Trial;

/// The time limit of a trial. The longest is the storm: EC2's token buckets make it last two
/// minutes.
const TIME_LIMIT: Duration = Duration::from_mins(5);
/// The threads of the threaded boto3 loop.
const THREADS: usize = 32;
/// How many notices of one owner go alone in a minute, and how many instances a full digest names.
/// What does not fill a digest waits until the minute is over.
const ALONE: usize = 5;
const FULL_DIGEST: usize = 3_000;
/// The member accounts of a fleet, and in how many of them there is a storm.
pub const MEMBERS: usize = 200;
const STORMY_MEMBERS: usize = 10;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Name {
    /// 20,000 events wait, half of them exempt; AWS answers at once. Once more with eight policies,
    /// with the audit trail in a file, and with everything on but policies and a grace.
    Burst,
    /// 5,000 events wait; AWS takes its usual time.
    Realistic,
    /// 1,000 and 3,000 violators at once, with EC2's documented token buckets.
    Storm,
    /// 20 events a second, one in ten a violator; then nothing for a minute.
    Trickle,
    /// 1, 2 and 4 daemons on one queue, otherwise as `realistic`.
    Replicas,
    /// 200,000 events wait, otherwise as `burst`.
    Backlog,
    /// 200 stops are planned; then owners exempt an instance every 100 ms, and are told that its stop
    /// is called off.
    Answer,
    /// A violator starts in each of five regions of 200 accounts; then 20,000 events come at once to
    /// ten of these accounts, half of them exempt; AWS takes its usual time, with EC2's token buckets.
    Fleet,
}

/// The sandbox's part of a trial: the events and how AWS behaves.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Scene {
    pub events: usize,
    /// How many member accounts the instances are spread over, in five regions each. With none they
    /// are in the sandbox's own account and region.
    pub members: usize,
    /// One instance in this many is a violator. The others are exempt.
    pub violator_in: usize,
    pub arrival: Arrival,
    /// Once all stops are planned, the owner of an instance tags it each time this interval has
    /// passed. Nobody does where there is none.
    pub answers: Option<Duration>,
    /// Whether calls have the usual latencies of AWS. Without them they are answered at once.
    pub latencies: bool,
    pub token_buckets: bool,
    pub time_limit: Duration,
}

/// When events come.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub enum Arrival {
    /// All are in the queue when the contender starts.
    Waiting,
    /// All are sent at once, after the contender's first poll.
    AtOnce,
    /// One is sent each time this interval has passed.
    Every(Duration),
}

impl Scene {
    fn waiting(events: usize) -> Self {
        Self {
            events,
            members: 0,
            violator_in: 2,
            arrival: Arrival::Waiting,
            answers: None,
            latencies: false,
            token_buckets: false,
            time_limit: TIME_LIMIT,
        }
    }

    fn realistic(events: usize) -> Self {
        Self { latencies: true, ..Self::waiting(events) }
    }

    fn storm(events: usize) -> Self {
        let arrival = Arrival::AtOnce;
        Self { violator_in: 1, arrival, token_buckets: true, ..Self::realistic(events) }
    }

    fn trickle(events: usize) -> Self {
        let arrival = Arrival::Every(Duration::from_millis(50));
        Self { violator_in: 10, arrival, ..Self::realistic(events) }
    }

    fn answered(events: usize) -> Self {
        let answers = Some(Duration::from_millis(100));
        Self { violator_in: 1, answers, ..Self::realistic(events) }
    }

    fn start_of_fleet(events: usize, members: usize) -> Self {
        Self { members, violator_in: 1, token_buckets: true, ..Self::realistic(events) }
    }

    fn storm_in_fleet(events: usize, members: usize) -> Self {
        Self { members, violator_in: 2, ..Self::storm(events) }
    }
}

/// Lists the trials of the wanted cases.
pub fn trials(arguments: &Arguments) -> Vec<Trial> {
    let shrink = if arguments.quick { 10 } else { 1 };
    let wanted = Name::value_variants().iter().filter(|name| arguments.wants(**name));
    let trials = wanted.flat_map(|name| of(*name, shrink));
    trials.filter(|trial| !(arguments.without_peers && trial.contender.is_peer())).collect()
}

/// The trials of a case. Peers get fewer events than the daemon, since they would take minutes;
/// figures are per event.
fn of(name: Name, shrink: usize) -> Vec<Trial> {
    let daemons = |count, scene| Trial::new(name, Contender::Daemons(count), scene);
    let peer = |threads, scene| Trial::new(name, Contender::Loop { threads }, scene);
    let events = |count: usize| count / shrink;
    match name {
        Name::Burst => vec![
            daemons(1, Scene::waiting(events(20_000))),
            Trial::new(name, Contender::WithPolicies, Scene::waiting(events(20_000))),
            Trial::new(name, Contender::WithAudit, Scene::waiting(events(20_000))),
            Trial::new(name, Contender::WithAll, Scene::waiting(filling(events(3)))),
            peer(1, Scene::waiting(events(1_000))),
            peer(THREADS, Scene::waiting(events(3_000))),
        ],
        Name::Realistic => vec![
            daemons(1, Scene::realistic(events(5_000))),
            peer(1, Scene::realistic(events(200))),
            peer(THREADS, Scene::realistic(events(1_500))),
        ],
        Name::Storm => {
            vec![daemons(1, Scene::storm(events(1_000))), daemons(1, Scene::storm(events(3_000)))]
        }
        Name::Trickle => {
            let idle = Duration::from_mins(1) / u32::try_from(shrink).unwrap_or(1);
            vec![daemons(1, Scene::trickle(events(1_200))).idle_after(idle)]
        }
        Name::Replicas => {
            [1, 2, 4].map(|count| daemons(count, Scene::realistic(events(5_000)))).into()
        }
        Name::Backlog => vec![daemons(1, Scene::waiting(events(200_000)))],
        Name::Answer => {
            vec![Trial::new(name, Contender::WithGrace, Scene::answered(events(200)))]
        }
        Name::Fleet => {
            let start = Scene::start_of_fleet(events(1_000), MEMBERS / shrink);
            let storm = Scene::storm_in_fleet(events(20_000), STORMY_MEMBERS);
            vec![Trial::new(name, Contender::WithMembers, start).then(storm)]
        }
    }
}

/// So many events that the violators among them, every second one, fill these many digests, at least
/// one: otherwise the last notice would wait for a minute to end, and with it the trial.
fn filling(digests: usize) -> usize {
    2 * (ALONE + digests.max(1) * FULL_DIGEST)
}
