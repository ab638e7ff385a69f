//! One message, in the order in which it travels.

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
