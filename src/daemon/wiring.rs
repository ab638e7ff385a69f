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
use crate::daemon::startup::Contact;
use crate::daemon::supervisor::Crew;
use crate::daemon::targets::Regions;
use crate::domain::outcome::Outcome;
use crate::health::{Health, Vitals, Wards};
use crate::inflight::dedup::Memory;
use crate::inflight::lease::{Lease, Leases};
use crate::pipeline::catch_panic::Containment;
use crate::pipeline::delivery::Delivery;
use crate::pipeline::notify::Announcer;
use crate::pipeline::poller::Poller;
use crate::pipeline::router::Reach;
use crate::pipeline::settle::counts::Tally;
use crate::pipeline::settle::settler::{Settler, reclaim};
use crate::pipeline::settle::{Desk, Settlement};
use crate::retry::backoff::Jitter;
use crate::retry::breaker::Gate;
use crate::runtime::batch_receiver::Line;
use crate::runtime::clock::Clock;
use crate::runtime::liveness::{self, Alive};
use crate::runtime::tasks::Tasks;
use crate::settings::{Live, Settings};
use crate::telemetry::metrics::Metrics;

/// How often the tasks are looked at.
const WATCH: Duration = Duration::from_secs(10);

/// What the tasks share, and the tasks that were started so far.
pub struct Hiring<'settings> {
    settings: &'settings Settings,
    sdk: &'settings SdkConfig,
    drain: CancellationToken,
    /// Cancelled when the last poller has ended.
    silence: CancellationToken,
    clock: Clock,
    jitter: Arc<Jitter>,
    live: watch::Receiver<Live>,
    gate: Arc<Gate>,
    tally: Arc<Tally>,
    desk: Arc<Desk>,
    leases: Arc<Leases>,
    containment: Arc<Containment>,
    metrics: Arc<Metrics>,
    alive: Arc<Alive>,
    health: Arc<Health>,
    line: Tasks,
    deletions: UnboundedReceiver<Settlement>,
    returns: UnboundedReceiver<Settlement>,
    abandoned: UnboundedReceiver<Lease>,
}

impl<'settings> Hiring<'settings> {
    /// Makes what the tasks share.
    pub fn new(
        settings: &'settings Settings,
        sdk: &'settings SdkConfig,
        drain: &CancellationToken,
        surroundings: Surroundings,
        contact: &Contact,
    ) -> Self {
        let drain = drain.clone();
        let jitter = Arc::new(surroundings.jitter);
        let metrics = Arc::clone(&surroundings.health.metrics);
        let live = surroundings.live.unwrap_or_else(|| watch::channel(settings.live()).1);
        let gate =
            Gate::new(live.clone(), Arc::clone(&jitter), Arc::clone(&metrics), drain.clone());
        let tally = Arc::new(Tally::new(&metrics));
        let (to_delete, deletions) = mpsc::unbounded_channel();
        let (to_return, returns) = mpsc::unbounded_channel();
        let (to_reclaim, abandoned) = mpsc::unbounded_channel();
        let desk = Desk::new(
            to_delete,
            to_return,
            Arc::clone(&tally),
            Arc::clone(&jitter),
            Arc::clone(&metrics),
            drain.clone(),
        );
        let alive = Arc::clone(&surroundings.health.alive);
        Self {
            settings,
            sdk,
            drain,
            silence: CancellationToken::new(),
            clock: surroundings.clock,
            jitter,
            live,
            gate: Arc::new(gate),
            tally,
            desk: Arc::new(desk),
            leases: Leases::new(contact.visibility, to_reclaim, Arc::clone(&metrics)),
            containment: Arc::new(Containment::new(&metrics)),
            metrics,
            line: Tasks::watched_by(&alive),
            alive,
            health: surroundings.health,
            deletions,
            returns,
            abandoned,
        }
    }

    /// Starts every task, from the end of the line to its beginning.
    pub fn hire(mut self, contact: Contact) -> Crew {
        let queue = contact.queue.clone();
        let (announcements, to_announce) = mpsc::unbounded_channel();
        self.announcers(&Line::from(to_announce));
        let (reach, wards) = self.regions(&contact, announcements.clone());
        self.pollers(contact, reach, announcements);
        let keepers = self.keepers(&queue);
        self.health.runs(Vitals {
            gate: Arc::clone(&self.gate),
            wards,
            leases: Arc::clone(&self.leases),
            tally: Arc::clone(&self.tally),
        });
        let Self { settings, gate, drain, silence, tally, desk, leases, .. } = self;
        let mut settlers = Tasks::watched_by(&self.alive);
        let settler = Arc::new(Settler {
            queue: queue.clone(),
            gate,
            tally: Arc::clone(&tally),
            metrics: self.metrics,
            drain,
            silence,
        });
        let lines = [(Operation::Delete, self.deletions), (Operation::Hide, self.returns)];
        for (operation, line) in lines {
            let line = Line::from(line);
            for _ in 0..settings.sizes.settlers {
                let settler = Arc::clone(&settler);
                settlers.spawn("settler", settler.run(operation.clone(), line.clone()));
            }
        }
        let mut reclaimer = Tasks::watched_by(&self.alive);
        reclaimer.spawn("return of dropped messages", reclaim(self.abandoned, desk));
        let containment = self.containment;
        Crew {
            line: self.line,
            reclaim: reclaimer,
            settlers,
            keepers,
            queue,
            leases,
            tally,
            containment,
        }
    }

    fn keepers(&self, queue: &Queue) -> Tasks {
        let mut keepers = Tasks::watched_by(&self.alive);
        let (leases, queue) = (Arc::clone(&self.leases), queue.clone());
        keepers.spawn("renewal of leases", async move { leases.renew(&queue).await });
        keepers.spawn("watch", watch(Arc::clone(&self.health)));
        keepers
    }

    fn regions(
        &mut self,
        contact: &Contact,
        announcements: UnboundedSender<(Delivery, Outcome)>,
    ) -> (Arc<Reach>, Wards) {
        let (wards, reach) = (Wards::default(), Arc::new(Reach::of(contact.scope.account.clone())));
        let mut regions = Regions {
            settings: self.settings.clone(),
            sdk: self.sdk.clone(),
            live: self.live.clone(),
            home: contact.home.clone(),
            own_host: contact.own_host.clone(),
            jitter: Arc::clone(&self.jitter),
            gate: Arc::clone(&self.gate),
            desk: Arc::clone(&self.desk),
            announcements,
            containment: Arc::clone(&self.containment),
            metrics: Arc::clone(&self.metrics),
            wards: wards.clone(),
            reach: Arc::clone(&reach),
            tasks: Tasks::watched_by(&self.alive),
            drain: self.drain.clone(),
        };
        regions.adopt();
        self.line.spawn("regions", regions.run());
        (reach, wards)
    }

    fn announcers(&mut self, line: &Line<(Delivery, Outcome)>) {
        let announcer = Arc::new(Announcer {
            metrics: Arc::clone(&self.metrics),
            topic: Topic::new(self.sdk, &self.settings.topic, &self.metrics),
            gate: Arc::clone(&self.gate),
            desk: Arc::clone(&self.desk),
            containment: Arc::clone(&self.containment),
        });
        for _ in 0..self.settings.sizes.announcers {
            self.line.spawn("announcer", Arc::clone(&announcer).run(line.clone()));
        }
    }

    fn pollers(
        &mut self,
        contact: Contact,
        reach: Arc<Reach>,
        announcements: UnboundedSender<(Delivery, Outcome)>,
    ) {
        let sizes = &self.settings.sizes;
        let poller = Arc::new(Poller {
            queue: contact.queue,
            wait: self.settings.queue.wait,
            visibility: contact.visibility,
            inbox: Arc::new(Semaphore::new(sizes.inbox)),
            room: Arc::new(Semaphore::new(2 * (sizes.inbox + sizes.stop_line))),
            reach,
            announcements,
            leases: Arc::clone(&self.leases),
            memory: Arc::new(Memory::default()),
            gate: Arc::clone(&self.gate),
            desk: Arc::clone(&self.desk),
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
        if let Some(name) = health.alive.stuck() {
            error!(task = name, "a task is stuck; restart the daemon if this goes on");
        }
    }
}
