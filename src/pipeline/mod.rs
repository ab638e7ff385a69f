//! One message, in the order in which it travels.

pub mod delivery;
pub mod inbox;
pub mod router;
pub mod poller;
pub mod evaluator;
pub mod enforce;
pub mod notify;
pub mod settle;
pub mod catch_panic;
