//! A process of the daemon. Like systemd, it is started again when it cannot read the queue at its
//! start.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_types::sdk_config::TimeSource;
use ec2_policy_enforcer::daemon::{Daemon, Drained, Error};
use ec2_policy_enforcer::retry::backoff::Jitter;
use ec2_policy_enforcer::runtime::clock::Clock;
use ec2_policy_enforcer::runtime::shutdown::Shutdown;
use ec2_policy_enforcer::settings::Settings;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::history::{self, Ended};
use super::panicking::panicking;
use super::policies::Set;
use super::world::World;

const RESTART: Duration = Duration::from_secs(5);

pub(super) struct Process {
    number: usize,
    shutdown: Shutdown,
    task: JoinHandle<()>,
}

impl Process {
    pub(super) fn begin(world: &World) -> Self {
        let number = world.history().processes.len();
        let name = format!("PROCESS{number}");
        world.history().processes.push(history::Process {
            name: name.clone(),
            began: Instant::now(),
            signalled: None,
            hurried: false,
            ended: None,
        });
        let shutdown = Shutdown::new();
        let task = tokio::spawn(supervise(world.clone(), number, name, shutdown.clone()));
        Self { number, shutdown, task }
    }

    pub(super) fn drain(self, world: &World) {
        world.history().processes[self.number].signalled = Some(Instant::now());
        self.shutdown.drain.cancel();
    }

    pub(super) fn hurry(self, world: &World) {
        world.history().processes[self.number].hurried = true;
        let now = self.shutdown.now.clone();
        self.drain(world);
        now.cancel();
    }

    pub(super) fn kill(self, world: &World) {
        self.task.abort();
        end(world, self.number, None);
    }
}

/// Runs the daemon until a drain, and starts it again while it cannot start.
async fn supervise(world: World, number: usize, name: String, shutdown: Shutdown) {
    let settings = settings(&world, world.plan.policies.as_ref().map(|policies| &policies.first));
    let credentials = Credentials::new(name.clone(), "sandbox", None, None, "sandbox");
    let clock = off(world.aws.clock(), world.plan.clock_ahead_secs);
    let sdk = panicking(&world.aws.sdk_config()).into_builder().time_source(HostClock(clock));
    let sdk = sdk.credentials_provider(SharedCredentialsProvider::new(credentials)).build();
    let mut seed = world.plan.seed.wrapping_mul(1000) + number as u64;
    loop {
        seed = seed.wrapping_add(100);
        let jitter = Jitter::seeded(seed);
        let daemon = Daemon { clock, jitter, ..Daemon::new(settings.clone(), sdk.clone()) };
        let daemon = Daemon { live: world.live().unwrap_or(daemon.live), ..daemon };
        match daemon.run(shutdown.clone()).await {
            Ok(drained) => {
                if !shutdown.drain.is_cancelled() {
                    world.history().problems.push(format!("{name} ended by itself"));
                }
                return end(&world, number, Some(drained));
            }
            Err(error) if !cannot_start(&error) => {
                world.history().problems.push(format!("{name} failed: {error}"));
                return end(&world, number, None);
            }
            Err(_) if shutdown.drain.is_cancelled() => {
                return end(&world, number, Some(Drained::default()));
            }
            Err(_) => tokio::time::sleep(RESTART).await,
        }
    }
}

/// The clock of a process's host, by which the SDK knows when credentials have expired.
#[derive(Debug)]
struct HostClock(Clock);

impl TimeSource for HostClock {
    fn now(&self) -> SystemTime {
        self.0.wall(Instant::now())
    }
}

/// A clock that is ahead of another one, or behind it, by this many seconds.
fn off(clock: Clock, ahead_secs: i64) -> Clock {
    match clock {
        Clock::System => Clock::System,
        Clock::Tied { at, wall } => {
            Clock::Tied { at, wall: wall + time::Duration::seconds(ahead_secs) }
        }
    }
}

fn cannot_start(error: &Error) -> bool {
    error.to_string().starts_with("cannot read the queue")
}

fn end(world: &World, number: usize, drained: Option<Drained>) {
    let (at, messages) = (Instant::now(), world.aws.messages());
    world.history().processes[number].ended = Some(Ended { at, drained, messages });
}

/// The settings of a process with these policies.
pub(super) fn settings(world: &World, policies: Option<&Set>) -> Settings {
    let fifo = world.plan.fifo.then(|| world.aws.topic("violations.fifo"));
    let topic = fifo.unwrap_or_else(|| world.resources.topic_arn.clone());
    let mut environment = vec![
        ("SQS_QUEUE_URL".to_owned(), world.resources.queue_url.clone()),
        ("SNS_TOPIC_ARN".to_owned(), topic),
    ];
    let planned = world.plan.settings.iter();
    environment.extend(planned.map(|(key, value)| ((*key).to_owned(), value.clone())));
    let policies = policies.into_iter().flat_map(Set::settings);
    environment.extend(policies.map(|(key, value)| (key.to_owned(), value)));
    environment.extend(world.plan.unit_of_members());
    Settings::from_layers(None, environment).unwrap()
}
