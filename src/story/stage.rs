//! The AWS and the daemon that play the day.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use std::{fs, process};

use anyhow::{Context, bail, ensure};
use time::{OffsetDateTime, UtcDateTime};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::hands;
use super::narrator::Narrator;
use super::pace::Pace;
use crate::daemon::{Daemon, Drained, Error};
use crate::domain::ids::{Account, Region};
use crate::health::Health;
use crate::retry::backoff::Jitter;
use crate::runtime::shutdown::Shutdown;
use crate::sandbox::{Launch, Notice, Options, Resources, Sandbox, State};
use crate::settings::{Live, Place, Settings};

/// The day that is played, a Monday, from midnight on.
const DAY: &str = "2026-11-30T00:00:00Z";
/// When it begins.
const BEGIN: Duration = Duration::from_hours(8);
/// How often it is looked whether an owner has an answer.
const LOOKED: Duration = Duration::from_millis(100);
/// How long an owner waits for an answer to a tag.
const PATIENCE: Duration = Duration::from_mins(1);

/// Everything that plays.
pub(super) struct Stage {
    sandbox: Sandbox,
    made: Resources,
    narrator: Narrator,
    pace: Pace,
    /// The names of the instances.
    names: BTreeMap<String, String>,
    running: Option<Running>,
    /// How many notices have been told.
    told: usize,
    /// The audit trail of the day.
    audit: PathBuf,
}

/// A daemon that runs.
struct Running {
    shutdown: Shutdown,
    task: JoinHandle<Result<Drained, Error>>,
    health: Arc<Health>,
    /// What a reload changes.
    live: watch::Sender<Live>,
}

impl Stage {
    /// An AWS with a queue, a topic and rules, at the beginning of the day.
    pub(super) fn set(pace: Pace, output: Box<dyn Write + Send>) -> anyhow::Result<Self> {
        let began = SystemTime::from(midnight()?) + BEGIN;
        let sandbox = Sandbox::new(Options {
            began: Some(began),
            pending: Duration::from_secs(20),
            stopping: Duration::from_secs(30),
            ..Options::default()
        });
        let made = sandbox.set_up();
        sandbox.send_tag_events();
        for (operation, ms) in
            [("DescribeTags", 60), ("DescribeInstances", 90), ("StopInstances", 300)]
        {
            sandbox.latency(operation, Duration::from_millis(ms));
        }
        let audit = format!("ec2-policy-enforcer-story-{}.jsonl", process::id());
        Ok(Self {
            sandbox,
            made,
            narrator: Narrator::new(output),
            pace,
            names: BTreeMap::new(),
            running: None,
            told: 0,
            audit: hands::scratch_folder().join(audit),
        })
    }

    /// The time of the day.
    fn now(&self) -> UtcDateTime {
        self.sandbox.clock().wall(Instant::now()).into()
    }

    /// Tells something that is so now.
    pub(super) fn say(&mut self, text: &str) -> anyhow::Result<()> {
        let now = self.now();
        self.narrator.say(now, text)
    }

    /// Lets the day pass until a scene begins, and announces it.
    pub(super) async fn scene(&mut self, at: &str, text: &str) -> anyhow::Result<()> {
        self.until(at).await?;
        self.narrator.pause()?;
        self.say(text)
    }

    /// Lets the day pass until a time such as `08:30`, and tells the notices that come meanwhile.
    pub(super) async fn until(&mut self, time: &str) -> anyhow::Result<()> {
        let (hour, minute) = time.split_once(':').context("a time has a colon")?;
        let minutes = hour.parse::<i64>()? * 60 + minute.parse::<i64>()?;
        let at = midnight()? + time::Duration::minutes(minutes);
        loop {
            self.tell_notices()?;
            let left = Duration::try_from(at - self.now()).unwrap_or_default();
            if left.is_zero() {
                return Ok(());
            }
            self.ensure_daemon()?;
            self.pace.step(left).await;
        }
    }

    /// Starts the daemon with these settings, in place of the one that runs.
    pub(super) async fn start_daemon(&mut self, settings: &[(&str, &str)]) -> anyhow::Result<()> {
        self.end_daemon().await?;
        let settings = self.settings(settings)?;
        let seed = u64::try_from(self.told).unwrap_or_default();
        let (live, changes) = watch::channel(settings.live());
        let daemon = Daemon {
            live: changes,
            clock: self.sandbox.clock(),
            jitter: Jitter::seeded(seed),
            ..Daemon::new(settings, self.sandbox.sdk_config())
        };
        let (health, shutdown) = (Arc::clone(&daemon.health), Shutdown::new());
        let task = tokio::spawn(daemon.run(shutdown.clone()));
        self.running = Some(Running { shutdown, task, health, live });
        Ok(())
    }

    /// Has the daemon read these settings, as SIGHUP does.
    pub(super) fn reload(&self, settings: &[(&str, &str)]) -> anyhow::Result<()> {
        let settings = self.settings(settings)?;
        let default_region = Region::parse(&self.made.region).context("no region")?;
        let place = Place { account: Account::parse(&self.made.account), default_region };
        let policies = Some(Arc::new(settings.policies(&place)?));
        let running = self.running.as_ref().context("no daemon runs")?;
        running.live.send_replace(Live { policies, ..settings.live() });
        Ok(())
    }

    fn settings(&self, more: &[(&str, &str)]) -> anyhow::Result<Settings> {
        let audit = self.audit.display().to_string();
        let all = [
            ("SQS_QUEUE_URL", &*self.made.queue_url),
            ("SNS_TOPIC_ARN", &*self.made.topic_arn),
            ("ENFORCER_AUDIT__TO", &*audit),
            // Hours pass in which nothing happens.
            ("ENFORCER_SIZES__POLLERS", "1"),
            // On an EC2 instance, its metadata would name that instance as the daemon's own host.
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ];
        let all = all.iter().chain(more).map(|(name, value)| (name.to_string(), value.to_string()));
        Settings::from_layers(None, all).context("cannot make settings for the story")
    }

    async fn end_daemon(&mut self) -> anyhow::Result<()> {
        let Some(Running { shutdown, task, .. }) = self.running.take() else { return Ok(()) };
        shutdown.drain.cancel();
        task.await.context("the daemon broke off")?.context("the daemon failed")?;
        Ok(())
    }

    fn ensure_daemon(&self) -> anyhow::Result<()> {
        let has_ended = self.running.as_ref().is_some_and(|running| running.task.is_finished());
        ensure!(!has_ended, "the daemon ended before its time");
        Ok(())
    }

    /// Launches an instance with tags of these keys.
    pub(super) fn launch(&mut self, name: &str, keys: &[&str]) {
        let launch = Launch::default().tagged("Name", name);
        let launch = keys.iter().fold(launch, |launch, key| launch.tagged(*key, "yes"));
        let id = self.sandbox.launch(launch);
        self.names.insert(id, name.to_owned());
    }

    /// Sets a tag of an instance as its owner does, and returns after how many seconds the owner
    /// was told that the stop is called off.
    pub(super) async fn answer(
        &mut self,
        name: &str,
        key: &str,
        value: &str,
    ) -> anyhow::Result<f64> {
        let Some(id) = self.names.iter().find(|(_, one)| *one == name).map(|(id, _)| id.clone())
        else {
            bail!("no instance is called {name}");
        };
        let (before, began) = (self.sandbox.notices().len(), Instant::now());
        self.sandbox.tag(&id, key, value);
        while self.sandbox.notices().len() == before {
            ensure!(began.elapsed() < PATIENCE, "the owner of {name} got no answer");
            tokio::time::sleep(LOOKED).await;
        }
        self.tell_notices()?;
        let notices = self.sandbox.notices();
        let answer = notices.get(before).context("the notice is gone")?;
        Ok((answer.at - began).as_secs_f64())
    }

    /// How many events the daemon that runs has given this outcome.
    pub(super) fn outcomes(&self, outcome: &str) -> u64 {
        let begin = format!("enforcer_events_total{{outcome=\"{outcome}\"}} ");
        let scrape = self.running.as_ref().map(|running| running.health.scrape());
        let line = scrape.iter().flat_map(|scrape| scrape.lines());
        let mut values = line.filter_map(|line| line.strip_prefix(&begin)?.parse().ok());
        values.next().unwrap_or_default()
    }

    /// How many instances with such a name run.
    pub(super) fn running(&self, name: &str) -> usize {
        self.count(name, &[State::Running])
    }

    /// How many instances with such a name do not.
    pub(super) fn stopped(&self, name: &str) -> usize {
        self.count(name, &[State::Stopping, State::Stopped])
    }

    fn count(&self, name: &str, states: &[State]) -> usize {
        let named = self.names.iter().filter(|(_, one)| one.starts_with(name));
        let instances = named.filter_map(|(id, _)| self.sandbox.instance(id));
        instances.filter(|instance| states.contains(&instance.state)).count()
    }

    /// The holds on stops, as the queue's tags say.
    pub(super) fn holds(&self) -> String {
        let tags = self.sandbox.queue_tags().into_iter();
        tags.map(|(key, value)| format!("{key} = {value}")).collect::<Vec<_>>().join(", ")
    }

    /// Starts again what was stopped by mistake, as an operator does.
    pub(super) async fn undo(&mut self) -> anyhow::Result<()> {
        let printed = hands::undo(&self.sandbox, &self.audit, mistake()?).await?;
        self.narrator.show(&printed)?;
        self.tell_notices()
    }

    /// Lifts all holds, as an operator does.
    pub(super) async fn resume(&mut self) -> anyhow::Result<()> {
        let printed = hands::resume(&self.sandbox, &self.settings(&[])?).await?;
        self.narrator.show(&printed)
    }

    /// Ends the day, and says what is left of it.
    pub(super) async fn end(mut self) -> anyhow::Result<()> {
        self.until("14:00").await?;
        self.end_daemon().await?;
        let (stopped, messages) = (self.stopped(""), self.sandbox.depth());
        self.narrator.pause()?;
        self.say(&format!(
            "The day is over: {stopped} instance is stopped (training), {} notices went out, and \
             {messages} messages are left in the queue.",
            self.told
        ))?;
        fs::remove_file(&self.audit).context("cannot remove the audit trail")
    }

    /// Tells the notices that were published since the last time.
    fn tell_notices(&mut self) -> anyhow::Result<()> {
        let notices = self.sandbox.notices();
        for notice in notices.iter().skip(self.told) {
            let at = self.sandbox.clock().wall(notice.at).into();
            let text = self.named(&told(notice));
            self.narrator.say(at, &text)?;
        }
        self.told = notices.len();
        Ok(())
    }

    /// The text with names in the place of the ids of instances.
    fn named(&self, text: &str) -> String {
        let names = self.names.iter();
        names.fold(text.to_owned(), |text, (id, name)| text.replace(id.as_str(), name))
    }
}

/// A notice as a line of the story.
fn told(notice: &Notice) -> String {
    let lines: Vec<_> = notice.message.lines().collect();
    match &notice.subject {
        Some(subject) if subject.starts_with("EC2 policy enforcer") => {
            format!("-> notice to the operators: {}", lines.join(" "))
        }
        _ => format!("-> notice to the owner: {}", lines.first().unwrap_or(&"")),
    }
}

fn midnight() -> anyhow::Result<UtcDateTime> {
    let format = &time::format_description::well_known::Rfc3339;
    Ok(OffsetDateTime::parse(DAY, format).context("the day is one")?.to_utc())
}

/// The time from which on stops were mistakes.
fn mistake() -> anyhow::Result<UtcDateTime> {
    Ok(midnight()? + time::Duration::hours(13))
}
