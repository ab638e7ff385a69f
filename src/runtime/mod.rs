//! Small tools over tokio that know nothing of EC2, queues or notices. They import no other folder
//! of the crate, so any folder may use them.
//!
//! - `clock`: the time of day, which tests can set;
//! - `shutdown`: signals as cancellation tokens;
//! - `liveness`: which task has not come back from what it waits for;
//! - `tasks`: spawned tasks with names;
//! - `pool`: tasks that come and go;
//! - `work_queue`: items for which tasks are started;
//! - `batch_receiver`: a channel from which several tasks take batches;
//! - `worklist`: the order in which a task tries batches while some of them fail;
//! - `host`: the name of the host;
//! - `again`: the program in place of itself, with another environment.

pub mod clock;
pub mod shutdown;
pub(crate) mod liveness;
pub(crate) mod tasks;
pub(crate) mod pool;
pub(crate) mod work_queue;
pub(crate) mod batch_receiver;
pub(crate) mod worklist;
pub(crate) mod host;
pub mod again;
