//! The pipeline: the stages through which a message passes, in this order. May use
//! [`crate::inflight`], [`crate::rate_limit`] and what lies below.
//!
//! # The map
//! Boxes are kinds of task, named as the log, the metrics and `/livez` name them. Arrows are
//! channels.
//!
//! ```text
//!            ┌── one set for each target (account and region) ──┐
//! ┌────────┐ │ ┌───────────┐ violators ┌──────────┐             │ notices ┌──────────┐
//! │ poller ├─┼▶│ evaluator ├──────────▶│ enforcer ├─────────────┼────────▶│ notifier │
//! └──┬─────┘ │ └─────┬─────┘           └─┬───┬──▲─┘             │         └────┬─────┘
//!    │ inbox │       │             parks │   │  │ tries         │              │
//!    │       │       │                 ┌─▼───┼──┴─────┐         │              │
//!    │       │       │                 │ denied_stops │         │              │
//!    │       │       │                 └─────┬────────┘         │              │
//!    │       └───────┼───────────────────────┼──────────────────┘              │
//!    ▼               ▼                       ▼                                 ▼
//!    ╰── ignored ────┴── exempt ─────────────┴── exempt, gone, not yet ────────┴── announced
//!                                     Settlements
//!                 deletions │                       │ visibility changes
//!                      ┌────▼────┐             ┌────▼────┐
//!                      │ settler │             │ settler │ ────▶ SQS
//!                      └─────────┘             └────▲────┘
//!        ┌─────────┐  leases dropped by a panic     │
//!   ────▶│ reclaim ├────────────────────────────────╯
//!        └─────────┘
//!   ┌─────────┐ opens the targets,    ┌───────────────┐ keeps what is    ┌───────┐ says which task
//!   │ targets │ begins the sweeps     │ lease_renewal │ held invisible   │ watch │ is stuck
//!   └─────────┘                       └───────────────┘                  └───────┘
//! ```
//!
//! # Channels
//! | channel | from | to | bounded by |
//! |---|---|---|---|
//! | inbox, one for each target | pollers, through the router | the target's evaluators | `sizes.inbox`, shared by all targets: pollers reserve places before they poll; see [`share`] |
//! | unopened | pollers, through the router | `targets` | as the inbox |
//! | violators, one for each target | the target's evaluators | its enforcers | `sizes.stop_queue`: while it is full, evaluators wait |
//! | notices | enforcers, pollers | notifiers; with `notice.digest` by way of `digests`, which holds back what goes into a digest | the messages that are held |
//! | deletions | every stage | settlers | the messages that are held |
//! | visibility changes | every stage, `reclaim` | settlers | the messages that are held |
//! | dropped leases | every task that drops a lease unsettled, as by a panic | `reclaim` | the messages that are held |
//!
//! At most 2 × (`sizes.inbox` + `sizes.stop_queue`) messages are held: a poller reserves ten places
//! before it polls, and a place is free again when its message is settled.
//!
//! # Who owns what
//! A [`Delivery`](delivery::Delivery) owns the lease of its message and the claim of its event, and
//! passes by value from stage to stage, so that a message is in one place at any time. A delivery
//! that is dropped, as by a panic, has its message retried: the lease is sent to `reclaim`, the
//! claim ends, and the messages that had joined are retried as well.
//!
//! All stages share a [`Context`](context::Context), and those of a target a
//! [`Target`](target::Target). Each stage has [`Exits`](exits::Exits): the channels to the
//! notifiers and the settlers.
//!
//! # Stops wait for notices
//! While PublishBatch is paused no stop begins, and where no notice was accepted within the last
//! minute, stops are tried with ten instances first: see [`trial`].
//!
//! # Planned stops
//! Where a policy has a grace, the owner is told first. The message is then hidden until the time of
//! the stop, and is not held meanwhile: what the process remembers of it are a few bytes in
//! [`crate::inflight::plans`]. When it comes again, its instance is judged from scratch.
//!
//! # The budget
//! Where more instances are to be stopped than the budget allows, a tag of the queue holds all stops
//! of the target, and the messages of its violators are hidden: see [`budget`]. `hold_tags` reads
//! the tags, and `release` makes the messages visible when the tag is gone.
//!
//! # Sweeps
//! A sweep of a target reads all running instances, and puts the violators into the inbox one by one.
//! Such a delivery has no message: its [`Origin`](origin::Origin) is a nomination, and where a
//! message would be retried it is dropped. See [`sweep`].
//!
//! # The drain
//! Three tokens say when to stop:
//! - `drain` (first signal): pollers begin no further poll, and waits between attempts end. Polls
//!   in flight end by themselves, and what they bring is worked on;
//! - `polling_ended` (the last poller has ended): deliveries that no evaluator has begun to look up
//!   are handed back, and settlers hand messages back from now on. Before, a poll of this process
//!   could receive them again, and each receive counts towards the queue's `maxReceiveCount`;
//! - `now` (second signal): the process ends without waiting for anything.
//!
//! The tasks of a target run while there is work, and end by themselves when there is none: they
//! are waited for when the last poller has ended, since nothing brings them work from then on. The
//! other stages end when their channel is closed and empty, and it closes when the stages before
//! them have ended and dropped their senders. So the pollers end first, then the evaluators, the
//! enforcers (and `denied_stops`, which hands back parked stops), the notifiers, and at last the
//! settlers. `reclaim` is aborted before the settlers, since it holds a sender to them. Leases are
//! renewed until the last message is settled. Messages that are still held when
//! `drain.timeout_secs` has passed are handed back in the last round.

pub(crate) mod context;
pub(crate) mod target;
pub(crate) mod held;
pub(crate) mod share;
pub(crate) mod trial;
pub(crate) mod budget;
mod nomination;
mod untold;
pub(crate) mod origin;
pub(crate) mod delivery;
mod seen;
pub(crate) mod inbox;
pub(crate) mod router;
pub(crate) mod host_clock;
pub(crate) mod planner;
pub(crate) mod in_flight;
pub(crate) mod in_flight_watch;
pub(crate) mod poller;
pub(crate) mod evaluator;
pub(crate) mod enforce;
pub(crate) mod sweep;
pub(crate) mod notice_rate;
pub(crate) mod notify;
pub(crate) mod audit;
pub(crate) mod operators;
pub(crate) mod exits;
pub(crate) mod settle;
pub(crate) mod catch_panic;
