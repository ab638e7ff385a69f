//! The world of a test: a sandbox, and the daemon that runs against it on a paused clock.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use aws_config::SdkConfig;
use ec2_policy_enforcer::daemon::{Daemon, Drained, Error};
use ec2_policy_enforcer::health::Health;
use ec2_policy_enforcer::retry::backoff::Jitter;
use ec2_policy_enforcer::runtime::clock::Clock;
use ec2_policy_enforcer::runtime::shutdown::Shutdown;
use ec2_policy_enforcer::sandbox::{
    Call, Fault, Launch, Notice, Options, Resources, Rule, Sandbox, Service,
};
use ec2_policy_enforcer::settings::{Live, Settings};
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub(crate) const TAG: &str = "SPECIAL_EXCEPTION";

/// A sandbox, its resources and, once it is started, a daemon.
pub(crate) struct World {
    pub aws: Sandbox,
    pub resources: Resources,
    pub health: Arc<Health>,
    extra: Vec<(String, String)>,
    sdk: SdkConfig,
    clock_ahead: Duration,
    live: Option<watch::Receiver<Live>>,
    running: Option<(Shutdown, JoinHandle<Result<Drained, Error>>)>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(Options::default())
    }

    pub(crate) fn with(options: Options) -> Self {
        let aws = Sandbox::new(options);
        let resources = aws.set_up();
        let sdk = aws.sdk_config();
        Self {
            aws,
            resources,
            health: Arc::default(),
            extra: Vec::new(),
            sdk,
            clock_ahead: Duration::ZERO,
            live: None,
            running: None,
        }
    }

    /// Adds latencies that AWS usually has.
    pub(crate) fn with_usual_latencies(self) -> Self {
        for (operation, ms) in [
            ("ReceiveMessage", 5),
            ("DeleteMessageBatch", 5),
            ("DescribeTags", 40),
            ("DescribeInstances", 40),
            ("StopInstances", 150),
            ("PublishBatch", 12),
        ] {
            self.aws.latency(operation, Duration::from_millis(ms));
        }
        self
    }

    /// Changes a setting by its environment name, before the daemon starts.
    pub(crate) fn set(mut self, key: &str, value: &str) -> Self {
        self.extra.push((key.to_owned(), value.to_owned()));
        self
    }

    /// Changes the daemon's SDK configuration, before it starts.
    pub(crate) fn with_sdk(mut self, change: impl FnOnce(SdkConfig) -> SdkConfig) -> Self {
        self.sdk = change(self.sdk);
        self
    }

    /// Sets the clock of the daemon's host ahead of AWS's, before it starts.
    pub(crate) fn with_clock_ahead(mut self, by: Duration) -> Self {
        self.clock_ahead = by;
        self
    }

    /// Lets the daemon reload settings from this channel while it runs.
    pub(crate) fn following(mut self, live: watch::Receiver<Live>) -> Self {
        self.live = Some(live);
        self
    }

    pub(crate) fn settings(&self) -> Settings {
        let mut environment = HashMap::from([
            ("SQS_QUEUE_URL".to_owned(), self.resources.queue_url.clone()),
            ("SNS_TOPIC_ARN".to_owned(), self.resources.topic_arn.clone()),
        ]);
        environment.extend(self.extra.iter().cloned());
        Settings::from_layers(None, environment).unwrap()
    }

    /// Starts the daemon.
    pub(crate) fn start(&mut self) {
        let (daemon, shutdown) = (self.daemon(), Shutdown::new());
        self.running = Some((shutdown.clone(), tokio::spawn(daemon.run(shutdown))));
    }

    /// Starts the daemon with its admin port.
    pub(crate) fn start_with_port(&mut self) {
        let (daemon, shutdown) = (self.daemon(), Shutdown::new());
        self.running = Some((shutdown.clone(), tokio::spawn(daemon.serve(shutdown))));
    }

    fn daemon(&self) -> Daemon {
        let daemon = Daemon::new(self.settings(), self.sdk.clone());
        Daemon {
            clock: ahead(self.aws.clock(), self.clock_ahead),
            jitter: Jitter::seeded(1),
            health: Arc::clone(&self.health),
            live: self.live.clone().unwrap_or(daemon.live),
            ..daemon
        }
    }

    pub(crate) fn started(mut self) -> Self {
        self.start();
        self
    }

    /// Begins a drain, as SIGTERM does.
    pub(crate) fn terminate(&self) {
        self.running.as_ref().unwrap().0.drain.cancel();
    }

    /// Ends the daemon at once, as a second SIGTERM does.
    pub(crate) fn terminate_now(&self) {
        self.terminate();
        self.running.as_ref().unwrap().0.now.cancel();
    }

    /// Drains the daemon and returns its result.
    pub(crate) async fn drain(&mut self) -> Drained {
        let (shutdown, task) = self.running.take().unwrap();
        shutdown.drain.cancel();
        task.await.unwrap().unwrap()
    }

    /// Kills the daemon, as `kill -9` does.
    pub(crate) fn kill(&mut self) {
        self.running.take().unwrap().1.abort();
    }

    /// Waits until the daemon ends by itself.
    pub(crate) async fn end(&mut self) -> Result<Drained, Error> {
        let (_, task) = self.running.take().unwrap();
        task.await.unwrap()
    }

    /// Launches an instance without the tag.
    pub(crate) fn violator(&self) -> String {
        self.aws.launch(Launch::default().tagged("Name", "web"))
    }

    /// Launches an instance with the tag.
    pub(crate) fn exempt(&self) -> String {
        self.aws.launch(Launch::default().tagged("Name", "db").tagged(TAG, ""))
    }

    /// Launches an instance that sends no event of its own, and sends an event of it.
    pub(crate) fn reported(&self, launch: Launch) -> String {
        let id = self.aws.launch(launch.quiet());
        self.aws.send(&self.aws.event(&id));
        id
    }

    /// Writes a valid event of an instance, and changes the event.
    pub(crate) fn altered_event(&self, id: &str, alter: impl FnOnce(&mut Value)) -> String {
        let mut event = serde_json::from_str(&self.aws.event(id)).unwrap();
        alter(&mut event);
        event.to_string()
    }

    /// Waits until no message is left in the queue.
    pub(crate) async fn all_settled(&self) {
        self.aws.until("every message is deleted", |aws| aws.depth() == 0).await;
    }

    /// Waits as `all_settled` does, with this time limit.
    pub(crate) async fn all_settled_within(&self, limit: Duration) {
        let settled = async {
            while self.aws.depth() > 0 {
                pass(Duration::from_millis(100)).await;
            }
        };
        let in_time = tokio::time::timeout(limit, settled).await;
        assert!(in_time.is_ok(), "after {limit:?} left: {:?}", self.aws.messages());
    }

    /// How often a message was received.
    pub(crate) fn receives_of(&self, message_id: &str) -> usize {
        let calls = self.aws.calls("ReceiveMessage");
        calls.iter().flat_map(|call| &call.subjects).filter(|one| *one == message_id).count()
    }

    /// How often the message with the most receives was received.
    pub(crate) fn most_receives(&self) -> usize {
        let mut receives = HashMap::<_, usize>::new();
        for id in self.aws.calls("ReceiveMessage").into_iter().flat_map(|call| call.subjects) {
            *receives.entry(id).or_default() += 1;
        }
        receives.into_values().max().unwrap_or_default()
    }

    pub(crate) async fn notices(&self, count: usize) -> Vec<Notice> {
        self.aws.until("the notices are there", |aws| aws.notices().len() >= count).await;
        self.aws.notices()
    }

    pub(crate) fn texts(&self) -> Vec<String> {
        let mut texts: Vec<_> =
            self.aws.notices().into_iter().map(|notice| notice.message).collect();
        texts.sort();
        texts
    }

    pub(crate) fn calls(&self, operation: &str) -> usize {
        self.aws.calls(operation).len()
    }

    /// How often StopInstances named the instance.
    pub(crate) fn stops_of(&self, id: &str) -> usize {
        let calls = self.aws.calls("StopInstances");
        calls.iter().filter(|call| call.subjects.iter().any(|subject| subject == id)).count()
    }

    /// The visibility timeouts that were asked for, in seconds.
    pub(crate) fn timeouts(&self) -> Vec<i64> {
        let calls = self.aws.calls("ChangeMessageVisibilityBatch");
        calls.into_iter().flat_map(|call| call.timeouts).map(|(_, secs)| secs).collect()
    }

    /// All calls to EC2 in the order of their arrival.
    pub(crate) fn ec2_calls(&self) -> Vec<Call> {
        let calls = self.aws.ledger().into_iter();
        calls.filter(|call| call.service == Service::Ec2).collect()
    }

    pub(crate) fn is_running(&self, id: &str) -> bool {
        self.aws
            .instance(id)
            .is_some_and(|instance| instance.state == ec2_policy_enforcer::sandbox::State::Running)
    }
}

/// A clock that shows a later time of day.
pub(crate) fn ahead(clock: Clock, by: Duration) -> Clock {
    match clock {
        Clock::System => Clock::System,
        Clock::Tied { at, wall } => Clock::Tied { at, wall: wall + by },
    }
}

/// Lets this time pass on the paused clock.
pub(crate) async fn pass(duration: Duration) {
    tokio::time::sleep(duration).await;
}

/// Starts a daemon whose only evaluator is busy for 5 s. Events that come until then share one
/// look-up, one look and one stop.
pub(crate) async fn gathering(world: World) -> World {
    let mut world = world.set("ENFORCER_SIZES__EVALUATORS", "1");
    let busy = Rule::on("DescribeTags").fault(Fault::Delay(Duration::from_secs(5))).times(1);
    world.aws.inject(busy);
    world.exempt();
    world.start();
    world.aws.until("the evaluator is busy", |aws| !aws.calls("DescribeTags").is_empty()).await;
    world
}

pub(crate) fn violators(world: &World, count: usize) -> Vec<String> {
    let mut ids: Vec<_> = (0..count).map(|_| world.violator()).collect();
    ids.sort();
    ids
}

/// The texts of the notices of stopped instances and of one that was refused, sorted.
pub(crate) fn notices(stopped: &[String], refused: Option<(&str, &str)>) -> Vec<String> {
    let stopped = stopped.iter().map(|id| format!("EC2 {id} Stopped"));
    let refused = refused.map(|(id, reason)| format!("EC2 {id} NOT stopped: {reason}"));
    let mut texts: Vec<_> = stopped.chain(refused).collect();
    texts.sort();
    texts
}

/// A hook that adds the exception tag to an instance in the middle of a call.
pub(crate) fn tagging(id: &str) -> impl Fn(&Sandbox) + Send + Sync + 'static {
    let id = id.to_owned();
    move |aws| aws.tag(&id, TAG, "")
}
