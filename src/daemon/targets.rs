//! Hires the evaluators and enforcers of each region, at the start and when a region is added.

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
use crate::pipeline::catch_panic::PanicGuard;
use crate::pipeline::delivery::Delivery;
use crate::pipeline::enforce::Enforcer;
use crate::pipeline::enforce::denied::DeniedStops;
use crate::pipeline::evaluator::Evaluator;
use crate::pipeline::inbox::Waiting;
use crate::pipeline::router::Router;
use crate::pipeline::settle::Settlements;
use crate::rate_limit::RateLimits;
use crate::retry::backoff::Jitter;
use crate::retry::breaker::Breakers;
use crate::runtime::batch_receiver::BatchReceiver;
use crate::runtime::liveness;
use crate::runtime::tasks::{TaskEnd, Tasks};
use crate::settings::{Live, Settings};
use crate::telemetry::metrics::Metrics;

/// What the tasks of all regions share, and these tasks. Each region has evaluators, a stop line and
/// enforcers of its own, so that an outage in one holds up no other.
pub struct Targets {
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
    pub breakers: Arc<Breakers>,
    /// The way out without a notice.
    pub settlements: Arc<Settlements>,
    /// The way out with one.
    pub announcements: UnboundedSender<(Delivery, Outcome)>,
    /// What keeps a panic to its batch.
    pub panic_guard: Arc<PanicGuard>,
    /// Where it is counted.
    pub metrics: Arc<Metrics>,
    /// Where denied stops wait, for whoever asks how the daemon is.
    pub wards: Wards,
    /// Where the pollers find the evaluators.
    pub router: Arc<Router>,
    /// The tasks of all regions.
    pub tasks: Tasks,
    /// Cancelled when the drain begins.
    pub drain: CancellationToken,
}

impl Targets {
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
        let Self { mut tasks, router, announcements, .. } = self;
        // From here on the pollers alone keep the lines open.
        drop((router, announcements));
        liveness::idle();
        tasks.all().await;
    }

    /// Brings the regions of the settings within reach, with evaluators for those that have none.
    pub fn adopt(&mut self) {
        let live = self.live.borrow_and_update().regions.clone();
        let regions = if live.is_empty() { vec![self.home.clone()] } else { live };
        for region in &regions {
            if !self.router.has(region) {
                info!(%region, "looking after a region");
                self.hire(region);
            }
        }
        self.router.limit(regions);
    }

    fn hire(&mut self, region: &Region) {
        let (to_worker, inbox) = mpsc::unbounded_channel();
        let (violators, stop_queue) = mpsc::channel(self.settings.sizes.stop_queue);
        let rate_limits =
            RateLimits::new(self.live.clone(), Arc::clone(&self.jitter), self.drain.clone());
        let rate_limits = Arc::new(rate_limits);
        self.evaluators(region, &rate_limits, &BatchReceiver::from(inbox), &violators);
        self.enforcers(region, &rate_limits, &BatchReceiver::from(stop_queue));
        self.router.open(region.clone(), to_worker);
    }

    fn evaluators(
        &mut self,
        region: &Region,
        rate_limits: &Arc<RateLimits>,
        inbox: &BatchReceiver<Waiting>,
        violators: &Sender<Delivery>,
    ) {
        let evaluator = Arc::new(Evaluator {
            region: region.clone(),
            instances: Instances::new(&self.sdk, region, &self.metrics),
            policy: Policy::new(&self.settings.exception_tag),
            batch: self.settings.sizes.batch,
            stop_queue: self.settings.sizes.stop_queue,
            rate_limits: Arc::clone(rate_limits),
            metrics: Arc::clone(&self.metrics),
            breakers: Arc::clone(&self.breakers),
            settlements: Arc::clone(&self.settlements),
            panic_guard: Arc::clone(&self.panic_guard),
            drain: self.drain.clone(),
        });
        for _ in 0..self.settings.sizes.evaluators {
            self.tasks
                .spawn("evaluator", Arc::clone(&evaluator).run(inbox.clone(), violators.clone()));
        }
    }

    fn enforcers(
        &mut self,
        region: &Region,
        rate_limits: &Arc<RateLimits>,
        line: &BatchReceiver<Delivery>,
    ) {
        let enforcer = Arc::new(Enforcer {
            region: region.clone(),
            instances: Instances::new(&self.sdk, region, &self.metrics),
            policy: Policy::new(&self.settings.exception_tag),
            own_host: self.own_host.clone(),
            batch: self.settings.sizes.stop_batch,
            denial_timeout: self.settings.denial_timeout,
            rate_limits: Arc::clone(rate_limits),
            breakers: Arc::clone(&self.breakers),
            denied_stops: Arc::new(DeniedStops::default()),
            settlements: Arc::clone(&self.settlements),
            panic_guard: Arc::clone(&self.panic_guard),
            announcements: self.announcements.clone(),
            drain: self.drain.clone(),
        });
        let denied_stops = Arc::clone(&enforcer.denied_stops);
        self.wards.add(region.clone(), Arc::clone(&denied_stops));
        self.tasks.spawn("denied_stops", denied_stops.run(Arc::clone(&enforcer)));
        for _ in 0..self.settings.sizes.enforcers {
            self.tasks.spawn("enforcer", Arc::clone(&enforcer).run(line.clone()));
        }
    }
}
