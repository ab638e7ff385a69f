//! Connects the stages of the pipeline by channels, and starts their tasks. [`crate::pipeline`] has
//! the map.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::sync::mpsc::{self, Receiver, UnboundedReceiver, UnboundedSender};
use tracing::error;

use crate::aws::operation::Operation;
use crate::aws::sns::Topic;
use crate::daemon::accounts::Accounts;
use crate::daemon::opener::Opener;
use crate::daemon::startup::Discovered;
use crate::daemon::supervisor::Supervisor;
use crate::daemon::sweeps::Sweeps;
use crate::daemon::targets::Targets;
use crate::health::{Health, Running};
use crate::inflight::dedup::Dedup;
use crate::inflight::launches::Launches;
use crate::inflight::lease::{Lease, Leases};
use crate::inflight::starts::Starts;
use crate::pipeline::budget::Budget;
use crate::pipeline::budget::release::Release;
use crate::pipeline::context::Context;
use crate::pipeline::exits::{Announcement, Exits};
use crate::pipeline::in_flight_watch::InFlightWatch;
use crate::pipeline::inbox::Waiting as Delivered;
use crate::pipeline::notice_rate::NoticeRate;
use crate::pipeline::notify::Notifier;
use crate::pipeline::notify::digests::Digests;
use crate::pipeline::notify::writer::Writer;
use crate::pipeline::operators::{OperatorNotifier, Operators, Waiting};
use crate::pipeline::planner::Planner;
use crate::pipeline::poller::{Poller, Room, Source};
use crate::pipeline::router::Router;
use crate::pipeline::settle::counts::Counts;
use crate::pipeline::settle::settler::{Settler, reclaim};
use crate::pipeline::settle::{Settlements, ToSettle};
use crate::pipeline::share::Share;
use crate::pipeline::sweep::begun::SweepMemory;
use crate::pipeline::sweep::unread::Unread;
use crate::pipeline::target::TargetList;
use crate::retry::delays;
use crate::runtime::batch_receiver::BatchReceiver;
use crate::runtime::liveness;
use crate::runtime::pool::Pool;
use crate::runtime::tasks::Tasks;

/// Makes the channels and starts all tasks. Stages start from the last to the first, so that each
/// finds the one after it running.
pub(super) fn start(context: Context, discovered: Discovered, health: &Arc<Health>) -> Supervisor {
    let counts = Arc::new(Counts::new(&context.metrics));
    let planner = Arc::new(Planner::new(context.clock, context.settings.policy.min_notice.0));
    let (settlements, to_settle) =
        Settlements::open(&context, &counts, &planner.plans, &health.audit());
    let (notices, to_notify) = mpsc::unbounded_channel();
    let (dropped, to_reclaim) = mpsc::unbounded_channel();
    let (operators, to_operators) = Operators::new(&context.metrics);
    let (unopened, to_open) = mpsc::unbounded_channel();
    let context = Arc::new(context);
    let memory = memory(&context, &planner);
    let parts = Parts {
        leases: Leases::new(discovered.visibility, dropped, Arc::clone(&context.metrics)),
        router: Arc::new(Router::new(discovered.scope.clone(), unopened)),
        exits: exits(&context, &discovered, (&planner, &memory), (settlements, notices, operators)),
        targets: TargetList::default(),
        notice_rate: Arc::new(NoticeRate::of(&context)),
        memory,
        context,
        discovered,
        counts,
        planner,
    };
    let stages = parts.start_stages(to_notify, to_open);
    health.running(parts.running());
    Supervisor {
        stages,
        reclaimer: parts.reclaimer(to_reclaim),
        settlers: parts.settlers(to_settle),
        background: parts.background(health, to_operators),
        audit: health.audit(),
        queue: parts.discovered.queue,
        leases: parts.leases,
        counts: parts.counts,
        context: parts.context,
    }
}

/// Where stages send deliveries that they have finished with, and notices to operators.
fn exits(
    context: &Arc<Context>,
    discovered: &Discovered,
    (planner, memory): (&Planner, &SweepMemory),
    (settlements, notices, operators): (Settlements, UnboundedSender<Announcement>, Operators),
) -> Exits {
    Exits {
        settlements: Arc::new(settlements),
        notices,
        operators: Arc::new(operators),
        hold_tags: discovered.hold_tags.clone(),
        max_receives: discovered.limits.max_receives,
        retention: discovered.limits.retention,
        plans: Arc::clone(&planner.plans),
        launches: Arc::clone(&memory.launches),
        own_account: discovered.scope.account.clone(),
        context: Arc::clone(context),
    }
}

/// What is remembered for sweeps; nothing but what is being worked on where there are none.
fn memory(context: &Context, planner: &Planner) -> SweepMemory {
    let every = context.settings.sweep.every.0;
    // A launch is asked about by the first sweep that does not leave it to its event, and should that
    // fail, by the next one.
    let remembered = every.map(|every| 2 * every + delays::LEFT_TO_EVENTS);
    let remembered = remembered.and_then(|time| time::Duration::try_from(time).ok());
    SweepMemory {
        dedup: Arc::new(Dedup::new(every.is_some())),
        launches: Arc::new(Launches::new(every.is_some())),
        starts: Arc::new(Starts::new(remembered, planner.now())),
        room: Arc::new(Semaphore::new(context.settings.sizes.inbox)),
        notices: SweepMemory::places_for_notices(),
        unread: Unread::default(),
    }
}

/// What the stages are made from. Dropped when all of them are started, so that its senders keep no
/// channel open.
struct Parts {
    /// What all stages share.
    context: Arc<Context>,
    /// What AWS said at the start: the queue, the account, the regions.
    discovered: Discovered,
    /// Counts how messages are settled.
    counts: Arc<Counts>,
    /// Plans stops, and knows whether the host's clock is right.
    planner: Arc<Planner>,
    /// The leases of all messages that are held.
    leases: Arc<Leases>,
    /// Sends deliveries from the pollers to the evaluators of their target.
    router: Arc<Router>,
    /// The senders to the settlers and to the notifiers.
    exits: Exits,
    /// The targets that are open, for the admin port.
    targets: TargetList,
    /// How many notices may go out, and who gets them.
    notice_rate: Arc<NoticeRate>,
    /// What is remembered for sweeps.
    memory: SweepMemory,
}

impl Parts {
    fn start_stages(
        &self,
        announcements: UnboundedReceiver<Announcement>,
        unopened: UnboundedReceiver<Delivered>,
    ) -> Tasks {
        for operation in Operation::GLOBAL {
            self.context.breakers.watch(operation);
        }
        let mut stages = self.no_tasks();
        self.start_notifiers(announcements, &mut stages);
        self.start_targets(unopened, &mut stages);
        self.start_pollers(&mut stages);
        stages
    }

    fn no_tasks(&self) -> Tasks {
        Tasks::watched_by(&self.context.liveness)
    }

    fn start_notifiers(&self, announcements: UnboundedReceiver<Announcement>, stages: &mut Tasks) {
        let notifier = Arc::new(Notifier {
            context: Arc::clone(&self.context),
            topic: self.topic(),
            writer: Writer::new(&self.context, &self.planner),
            rate: Arc::clone(&self.notice_rate),
            settlements: Arc::clone(&self.exits.settlements),
            planner: Arc::clone(&self.planner),
            launches: Arc::clone(&self.memory.launches),
        });
        let announcements = BatchReceiver::from(self.gathered(announcements, stages));
        for _ in 0..self.context.settings.sizes.notifiers {
            stages.spawn("notifier", Arc::clone(&notifier).run(announcements.clone()));
        }
    }

    /// Starts the task that makes digests, if there are to be any. Returns the channel to the
    /// notifiers.
    fn gathered(
        &self,
        announcements: UnboundedReceiver<Announcement>,
        stages: &mut Tasks,
    ) -> UnboundedReceiver<Announcement> {
        if !self.context.settings.notice.digest {
            return announcements;
        }
        let (notices, to_notify) = mpsc::unbounded_channel();
        let digests = Digests::new(&self.context, announcements, notices);
        stages.spawn("digests", digests.run());
        to_notify
    }

    fn topic(&self) -> Topic {
        Topic::new(&self.discovered.connection, &self.context.settings.topic.owners)
    }

    /// The topic that operators listen to.
    fn operators(&self) -> Topic {
        Topic::new(&self.discovered.connection, self.context.settings.topic.of_operators())
    }

    fn start_targets(&self, unopened: UnboundedReceiver<Delivered>, stages: &mut Tasks) {
        let Discovered { connection, scope, default_region, own_host, .. } = &self.discovered;
        let settings = &self.context.settings;
        let opener = Opener {
            context: Arc::clone(&self.context),
            accounts: Accounts::new(scope.account.clone(), connection, default_region, settings),
            own_host: own_host.clone(),
            router: Arc::clone(&self.router),
            exits: self.exits.clone(),
            planner: Arc::clone(&self.planner),
            share: Share::of(settings, self.targets.clone()),
            tasks: Pool::watched_by(&self.context.liveness),
        };
        let targets = Targets {
            opener,
            default_region: default_region.clone(),
            regions: Vec::new(),
            unopened,
            sweeps: Sweeps::new(settings.sweep.every.0, &self.context.jitter),
            memory: self.memory.clone(),
        };
        stages.spawn("targets", targets.opened().run());
    }

    fn start_pollers(&self, stages: &mut Tasks) {
        let settings = &self.context.settings;
        let sizes = &settings.sizes;
        let Discovered { queue, visibility, .. } = &self.discovered;
        let poller = Arc::new(Poller {
            context: Arc::clone(&self.context),
            source: Source {
                host_clock: Arc::clone(&self.planner.host_clock),
                ..Source::new(queue.clone(), *visibility, settings)
            },
            room: Room::new(sizes, &self.memory.room),
            leases: Arc::clone(&self.leases),
            dedup: Arc::clone(&self.memory.dedup),
            starts: Arc::clone(&self.memory.starts),
            router: Arc::clone(&self.router),
            exits: self.exits.clone(),
            _polling_ended: self.context.polling_ended.clone().drop_guard(),
        });
        for _ in 0..sizes.pollers {
            stages.spawn("poller", Arc::clone(&poller).run());
        }
    }

    fn reclaimer(&self, dropped: UnboundedReceiver<Lease>) -> Tasks {
        let mut reclaimer = self.no_tasks();
        reclaimer.spawn("reclaim", reclaim(dropped, Arc::clone(&self.exits.settlements)));
        reclaimer
    }

    fn settlers(&self, to_settle: ToSettle) -> Tasks {
        let mut settlers = self.no_tasks();
        let settler = Arc::new(Settler {
            context: Arc::clone(&self.context),
            queue: self.discovered.queue.clone(),
            budget: self.budget(),
            counts: Arc::clone(&self.counts),
            audit: self.exits.settlements.audit().clone(),
            plans: Arc::clone(&self.planner.plans),
        });
        let channels = [
            (Operation::Delete, BatchReceiver::from(to_settle.deletions)),
            (Operation::ChangeVisibility, BatchReceiver::from(to_settle.visibility_changes)),
        ];
        for (operation, settlements) in channels {
            for _ in 0..self.context.settings.sizes.settlers {
                let settler = Arc::clone(&settler);
                settlers.spawn("settler", settler.run(operation.clone(), settlements.clone()));
            }
        }
        settlers
    }

    fn background(&self, health: &Arc<Health>, to_operators: Receiver<Waiting>) -> Tasks {
        let mut background = self.no_tasks();
        let (leases, queue) = (Arc::clone(&self.leases), self.discovered.queue.clone());
        background.spawn("lease_renewal", async move { leases.renew(&queue).await });
        let notice_rate = Arc::clone(&self.notice_rate);
        let operators = Arc::clone(&self.exits.operators);
        background.spawn("subscribers", notice_rate.watch(self.topic(), operators));
        let notifier =
            OperatorNotifier { context: Arc::clone(&self.context), topic: self.operators() };
        if self.budget().is_on() {
            self.watch_holds(&mut background);
        }
        background.spawn("operator_notices", notifier.run(to_operators));
        let in_flight = InFlightWatch {
            context: Arc::clone(&self.context),
            queue: self.discovered.queue.clone(),
            operators: Arc::clone(&self.exits.operators),
            planner: Arc::clone(&self.planner),
        };
        background.spawn("in_flight", in_flight.run());
        background.spawn("watch", watch(Arc::clone(health)));
        if let Some(writer) = health.take_audit_writer() {
            background.spawn("audit", writer.run());
        }
        background
    }

    /// Starts the tasks that follow the holds of the queue's tags.
    fn watch_holds(&self, background: &mut Tasks) {
        let release = Release {
            context: Arc::clone(&self.context),
            queue: self.discovered.queue.clone(),
            budget: self.budget(),
        };
        background.spawn("release", release.run());
        background.spawn("hold_tags", self.discovered.hold_tags.clone().watch());
    }

    fn budget(&self) -> Arc<Budget> {
        Arc::clone(&self.discovered.hold_tags.budget)
    }

    /// What the admin port and systemd need to report on the work.
    fn running(&self) -> Running {
        Running {
            context: Arc::clone(&self.context),
            targets: self.targets.clone(),
            notice_rate: Arc::clone(&self.notice_rate),
            budget: self.budget(),
            leases: Arc::clone(&self.leases),
            counts: Arc::clone(&self.counts),
            planner: Arc::clone(&self.planner),
        }
    }
}

/// Every 10 s, logs an error if a task is stuck, and has the metrics free memory, which only a
/// scrape would do otherwise.
async fn watch(health: Arc<Health>) {
    loop {
        liveness::within(delays::STUCK_CHECK);
        tokio::time::sleep(delays::STUCK_CHECK).await;
        health.metrics.upkeep();
        if let Some(name) = health.stuck() {
            error!(task = name, "a task is stuck; restart the daemon if this goes on");
        }
    }
}
