//! The connection that a call is made over.
//!
//! Over HTTP/2 all calls to a host share one connection, and giving up on a call closes only its
//! stream. A connection whose other end has vanished, as behind a NAT gateway that forgot it, would
//! be used again for every further call, until the kernel gives up on it after a quarter of an
//! hour.

use aws_smithy_runtime_api::client::connection::CaptureSmithyConnection;

use crate::aws::layer::Asked;

/// A connection that has not brought the answer to its call yet. Dropped without
/// [`answered`](Self::answered), as where the call fails or exceeds its time limit, no later call
/// is made over it; calls that are in flight on it may go on.
#[derive(Debug)]
pub(super) struct Unproven {
    connection: Option<CaptureSmithyConnection>,
}

impl Unproven {
    /// The connection that will be chosen for this request.
    pub(super) fn of(asked: Asked) -> Self {
        Self { connection: asked.connection }
    }

    /// Lets later calls use the connection too.
    pub(super) fn answered(mut self) {
        self.connection = None;
    }
}

impl Drop for Unproven {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take().and_then(|connection| connection.get()) {
            connection.poison();
        }
    }
}
