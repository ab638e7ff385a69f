//! Small tools over tokio that know nothing of the product.

pub mod clock;
pub mod shutdown;
pub(crate) mod liveness;
pub(crate) mod tasks;
pub(crate) mod batch_receiver;
pub(crate) mod worklist;
