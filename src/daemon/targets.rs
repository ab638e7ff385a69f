//! Hires the workers and stoppers of each region, at the start and when a region is added.

use std::sync::Arc;

use aws_config::SdkConfig;
use tokio::sync::mpsc::{self, Sender, UnboundedSender};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::aws::ec2::Instances;
use crate::domain::ids::{InstanceId, Region};
use crate::domain::outcome::Outcome;
use crate::domain::policy::Policy;
use crate::health::Wards;
use crate::pipeline::catch_panic::Containment;
use crate::pipeline::delivery::Delivery;
use crate::pipeline::enforce::Stopper;
use crate::pipeline::enforce::denied::Denials;
use crate::pipeline::evaluator::Worker;
use crate::pipeline::inbox::Waiting;
use crate::pipeline::router::Reach;
use crate::pipeline::settle::Desk;
use crate::rate_limit::Pace;
use crate::retry::backoff::Jitter;
use crate::retry::breaker::Gate;
use crate::runtime::batch_receiver::Line;
use crate::runtime::liveness;
use crate::runtime::tasks::{TaskEnd, Tasks};
use crate::settings::{Live, Settings};
use crate::telemetry::metrics::Metrics;

/// What the tasks of all regions share, and these tasks. Each region has workers, a stop line and
/// stoppers of its own, so that an outage in one holds up no other.
pub struct Regions {
    /// The settings at the start.
    pub settings: Settings,
    /// How AWS is reached.
    pub sdk: SdkConfig,
    /// What changes while the daemon runs.
    pub live: watch::Receiver<Live>,
    /// The region where the settings name none.
    pub home: Region,
    /// The instance that the daemon runs on.
    pub own_host: Option<InstanceId>,
    /// What spreads the retries.
    pub jitter: Arc<Jitter>,
    /// What is known of AWS.
    pub gate: Arc<Gate>,
    /// The way out without a notice.
    pub desk: Arc<Desk>,
    /// The way out with one.
    pub announcements: UnboundedSender<(Delivery, Outcome)>,
    /// What keeps a panic to its batch.
    pub containment: Arc<Containment>,
    /// Where it is counted.
    pub metrics: Arc<Metrics>,
    /// Where denied stops wait, for whoever asks how the daemon is.
    pub wards: Wards,
    /// Where the pollers find the workers.
    pub reach: Arc<Reach>,
    /// The tasks of all regions.
    pub tasks: Tasks,
    /// Cancelled when the drain begins.
    pub drain: CancellationToken,
}

impl Regions {
    /// Follows the settings until the drain begins, and then waits for the tasks to end. A task
    /// that ends before ends this one too.
    pub async fn run(mut self) {
        while !self.drain.is_cancelled() {
            liveness::idle();
            let ended = tokio::select! {
                biased;
                () = self.drain.cancelled() => break,
                end = self.tasks.next() => end,
                Ok(()) = self.live.changed() => None,
            };
            match ended {
                None => self.adopt(),
                // The lines close at the drain, perhaps before it is noticed here.
                Some(TaskEnd { panic: None, .. }) if self.drain.is_cancelled() => {}
                Some(TaskEnd { name, panic }) => {
                    return error!(task = name, panic, "a task of a region ended early");
                }
            }
        }
        let Self { mut tasks, reach, announcements, .. } = self;
        // From here on the pollers alone keep the lines open.
        drop((reach, announcements));
        liveness::idle();
        tasks.all().await;
    }

    /// Brings the regions of the settings within reach, with workers for those that have none.
    pub fn adopt(&mut self) {
        let live = self.live.borrow_and_update().regions.clone();
        let regions = if live.is_empty() { vec![self.home.clone()] } else { live };
        for region in &regions {
            if !self.reach.has(region) {
                info!(%region, "looking after a region");
                self.hire(region);
            }
        }
        self.reach.limit(regions);
    }

    fn hire(&mut self, region: &Region) {
        let (to_worker, inbox) = mpsc::unbounded_channel();
        let (violators, stop_line) = mpsc::channel(self.settings.sizes.stop_line);
        let pace = Pace::new(self.live.clone(), Arc::clone(&self.jitter), self.drain.clone());
        let pace = Arc::new(pace);
        self.workers(region, &pace, &Line::from(inbox), &violators);
        self.stoppers(region, &pace, &Line::from(stop_line));
        self.reach.open(region.clone(), to_worker);
    }

    fn workers(
        &mut self,
        region: &Region,
        pace: &Arc<Pace>,
        inbox: &Line<Waiting>,
        violators: &Sender<Delivery>,
    ) {
        let worker = Arc::new(Worker {
            region: region.clone(),
            instances: Instances::new(&self.sdk, region, &self.metrics),
            policy: Policy::new(&self.settings.exception_tag),
            batch: self.settings.sizes.batch,
            stop_line: self.settings.sizes.stop_line,
            pace: Arc::clone(pace),
            metrics: Arc::clone(&self.metrics),
            gate: Arc::clone(&self.gate),
            desk: Arc::clone(&self.desk),
            containment: Arc::clone(&self.containment),
            drain: self.drain.clone(),
        });
        for _ in 0..self.settings.sizes.workers {
            self.tasks.spawn("worker", Arc::clone(&worker).run(inbox.clone(), violators.clone()));
        }
    }

    fn stoppers(&mut self, region: &Region, pace: &Arc<Pace>, line: &Line<Delivery>) {
        let stopper = Arc::new(Stopper {
            region: region.clone(),
            instances: Instances::new(&self.sdk, region, &self.metrics),
            policy: Policy::new(&self.settings.exception_tag),
            own_host: self.own_host.clone(),
            batch: self.settings.sizes.stop_batch,
            denial_timeout: self.settings.denial_timeout,
            pace: Arc::clone(pace),
            gate: Arc::clone(&self.gate),
            denials: Arc::new(Denials::default()),
            desk: Arc::clone(&self.desk),
            containment: Arc::clone(&self.containment),
            announcements: self.announcements.clone(),
            drain: self.drain.clone(),
        });
        let denials = Arc::clone(&stopper.denials);
        self.wards.add(region.clone(), Arc::clone(&denials));
        self.tasks.spawn("denied stops", denials.run(Arc::clone(&stopper)));
        for _ in 0..self.settings.sizes.stoppers {
            self.tasks.spawn("stopper", Arc::clone(&stopper).run(line.clone()));
        }
    }
}
