//! `undo`: starts again exactly what the daemon stopped, and exempts it first.

mod failures;
mod book;
mod interrupted;
mod mistake;
mod permissions;
mod plans;

use std::collections::BTreeSet;
use std::fs;
use std::io::{Cursor, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use clap::Parser;
use ec2_policy_enforcer::cli::console::Console;
use ec2_policy_enforcer::cli::undo::UndoArguments;
use ec2_policy_enforcer::cli::{Arguments, Command};
use ec2_policy_enforcer::commands::Ended;
use ec2_policy_enforcer::commands::undo::{Host, carry_out};
use ec2_policy_enforcer::retry::backoff::Jitter;
use ec2_policy_enforcer::sandbox::{Call, Launch, Options, Sandbox, State};
use serde_json::{Value, json};
use time::UtcDateTime;
use time::format_description::well_known::Rfc3339;

use crate::audit::schema::Schema;
use crate::world::{TAG, World, pass};

pub(super) const ACCOUNT: &str = "123456789012";
pub(super) const REGION: &str = "us-east-1";
const MINUTE: Duration = Duration::from_mins(1);

/// A world with an audit trail beside it, in a file that is removed with the test.
pub(super) struct Trail {
    pub(super) world: World,
    folder: PathBuf,
}

impl Drop for Trail {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// What a run of the command showed.
#[derive(Debug)]
pub(super) struct Shown {
    pub(super) code: u8,
    /// The output.
    pub(super) output: String,
    /// Questions and remarks.
    pub(super) remarks: String,
}

/// A text that several write to.
#[derive(Clone, Default)]
struct Text(Arc<Mutex<Vec<u8>>>);

impl Write for Text {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Text {
    fn take(&self) -> String {
        String::from_utf8(std::mem::take(&mut *self.0.lock().unwrap())).unwrap()
    }
}

impl Trail {
    pub(super) fn new() -> Self {
        Self::with(Options::default())
    }

    pub(super) fn with(options: Options) -> Self {
        static FOLDERS: AtomicUsize = AtomicUsize::new(0);
        let number = FOLDERS.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("undo-{}-{number}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        Self { world: World::with(options), folder }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Adds lines to the audit trail.
    pub(super) fn write(&self, text: &str) {
        let mut lines = self.read();
        lines.push_str(text);
        fs::write(self.path("audit.jsonl"), lines).unwrap();
    }

    /// The audit trail.
    pub(super) fn read(&self) -> String {
        fs::read_to_string(self.path("audit.jsonl")).unwrap_or_default()
    }

    /// The lines of a kind in the audit trail, by their instances. Each must be valid.
    pub(super) fn lines(&self, kind: &str) -> Vec<Value> {
        let (schema, text) = (Schema::read(), self.read());
        let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let lines: Vec<_> = lines.filter(|line| line["kind"] == kind).collect();
        for line in &lines {
            assert_eq!(schema.mistakes(line), [""; 0], "{line}");
        }
        lines
    }

    /// Launches an instance, which is stopped a minute later, as the daemon does; it is in no trail
    /// yet.
    pub(super) async fn stopped(&self, launches: Vec<Launch>) -> Vec<String> {
        let aws = &self.world.aws;
        let ids: Vec<_> = launches.into_iter().map(|launch| aws.launch(launch.quiet())).collect();
        pass(MINUTE).await;
        for id in &ids {
            aws.stop(id);
        }
        ids
    }

    /// As many instances as that, stopped, each with its line in the trail.
    pub(super) async fn recorded(&self, count: usize) -> Vec<String> {
        let launches = (0..count).map(|_| Launch::default().tagged("Name", "web")).collect();
        let ids = self.stopped(launches).await;
        self.record(&ids);
        ids
    }

    /// Writes the audit lines of these stops.
    pub(super) fn record(&self, ids: &[String]) {
        for ids in ids.chunks(100) {
            let line = self.line(ids);
            self.write(&format!("{line}\n"));
        }
    }

    /// The audit line of a stop of these instances now.
    pub(super) fn line(&self, ids: &[String]) -> Value {
        self.line_of(&self.world.aws, ids)
    }

    /// The same of instances of another sandbox.
    pub(super) fn line_of(&self, aws: &Sandbox, ids: &[String]) -> Value {
        let instances = ids.iter().map(|id| {
            let instance = aws.instance(id).unwrap();
            json!({
                "instance": id, "previous_state": "running", "policies": ["builtin"],
                "launch_time": rfc3339(instance.details.launched.into()), "message": "m",
            })
        });
        json!({
            "audit": 1, "kind": "stop", "time": rfc3339(self.now()), "account": ACCOUNT,
            "region": REGION, "request_id": "r", "instances": instances.collect::<Vec<_>>(),
        })
    }

    pub(super) fn now(&self) -> UtcDateTime {
        self.world.aws.clock().wall(tokio::time::Instant::now()).into()
    }

    pub(super) fn arguments(&self, more: &[&str]) -> UndoArguments {
        let from = self.path("audit.jsonl");
        let first = ["enforcer", "undo", "--from", from.to_str().unwrap()];
        let since: &[_] = if more.contains(&"--since") { &[] } else { &["--since", "2020-01-01"] };
        let all = first.iter().chain(since).chain(more).copied();
        match Arguments::try_parse_from(all).unwrap().command {
            Command::Undo(undo) => *undo,
            _ => panic!("not undo"),
        }
    }

    /// Runs the command without a question.
    pub(super) async fn undo(&self, more: &[&str]) -> Shown {
        self.answering(None, &[&["--yes"], more].concat()).await
    }

    /// Runs the command at a terminal where this is answered, or without one.
    pub(super) async fn answering(&self, answer: Option<&'static str>, more: &[&str]) -> Shown {
        let (output, remarks) = (Text::default(), Text::default());
        let host = self.host(answer, (&output, &remarks));
        let code = carry_out(&self.arguments(more), host).await.unwrap();
        Shown { code, output: output.take(), remarks: remarks.take() }
    }

    /// Why the command ends early.
    pub(super) async fn failure(&self, more: &[&str]) -> String {
        let host = self.host(None, (&Text::default(), &Text::default()));
        match carry_out(&self.arguments(more), host).await.unwrap_err() {
            Ended::Failed(error) => format!("{error:#}"),
            other => other.to_string(),
        }
    }

    fn host(&self, answer: Option<&'static str>, (output, remarks): (&Text, &Text)) -> Host {
        let console = Console {
            output: Some(Box::new(output.clone())),
            answers: answer.map(|answer| Box::new(Cursor::new(answer)) as _),
            remarks: Box::new(remarks.clone()),
            shows_progress: false,
        };
        Host {
            sdk: self.world.aws.sdk_config().into(),
            clock: self.world.aws.clock(),
            jitter: Jitter::seeded(1),
            console,
        }
    }

    /// How often each of the instances was started by a call.
    pub(super) fn starts(&self) -> Vec<String> {
        let mut started = self.acted("StartInstances");
        started.sort();
        started
    }

    /// The instances that were tagged by a call.
    pub(super) fn tagged(&self) -> BTreeSet<String> {
        self.acted("CreateTags").into_iter().collect()
    }

    fn acted(&self, operation: &str) -> Vec<String> {
        let calls = self.world.aws.calls(operation).into_iter().filter(|call| call.acted.is_some());
        calls.flat_map(|call| call.subjects).collect()
    }

    pub(super) fn state(&self, id: &str) -> State {
        self.world.aws.instance(id).unwrap().state
    }

    pub(super) fn tag(&self, id: &str) -> Option<String> {
        self.world.aws.instance(id).unwrap().tags.get(TAG).cloned()
    }

    /// The calls that change something.
    pub(super) fn changes(&self) -> Vec<Call> {
        let calls = self.world.ec2_calls().into_iter();
        calls.filter(|call| !call.operation.starts_with("Describe")).collect()
    }
}

/// A time as the daemon writes it.
fn rfc3339(time: UtcDateTime) -> String {
    time::OffsetDateTime::from(time.truncate_to_second()).format(&Rfc3339).unwrap()
}

pub(super) fn sorted(ids: &[String]) -> Vec<String> {
    let mut ids = ids.to_vec();
    ids.sort();
    ids
}
