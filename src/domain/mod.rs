//! What the product decides, without AWS: what an event says, what the policy makes of an instance,
//! how the work on an event can end, and what its owner is told. Everything here is pure: nothing
//! awaits, reads a clock, or imports another folder.
//!
//! - `ids`: instances, accounts and regions, checked for their form;
//! - `target`: the account and the region in which instances are stopped;
//! - `members`: the accounts, besides the own one, whose instances count;
//! - `trigger`: what makes the daemon look at an instance;
//! - `period`: the time that a sweep answers for;
//! - `event`: reads the body of a message;
//! - `policy`: the rule, and the verdict on an instance;
//! - `hold`: the tags that keep the daemon from stopping instances;
//! - `outcome`: the ways in which the work on an event ends;
//! - `notice`: the text that is published;
//! - `audit`: the lines of the audit trail.

pub mod ids;
pub mod target;
pub mod members;
pub mod trigger;
pub mod period;
pub mod event;
pub mod policy;
pub mod hold;
pub mod outcome;
pub(crate) mod notice;
pub mod audit;
