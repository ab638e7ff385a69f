//! The pipeline: one message, in the order in which it travels. It may use everything from
//! [`crate::inflight`] downwards.
//!
//! # The map
//! Boxes are kinds of task, named as the log, the metrics and `/livez` name them. Arrows are channels.
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
//!   ┌─────────┐ starts the targets    ┌───────────────┐ keeps what is    ┌───────┐ says which task
//!   │ targets │ of the settings       │ lease_renewal │ held invisible   │ watch │ is stuck
//!   └─────────┘                       └───────────────┘                  └───────┘
//! ```
//!
//! # Channels
//! | channel | from | to | bounded by |
//! |---|---|---|---|
//! | inbox, one for each target | pollers, by the router | its evaluators | the places that a poller reserves before it polls (`sizes.inbox`) |
//! | violators, one for each target | its evaluators | its enforcers | `sizes.stop_queue`; a full one makes evaluators wait |
//! | notices | enforcers, pollers | notifiers | what is held |
//! | deletions | every stage | settlers | what is held |
//! | visibility changes | every stage, reclaim | settlers | what is held |
//! | dropped leases | whoever drops one unsettled | reclaim | what is held |
//!
//! What is held is bounded by twice the inbox and the stop queue: a poller reserves room for a full
//! poll before it polls, and a message gives its place back when it is settled.
//!
//! # Who owns what
//! A [`Delivery`](delivery::Delivery) owns its message's lease and its event's claim, and every stage
//! owns the deliveries that it has. So a message is in one place at any time, and whoever drops it,
//! as a panic does, gives it back: the lease goes to `reclaim`, the claim ends, and messages that had
//! joined it are given back as well. Stages share a [`Context`](context::Context), those of a target
//! a [`Target`](target::Target), and each has [`Exits`](exits::Exits): the senders by which it
//! passes deliveries on.
//!
//! # The drain
//! Three tokens say when to stop:
//! - `drain` (first signal): pollers begin no further poll, waits between attempts end, and what
//!   nobody has begun to work on is handed back;
//! - `polling_ended` (the last poller has ended): settlers hand messages back from now on. Earlier
//!   they would come back to this process, and cost a receive each time;
//! - `now` (second signal): nothing is waited for any more.
//!
//! A stage ends when its channel is closed and empty, and the channel closes when the stages before
//! have ended and dropped their senders. So pollers end first, then evaluators, enforcers (and
//! `denied_stops`, which hands back what is parked), notifiers, and at last the settlers. `reclaim`
//! is aborted before them, since it holds a sender to them. Renewals go on until the last message is
//! settled. What is held still when `drain.timeout_secs` has passed is handed back in one last round.

pub(crate) mod context;
pub(crate) mod target;
pub(crate) mod delivery;
pub(crate) mod inbox;
pub(crate) mod router;
pub(crate) mod poller;
pub(crate) mod evaluator;
pub(crate) mod enforce;
pub(crate) mod notify;
pub(crate) mod exits;
pub(crate) mod settle;
pub(crate) mod catch_panic;
