//! AWS's protocols: AWS JSON, Query, and EC2's variant of Query. `request` decodes a call, `reply`
//! encodes its answer.

mod json;
pub(super) mod parameters;
mod query;
pub(super) mod reply;
pub(super) mod request;
pub(super) mod service;
pub(super) mod xml;
