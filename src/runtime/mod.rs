//! Small tools over tokio that know nothing of the product.

pub mod clock;
pub mod shutdown;
pub mod liveness;
pub mod tasks;
pub mod batch_receiver;
pub mod worklist;
