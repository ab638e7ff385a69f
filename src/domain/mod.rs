//! What the product is about, without AWS: ids, events, the policy, outcomes and notices. Everything
//! here is pure: nothing awaits, reads a clock, or imports another folder.

pub mod ids;
pub mod event;
pub mod policy;
pub mod outcome;
pub(crate) mod notice;
