//! What a run counts and measures, for Prometheus. Each run has its own.

mod recorder;
mod table;

use std::time::{Duration, SystemTime};

use crate::domain::ids::Region;
use crate::domain::outcome::Outcome;

use recorder::Recorder;

pub use table::{Kind, Metric, TABLE};

/// The metrics of one run.
#[derive(Debug, Default)]
pub struct Metrics(Recorder);

/// How the renewal of a lease ended.
#[derive(Clone, Copy, Debug)]
pub enum Renewal {
    /// It is held on.
    Renewed,
    /// SQS delivers it to somebody else.
    Lost,
    /// It is tried again.
    Failed,
}

/// A call to AWS that has ended.
#[derive(Clone, Copy, Debug)]
pub struct Call<'call> {
    /// The service that was called, such as `ec2`.
    pub service: &'static str,
    /// AWS's name for what was asked, such as `StopInstances`.
    pub operation: &'static str,
    /// The region that was called.
    pub region: &'call Region,
    /// `ok`, or one of the few labels that errors have.
    pub result: &'static str,
    /// Whether the service refused the call because there are too many.
    pub is_throttled: bool,
}

impl Metrics {
    /// Everything in the text form that Prometheus scrapes.
    pub fn render(&self) -> String {
        self.0.text()
    }

    /// Sorts what was measured into its bounds, which takes memory until then.
    pub fn sort(&self) {
        self.0.sort();
    }

    /// Counts a message whose end is decided.
    pub fn ended(&self, outcome: Outcome) {
        self.0.count(table::EVENTS, &[("outcome", outcome.label())], 1);
        if let Outcome::Refused(refusal) = outcome {
            self.0.count(table::REFUSALS, &[("reason", refusal.label())], 1);
        }
    }

    /// Measures how old an event was when the work on it was complete.
    pub fn completed(&self, outcome: Outcome, age: Duration) {
        self.0.measure(table::EVENT_AGE, &[("outcome", outcome.label())], age.as_secs_f64());
    }

    /// Counts a notice that SNS accepted.
    pub fn announced(&self, outcome: Outcome) {
        self.0.count(table::NOTICES, &[("outcome", outcome.label())], 1);
    }

    /// Counts a message that left the daemon.
    pub fn left(&self, disposition: &'static str) {
        self.0.count(table::DISPOSITIONS, &[("disposition", disposition)], 1);
    }

    /// Counts a batch that a task has worked on.
    pub fn worked(&self, task: &'static str, messages: usize, took: Duration) {
        self.0.measure(table::BATCH_SIZE, &[("task", task)], number(messages));
        self.0.measure(table::STEP_DURATION, &[("task", task)], took.as_secs_f64());
    }

    /// Counts an attempt at a call to AWS.
    pub fn called(&self, call: Call<'_>, took: Duration) {
        let [service, operation] = [("service", call.service), ("operation", call.operation)];
        let region = ("region", call.region.as_str());
        self.0.count(table::AWS_CALLS, &[service, operation, region, ("result", call.result)], 1);
        self.0.measure(table::AWS_CALL_DURATION, &[service, operation], took.as_secs_f64());
        if call.is_throttled {
            self.0.count(table::AWS_THROTTLES, &[service, operation, region], 1);
        }
    }

    /// Counts a failure after which the operation is tried again.
    pub fn retries(&self, operation: &'static str) {
        self.0.count(table::RETRIES, &[("operation", operation)], 1);
    }

    /// Counts a pause of the operation that begins. Operations of EC2 pause in one region, those of
    /// SQS and SNS have no region here.
    pub fn paused(&self, operation: &'static str, region: Option<&Region>, reason: &'static str) {
        let [operation, region] = place(operation, region);
        self.0.count(table::PAUSES, &[operation, region, ("reason", reason)], 1);
        self.0.set(table::PAUSED, &[operation, region], 1.0);
    }

    /// Notes the end of a pause.
    pub fn resumed(&self, operation: &'static str, region: Option<&Region>) {
        self.0.set(table::PAUSED, &place(operation, region), 0.0);
    }

    /// Says how many violators of a region wait aside.
    pub fn denied(&self, region: &Region, waiting: usize) {
        self.0.set(table::DENIED, &[("region", region.as_str())], number(waiting));
    }

    /// Counts a message into the inbox.
    pub fn inboxed(&self) {
        self.0.change(table::INBOX, 1.0);
    }

    /// Counts messages out of the inbox.
    pub fn taken(&self, messages: usize) {
        self.0.change(table::INBOX, -number(messages));
    }

    /// Says how many messages are held.
    pub fn held(&self, messages: usize) {
        self.0.set(table::LEASES, &[], number(messages));
    }

    /// Counts renewals.
    pub fn renewed(&self, renewal: Renewal, count: usize) {
        let result = match renewal {
            Renewal::Renewed => "renewed",
            Renewal::Lost => "lost",
            Renewal::Failed => "failed",
        };
        self.0.count(table::RENEWALS, &[("result", result)], count as u64);
    }

    /// Notes a poll that succeeded.
    pub fn polled(&self, at: SystemTime) {
        let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        self.0.set(table::LAST_POLL, &[], since.as_secs_f64());
    }

    /// Counts a panic that was contained.
    pub fn panicked(&self) {
        self.0.count(table::PANICS, &[], 1);
    }

    /// Says how the admin port answers.
    pub fn answers(&self, liveness: bool, ready: bool) {
        self.0.set(table::ALIVE, &[], f64::from(u8::from(liveness)));
        self.0.set(table::READY, &[], f64::from(u8::from(ready)));
    }
}

fn place<'place>(
    operation: &'static str,
    region: Option<&'place Region>,
) -> [(&'static str, &'place str); 2] {
    [("operation", operation), ("region", region.map_or("", Region::as_str))]
}

#[expect(clippy::cast_precision_loss, reason = "nobody holds so many messages")]
fn number(count: usize) -> f64 {
    count as f64
}
