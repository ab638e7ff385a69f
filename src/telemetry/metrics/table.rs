//! Every metric: its name, its kind, its labels and what it means. `tests/daemon/names.rs` holds
//! the table in `docs/src/admin.md`, the dashboard and the alerts to this one.

/// One metric.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// Its name, which ends in its unit, such as `_seconds`, and for a counter in `_total`.
    pub name: &'static str,
    /// Whether it is a counter, a gauge or a histogram.
    pub kind: Kind,
    /// The name of each label, with its values, or an empty list where they are not listed here.
    pub labels: &'static [(&'static str, &'static [&'static str])],
    /// The help text that Prometheus shows.
    pub meaning: &'static str,
}

/// The kinds of metric that Prometheus knows.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// A number that only grows while the process runs.
    Counter,
    /// A number that grows and shrinks.
    Gauge,
    /// Counts values in buckets with these upper bounds.
    Histogram(&'static [f64]),
}

pub(super) const EVENTS: &str = "enforcer_events_total";
pub(super) const REFUSALS: &str = "enforcer_refusals_total";
pub(super) const VIOLATIONS: &str = "enforcer_policy_violations_total";
pub(super) const POLICY_FAULTS: &str = "enforcer_policy_faults_total";
pub(super) const UNCLEAR_EXEMPTIONS: &str = "enforcer_unclear_exemptions_total";
pub(super) const NOTICES: &str = "enforcer_notices_total";
pub(super) const DIGESTS: &str = "enforcer_digests_total";
pub(super) const NOTICES_WAITING: &str = "enforcer_notices_waiting";
pub(super) const OPERATOR_NOTICES: &str = "enforcer_operator_notices_total";
pub(super) const DISPOSITIONS: &str = "enforcer_dispositions_total";
pub(super) const EVENT_AGE: &str = "enforcer_event_age_seconds";
pub(super) const STEP_DURATION: &str = "enforcer_step_duration_seconds";
pub(super) const BATCH_SIZE: &str = "enforcer_batch_messages";
pub(super) const AWS_CALLS: &str = "enforcer_aws_calls_total";
pub(super) const AWS_CALL_DURATION: &str = "enforcer_aws_call_duration_seconds";
pub(super) const AWS_THROTTLES: &str = "enforcer_aws_throttles_total";
pub(super) const RETRIES: &str = "enforcer_retries_total";
pub(super) const PAUSES: &str = "enforcer_pauses_total";
pub(super) const PAUSED: &str = "enforcer_paused";
pub(super) const DENIED: &str = "enforcer_denied_stops";
pub(super) const HELD: &str = "enforcer_held";
pub(super) const LOOPS: &str = "enforcer_scaling_loops_total";
pub(super) const SWEEPS: &str = "enforcer_sweeps_total";
pub(super) const MISSED_STARTS: &str = "enforcer_missed_starts_total";
pub(super) const FLEET: &str = "enforcer_fleet_instances";
pub(super) const TOPIC_UNHEARD: &str = "enforcer_topic_unheard";
pub(super) const IN_FLIGHT: &str = "enforcer_queue_in_flight";
pub(super) const INBOX: &str = "enforcer_inbox_messages";
pub(super) const LEASES: &str = "enforcer_leases_held";
pub(super) const RENEWALS: &str = "enforcer_lease_renewals_total";
pub(super) const CLOCK_SKEW: &str = "enforcer_clock_skew_seconds";
pub(super) const LAST_POLL: &str = "enforcer_last_successful_poll_timestamp_seconds";
pub(super) const PANICS: &str = "enforcer_panics_total";
pub(super) const DROPPED_LINES: &str = "enforcer_log_lines_dropped_total";
pub(super) const AUDIT_FAILURES: &str = "enforcer_audit_write_failures_total";
pub(super) const READY: &str = "enforcer_ready";
pub(super) const ALIVE: &str = "enforcer_alive";

/// Buckets for calls to AWS: from a fast answer to the time limit of StopInstances, 60 s.
const CALL_SECS: &[f64] =
    &[0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0];
/// Buckets for the time that a task takes for a batch: from a single call to an outage of an hour.
const STEP_SECS: &[f64] = &[0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 600.0, 3600.0];
/// Buckets for the age of events: from 1 s to the 24 h for which EventBridge tries to deliver one.
const AGE_SECS: &[f64] =
    &[1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0, 21_600.0, 86_400.0];
/// Buckets for the messages in a batch, up to the 190 ids that one DescribeTags call looks up.
const SIZES: &[f64] = &[1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 190.0];

/// The label of the tasks that work on batches.
const TASKS: (&str, &[&str]) =
    ("task", &["evaluator", "enforcer", "denied_stops", "notifier", "settler"]);
/// For a label whose values are not listed, such as regions and error codes. They are few, too.
const OPEN: &[&str] = &[];

/// Every metric.
pub const TABLE: [Metric; 37] = [
    Metric {
        name: EVENTS,
        kind: Kind::Counter,
        labels: &[(
            "outcome",
            &[
                "stopped",
                "exempt",
                "refused",
                "compliant",
                "would_stop",
                "warned",
                "planned",
                "expiring",
                "gone",
                "ignored",
                "rejected",
                "announced_before",
                "duplicate",
            ],
        )],
        meaning: "Messages by what became of their event; a planned or rejected one counts at each receive.",
    },
    Metric {
        name: REFUSALS,
        kind: Kind::Counter,
        labels: &[(
            "reason",
            &[
                "stop_protection",
                "not_permitted",
                "one_time_spot",
                "unstoppable_spot",
                "instance_store",
                "managed",
                "own_host",
                "unsupported",
                "access_denied",
                "keeps_failing",
                "budget",
            ],
        )],
        meaning: "Violators left running, by reason.",
    },
    Metric {
        name: VIOLATIONS,
        kind: Kind::Counter,
        labels: &[("policy", OPEN), ("mode", &["dry_run", "warn", "enforce"])],
        meaning: "Events whose instance violated the policy; one event may count for several.",
    },
    Metric {
        name: POLICY_FAULTS,
        kind: Kind::Counter,
        labels: &[("policy", OPEN)],
        meaning: "Looks at which the policy could not be evaluated, and counted as not violated.",
    },
    Metric {
        name: UNCLEAR_EXEMPTIONS,
        kind: Kind::Counter,
        labels: &[],
        meaning: "Events whose instance is exempt without end because the date in its exception tag cannot be read.",
    },
    Metric {
        name: NOTICES,
        kind: Kind::Counter,
        labels: &[("outcome", &["stopped", "refused", "warned", "planned", "expiring"])],
        meaning: "Outcomes of which SNS accepted the notice; each in a digest counts.",
    },
    Metric {
        name: DIGESTS,
        kind: Kind::Counter,
        labels: &[],
        meaning: "Digests that SNS accepted, each one notice of several instances.",
    },
    Metric {
        name: NOTICES_WAITING,
        kind: Kind::Gauge,
        labels: &[],
        meaning: "Outcomes that wait for the digest of their owner.",
    },
    Metric {
        name: OPERATOR_NOTICES,
        kind: Kind::Counter,
        labels: &[("result", &["told", "told_before", "lost"])],
        meaning: "Notices to operators: accepted by SNS, not due because they heard of it within the hour, or lost.",
    },
    Metric {
        name: DISPOSITIONS,
        kind: Kind::Counter,
        labels: &[("disposition", &["delete", "retry", "hide", "hold", "hand_back", "leave"])],
        meaning: "Messages by how they left the daemon: deleted, retried later, hidden until a planned stop or while stops are held, handed back at once, or left to the queue's redrive policy.",
    },
    Metric {
        name: EVENT_AGE,
        kind: Kind::Histogram(AGE_SECS),
        labels: &[("outcome", OPEN)],
        meaning: "Age of an event when its outcome is complete and its message goes to be deleted.",
    },
    Metric {
        name: STEP_DURATION,
        kind: Kind::Histogram(STEP_SECS),
        labels: &[TASKS],
        meaning: "Time that a task takes for a batch, with waits between retries and pauses.",
    },
    Metric {
        name: BATCH_SIZE,
        kind: Kind::Histogram(SIZES),
        labels: &[TASKS],
        meaning: "Messages in a batch.",
    },
    Metric {
        name: AWS_CALLS,
        kind: Kind::Counter,
        labels: &[("service", OPEN), ("operation", OPEN), ("region", OPEN), ("result", OPEN)],
        meaning: "Calls to AWS; the result is ok, a known error code, or other.",
    },
    Metric {
        name: AWS_CALL_DURATION,
        kind: Kind::Histogram(CALL_SECS),
        labels: &[("service", OPEN), ("operation", OPEN)],
        meaning: "Time that a call to AWS takes; a long poll waits for messages.",
    },
    Metric {
        name: AWS_THROTTLES,
        kind: Kind::Counter,
        labels: &[("service", OPEN), ("operation", OPEN), ("region", OPEN)],
        meaning: "Calls to AWS that were throttled.",
    },
    Metric {
        name: RETRIES,
        kind: Kind::Counter,
        labels: &[("operation", OPEN)],
        meaning: "Failures after which the operation is tried again, at once or when its messages return; throttled calls to EC2 and denied stops apart.",
    },
    Metric {
        name: PAUSES,
        kind: Kind::Counter,
        labels: &[("operation", OPEN), ("account", OPEN), ("region", OPEN), ("reason", OPEN)],
        meaning: "Pauses that began; account and region are empty for SQS and SNS.",
    },
    Metric {
        name: PAUSED,
        kind: Kind::Gauge,
        labels: &[("operation", OPEN), ("account", OPEN), ("region", OPEN)],
        meaning: "1 while the operation pauses.",
    },
    Metric {
        name: DENIED,
        kind: Kind::Gauge,
        labels: &[("account", OPEN), ("region", OPEN)],
        meaning: "Violators that wait because the role may not stop them.",
    },
    Metric {
        name: HELD,
        kind: Kind::Gauge,
        labels: &[("account", OPEN), ("region", OPEN)],
        meaning: "Messages that this process has hidden because stops are held; only with a budget.",
    },
    Metric {
        name: LOOPS,
        kind: Kind::Counter,
        labels: &[("account", OPEN), ("region", OPEN)],
        meaning: "Times that operators were told of an Auto Scaling group that starts anew what is stopped; only with a budget.",
    },
    Metric {
        name: SWEEPS,
        kind: Kind::Counter,
        labels: &[("result", &["complete", "failed"])],
        meaning: "Sweeps of an account and region by whether all running instances could be read; only with sweeps.",
    },
    Metric {
        name: MISSED_STARTS,
        kind: Kind::Counter,
        labels: &[("account", OPEN), ("region", OPEN)],
        meaning: "Violators that started while this process was listening and that a sweep found 10 minutes later without their event; only with sweeps.",
    },
    Metric {
        name: FLEET,
        kind: Kind::Gauge,
        labels: &[
            ("account", OPEN),
            ("region", OPEN),
            ("verdict", &["exempt", "compliant", "dry_run", "warn", "enforce"]),
        ],
        meaning: "Running instances at the last sweep: exempt, compliant, or violating a policy, by its strongest mode; only with sweeps.",
    },
    Metric {
        name: TOPIC_UNHEARD,
        kind: Kind::Gauge,
        labels: &[],
        meaning: "1 while the topic has no confirmed subscription, so that nobody hears of stops.",
    },
    Metric {
        name: IN_FLIGHT,
        kind: Kind::Gauge,
        labels: &[],
        meaning: "Messages of the queue that are held or hidden, of which SQS allows 120,000; asked where messages are hidden until later.",
    },
    Metric {
        name: INBOX,
        kind: Kind::Gauge,
        labels: &[],
        meaning: "Messages that wait for an evaluator.",
    },
    Metric { name: LEASES, kind: Kind::Gauge, labels: &[], meaning: "Messages that are held." },
    Metric {
        name: RENEWALS,
        kind: Kind::Counter,
        labels: &[("result", &["renewed", "lost", "failed"])],
        meaning: "Renewals of leases, by message.",
    },
    Metric {
        name: LAST_POLL,
        kind: Kind::Gauge,
        labels: &[],
        meaning: "Unix time of the last poll that succeeded, with or without messages.",
    },
    Metric {
        name: CLOCK_SKEW,
        kind: Kind::Gauge,
        labels: &[],
        meaning: "How far the host's clock is ahead of SQS's, below 0 behind it, at the last poll.",
    },
    Metric {
        name: PANICS,
        kind: Kind::Counter,
        labels: &[],
        meaning: "Panics that were contained in a batch; each is a bug.",
    },
    Metric {
        name: DROPPED_LINES,
        kind: Kind::Counter,
        labels: &[],
        meaning: "Lines of the log that were dropped because the output was blocked or closed.",
    },
    Metric {
        name: AUDIT_FAILURES,
        kind: Kind::Counter,
        labels: &[],
        meaning: "Failed writes to the audit trail; nothing is deleted until one succeeds.",
    },
    Metric { name: READY, kind: Kind::Gauge, labels: &[], meaning: "1 while /readyz is 200." },
    Metric { name: ALIVE, kind: Kind::Gauge, labels: &[], meaning: "1 while /livez is 200." },
];
