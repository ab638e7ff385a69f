//! The contenders, which are measured: the built daemon, and the plain boto3 loop.

use std::fmt;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, bail, ensure};

use crate::arguments::Arguments;
use crate::audit;
use crate::aws::Access;
use crate::peer;
use crate::settings::{ALL, GRACE, MEMBERS, POLICIES};
use crate::usage::{self, Cpu};

const BINARY: &str = env!("CARGO_BIN_EXE_ec2-policy-enforcer");
/// The longest time that a drain may take, and some more.
const END_LIMIT: Duration = Duration::from_secs(35);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contender {
    /// This many daemons on one queue.
    Daemons(usize),
    /// A daemon with eight policies in Cedar beside the built-in one.
    WithPolicies,
    /// A daemon that writes the audit trail to a file.
    WithAudit,
    /// A daemon with everything on that is off by default, but policies and a grace, with which it
    /// would stop nothing now.
    WithAll,
    /// A daemon that plans stops, and follows changes of tags.
    WithGrace,
    /// A daemon that works in member accounts, too.
    WithMembers,
    /// The boto3 loop in `peers`, with this many threads.
    Loop { threads: usize },
}

/// What all trials of a run share: the Python of the peers, and variables for the daemon.
#[derive(Debug)]
pub struct Setup {
    /// A Python that has boto3.
    python: Option<PathBuf>,
    variables: Vec<(String, String)>,
}

/// A process that is being measured. It is killed when this value is dropped.
pub struct Running {
    process: Child,
    log: PathBuf,
    is_peer: bool,
    pub started: SystemTime,
}

impl Setup {
    pub fn prepare(arguments: &Arguments) -> anyhow::Result<Self> {
        let python = if arguments.without_peers { None } else { peer::python()? };
        Ok(Self { python, variables: arguments.variables.clone() })
    }

    pub fn has(&self, contender: Contender) -> bool {
        self.python.is_some() || !contender.is_peer()
    }

    fn command(&self, contender: Contender) -> anyhow::Result<Command> {
        match contender {
            Contender::Loop { threads } => {
                let python = self.python.as_ref().context("there is no Python with boto3")?;
                Ok(peer::command(python, threads))
            }
            _ => Ok(self.daemon(contender)),
        }
    }

    fn daemon(&self, contender: Contender) -> Command {
        let mut daemon = Command::new(BINARY);
        daemon.arg("run").env_clear().env("ENFORCER_ADMIN__LISTEN", "off");
        daemon.envs(contender.settings().iter().copied());
        daemon.envs(self.variables.iter().cloned());
        if contender.is_audited() {
            daemon.env("ENFORCER_AUDIT__TO", audit::new_trail());
        }
        daemon
    }
}

impl Contender {
    pub fn is_peer(self) -> bool {
        matches!(self, Self::Loop { .. })
    }

    pub fn is_audited(self) -> bool {
        matches!(self, Self::WithAudit | Self::WithAll)
    }

    /// The settings that it has besides the default ones, without the file of the audit trail.
    fn settings(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::WithPolicies => &POLICIES,
            Self::WithAll => &ALL,
            Self::WithGrace => &GRACE,
            Self::WithMembers => &MEMBERS,
            Self::Daemons(_) | Self::WithAudit | Self::Loop { .. } => &[],
        }
    }

    pub fn start(self, setup: &Setup, access: &Access) -> anyhow::Result<Vec<Running>> {
        let count = if let Self::Daemons(count) = self { count } else { 1 };
        (0..count).map(|number| self.start_one(setup, access, number)).collect()
    }

    /// Starts one process. Its log goes to a file, since writing it is part of what an event costs.
    fn start_one(self, setup: &Setup, to: &Access, number: usize) -> anyhow::Result<Running> {
        let log = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("bench-{number}.log"));
        let file = File::create(&log).context("cannot make the log")?;
        let mut command = setup.command(self)?;
        command
            .env("AWS_ENDPOINT_URL", &to.endpoint)
            .env("AWS_REGION", &to.region)
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("SQS_QUEUE_URL", &to.queue_url)
            .env("SNS_TOPIC_ARN", &to.topic_arn)
            .stdin(Stdio::null())
            .stdout(file);
        let started = SystemTime::now();
        let process = command.spawn().with_context(|| format!("cannot start {command:?}"))?;
        Ok(Running { process, log, is_peer: self.is_peer(), started })
    }
}

impl Running {
    pub fn cpu(&self) -> anyhow::Result<Cpu> {
        Cpu::of(self.process.id())
    }

    /// The CPU time that a peer spent on its imports, which does not count. The daemon's start
    /// counts.
    pub fn cpu_before_work(&self) -> anyhow::Result<Duration> {
        if self.is_peer { peer::cpu_before_work(&self.log) } else { Ok(Duration::ZERO) }
    }

    pub fn peak_rss_kib(&self) -> anyhow::Result<u64> {
        usage::peak_rss_kib(self.process.id())
    }

    /// Where the log is, for an error message.
    pub fn hint(&self) -> String {
        format!("its log is {}", self.log.display())
    }

    /// Sends SIGTERM, and expects the process to end with exit code 0.
    pub fn end(mut self) -> anyhow::Result<()> {
        let id = self.process.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &id]).status();
        ensure!(sent.context("cannot send SIGTERM")?.success(), "process {id} had ended early");
        let deadline = Instant::now() + END_LIMIT;
        while Instant::now() < deadline {
            if let Some(status) = self.process.try_wait()? {
                ensure!(status.success(), "ended with {status}; {}", self.hint());
                fs::remove_file(&self.log).ok();
                return Ok(());
            }
            thread::sleep(Duration::from_millis(10));
        }
        bail!("it did not end within {END_LIMIT:?} of SIGTERM")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

impl fmt::Display for Contender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Daemons(1) => f.pad("daemon"),
            Self::Daemons(count) => f.pad(&format!("{count} daemons")),
            Self::WithPolicies => f.pad("daemon, 8 policies"),
            Self::WithAudit => f.pad("daemon, audited"),
            Self::WithAll => f.pad("daemon, all on"),
            Self::WithGrace => f.pad("daemon, with a grace"),
            Self::WithMembers => f.pad("daemon, many accounts"),
            Self::Loop { threads: 1 } => f.pad("boto3"),
            Self::Loop { threads } => f.pad(&format!("boto3, {threads} threads")),
        }
    }
}
