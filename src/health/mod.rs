//! How a run is, for those who ask from outside: the admin port and systemd. May use `pipeline` and
//! what lies below, to ask how the work goes.

pub(crate) mod admin;
mod connections;
pub(crate) mod systemd;

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tokio::sync::watch;

use crate::domain::hold::Hold;
use crate::domain::policy::mode::Mode;
use crate::domain::target::TargetKey;
use crate::inflight::lease::Leases;
use crate::pipeline::audit::{Audit, Writer};
use crate::pipeline::budget::Budget;
use crate::pipeline::context::Context;
use crate::pipeline::notice_rate::NoticeRate;
use crate::pipeline::planner::Planner;
use crate::pipeline::settle::counts::Counts;
use crate::pipeline::target::{Target, TargetList};
use crate::retry::delays;
use crate::runtime::liveness::Liveness;
use crate::telemetry::logs;
use crate::telemetry::metrics::Metrics;

const UNHEARD: &str =
    "warning: nobody hears of stops: the topic has no confirmed subscription; subscribe the owners";

const REFUSED: &str =
    "warning: the last reload was refused; the settings of before stay, and the log says why";
const DRY_RUN: &str = "warning: dry run: nothing is stopped and nobody is told";
const WARNS: &str = "warning: nothing is stopped: policies only warn";

/// How a run is.
#[derive(Debug)]
pub struct Health {
    /// Which loops are stuck.
    pub(crate) liveness: Arc<Liveness>,
    /// What is counted and measured.
    pub(crate) metrics: Arc<Metrics>,
    phase: watch::Sender<Phase>,
    /// Whether the last reload was refused.
    reload_refused: AtomicBool,
    audit: Mutex<Audit>,
    /// The task that writes the audit trail, until it is started.
    audit_writer: Mutex<Option<Writer>>,
    pipeline: OnceLock<Running>,
}

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Without contact with the queue.
    Starting,
    /// At work.
    Running,
    /// On its way out.
    Draining,
}

/// The parts of a running pipeline that tell how the work goes.
#[derive(Debug)]
pub(crate) struct Running {
    /// What all stages share: it knows which operations of AWS are paused, and what panics.
    pub(crate) context: Arc<Context>,
    /// The targets, each with the stops that it was denied.
    pub(crate) targets: TargetList,
    /// Who gets the notices.
    pub(crate) notice_rate: Arc<NoticeRate>,
    /// Which stops are held.
    pub(crate) budget: Arc<Budget>,
    /// The messages that are held.
    pub(crate) leases: Arc<Leases>,
    /// Where messages went.
    pub(crate) counts: Arc<Counts>,
    /// Whether the host's clock is right.
    pub(crate) planner: Arc<Planner>,
}

impl Default for Health {
    fn default() -> Self {
        let (phase, _) = watch::channel(Phase::Starting);
        Self {
            liveness: Arc::default(),
            metrics: Arc::default(),
            phase,
            reload_refused: AtomicBool::default(),
            audit: Mutex::new(Audit::off()),
            audit_writer: Mutex::default(),
            pipeline: OnceLock::new(),
        }
    }
}

impl Health {
    /// Notes that the work has begun.
    pub(crate) fn running(&self, pipeline: Running) {
        drop(self.pipeline.set(pipeline));
        self.phase.send_replace(Phase::Running);
    }

    /// Notes that the drain has begun.
    pub(crate) fn draining(&self) {
        self.phase.send_replace(Phase::Draining);
    }

    /// How far the run is, from now on.
    pub fn phase(&self) -> watch::Receiver<Phase> {
        self.phase.subscribe()
    }

    /// The name of a task that is stuck.
    pub fn stuck(&self) -> Option<&'static str> {
        self.liveness.stuck(delays::STUCK_AFTER)
    }

    /// Why the daemon is not ready; nothing if it is.
    pub fn troubles(&self) -> Vec<String> {
        let phase = *self.phase.borrow();
        match phase {
            Phase::Starting => vec!["starting: no contact with the queue and STS yet".to_owned()],
            Phase::Draining => vec!["draining".to_owned()],
            Phase::Running => {
                let troubles = self.pipeline.get().map(Running::troubles).unwrap_or_default();
                troubles.into_iter().chain(self.audit().trouble()).collect()
            }
        }
    }

    /// Keeps the audit trail of the run, and the task that is to write it.
    pub(crate) fn audits_to(&self, audit: Audit, writer: Option<Writer>) {
        *locked(&self.audit) = audit;
        *locked(&self.audit_writer) = writer;
    }

    /// The audit trail.
    pub(crate) fn audit(&self) -> Audit {
        locked(&self.audit).clone()
    }

    /// The task that writes the audit trail, once; `None` if there is none.
    pub(crate) fn take_audit_writer(&self) -> Option<Writer> {
        locked(&self.audit_writer).take()
    }

    /// Has the audit trail opened anew, since its file was renamed.
    pub(crate) fn reopen_audit(&self) {
        self.audit().reopen();
    }

    /// Remembers whether the last reload was refused.
    pub(crate) fn reload_was_refused(&self, refused: bool) {
        self.reload_refused.store(refused, Ordering::Relaxed);
    }

    /// What an operator should mend, although the daemon works.
    pub fn remarks(&self) -> Vec<String> {
        let Some(running) = self.pipeline.get() else { return Vec::new() };
        let is_unheard = running.notice_rate.is_unheard() && self.troubles().is_empty();
        let unheard = is_unheard.then(|| UNHEARD.to_owned());
        let idle = running.remark_on_policies().map(str::to_owned);
        let refused = self.reload_refused.load(Ordering::Relaxed).then(|| REFUSED.to_owned());
        let deaf = running.context.breakers.harmless_pauses().into_iter();
        let remarks =
            running.planner.host_clock.trouble().into_iter().chain(unheard).chain(deaf).chain(idle);
        let crowded = running.planner.in_flight.remark().map(|text| format!("warning: {text}"));
        let remarks = remarks.chain(running.remarks_on_holds()).chain(crowded);
        remarks.chain(refused).collect()
    }

    /// The metrics as Prometheus scrapes them.
    pub fn scrape(&self) -> String {
        let (liveness, ready) = (self.stuck().is_none(), self.troubles().is_empty());
        self.metrics.set_health(liveness, ready);
        self.metrics.set_dropped_lines(logs::dropped_lines());
        if let Some(running) = self.pipeline.get() {
            running.show(&self.metrics);
        }
        self.metrics.render()
    }
}

fn locked<T>(value: &Mutex<T>) -> MutexGuard<'_, T> {
    value.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Running {
    /// Shows what the metrics do not count themselves. An operation pauses where `/readyz` says so.
    fn show(&self, metrics: &Metrics) {
        metrics.set_leases_held(self.leases.held());
        for (target, messages) in self.on_hold() {
            metrics.set_on_hold(&target, messages);
        }
        let mut paused = self.context.breakers.states();
        for target in self.targets.all() {
            let denied = target.denied_stops.count();
            metrics.set_denied_stops(&target.key, denied);
            *paused.entry(target.stop_instances()).or_default() |= denied > 0;
        }
        for (operation, is_paused) in paused {
            metrics.set_paused(operation.name(), operation.target(), is_paused);
        }
    }

    /// How many messages of each target are hidden because stops are held; nothing without a
    /// budget.
    fn on_hold(&self) -> Vec<(TargetKey, u64)> {
        if !self.budget.is_on() {
            return Vec::new();
        }
        let counts = self.budget.on_hold.counts();
        let count = |target: Arc<Target>| {
            let hold = target.budget.target();
            (target.key.clone(), counts.get(hold).copied().unwrap_or_default())
        };
        self.targets.all().into_iter().map(count).collect()
    }

    /// A line for each hold, and one for what is wrong with the tags that they are.
    fn remarks_on_holds(&self) -> Vec<String> {
        let hidden: u64 = self.on_hold().iter().map(|(_, messages)| messages).sum();
        let line = |(hold, since): (Hold, String)| {
            format!(
                "warning: stops are held by the tag {hold} of the queue since {since}, {hidden} \
                 messages wait; `ec2-policy-enforcer resume` lets them go on"
            )
        };
        let troubles = self.budget.troubles().into_iter();
        let troubles = troubles.map(|trouble| format!("warning: {trouble}"));
        self.budget.holds().into_iter().map(line).chain(troubles).collect()
    }

    /// What is to be said of policies that stop nothing.
    fn remark_on_policies(&self) -> Option<&'static str> {
        let policies = self.context.policies();
        match policies.rules().map(|rule| rule.mode).max() {
            None | Some(Mode::DryRun) => Some(DRY_RUN),
            Some(Mode::Warn) => Some(WARNS),
            Some(Mode::Enforce) => None,
        }
    }

    fn troubles(&self) -> Vec<String> {
        let targets = self.targets.all().into_iter();
        let denied = targets.filter(|target| target.denied_stops.count() > 0).map(|target| {
            let key = &target.key;
            format!("paused: StopInstances in {key}: access denied; grant ec2:StopInstances")
        });
        let throttled = self.targets.all().into_iter().filter_map(|target| {
            let secs = target.rate_limits.throttled_for()?.as_secs();
            Some(format!("throttled for {secs} s: EC2 in {}", target.key))
        });
        let Context { breakers, panic_guard, .. } = &*self.context;
        let pauses = breakers.pauses().into_iter();
        pauses.chain(denied).chain(throttled).chain(panic_guard.troubles()).collect()
    }
}

impl fmt::Display for Health {
    /// One line: what keeps it from being ready, and the counts since the start.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let troubles = self.troubles();
        let state = if troubles.is_empty() { "running".to_owned() } else { troubles.join("; ") };
        formatter.write_str(&state)?;
        let Some(pipeline) = self.pipeline.get() else { return Ok(()) };
        let (held, totals) = (pipeline.leases.held(), pipeline.counts.totals());
        write!(
            formatter,
            "; messages: {held} held, {} deleted, {} returned, {} rejected",
            totals.deleted, totals.returned, totals.rejected
        )
    }
}
