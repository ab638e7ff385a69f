//! How a run is, for those who ask from outside: the admin port and systemd.

pub mod admin;
mod connections;
pub mod systemd;

use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tokio::sync::watch;

use crate::domain::ids::Region;
use crate::inflight::lease::Leases;
use crate::pipeline::enforce::denied::DeniedStops;
use crate::pipeline::settle::counts::Tally;
use crate::retry::breaker::Breakers;
use crate::runtime::liveness::Liveness;
use crate::telemetry::metrics::Metrics;

/// How a run is.
#[derive(Debug)]
pub struct Health {
    /// Which loops are stuck.
    pub liveness: Arc<Liveness>,
    /// What is counted and measured.
    pub metrics: Arc<Metrics>,
    phase: watch::Sender<Phase>,
    vitals: OnceLock<Vitals>,
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

/// What tells how the work goes.
#[derive(Debug)]
pub struct Vitals {
    /// What pauses.
    pub breakers: Arc<Breakers>,
    /// Where stops are denied.
    pub wards: Wards,
    /// What is held.
    pub leases: Arc<Leases>,
    /// Where messages went.
    pub counts: Arc<Tally>,
}

/// Where stops are denied, in each region.
#[derive(Clone, Debug, Default)]
pub struct Wards(Arc<Mutex<Vec<Ward>>>);

type Ward = (Region, Arc<DeniedStops>);

impl Wards {
    /// Adds those of a region.
    pub fn add(&self, region: Region, denied_stops: Arc<DeniedStops>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((region, denied_stops));
    }

    /// How many violators wait in each region.
    fn counts(&self) -> Vec<(Region, usize)> {
        let wards = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        wards.iter().map(|(region, denied_stops)| (region.clone(), denied_stops.count())).collect()
    }
}

impl Default for Health {
    fn default() -> Self {
        let (phase, _) = watch::channel(Phase::Starting);
        Self { liveness: Arc::default(), metrics: Arc::default(), phase, vitals: OnceLock::new() }
    }
}

impl Health {
    /// Notes that the work has begun.
    pub fn runs(&self, vitals: Vitals) {
        drop(self.vitals.set(vitals));
        self.phase.send_replace(Phase::Running);
    }

    /// Notes that the drain has begun.
    pub fn drains(&self) {
        self.phase.send_replace(Phase::Draining);
    }

    /// How far the run is, from now on.
    pub fn phase(&self) -> watch::Receiver<Phase> {
        self.phase.subscribe()
    }

    /// Why the daemon is not ready; nothing if it is.
    pub fn troubles(&self) -> Vec<String> {
        let phase = *self.phase.borrow();
        match phase {
            Phase::Starting => vec!["starting: no contact with the queue yet".to_owned()],
            Phase::Draining => vec!["draining".to_owned()],
            Phase::Running => self.vitals.get().map(Vitals::troubles).unwrap_or_default(),
        }
    }

    /// The metrics as Prometheus scrapes them.
    pub fn scrape(&self) -> String {
        let (liveness, ready) = (self.liveness.stuck().is_none(), self.troubles().is_empty());
        self.metrics.answers(liveness, ready);
        if let Some(Vitals { wards, leases, .. }) = self.vitals.get() {
            self.metrics.held(leases.held());
            for (region, count) in wards.counts() {
                self.metrics.denied(&region, count);
            }
        }
        self.metrics.render()
    }
}

impl Vitals {
    fn troubles(&self) -> Vec<String> {
        let denied = self.wards.counts().into_iter().filter(|(_, count)| *count > 0);
        let denied = denied.map(|(region, _)| {
            format!("paused: StopInstances in {region}: access denied; grant ec2:StopInstances")
        });
        self.breakers.pauses().into_iter().chain(denied).collect()
    }
}

impl fmt::Display for Health {
    /// One line: what keeps it from being ready, and the counts since the start.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let troubles = self.troubles();
        let state = if troubles.is_empty() { "running".to_owned() } else { troubles.join("; ") };
        formatter.write_str(&state)?;
        let Some(vitals) = self.vitals.get() else { return Ok(()) };
        let (held, totals) = (vitals.leases.held(), vitals.counts.totals());
        write!(
            formatter,
            "; messages: {held} held, {} deleted, {} returned, {} rejected",
            totals.deleted, totals.returned, totals.rejected
        )
    }
}
