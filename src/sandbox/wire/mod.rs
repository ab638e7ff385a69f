//! AWS's protocols: how calls and answers look on the wire.

mod json;
pub(super) mod parameters;
mod query;
pub(super) mod reply;
pub(super) mod request;
pub(super) mod service;
mod xml;
