//! What a run of the daemon counts and measures, for Prometheus. Each run has metrics of its own,
//! so that tests can run several daemons in one process.
//!
//! - here: a method for each thing that is counted or measured;
//! - `table`: the name, the labels and the meaning of every metric;
//! - `recorder`: counters, gauges and histograms by name.

mod recorder;
mod table;

use std::time::{Duration, SystemTime};

use crate::domain::ids::Region;
use crate::domain::outcome::Outcome;
use crate::domain::policy::decision::Decision;
use crate::domain::target::TargetKey;

use recorder::Recorder;

pub use table::{Kind, Metric, TABLE};

/// The metrics of one run.
#[derive(Debug, Default)]
pub struct Metrics(Recorder);

/// How the renewal of a lease ended.
#[derive(Clone, Copy, Debug)]
pub enum Renewal {
    /// SQS hides the message for another visibility timeout.
    Renewed,
    /// SQS hides the message no longer, and may hand it out again. The lease is not renewed any
    /// more.
    Lost,
    /// The renewal will be tried again.
    Failed,
}

/// What became of a notice to operators.
#[derive(Clone, Copy, Debug)]
pub enum OperatorsTold {
    /// SNS accepted it.
    Now,
    /// They were told of the same within the last hour.
    Before,
    /// SNS did not accept it in time, or too many were waiting.
    Lost,
}

/// How a sweep ended.
#[derive(Clone, Copy, Debug)]
pub enum SweepEnd {
    /// All running instances were read.
    Complete,
    /// A page could not be read, so that nothing was concluded.
    Failed,
}

/// A call to AWS that has ended, with its labels.
#[derive(Clone, Copy, Debug)]
pub struct Call<'call> {
    /// The service that was called, such as `ec2`.
    pub service: &'static str,
    /// AWS's name of the operation, such as `StopInstances`.
    pub operation: &'static str,
    /// The region that was called.
    pub region: &'call Region,
    /// `ok`, or the label of an error code.
    pub result: &'static str,
    /// Whether the service throttled the call.
    pub is_throttled: bool,
}

impl Metrics {
    /// All metrics in the text format that Prometheus scrapes.
    pub fn render(&self) -> String {
        self.0.render()
    }

    /// Sorts new measurements into the buckets of their histograms. Until then each of them takes
    /// memory.
    pub fn upkeep(&self) {
        self.0.upkeep();
    }

    /// Counts a message by its outcome, and a refusal by its reason.
    pub fn count_outcome(&self, outcome: Outcome) {
        self.0.count(table::EVENTS, &[("outcome", outcome.label())], 1);
        if let Outcome::Refused(refusal) = outcome {
            self.0.count(table::REFUSALS, &[("reason", refusal.label())], 1);
        }
    }

    /// Counts an event whose instance violated these policies.
    pub fn count_violations(&self, decision: &Decision) {
        for rule in &decision.denials {
            let labels = [("policy", rule.id.as_str()), ("mode", rule.mode.label())];
            self.0.count(table::VIOLATIONS, &labels, 1);
        }
    }

    /// Counts instances for which a policy could not be evaluated.
    pub fn count_policy_faults(&self, policy: &str, instances: u64) {
        self.0.count(table::POLICY_FAULTS, &[("policy", policy)], instances);
    }

    /// Counts an event whose instance is exempt by a tag with a date that cannot be read.
    pub fn count_unclear_exemption(&self) {
        self.0.count(table::UNCLEAR_EXEMPTIONS, &[], 1);
    }

    /// Measures how old an event was when the work on it was completed.
    pub fn measure_event_age(&self, outcome: Outcome, age: Duration) {
        self.0.measure(table::EVENT_AGE, &[("outcome", outcome.label())], age.as_secs_f64());
    }

    /// Counts a notice that SNS accepted.
    pub fn count_notice(&self, outcome: Outcome) {
        self.0.count(table::NOTICES, &[("outcome", outcome.label())], 1);
    }

    /// Counts a digest that SNS accepted.
    pub fn count_digest(&self) {
        self.0.count(table::DIGESTS, &[], 1);
    }

    /// Shows how many outcomes wait for the digest of their owner.
    pub fn set_notices_waiting(&self, outcomes: usize) {
        self.0.set(table::NOTICES_WAITING, &[], number(outcomes));
    }

    /// Counts a notice to operators by what became of it.
    pub fn count_operator_notice(&self, told: OperatorsTold) {
        let result = match told {
            OperatorsTold::Now => "told",
            OperatorsTold::Before => "told_before",
            OperatorsTold::Lost => "lost",
        };
        self.0.count(table::OPERATOR_NOTICES, &[("result", result)], 1);
    }

    /// Counts a message that this process no longer holds, by what became of it.
    pub fn count_disposition(&self, disposition: &'static str) {
        self.0.count(table::DISPOSITIONS, &[("disposition", disposition)], 1);
    }

    /// Measures the size of a batch, and the time that a task took for it.
    pub fn measure_batch(&self, task: &'static str, messages: usize, took: Duration) {
        self.0.measure(table::BATCH_SIZE, &[("task", task)], number(messages));
        self.0.measure(table::STEP_DURATION, &[("task", task)], took.as_secs_f64());
    }

    /// Counts one call to AWS, and measures how long it took. A call that is retried counts again.
    pub fn count_call(&self, call: Call<'_>, took: Duration) {
        let [service, operation] = [("service", call.service), ("operation", call.operation)];
        let region = ("region", call.region.as_str());
        self.0.count(table::AWS_CALLS, &[service, operation, region, ("result", call.result)], 1);
        self.0.measure(table::AWS_CALL_DURATION, &[service, operation], took.as_secs_f64());
        let throttled = u64::from(call.is_throttled);
        self.0.count(table::AWS_THROTTLES, &[service, operation, region], throttled);
    }

    /// Shows the counters of an operation at 0, before anything is counted: Prometheus sees no
    /// increase if a counter first appears at 1.
    pub fn start_operation(
        &self,
        operation: &'static str,
        target: Option<&TargetKey>,
        reasons: &[&'static str],
    ) {
        self.0.count(table::RETRIES, &[("operation", operation)], 0);
        let [operation, account, region] = pause_labels(operation, target);
        for reason in reasons {
            self.0.count(table::PAUSES, &[operation, account, region, ("reason", reason)], 0);
        }
    }

    /// Counts a failed attempt after which the operation is tried again.
    pub fn count_retry(&self, operation: &'static str) {
        self.0.count(table::RETRIES, &[("operation", operation)], 1);
    }

    /// Counts a pause that begins. A pause of an EC2 operation is one of an account and region;
    /// those of SQS and SNS have neither.
    pub fn pause_began(
        &self,
        operation: &'static str,
        target: Option<&TargetKey>,
        reason: &'static str,
    ) {
        let [operation, account, region] = pause_labels(operation, target);
        self.0.count(table::PAUSES, &[operation, account, region, ("reason", reason)], 1);
    }

    /// Shows whether an operation pauses.
    pub fn set_paused(&self, operation: &'static str, target: Option<&TargetKey>, paused: bool) {
        self.0.set(table::PAUSED, &pause_labels(operation, target), f64::from(u8::from(paused)));
    }

    /// Shows how many violators of an account and region wait because IAM denied their stop.
    pub fn set_denied_stops(&self, target: &TargetKey, count: usize) {
        self.0.set(table::DENIED, &place_labels(target), number(count));
    }

    /// Shows how many messages of an account and region are hidden because stops are held.
    pub fn set_on_hold(&self, target: &TargetKey, messages: u64) {
        self.0.set(
            table::HELD,
            &place_labels(target),
            number(usize::try_from(messages).unwrap_or(usize::MAX)),
        );
    }

    /// Counts an Auto Scaling group that starts anew what is stopped.
    pub fn count_loop(&self, target: &TargetKey) {
        self.0.count(table::LOOPS, &place_labels(target), 1);
    }

    /// Counts a sweep of an account and region.
    pub fn count_sweep(&self, end: SweepEnd) {
        let result = match end {
            SweepEnd::Complete => "complete",
            SweepEnd::Failed => "failed",
        };
        self.0.count(table::SWEEPS, &[("result", result)], 1);
    }

    /// Counts violators whose start event did not come.
    pub fn count_missed_starts(&self, target: &TargetKey, violators: u64) {
        self.0.count(table::MISSED_STARTS, &place_labels(target), violators);
    }

    /// Shows how many instances of an account and region run that stand so with the policies.
    pub fn set_fleet(&self, target: &TargetKey, verdict: &'static str, instances: usize) {
        let [account, region] = place_labels(target);
        let labels = [account, region, ("verdict", verdict)];
        self.0.set(table::FLEET, &labels, number(instances));
    }

    /// Shows whether nobody is subscribed to the topic.
    pub fn set_topic_unheard(&self, is_unheard: bool) {
        self.0.set(table::TOPIC_UNHEARD, &[], f64::from(u8::from(is_unheard)));
    }

    /// Shows how many messages of the queue are in flight.
    pub fn set_in_flight(&self, messages: u64) {
        #[expect(clippy::cast_precision_loss, reason = "SQS allows 120,000")]
        self.0.set(table::IN_FLIGHT, &[], messages as f64);
    }

    /// Adds a message to those that wait in the inbox.
    pub fn added_to_inbox(&self) {
        self.0.change(table::INBOX, 1.0);
    }

    /// Subtracts messages from those that wait in the inbox.
    pub fn taken_from_inbox(&self, messages: usize) {
        self.0.change(table::INBOX, -number(messages));
    }

    /// Shows how many messages are held.
    pub fn set_leases_held(&self, messages: usize) {
        self.0.set(table::LEASES, &[], number(messages));
    }

    /// Counts renewals of leases by their result.
    pub fn count_renewals(&self, renewal: Renewal, count: usize) {
        let result = match renewal {
            Renewal::Renewed => "renewed",
            Renewal::Lost => "lost",
            Renewal::Failed => "failed",
        };
        self.0.count(table::RENEWALS, &[("result", result)], count as u64);
    }

    /// Shows when the last poll succeeded.
    pub fn set_last_poll(&self, at: SystemTime) {
        let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        self.0.set(table::LAST_POLL, &[], since.as_secs_f64());
    }

    /// Shows how far the host's clock is ahead of SQS's, in seconds.
    pub fn set_clock_skew(&self, ahead_secs: f64) {
        self.0.set(table::CLOCK_SKEW, &[], ahead_secs);
    }

    /// Counts a panic that was caught, so that only its batch is affected.
    pub fn count_panic(&self) {
        self.0.count(table::PANICS, &[], 1);
    }

    /// Counts a write to the audit trail that failed.
    pub fn count_audit_failure(&self) {
        self.0.count(table::AUDIT_FAILURES, &[], 1);
    }

    /// Shows how many lines of the log were dropped since the start.
    pub fn set_dropped_lines(&self, lines: u64) {
        self.0.set_count(table::DROPPED_LINES, lines);
    }

    /// Shows whether the admin port answers `/livez` and `/readyz` with 200.
    pub fn set_health(&self, alive: bool, ready: bool) {
        self.0.set(table::ALIVE, &[], f64::from(u8::from(alive)));
        self.0.set(table::READY, &[], f64::from(u8::from(ready)));
    }
}

/// The labels of a pause.
fn pause_labels<'label>(
    operation: &'static str,
    target: Option<&'label TargetKey>,
) -> [(&'static str, &'label str); 3] {
    let [account, region] = target.map_or([("account", ""), ("region", "")], place_labels);
    [("operation", operation), account, region]
}

/// The labels of an account and region.
fn place_labels(target: &TargetKey) -> [(&'static str, &str); 2] {
    [("account", target.account.as_str()), ("region", target.region.as_str())]
}

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
fn number(count: usize) -> f64 {
    count as f64
}
