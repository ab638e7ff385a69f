//! Asks SQS every minute how many messages of the queue are in flight, where messages are hidden
//! until later at all, and tells operators when they become too many.

use std::sync::Arc;

use tracing::{error, warn};

use crate::aws::sqs::Queue;
use crate::pipeline::context::Context;
use crate::pipeline::operators::{Matter, OperatorNotice, Operators};
use crate::pipeline::planner::Planner;
use crate::retry::delays;
use crate::runtime::liveness;

/// Asks SQS how many there are.
#[derive(Debug)]
pub(crate) struct InFlightWatch {
    /// What all stages share.
    pub(crate) context: Arc<Context>,
    /// The queue that is watched.
    pub(crate) queue: Queue,
    /// Who is told when there are many.
    pub(crate) operators: Arc<Operators>,
    /// Where the count is kept, with what plans stops.
    pub(crate) planner: Arc<Planner>,
}

impl InFlightWatch {
    /// Asks every minute, for ever.
    pub(crate) async fn run(self) {
        loop {
            if self.hides_messages() {
                self.ask().await;
            }
            liveness::within(delays::IN_FLIGHT_ASKED);
            tokio::time::sleep(delays::IN_FLIGHT_ASKED).await;
        }
    }

    /// Whether messages are hidden for longer than a retry takes.
    fn hides_messages(&self) -> bool {
        let settings = &self.context.settings;
        let gives_grace = self.context.policies().rules().any(|rule| rule.grace.is_some());
        gives_grace || settings.policy.tag_changes || settings.budget.stops > 0
    }

    async fn ask(&self) {
        let in_flight = match self.queue.attributes().await {
            Ok(attributes) => attributes.in_flight,
            Err(error) => return warn!(%error, "cannot see how many messages are in flight"),
        };
        self.planner.in_flight.note(in_flight);
        self.context.metrics.set_in_flight(in_flight);
        if let Some(text) = self.planner.in_flight.remark() {
            error!(in_flight, "so many messages are in flight that polls may soon bring nothing");
            let (matter, key) = (Matter::InFlight, String::new());
            self.operators.tell(OperatorNotice { matter, key, text });
        }
    }
}
