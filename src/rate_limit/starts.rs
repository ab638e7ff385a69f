//! EC2's token buckets for StartInstances, which are much smaller than those for StopInstances.

use tokio::time::sleep;

use super::bucket::{Bucket, Size};

/// EC2's buckets for an account in a region ("Request throttling for the Amazon EC2 API", EC2
/// Developer Guide): StartInstances calls, and the instances in these.
const CALLS: Size = Size { tokens: 5, per_sec: 2 };
const INSTANCES: Size = Size { tokens: 1000, per_sec: 2 };

/// A person waits for the instances to be back: the whole of the buckets is used.
const SHARE_PERCENT: u32 = 100;

/// When the next StartInstances call may be made in a region.
#[derive(Debug)]
pub(crate) struct Starts {
    calls: Bucket,
    instances: Bucket,
}

impl Starts {
    /// Full buckets.
    pub(crate) fn new() -> Self {
        Self { calls: Bucket::full(CALLS), instances: Bucket::full(INSTANCES) }
    }

    /// Waits until a call for so many instances, at most 1,000, may be made.
    pub(crate) async fn take(&self, instances: usize) {
        for (bucket, cost) in [(&self.calls, 1), (&self.instances, instances)] {
            while let Err(wait) = bucket.take(cost, SHARE_PERCENT) {
                sleep(wait).await;
            }
        }
    }

    /// Notes that EC2 throttled a call: somebody else took the tokens.
    pub(crate) fn throttled(&self) {
        self.calls.empty();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::*;

    async fn time_for(calls: usize, instances: usize) -> Duration {
        let (starts, began) = (Starts::new(), Instant::now());
        for _ in 0..calls {
            starts.take(instances).await;
        }
        began.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn five_calls_go_at_once_and_two_a_second_after_them() {
        assert_eq!(time_for(5, 50).await, Duration::ZERO);
        let waited = time_for(9, 1).await.as_secs_f64();
        assert!((1.9..2.3).contains(&waited), "{waited}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_thousand_instances_go_at_once_and_two_a_second_after_them() {
        let waited = time_for(6, 200).await.as_secs_f64();
        assert!((99.0..102.0).contains(&waited), "{waited}");
    }
}
