//! Starts the tasks, waits, and drains.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use aws_config::SdkConfig;
use tokio::sync::mpsc::{Sender, UnboundedSender};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::alive::Alive;
use crate::announcer::Announcer;
use crate::aws::ec2::Instances;
use crate::aws::sns::Topic;
use crate::aws::sqs::{BATCH_LIMIT, Queue};
use crate::delivery::Delivery;
use crate::event::Region;
use crate::lease::Leases;
use crate::line::Line;
use crate::memory::Memory;
use crate::outcome::Outcome;
use crate::pace::Pace;
use crate::pause::Gate;
use crate::policy::Policy;
use crate::poller::{Poller, Waiting};
use crate::retry::Jitter;
use crate::settings::Settings;
use crate::settle::{Counts, Desk, Settlement, Settler, Tally, reclaim};
use crate::shutdown::Shutdown;
use crate::start::{Contact, contact};
use crate::stopper::Stopper;
use crate::worker::Worker;

/// How long the last round may take, in which everything still held is handed back.
const LAST_ROUND: Duration = Duration::from_secs(3);

/// How often the tasks are looked at.
const WATCH: Duration = Duration::from_secs(10);

/// Why the daemon ended without a drain.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Settings that cannot work, which a restart does not mend.
    #[error("{0}")]
    Settings(String),
    /// Anything else.
    #[error(transparent)]
    Failed(#[from] anyhow::Error),
}

/// How the drain went.
#[derive(Clone, Copy, Debug, Default)]
pub struct Drained {
    /// Where the messages went.
    pub counts: Counts,
    /// Messages that stay invisible because they could not be handed back.
    pub held: usize,
}

impl Drained {
    /// Whether nothing is left held.
    pub fn complete(&self) -> bool {
        self.held == 0
    }
}

/// Runs until `shutdown` says to drain, and drains.
///
/// # Errors
/// When the start fails, or a task ends early.
pub async fn run(settings: Settings, sdk: SdkConfig, shutdown: Shutdown) -> Result<Drained, Error> {
    let Some(contact) = Box::pin(contact(&settings, &sdk, &shutdown.drain)).await? else {
        return Ok(Drained::default());
    };
    let mut crew = Crew::hire(&settings, &sdk, &shutdown, contact);
    info!("ready");
    let early = shutdown.drain.run_until_cancelled(crew.early_end()).await;
    if let Some(task) = early {
        error!(task, "a task ended early; draining what is held");
        shutdown.drain.cancel();
    }
    let drained = crew.drain(settings.drain_timeout, &shutdown).await;
    match early {
        None => Ok(drained),
        Some(task) => Err(anyhow!("a task ended early: {task}").into()),
    }
}

/// The running tasks, in the order in which the drain ends them.
struct Crew {
    /// Pollers, workers, stoppers and announcers.
    line: JoinSet<()>,
    settlers: JoinSet<()>,
    reclaim: JoinHandle<()>,
    renewal: JoinHandle<()>,
    watch: JoinHandle<()>,
    queue: Queue,
    leases: Arc<Leases>,
    tally: Arc<Tally>,
}

impl Crew {
    fn hire(settings: &Settings, sdk: &SdkConfig, shutdown: &Shutdown, contact: Contact) -> Self {
        let drain = shutdown.drain.clone();
        let jitter = Arc::new(Jitter::seeded(fastrand::u64(..)));
        let gate = Arc::new(Gate::new(settings.retry.clone(), Arc::clone(&jitter), drain.clone()));
        let tally = Arc::new(Tally::default());
        let alive = Arc::new(Alive::default());
        let (settlements, to_settle) = mpsc::unbounded_channel();
        let (announcements, to_announce) = mpsc::unbounded_channel();
        let (abandoned, to_reclaim) = mpsc::unbounded_channel();
        let leases = Leases::new(contact.visibility, abandoned);
        let desk = Desk::new(settlements, Arc::clone(&tally), Arc::clone(&jitter), drain.clone());
        let desk = Arc::new(desk);
        let queue = contact.queue.clone();
        let mut hiring = Hiring {
            settings,
            sdk,
            drain,
            silence: CancellationToken::new(),
            jitter,
            gate,
            desk: Arc::clone(&desk),
            alive: Arc::clone(&alive),
            line: JoinSet::new(),
        };
        let workers = hiring.regions(&contact.scope.regions, &announcements);
        hiring.announcers(&Line::from(to_announce));
        hiring.pollers(contact, workers, announcements, &leases);
        let settlers = hiring.settlers(&queue, &tally, &Line::from(to_settle));
        let renewal = {
            let (leases, queue) = (Arc::clone(&leases), queue.clone());
            let renew = async move { leases.renew(&queue).await };
            tokio::spawn(Arc::clone(&alive).watch("renewal", renew))
        };
        let line = hiring.line;
        let reclaim = tokio::spawn(reclaim(to_reclaim, desk));
        let watch = tokio::spawn(report_stuck(alive));
        Self { line, settlers, reclaim, renewal, watch, queue, leases, tally }
    }

    /// Waits for a task that ends before the drain, and says which kind of task it was: without
    /// it the daemon would look healthy and do nothing.
    async fn early_end(&mut self) -> &'static str {
        tokio::select! {
            _ = self.line.join_next() => "poller, worker, stopper or announcer",
            _ = self.settlers.join_next() => "settler",
            _ = &mut self.renewal => "renewal of leases",
            _ = &mut self.reclaim => "return of dropped messages",
        }
    }

    /// Ends the tasks one after the other, as their lines close, and hands back what is left.
    async fn drain(mut self, timeout: Duration, shutdown: &Shutdown) -> Drained {
        self.tally.begin_drain();
        info!(timeout_secs = timeout.as_secs(), "draining");
        let in_time = tokio::time::timeout(timeout, self.finish());
        match shutdown.now.run_until_cancelled(in_time).await {
            Some(Ok(())) => {}
            Some(Err(_)) => warn!("the drain timeout has passed; handing back what is unfinished"),
            None => warn!("a second signal; ending at once"),
        }
        self.line.shutdown().await;
        self.reclaim.abort();
        self.settlers.shutdown().await;
        self.renewal.abort();
        self.watch.abort();
        let held = self.last_round(shutdown).await;
        let drained = Drained { counts: self.tally.counts(), held };
        let Counts { deleted, handed_back, rejected, backing_off } = drained.counts;
        info!(deleted, handed_back, rejected, backing_off, held, "drained");
        drained
    }

    async fn finish(&mut self) {
        while self.line.join_next().await.is_some() {}
        self.reclaim.abort();
        while self.settlers.join_next().await.is_some() {}
    }

    /// Hands everything back that is still held, in one round; counts what stays held.
    async fn last_round(&self, shutdown: &Shutdown) -> usize {
        let remaining = self.leases.remaining();
        let mut calls = JoinSet::new();
        for receipts in remaining.chunks(BATCH_LIMIT) {
            let entries: Vec<_> =
                receipts.iter().map(|receipt| (receipt.clone(), Duration::ZERO)).collect();
            let queue = self.queue.clone();
            calls.spawn(async move { queue.hide(&entries).await });
        }
        let mut handed_back = 0;
        let round = async {
            while let Some(call) = calls.join_next().await {
                let Ok(Ok(results)) = call else { continue };
                handed_back += results.iter().filter(|result| result.is_ok()).count();
            }
        };
        let in_time = tokio::time::timeout(LAST_ROUND, round);
        if !matches!(shutdown.now.run_until_cancelled(in_time).await, Some(Ok(()))) {
            warn!("the last round was cut off");
        }
        self.tally.handed_back(handed_back as u64);
        remaining.len() - handed_back
    }
}

/// What every task is given when the crew is hired.
struct Hiring<'settings> {
    settings: &'settings Settings,
    sdk: &'settings SdkConfig,
    drain: CancellationToken,
    /// Cancelled when the last poller has ended.
    silence: CancellationToken,
    jitter: Arc<Jitter>,
    gate: Arc<Gate>,
    desk: Arc<Desk>,
    alive: Arc<Alive>,
    line: JoinSet<()>,
}

impl Hiring<'_> {
    fn spawn(&mut self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        self.line.spawn(Arc::clone(&self.alive).watch(name, task));
    }

    /// Each region has workers, a stop line and stoppers of its own, so that an outage in one
    /// holds up no other.
    fn regions(
        &mut self,
        regions: &[Region],
        announcements: &UnboundedSender<(Delivery, Outcome)>,
    ) -> BTreeMap<Region, UnboundedSender<Waiting>> {
        let mut workers = BTreeMap::new();
        for region in regions {
            let (to_worker, inbox) = mpsc::unbounded_channel();
            let (violators, stop_line) = mpsc::channel(self.settings.sizes.stop_line);
            self.workers(region, &Line::from(inbox), &violators);
            self.stoppers(region, &Line::from(stop_line), announcements.clone());
            workers.insert(region.clone(), to_worker);
        }
        workers
    }

    fn workers(&mut self, region: &Region, inbox: &Line<Waiting>, violators: &Sender<Delivery>) {
        let worker = Arc::new(Worker {
            region: region.clone(),
            instances: Instances::new(self.sdk, region),
            policy: Policy::new(&self.settings.exception_tag),
            batch: self.settings.sizes.batch,
            stop_line: self.settings.sizes.stop_line,
            gate: Arc::clone(&self.gate),
            desk: Arc::clone(&self.desk),
            drain: self.drain.clone(),
        });
        for _ in 0..self.settings.sizes.workers {
            self.spawn("worker", Arc::clone(&worker).run(inbox.clone(), violators.clone()));
        }
    }

    fn stoppers(
        &mut self,
        region: &Region,
        line: &Line<Delivery>,
        announcements: UnboundedSender<(Delivery, Outcome)>,
    ) {
        let retry = &self.settings.retry;
        let stopper = Arc::new(Stopper {
            region: region.clone(),
            instances: Instances::new(self.sdk, region),
            policy: Policy::new(&self.settings.exception_tag),
            batch: self.settings.sizes.stop_batch,
            denial_timeout: self.settings.denial_timeout,
            pace: Pace::new(retry.first, retry.cap, Arc::clone(&self.jitter)),
            gate: Arc::clone(&self.gate),
            desk: Arc::clone(&self.desk),
            announcements,
            drain: self.drain.clone(),
        });
        for _ in 0..self.settings.sizes.stoppers {
            self.spawn("stopper", Arc::clone(&stopper).run(line.clone()));
        }
    }

    fn announcers(&mut self, line: &Line<(Delivery, Outcome)>) {
        let announcer = Arc::new(Announcer {
            topic: Topic::new(self.sdk, &self.settings.topic),
            gate: Arc::clone(&self.gate),
            desk: Arc::clone(&self.desk),
        });
        for _ in 0..self.settings.sizes.announcers {
            self.spawn("announcer", Arc::clone(&announcer).run(line.clone()));
        }
    }

    fn pollers(
        &mut self,
        contact: Contact,
        workers: BTreeMap<Region, UnboundedSender<Waiting>>,
        announcements: UnboundedSender<(Delivery, Outcome)>,
        leases: &Arc<Leases>,
    ) {
        let sizes = &self.settings.sizes;
        let poller = Arc::new(Poller {
            queue: contact.queue,
            wait: self.settings.queue.wait,
            visibility: contact.visibility,
            scope: contact.scope,
            inbox: Arc::new(Semaphore::new(sizes.inbox)),
            room: Arc::new(Semaphore::new(2 * (sizes.inbox + sizes.stop_line))),
            workers,
            announcements,
            leases: Arc::clone(leases),
            memory: Arc::new(Memory::default()),
            gate: Arc::clone(&self.gate),
            desk: Arc::clone(&self.desk),
            drain: self.drain.clone(),
            silence: self.silence.clone().drop_guard(),
        });
        for _ in 0..sizes.pollers {
            self.spawn("poller", Arc::clone(&poller).run());
        }
    }

    fn settlers(&self, queue: &Queue, tally: &Arc<Tally>, line: &Line<Settlement>) -> JoinSet<()> {
        let mut settlers = JoinSet::new();
        for _ in 0..self.settings.sizes.settlers {
            let settler = Settler {
                queue: queue.clone(),
                gate: Arc::clone(&self.gate),
                tally: Arc::clone(tally),
                drain: self.drain.clone(),
                silence: self.silence.clone(),
            };
            settlers.spawn(Arc::clone(&self.alive).watch("settler", settler.run(line.clone())));
        }
        settlers
    }
}

/// Says so, again and again, while a loop does not come back from what it waits for.
async fn report_stuck(alive: Arc<Alive>) {
    loop {
        tokio::time::sleep(WATCH).await;
        if let Some(name) = alive.stuck() {
            error!(task = name, "a task is stuck; restart the daemon if this goes on");
        }
    }
}
