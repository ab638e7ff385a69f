//! Starts the tasks, waits, and drains.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use aws_config::SdkConfig;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::{JoinHandle, JoinSet};
use tracing::{error, info, warn};

use crate::announcer::Announcer;
use crate::aws::ec2::Instances;
use crate::aws::sns::Topic;
use crate::aws::sqs::{BATCH_LIMIT, Queue};
use crate::lease::Leases;
use crate::line::Line;
use crate::memory::Memory;
use crate::pace::Pace;
use crate::pause::Gate;
use crate::policy::Policy;
use crate::poller::Poller;
use crate::retry::Jitter;
use crate::settings::Settings;
use crate::settle::{Counts, Desk, Settler, Tally, reclaim};
use crate::shutdown::Shutdown;
use crate::start::{Contact, contact};
use crate::stopper::Stopper;
use crate::worker::Worker;

/// How long the last round may take, in which everything still held is handed back.
const LAST_ROUND: Duration = Duration::from_secs(3);

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
    let failed = tokio::select! {
        biased;
        () = shutdown.drain.cancelled() => None,
        ended = crew.line.join_next() => ended,
    };
    if let Some(ended) = &failed {
        error!(reason = ?ended, "a task ended early; draining what is held");
        shutdown.drain.cancel();
    }
    let drained = crew.drain(settings.drain_timeout, &shutdown).await;
    match failed {
        None => Ok(drained),
        Some(_) => Err(anyhow!("a task ended early").into()),
    }
}

/// The running tasks, in the order in which the drain ends them.
struct Crew {
    /// Pollers, workers, stoppers and announcers.
    line: JoinSet<()>,
    settlers: JoinSet<()>,
    reclaim: JoinHandle<()>,
    renewal: JoinHandle<()>,
    queue: Queue,
    leases: Arc<Leases>,
    tally: Arc<Tally>,
}

impl Crew {
    fn hire(settings: &Settings, sdk: &SdkConfig, shutdown: &Shutdown, contact: Contact) -> Self {
        let sizes = &settings.sizes;
        let Contact { queue, visibility, scope } = contact;
        let drain = shutdown.drain.clone();
        let jitter = Arc::new(Jitter::seeded(fastrand::u64(..)));
        let gate = Arc::new(Gate::new(settings.retry.clone(), Arc::clone(&jitter), drain.clone()));
        let tally = Arc::new(Tally::default());
        let (settlements, to_settle) = mpsc::unbounded_channel();
        let (announcements, to_announce) = mpsc::unbounded_channel();
        let (abandoned, to_reclaim) = mpsc::unbounded_channel();
        let leases = Leases::new(visibility, abandoned);
        let desk = Arc::new(Desk::new(
            settlements,
            Arc::clone(&tally),
            Arc::clone(&jitter),
            drain.clone(),
        ));
        let mut line = JoinSet::new();
        let mut workers = BTreeMap::new();
        for region in &scope.regions {
            let (to_worker, inbox) = mpsc::unbounded_channel();
            workers.insert(region.clone(), to_worker);
            let (violators, stop_line) = mpsc::channel(sizes.stop_line);
            let instances = Instances::new(sdk, region);
            let policy = Policy::new(&settings.exception_tag);
            let worker = Arc::new(Worker {
                region: region.clone(),
                instances: instances.clone(),
                policy: policy.clone(),
                batch: sizes.batch,
                stop_line: sizes.stop_line,
                gate: Arc::clone(&gate),
                desk: Arc::clone(&desk),
                drain: drain.clone(),
            });
            let inbox = Line::from(inbox);
            for _ in 0..sizes.workers {
                line.spawn(Arc::clone(&worker).run(inbox.clone(), violators.clone()));
            }
            let stopper = Arc::new(Stopper {
                region: region.clone(),
                instances,
                policy,
                batch: sizes.stop_batch,
                denial_timeout: settings.denial_timeout,
                pace: Pace::new(settings.retry.first, settings.retry.cap, Arc::clone(&jitter)),
                gate: Arc::clone(&gate),
                desk: Arc::clone(&desk),
                announcements: announcements.clone(),
                drain: drain.clone(),
            });
            let stop_line = Line::from(stop_line);
            for _ in 0..sizes.stoppers {
                line.spawn(Arc::clone(&stopper).run(stop_line.clone()));
            }
        }
        let announcer = Arc::new(Announcer {
            topic: Topic::new(sdk, &settings.topic),
            gate: Arc::clone(&gate),
            desk: Arc::clone(&desk),
        });
        let to_announce = Line::from(to_announce);
        for _ in 0..sizes.announcers {
            line.spawn(Arc::clone(&announcer).run(to_announce.clone()));
        }
        let poller = Arc::new(Poller {
            queue: queue.clone(),
            wait: settings.queue.wait,
            visibility,
            scope,
            inbox: Arc::new(Semaphore::new(sizes.inbox)),
            room: Arc::new(Semaphore::new(2 * (sizes.inbox + sizes.stop_line))),
            workers,
            announcements,
            leases: Arc::clone(&leases),
            memory: Arc::new(Memory::default()),
            gate: Arc::clone(&gate),
            desk: Arc::clone(&desk),
            drain,
        });
        for _ in 0..sizes.pollers {
            line.spawn(Arc::clone(&poller).run());
        }
        let mut settlers = JoinSet::new();
        let to_settle = Line::from(to_settle);
        for _ in 0..sizes.settlers {
            let settler = Settler {
                queue: queue.clone(),
                gate: Arc::clone(&gate),
                tally: Arc::clone(&tally),
            };
            settlers.spawn(settler.run(to_settle.clone()));
        }
        let reclaim = tokio::spawn(reclaim(to_reclaim, desk));
        let renewal = {
            let (leases, queue) = (Arc::clone(&leases), queue.clone());
            tokio::spawn(async move { leases.renew(&queue).await })
        };
        Self { line, settlers, reclaim, renewal, queue, leases, tally }
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
