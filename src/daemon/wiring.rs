//! Connects the stages of the pipeline, and starts their tasks.

use std::sync::Arc;
use std::time::Duration;

use aws_config::SdkConfig;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::error;

use crate::aws::operation::Operation;
use crate::aws::sns::Topic;
use crate::aws::sqs::Queue;
use crate::daemon::startup::Discovered;
use crate::daemon::supervisor::Supervisor;
use crate::daemon::targets::Targets;
use crate::domain::outcome::Outcome;
use crate::health::{Health, Running};
use crate::inflight::dedup::Dedup;
use crate::inflight::lease::Leases;
use crate::pipeline::context::Context;
use crate::pipeline::delivery::Delivery;
use crate::pipeline::exits::Exits;
use crate::pipeline::notify::Notifier;
use crate::pipeline::poller::{Poller, Room, Source};
use crate::pipeline::router::Router;
use crate::pipeline::settle::counts::Counts;
use crate::pipeline::settle::settler::{Settler, reclaim};
use crate::pipeline::settle::{Settlements, ToSettle};
use crate::pipeline::target::TargetList;
use crate::runtime::batch_receiver::BatchReceiver;
use crate::runtime::liveness;
use crate::runtime::tasks::Tasks;

/// How often the tasks are looked at.
const WATCH: Duration = Duration::from_secs(10);

/// Makes everything that a run consists of, and starts its tasks, from the end of the line to its
/// beginning.
pub(super) fn start(
    context: Context,
    sdk: &SdkConfig,
    discovered: Discovered,
    health: &Arc<Health>,
) -> Supervisor {
    let context = Arc::new(context);
    let counts = Arc::new(Counts::new(&context.metrics));
    let (settlements, to_settle) = Settlements::open(&context, &counts);
    let (notices, to_notify) = mpsc::unbounded_channel();
    let exits = Exits { settlements: Arc::new(settlements), notices };
    let (dropped, to_reclaim) = mpsc::unbounded_channel();
    let leases = Leases::new(discovered.visibility, dropped, Arc::clone(&context.metrics));
    let router = Arc::new(Router::new(discovered.scope.account.clone()));
    let polling_ended = CancellationToken::new();
    let targets = TargetList::default();
    let queue = discovered.queue.clone();

    let mut line = Tasks::watched_by(&context.liveness);
    let mut reclaimer = Tasks::watched_by(&context.liveness);
    reclaimer.spawn("reclaim", reclaim(to_reclaim, Arc::clone(&exits.settlements)));
    let settler = Settler {
        context: Arc::clone(&context),
        queue: queue.clone(),
        counts: Arc::clone(&counts),
        polling_ended: polling_ended.clone(),
    };
    let settlers = settlers(settler, to_settle);
    let notifier = Notifier {
        context: Arc::clone(&context),
        topic: Topic::new(sdk, &context.settings.topic, &context.metrics),
        settlements: Arc::clone(&exits.settlements),
    };
    notifiers(notifier, &BatchReceiver::from(to_notify), &mut line);
    let region = Targets {
        context: Arc::clone(&context),
        sdk: sdk.clone(),
        home: discovered.home,
        account: discovered.scope.account,
        own_host: discovered.own_host,
        router: Arc::clone(&router),
        exits: exits.clone(),
        started: targets.clone(),
        tasks: Tasks::watched_by(&context.liveness),
    };
    line.spawn("targets", region.started().run());
    let sizes = &context.settings.sizes;
    let poller = Poller {
        context: Arc::clone(&context),
        source: Source { queue: queue.clone(), visibility: discovered.visibility },
        room: Room::new(sizes.inbox, sizes.stop_queue),
        leases: Arc::clone(&leases),
        dedup: Arc::new(Dedup::default()),
        router,
        exits,
        _polling: polling_ended.drop_guard(),
    };
    pollers(poller, &mut line);
    let keepers = keepers(&context, &leases, &queue, health);
    health.running(Running {
        breakers: Arc::clone(&context.breakers),
        targets,
        leases: Arc::clone(&leases),
        counts: Arc::clone(&counts),
    });
    Supervisor { context, line, reclaimer, settlers, keepers, queue, leases, counts }
}

fn pollers(poller: Poller, line: &mut Tasks) {
    let count = poller.context.settings.sizes.pollers;
    let poller = Arc::new(poller);
    for _ in 0..count {
        line.spawn("poller", Arc::clone(&poller).run());
    }
}

fn notifiers(notifier: Notifier, outcomes: &BatchReceiver<(Delivery, Outcome)>, line: &mut Tasks) {
    let count = notifier.context.settings.sizes.notifiers;
    let notifier = Arc::new(notifier);
    for _ in 0..count {
        line.spawn("notifier", Arc::clone(&notifier).run(outcomes.clone()));
    }
}

fn settlers(settler: Settler, to_settle: ToSettle) -> Tasks {
    let mut settlers = Tasks::watched_by(&settler.context.liveness);
    let settler = Arc::new(settler);
    let channels = [
        (Operation::Delete, BatchReceiver::from(to_settle.deletions)),
        (Operation::ChangeVisibility, BatchReceiver::from(to_settle.visibility_changes)),
    ];
    for (operation, settlements) in channels {
        for _ in 0..settler.context.settings.sizes.settlers {
            let settler = Arc::clone(&settler);
            settlers.spawn("settler", settler.run(operation.clone(), settlements.clone()));
        }
    }
    settlers
}

fn keepers(context: &Context, leases: &Arc<Leases>, queue: &Queue, health: &Arc<Health>) -> Tasks {
    let mut keepers = Tasks::watched_by(&context.liveness);
    let (leases, queue) = (Arc::clone(leases), queue.clone());
    keepers.spawn("lease_renewal", async move { leases.renew(&queue).await });
    keepers.spawn("watch", watch(Arc::clone(health)));
    keepers
}

/// Says so, again and again, while a task does not come back from what it waits for; keeps the
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
