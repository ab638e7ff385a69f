//! What a message is settled by: its lease, or the receipt of a message that is hidden.

use tokio::time::Instant;

use crate::aws::sqs::Receipt;
use crate::inflight::lease::Lease;

/// What a message is settled by.
#[derive(Debug)]
pub(super) enum Hold {
    /// This process holds the message.
    Leased(Lease),
    /// It is hidden until a planned stop, and is held by nobody. If SQS refuses the receipt, it is
    /// judged anew when it comes again.
    Hidden(Receipt),
}

impl Hold {
    /// Ends the renewals, if there are any, and returns the receipt to settle the message by: see
    /// [`Lease::begin_settling`].
    pub(super) async fn begin_settling(&self, deadline: Instant) -> Receipt {
        match self {
            Self::Leased(lease) => lease.begin_settling(deadline).await,
            Self::Hidden(receipt) => receipt.clone(),
        }
    }

    /// The newest receipt; `None` once the lease has ended.
    pub(super) fn receipt(&self) -> Option<Receipt> {
        match self {
            Self::Leased(lease) => lease.receipt(),
            Self::Hidden(receipt) => Some(receipt.clone()),
        }
    }

    /// Whether this process received the message again while it was being settled.
    pub(super) fn was_redelivered(&self) -> bool {
        match self {
            Self::Leased(lease) => lease.was_redelivered(),
            Self::Hidden(_) => false,
        }
    }

    /// Has the lease renewed again, after an attempt to settle the message failed.
    pub(super) fn resume_renewals(&self) {
        if let Self::Leased(lease) = self {
            lease.resume_renewals();
        }
    }

    /// Leaves the message to the last round of the drain, or hidden as it is.
    pub(super) fn leave_to_last_round(self) {
        if let Self::Leased(lease) = self {
            lease.leave_to_last_round();
        }
    }

    /// Ends the lease, because the message is settled.
    pub(super) fn end(self) {
        if let Self::Leased(lease) = self {
            lease.end();
        }
    }
}
