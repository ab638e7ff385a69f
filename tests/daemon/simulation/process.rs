//! A process of the daemon, and whoever starts it again when AWS is not there yet.

use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use ec2_policy_enforcer::daemon::{Daemon, Drained, Error};
use ec2_policy_enforcer::retry::backoff::Jitter;
use ec2_policy_enforcer::runtime::shutdown::Shutdown;
use ec2_policy_enforcer::settings::Settings;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::diary::{self, Ended};
use super::stage::Stage;

const RESTART: Duration = Duration::from_secs(5);

pub(super) struct Process {
    number: usize,
    shutdown: Shutdown,
    task: JoinHandle<()>,
}

impl Process {
    pub(super) fn begin(stage: &Stage) -> Self {
        let number = stage.diary().processes.len();
        let name = format!("PROCESS{number}");
        stage.diary().processes.push(diary::Process {
            name: name.clone(),
            began: Instant::now(),
            signalled: None,
            hurried: false,
            ended: None,
        });
        let shutdown = Shutdown::new();
        let task = tokio::spawn(supervise(stage.clone(), number, name, shutdown.clone()));
        Self { number, shutdown, task }
    }

    pub(super) fn drain(self, stage: &Stage) {
        stage.diary().processes[self.number].signalled = Some(Instant::now());
        self.shutdown.drain.cancel();
    }

    pub(super) fn hurry(self, stage: &Stage) {
        stage.diary().processes[self.number].hurried = true;
        let now = self.shutdown.now.clone();
        self.drain(stage);
        now.cancel();
    }

    pub(super) fn kill(self, stage: &Stage) {
        self.task.abort();
        end(stage, self.number, None);
    }
}

/// Runs the daemon until a drain. What cannot start ends, and is started again.
async fn supervise(stage: Stage, number: usize, name: String, shutdown: Shutdown) {
    let settings = settings(&stage);
    let credentials = Credentials::new(name.clone(), "sandbox", None, None, "sandbox");
    let sdk = stage.aws.sdk_config().into_builder();
    let sdk = sdk.credentials_provider(SharedCredentialsProvider::new(credentials)).build();
    let mut seed = stage.plan.seed.wrapping_mul(1000) + number as u64;
    loop {
        seed = seed.wrapping_add(100);
        let (clock, jitter) = (stage.aws.clock(), Jitter::seeded(seed));
        let daemon = Daemon { clock, jitter, ..Daemon::new(settings.clone(), sdk.clone()) };
        match daemon.run(shutdown.clone()).await {
            Ok(drained) => {
                if !shutdown.drain.is_cancelled() {
                    stage.diary().problems.push(format!("{name} ended by itself"));
                }
                return end(&stage, number, Some(drained));
            }
            Err(error) if !cannot_start(&error) => {
                stage.diary().problems.push(format!("{name} failed: {error}"));
                return end(&stage, number, None);
            }
            Err(_) if shutdown.drain.is_cancelled() => {
                return end(&stage, number, Some(Drained::default()));
            }
            Err(_) => tokio::time::sleep(RESTART).await,
        }
    }
}

fn cannot_start(error: &Error) -> bool {
    error.to_string().starts_with("cannot read the queue")
}

fn end(stage: &Stage, number: usize, drained: Option<Drained>) {
    let (at, messages) = (Instant::now(), stage.aws.messages());
    stage.diary().processes[number].ended = Some(Ended { at, drained, messages });
}

fn settings(stage: &Stage) -> Settings {
    let fifo = stage.plan.fifo.then(|| stage.aws.topic("violations.fifo"));
    let topic = fifo.unwrap_or_else(|| stage.resources.topic_arn.clone());
    let mut environment = vec![
        ("SQS_QUEUE_URL".to_owned(), stage.resources.queue_url.clone()),
        ("SNS_TOPIC_ARN".to_owned(), topic),
    ];
    let planned = stage.plan.settings.iter();
    environment.extend(planned.map(|(key, value)| ((*key).to_owned(), value.clone())));
    Settings::from_layers(None, environment).unwrap()
}
