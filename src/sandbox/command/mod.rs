//! `ec2-policy-enforcer sandbox`: runs the daemon against a sandbox, over HTTP on a loopback port.
//! `fleet` launches instances, those in `examples` among them; `judged` says which policies they
//! violate; `report` and `outcomes` print what became of them. `members` adds the accounts beside the
//! sandbox's own. `instructions` is what `--serve`
//! prints, `daemon_settings` has the daemon's settings, and `options` the latencies. `suspensions`
//! says which subscribers hear nothing any more.

mod daemon_settings;
mod examples;
mod fleet;
mod instructions;
mod judged;
mod members;
mod options;
mod outcomes;
mod report;
mod suspensions;

use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;
use std::pin::pin;
use std::time::Duration;

use anyhow::{Context, ensure};
use aws_config::SdkConfig;
use tokio::net::TcpListener;
use tokio::select;
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{Resources, Sandbox};
use crate::aws;
use crate::cli::{SandboxArguments, output};
use crate::daemon::Daemon;
use crate::runtime::shutdown::Shutdown;
use crate::settings::Settings;

use daemon_settings::{place, settings};
use fleet::Fleet;
use judged::Judged;
use report::Report;

/// How long the daemon may take to settle all events.
const TIME_LIMIT: Duration = Duration::from_mins(1);

/// Shows what the daemon does with instances of every kind, or serves until the drain begins.
///
/// # Errors
/// If the port cannot be opened, the daemon fails, or an event has no outcome after 60 s.
pub async fn run(arguments: SandboxArguments, shutdown: Shutdown) -> anyhow::Result<()> {
    let sandbox = Sandbox::new(options::options());
    options::slow_down(&sandbox);
    members::add(&sandbox, arguments.accounts);
    let served = Served::open(sandbox, arguments.port).await?;
    match (arguments.serve, arguments.without_daemon) {
        (_, true) => served.serve_without_daemon(&arguments, &shutdown).await,
        (true, false) => Box::pin(served.serve_with_daemon(&arguments, shutdown)).await,
        (false, false) => served.run_and_report(&arguments, shutdown).await,
    }
}

/// A sandbox that is served on a loopback port until this value is dropped.
struct Served {
    sandbox: Sandbox,
    /// The start of every URL, such as `http://127.0.0.1:4566`.
    origin: String,
    _closing: DropGuard,
}

impl Served {
    async fn open(sandbox: Sandbox, port: u16) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
        let listener = listener.with_context(|| format!("cannot listen on port {port}"))?;
        let address = listener.local_addr().context("cannot tell the port")?;
        let stop = CancellationToken::new();
        let (server, stopped) = (sandbox.clone(), stop.clone());
        let suspensions = suspensions::tell(sandbox.clone());
        tokio::spawn(stopped.clone().run_until_cancelled_owned(suspensions));
        tokio::spawn(async move { server.serve(listener, stopped).await });
        Ok(Self { sandbox, origin: format!("http://{address}"), _closing: stop.drop_guard() })
    }

    /// Serves the sandbox alone, for a daemon that is started in another process.
    async fn serve_without_daemon(
        self,
        arguments: &SandboxArguments,
        shutdown: &Shutdown,
    ) -> anyhow::Result<()> {
        let made = self.sandbox.set_up();
        let tag = self.settings(arguments, &made)?.policy.exception_tag;
        let fleet = Fleet::launch(&self.sandbox, arguments, &tag).await;
        self.tell_environment(&made, arguments.env_file.as_deref())?;
        output::print(instructions::for_a_daemon(fleet.events()))?;
        output::print(instructions::examples(&tag, &self.sandbox.accounts()))?;
        shutdown.drain.cancelled().await;
        Ok(())
    }

    /// Serves the sandbox and runs the daemon against it until the drain.
    async fn serve_with_daemon(
        self,
        arguments: &SandboxArguments,
        shutdown: Shutdown,
    ) -> anyhow::Result<()> {
        let made = self.sandbox.set_up();
        let settings = self.settings(arguments, &made)?;
        let tag = settings.policy.exception_tag.clone();
        let fleet = Fleet::launch(&self.sandbox, arguments, &tag).await;
        let mut daemon = pin!(Daemon::new(settings, self.sdk_config()).run(shutdown));
        let settled = timeout(TIME_LIMIT, self.sandbox.wait_for(|now| fleet.is_finished(now)));
        select! {
            drained = &mut daemon => return drained.map(drop).context("the daemon failed"),
            _ = settled => {}
        }
        // Printed after the first events are settled, so that it stands below their log lines.
        self.tell_environment(&made, arguments.env_file.as_deref())?;
        output::print(instructions::examples(&tag, &self.sandbox.accounts()))?;
        daemon.await.map(drop).context("the daemon failed")
    }

    fn settings(&self, arguments: &SandboxArguments, made: &Resources) -> anyhow::Result<Settings> {
        settings(arguments, made, &self.origin, &self.sandbox.accounts())
    }

    /// Prints the environment for a shell and, if a file is named, writes it there for systemd.
    fn tell_environment(&self, made: &Resources, file: Option<&Path>) -> anyhow::Result<()> {
        let mut variables = instructions::variables(made, &self.origin).to_vec();
        let members = daemon_settings::of_members(&self.sandbox.accounts());
        variables.extend(members.map(|(name, ids)| format!("{name}={ids}")));
        if let Some(file) = file {
            fs::write(file, instructions::environment_file(&variables))
                .with_context(|| format!("cannot write {}", file.display()))?;
        }
        output::print(instructions::exports(&variables))
    }

    /// Runs the daemon until every event has its outcome, and prints what happened.
    async fn run_and_report(
        self,
        arguments: &SandboxArguments,
        shutdown: Shutdown,
    ) -> anyhow::Result<()> {
        let made = self.sandbox.set_up();
        let settings = self.settings(arguments, &made)?;
        let policies = settings.policies(&place(&made)?)?;
        let fleet = Fleet::launch(&self.sandbox, arguments, policies.exception_tag()).await;
        let judged = match (&arguments.policies, arguments.dry_run) {
            (None, false) => None,
            _ => Some(Judged::of(&self.sandbox, &fleet.instances, &policies).await?),
        };
        let finished = self.enforce(settings, &fleet, &shutdown).await?;
        output::print(Report::of(&self.sandbox, &fleet, judged.as_ref()).to_string())?;
        ensure!(finished, "some events have no outcome after {} s", TIME_LIMIT.as_secs());
        Ok(())
    }

    /// Runs the daemon, drains it, and returns whether every event had its outcome in time. A
    /// signal ends it early, which is not a failure.
    async fn enforce(
        &self,
        settings: Settings,
        fleet: &Fleet,
        shutdown: &Shutdown,
    ) -> anyhow::Result<bool> {
        let mut daemon = pin!(Daemon::new(settings, self.sdk_config()).run(shutdown.clone()));
        let finished = timeout(TIME_LIMIT, self.sandbox.wait_for(|now| fleet.is_finished(now)));
        let finished = select! {
            drained = &mut daemon => return drained.map(|_| true).context("the daemon failed"),
            finished = finished => finished.is_ok(),
        };
        shutdown.drain.cancel();
        daemon.await.context("the daemon failed")?;
        Ok(finished)
    }

    /// Connects to the sandbox as to AWS: with the SDK's own HTTP client.
    fn sdk_config(&self) -> SdkConfig {
        let config = self.sandbox.sdk_config().into_builder();
        config.endpoint_url(&self.origin).http_client(aws::sdk::http_client()).build()
    }
}
