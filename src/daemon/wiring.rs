//! Starts the tasks, each with what it needs.

use std::sync::Arc;
use std::time::Duration;

use aws_config::SdkConfig;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::error;

use crate::aws::operation::Operation;
use crate::aws::sns::Topic;
use crate::aws::sqs::Queue;
use crate::daemon::Surroundings;
use crate::daemon::startup::Discovered;
use crate::daemon::supervisor::Supervisor;
use crate::daemon::targets::Targets;
use crate::domain::outcome::Outcome;
use crate::health::{Health, Vitals, Wards};
use crate::inflight::dedup::Dedup;
use crate::inflight::lease::{Lease, Leases};
use crate::pipeline::catch_panic::PanicGuard;
use crate::pipeline::delivery::Delivery;
use crate::pipeline::notify::Notifier;
use crate::pipeline::poller::Poller;
use crate::pipeline::router::Router;
use crate::pipeline::settle::counts::Tally;
use crate::pipeline::settle::settler::{Settler, reclaim};
use crate::pipeline::settle::{Settlement, Settlements};
use crate::retry::backoff::Jitter;
use crate::retry::breaker::Breakers;
use crate::runtime::batch_receiver::BatchReceiver;
use crate::runtime::clock::Clock;
use crate::runtime::liveness::{self, Liveness};
use crate::runtime::tasks::Tasks;
use crate::settings::{Live, Settings};
use crate::telemetry::metrics::Metrics;

/// How often the tasks are looked at.
const WATCH: Duration = Duration::from_secs(10);

/// What the tasks share, and the tasks that were started so far.
pub struct Wiring<'settings> {
    settings: &'settings Settings,
    sdk: &'settings SdkConfig,
    drain: CancellationToken,
    /// Cancelled when the last poller has ended.
    silence: CancellationToken,
    clock: Clock,
    jitter: Arc<Jitter>,
    live: watch::Receiver<Live>,
    breakers: Arc<Breakers>,
    counts: Arc<Tally>,
    settlements: Arc<Settlements>,
    leases: Arc<Leases>,
    panic_guard: Arc<PanicGuard>,
    metrics: Arc<Metrics>,
    liveness: Arc<Liveness>,
    health: Arc<Health>,
    line: Tasks,
    deletions: UnboundedReceiver<Settlement>,
    returns: UnboundedReceiver<Settlement>,
    abandoned: UnboundedReceiver<Lease>,
}

impl<'settings> Wiring<'settings> {
    /// Makes what the tasks share.
    pub fn new(
        settings: &'settings Settings,
        sdk: &'settings SdkConfig,
        drain: &CancellationToken,
        surroundings: Surroundings,
        contact: &Discovered,
    ) -> Self {
        let drain = drain.clone();
        let jitter = Arc::new(surroundings.jitter);
        let metrics = Arc::clone(&surroundings.health.metrics);
        let live = surroundings.live.unwrap_or_else(|| watch::channel(settings.live()).1);
        let breakers =
            Breakers::new(live.clone(), Arc::clone(&jitter), Arc::clone(&metrics), drain.clone());
        let counts = Arc::new(Tally::new(&metrics));
        let (to_delete, deletions) = mpsc::unbounded_channel();
        let (to_return, returns) = mpsc::unbounded_channel();
        let (to_reclaim, abandoned) = mpsc::unbounded_channel();
        let settlements = Settlements::new(
            to_delete,
            to_return,
            Arc::clone(&counts),
            Arc::clone(&jitter),
            Arc::clone(&metrics),
            drain.clone(),
        );
        let liveness = Arc::clone(&surroundings.health.liveness);
        Self {
            settings,
            sdk,
            drain,
            silence: CancellationToken::new(),
            clock: surroundings.clock,
            jitter,
            live,
            breakers: Arc::new(breakers),
            counts,
            settlements: Arc::new(settlements),
            leases: Leases::new(contact.visibility, to_reclaim, Arc::clone(&metrics)),
            panic_guard: Arc::new(PanicGuard::new(&metrics)),
            metrics,
            line: Tasks::watched_by(&liveness),
            liveness,
            health: surroundings.health,
            deletions,
            returns,
            abandoned,
        }
    }

    /// Starts every task, from the end of the line to its beginning.
    pub fn hire(mut self, contact: Discovered) -> Supervisor {
        let queue = contact.queue.clone();
        let (announcements, to_announce) = mpsc::unbounded_channel();
        self.notifiers(&BatchReceiver::from(to_announce));
        let (router, wards) = self.regions(&contact, announcements.clone());
        self.pollers(contact, router, announcements);
        let keepers = self.keepers(&queue);
        self.health.runs(Vitals {
            breakers: Arc::clone(&self.breakers),
            wards,
            leases: Arc::clone(&self.leases),
            counts: Arc::clone(&self.counts),
        });
        let Self { settings, breakers, drain, silence, counts, settlements, leases, .. } = self;
        let mut settlers = Tasks::watched_by(&self.liveness);
        let settler = Arc::new(Settler {
            queue: queue.clone(),
            breakers,
            counts: Arc::clone(&counts),
            metrics: self.metrics,
            drain,
            silence,
        });
        let lines =
            [(Operation::Delete, self.deletions), (Operation::ChangeVisibility, self.returns)];
        for (operation, line) in lines {
            let line = BatchReceiver::from(line);
            for _ in 0..settings.sizes.settlers {
                let settler = Arc::clone(&settler);
                settlers.spawn("settler", settler.run(operation.clone(), line.clone()));
            }
        }
        let mut reclaimer = Tasks::watched_by(&self.liveness);
        reclaimer.spawn("reclaim", reclaim(self.abandoned, settlements));
        let panic_guard = self.panic_guard;
        Supervisor {
            line: self.line,
            reclaim: reclaimer,
            settlers,
            keepers,
            queue,
            leases,
            counts,
            panic_guard,
        }
    }

    fn keepers(&self, queue: &Queue) -> Tasks {
        let mut keepers = Tasks::watched_by(&self.liveness);
        let (leases, queue) = (Arc::clone(&self.leases), queue.clone());
        keepers.spawn("lease_renewal", async move { leases.renew(&queue).await });
        keepers.spawn("watch", watch(Arc::clone(&self.health)));
        keepers
    }

    fn regions(
        &mut self,
        contact: &Discovered,
        announcements: UnboundedSender<(Delivery, Outcome)>,
    ) -> (Arc<Router>, Wards) {
        let (wards, router) =
            (Wards::default(), Arc::new(Router::of(contact.scope.account.clone())));
        let mut regions = Targets {
            settings: self.settings.clone(),
            sdk: self.sdk.clone(),
            live: self.live.clone(),
            home: contact.home.clone(),
            own_host: contact.own_host.clone(),
            jitter: Arc::clone(&self.jitter),
            breakers: Arc::clone(&self.breakers),
            settlements: Arc::clone(&self.settlements),
            announcements,
            panic_guard: Arc::clone(&self.panic_guard),
            metrics: Arc::clone(&self.metrics),
            wards: wards.clone(),
            router: Arc::clone(&router),
            tasks: Tasks::watched_by(&self.liveness),
            drain: self.drain.clone(),
        };
        regions.adopt();
        self.line.spawn("targets", regions.run());
        (router, wards)
    }

    fn notifiers(&mut self, line: &BatchReceiver<(Delivery, Outcome)>) {
        let notifier = Arc::new(Notifier {
            metrics: Arc::clone(&self.metrics),
            topic: Topic::new(self.sdk, &self.settings.topic, &self.metrics),
            breakers: Arc::clone(&self.breakers),
            settlements: Arc::clone(&self.settlements),
            panic_guard: Arc::clone(&self.panic_guard),
        });
        for _ in 0..self.settings.sizes.notifiers {
            self.line.spawn("notifier", Arc::clone(&notifier).run(line.clone()));
        }
    }

    fn pollers(
        &mut self,
        contact: Discovered,
        router: Arc<Router>,
        announcements: UnboundedSender<(Delivery, Outcome)>,
    ) {
        let sizes = &self.settings.sizes;
        let poller = Arc::new(Poller {
            queue: contact.queue,
            wait: self.settings.queue.wait,
            visibility: contact.visibility,
            inbox: Arc::new(Semaphore::new(sizes.inbox)),
            room: Arc::new(Semaphore::new(2 * (sizes.inbox + sizes.stop_queue))),
            router,
            announcements,
            leases: Arc::clone(&self.leases),
            dedup: Arc::new(Dedup::default()),
            breakers: Arc::clone(&self.breakers),
            settlements: Arc::clone(&self.settlements),
            clock: self.clock,
            metrics: Arc::clone(&self.metrics),
            drain: self.drain.clone(),
            silence: self.silence.clone().drop_guard(),
        });
        for _ in 0..sizes.pollers {
            self.line.spawn("poller", Arc::clone(&poller).run());
        }
    }
}

/// Says so, again and again, while a loop does not come back from what it waits for; keeps the
/// metrics small where nobody scrapes them.
async fn watch(health: Arc<Health>) {
    loop {
        liveness::within(WATCH);
        tokio::time::sleep(WATCH).await;
        health.metrics.sort();
        if let Some(name) = health.liveness.stuck() {
            error!(task = name, "a task is stuck; restart the daemon if this goes on");
        }
    }
}
