//! Every delay and time limit of the program, each with its reason. What operators may want to
//! change is a setting instead.

use std::time::Duration;

use crate::aws::connection::TimeLimits;
use crate::settings::LONGEST_DRAIN;

// Calls to AWS

/// How long a call to AWS may take. The SDK itself would wait for ever.
pub(crate) const AWS_CALLS: TimeLimits = TimeLimits {
    // AWS answers within a second; a call that takes 10 s has usually lost its connection.
    call: Duration::from_secs(10),
    // StopInstances can be slow and still take effect, and the answer says for whom.
    stop: Duration::from_mins(1),
    // As any other call, once SQS has stopped waiting for messages.
    beyond_poll: Duration::from_secs(10),
    // A neighbour that answers in milliseconds; where there is none, packets may vanish.
    metadata: Duration::from_secs(2),
    // Sooner than the next probe, which is to have new ones; no more often, however short the
    // probes' intervals are, since the sources of credentials throttle too.
    renewal: Duration::from_secs(1),
    // EC2 refuses sound credentials too, in a region that the account is not opted in to: an account
    // with such a region costs STS 12 calls an hour.
    role_renewal: Duration::from_mins(5),
};

// Retries and pauses

/// How often targets are looked for that have nothing to do.
pub(crate) const TARGET_CHECK: Duration = Duration::from_mins(1);
/// How long a target of a member account has nothing to do before it is closed: EC2's buckets are
/// full again, and its credentials are not worth keeping.
pub(crate) const TARGET_IDLE: Duration = Duration::from_mins(15);
/// How long a target's calls are paused before its messages are put off: shorter outages pass
/// without that.
pub(crate) const TARGET_PAUSED: Duration = Duration::from_mins(1);
/// How long a message is put off whose account and region cannot take it. It doubles with each
/// receive.
pub(crate) const TARGET_HELD_UP: Duration = Duration::from_mins(15);
/// The longest that it is put off.
pub(crate) const LONGEST_HELD_UP: Duration = Duration::from_hours(4);
/// When a message comes again whose account and region could not be opened, since too many are.
pub(crate) const TOO_MANY_TARGETS: Duration = Duration::from_mins(15);

/// A step whose back-off reaches this has failed for some seconds. It gives up, so that its
/// messages hold up no others, or pauses its operation if nobody succeeds.
pub(crate) const STEP_LIMIT: Duration = Duration::from_secs(5);
/// An operation that brought nothing but failures for this long is paused, whatever their codes:
/// otherwise short series of attempts could go on failing, one after the other, for ever.
pub(crate) const PAUSE_AFTER: Duration = Duration::from_mins(1);
/// The first interval between two probes of a pause. It doubles up to `retry.cap_ms`: a short
/// outage is noticed to be over within a second, and a long one meets no storm of calls.
pub(crate) const FIRST_PROBE: Duration = Duration::from_secs(1);
/// A pause that lasts is logged again after this long, so that an alarm can count the lines, and
/// whoever reads the last minutes of the log finds it.
pub(crate) const PAUSE_REMINDER: Duration = Duration::from_mins(1);

/// How long a message stays away that was received once and is retried. It doubles with each
/// receive, since what failed several times will hardly succeed soon.
pub(crate) const FIRST_RETRY: Duration = Duration::from_secs(10);
/// The longest that a message stays away: so an outage of hours costs few receives, and no message
/// ends in the dead-letter queue for it.
pub(crate) const LONGEST_RETRY: Duration = Duration::from_mins(15);
/// Messages that come back within this time of each other are counted as if they came together,
/// which keeps the count of those that are away small.
pub(crate) const COUNTED_TOGETHER: Duration = Duration::from_secs(1);

// Leases

/// Renewals come no more often than this, so that one call renews as many as ten.
pub(crate) const RENEWAL_INTERVAL: Duration = Duration::from_secs(1);
/// A renewal is tried at least this often, in an outage and when it comes too late anyway.
pub(crate) const LATE_RENEWAL: Duration = Duration::from_secs(10);
/// How long settling a message waits for a renewal that is due: it comes this soon, if SQS answers
/// at all.
pub(crate) const RENEWAL_PATIENCE: Duration = Duration::from_secs(2);
/// SQS keeps a message invisible for at most 12 h from its receive ("Amazon SQS visibility
/// timeout", SQS Developer Guide).
pub(crate) const LONGEST_INVISIBLE: Duration = Duration::from_hours(12);
/// How long a lease is renewed at most: SQS's limit, less a margin for the call itself.
pub(crate) const LONGEST_LEASE: Duration =
    LONGEST_INVISIBLE.saturating_sub(Duration::from_secs(10));
/// How long a message is hidden at most after its receive: SQS's limit, less a margin for the call.
pub(crate) const LONGEST_HIDING: Duration =
    LONGEST_INVISIBLE.saturating_sub(Duration::from_mins(1));
/// How long an event is remembered: a message of it that is held elsewhere comes back by then.
pub(crate) const EVENT_MEMORY: Duration = LONGEST_INVISIBLE;
/// The shortest visibility timeout that is asked for. With less, SQS could hand a message out again
/// between two renewals.
pub(crate) const SHORTEST_VISIBILITY: Duration = Duration::from_secs(5);
/// With a visibility timeout below this, leases are renewed every few seconds, which is warned of.
pub(crate) const SHORT_VISIBILITY: Duration = Duration::from_secs(10);

// Looks at instances

/// While polls come back full, a batch of look-ups is given this long to fill: DescribeTags costs
/// the same for one instance as for 190, and a poll brings only ten.
pub(crate) const BATCH_FILL: Duration = Duration::from_millis(50);
/// A stop may be sent this long after its look was: a tag that was set before the look is seen, and
/// one that is set within these seconds may come too late.
pub(crate) const LOOK_FRESHNESS: Duration = Duration::from_secs(5);
/// After a stop was denied, how long the next look waits: IAM may have seen a tag that was set a
/// moment ago, and EC2's describing calls show it some seconds later.
pub(crate) const TAGS_SHOW: Duration = Duration::from_secs(10);
/// Where the first look is older than this, the second one asks DescribeTags, too: while the stop
/// waited, as in a pause, a tag may have been set that DescribeInstances does not show yet.
pub(crate) const TAGS_OUTDATED: Duration = Duration::from_mins(1);
/// EC2 is eventually consistent ("Eventual consistency in the Amazon EC2 API"): an instance that it
/// does not know this long after its event will not turn up any more.
pub(crate) const EC2_CONSISTENCY: Duration = Duration::from_mins(5);
/// How long a message stays away whose instance EC2 does not know yet, and how far apart the two
/// looks are at least by which an instance counts as gone. It usually does within a
/// minute of the event.
pub(crate) const UNKNOWN_INSTANCE: Duration = Duration::from_mins(1);

// Rate limits

/// EC2's documented token buckets bind this long after the last throttled answer; then a single
/// call beyond them is tried.
pub(crate) const THROTTLE_MEMORY: Duration = Duration::from_mins(1);
/// The longest back-off of throttled looks. EC2 puts 20 tokens a second into their bucket, so that
/// one try a second or two finds one soon, even beside a tool that takes all it can.
pub(crate) const THROTTLED_LOOK: Duration = Duration::from_secs(1);
/// Where EC2 throttles every call for this long, the daemon does not do its work, and says so:
/// beside a tool that takes all it can, a call passes every few seconds.
pub(crate) const NOTHING_BUT_THROTTLED: Duration = Duration::from_mins(1);
/// How often a wait for tokens is looked at again, since a reload may have changed the share.
pub(crate) const TOKEN_RECHECK: Duration = Duration::from_secs(1);

// Denied stops

/// The first wait between two tries of stops that IAM denied. It doubles up to
/// [`LONGEST_DENIED`].
pub(crate) const FIRST_DENIED: Duration = Duration::from_secs(1);
/// A repaired role is noticed this soon.
pub(crate) const LONGEST_DENIED: Duration = Duration::from_secs(10);

// Notices

/// A publish as recent as this shows that the topic is sound, and that one notice is at fault.
pub(crate) const TOPIC_PROOF: Duration = Duration::from_mins(10);
/// A publish that SNS accepted this recently shows that owners can be told, so that stops need no
/// trial. What fails for longer is paused: see [`PAUSE_AFTER`].
pub(crate) const NOTICE_PROOF: Duration = PAUSE_AFTER;
/// How often a wait for the end of a trial is looked at again: its own notices may hang, while SNS
/// accepts those of other regions.
pub(crate) const TRIAL_RECHECK: Duration = Duration::from_secs(1);
/// A publish that was not answered may have reached everybody, so the next one waits: this long at
/// first, doubling up to [`LONGEST_UNANSWERED`].
pub(crate) const FIRST_UNANSWERED: Duration = Duration::from_secs(1);
/// So an hour without answers brings an owner about 20 mails of one event, not thousands.
pub(crate) const LONGEST_UNANSWERED: Duration = Duration::from_mins(5);

/// How long notices wait for others of their owner, to go out as one: soon enough for somebody who
/// reads mails, and a storm brings them a mail a minute.
pub(crate) const DIGEST: Duration = Duration::from_mins(1);
/// SNS counts the messages to an e-mail address by the second ("Amazon SNS endpoints and quotas").
pub(crate) const NOTICE_WINDOW: Duration = Duration::from_secs(1);
/// How often SNS is asked who is subscribed to the topic.
pub(crate) const SUBSCRIBERS_ASKED: Duration = Duration::from_mins(15);
/// How soon it is asked again after a failure: until then as few notices go out as if there were
/// e-mail subscribers.
pub(crate) const SUBSCRIBERS_UNKNOWN: Duration = Duration::from_mins(1);

// Notices to operators

/// How often operators are told of the same thing: the log and the metrics tell all the time.
pub(crate) const OPERATORS_TOLD_AGAIN: Duration = Duration::from_hours(1);
/// A notice to operators that SNS has not accepted by then is lost: it would be told again.
pub(crate) const OPERATOR_NOTICE_LOST: Duration = OPERATORS_TOLD_AGAIN;
/// One notice to operators a second leaves an e-mail subscription room for those of others, which
/// SNS suspends beyond 10 messages a second ("Amazon SNS endpoints and quotas").
pub(crate) const BETWEEN_OPERATOR_NOTICES: Duration = Duration::from_secs(1);

// The budget

/// How often the queue's tags are read: with the call itself, which may take 10 s, a hold that a
/// person sets binds within a minute. SQS answers 5 such calls a second, for all processes.
pub(crate) const QUEUE_TAGS_READ: Duration = Duration::from_secs(30);
/// How long after a tag was set a reading may be without it: SQS says of other changes to a queue
/// that they take up to 60 s (API reference of `SetQueueAttributes`).
pub(crate) const QUEUE_TAGS_SHOW: Duration = Duration::from_mins(1);
/// How far apart the calls are that make messages visible when a hold has ended, ten in each: 50 a
/// second are looked at faster than they can be stopped, so that few are received in vain if the
/// budget is used up again.
pub(crate) const RELEASE_PACE: Duration = Duration::from_millis(200);
/// How long before their retention ends violators on hold are told of and deleted at the latest.
pub(crate) const HOLD_RESERVE: Duration = Duration::from_hours(24);
/// How much longer than that the queue must keep messages: with less, violators on hold would be given
/// up before a person has had a day to look.
pub(crate) const HOLD_USE: Duration = Duration::from_hours(24);

// Drain

/// Polls wait for at least this much less than a drain may take. A poll that was cut off could
/// still take messages, which would stay invisible for a whole visibility timeout; so it ends by
/// itself, and what it brought is settled in the rest of the time.
pub(crate) const AFTER_LAST_POLL: Duration = Duration::from_secs(2);
/// How long the last round may take, in which everything still held is handed back.
pub(crate) const LAST_ROUND: Duration = Duration::from_secs(3);

/// How long lines of the log wait for others, to be written with them: too short for a reader to
/// notice, and a storm of decision lines costs a hundredth of the calls.
pub const LOG_GATHERING: Duration = Duration::from_millis(10);
/// How long the end of the process waits for the last lines of the log to be written: a pipe that
/// is read takes them at once, and one that nobody reads must not keep the process from ending.
pub const LOG_FLUSH: Duration = Duration::from_secs(2);

// Planned stops

/// The longest retention that SQS offers ("Amazon SQS message quotas").
pub(crate) const LONGEST_RETENTION: Duration = Duration::from_hours(14 * 24);

/// How long before a stop its owner is told at least, as commands assume that judge without a daemon:
/// the default of `policy.min_notice`, time to read a mail and to set a tag.
pub(crate) const MIN_NOTICE: Duration = Duration::from_mins(10);
/// A message about an instance whose owner is being told of a stop waits this long: SNS usually
/// answers within a fraction of it.
pub(crate) const PLAN_BEING_TOLD: Duration = Duration::from_secs(1);
/// How long after a change of tags an instance is looked at for which no stop is planned, and how long
/// a sweep leaves alone what it found: tools remove tags and set them again in two calls.
pub(crate) const TAGS_SETTLE: Duration = Duration::from_mins(5);
/// How often SQS is asked how many messages are in flight: hidden ones take hours to become many.
pub(crate) const IN_FLIGHT_ASKED: Duration = Duration::from_mins(1);
/// An Auto Scaling group of which several instances were stopped within this time replaces what is
/// stopped; a person is told of that as often.
pub(crate) const SCALING_LOOP: Duration = Duration::from_hours(1);
/// No stop is planned before its start is this old: tags that Auto Scaling and other tools set after
/// the launch come within this time, and would call off half of the plans.
pub(crate) const PLANNING_AGE: Duration = Duration::from_mins(2);
/// A notice of a planned stop that was held up for longer than this, as by an outage of SNS, is
/// written anew: its owner is to have the time that it promises.
pub(crate) const NOTICE_HELD_UP: Duration = Duration::from_mins(1);
/// How much later than at its time a message comes, for a stop or a plan: the dates of SQS's
/// answers, by which the time of day is known, are cut to whole seconds, as are the times for which
/// it hides messages, and one that comes too early costs a receive.
pub(crate) const DATE_PRECISION: Duration = Duration::from_secs(3);
/// How much longer than a grace the queue keeps messages at least: an outage of a
/// weekend at the deadline must not lose it.
pub(crate) const RETENTION_RESERVE: Duration = Duration::from_hours(48);

// Sweeps

/// Instances that were launched a shorter time ago are left to their events, which usually come within
/// seconds; one that waits in the queue for longer comes to an instance that is told.
pub(crate) const LEFT_TO_EVENTS: Duration = Duration::from_mins(10);
/// How long it is remembered what owners were told of a launch: longer than the week after which they
/// are told again.
pub(crate) const LAUNCH_MEMORY: Duration = Duration::from_hours(8 * 24);
/// The longest time until the first sweep of an account, which comes at a random moment of it: with
/// sweeps a day apart, a process that is replaced every day would hardly make one.
pub(crate) const FIRST_SWEEP: Duration = Duration::from_hours(1);
/// How long a sweep reads on although calls fail that may pass, such as throttled ones: it has one of
/// a few places, for which others wait.
pub(crate) const SWEEP_TRIES: Duration = Duration::from_mins(15);
/// How long what a sweep found waits for events of its account and region at most, and for the notices
/// of sweeps: where they never cease, an instance a minute is worked on all the same.
pub(crate) const SWEEP_YIELDS: Duration = Duration::from_mins(1);
/// A sweep waits so long before it looks again whether it may go on: events of its account and region
/// come first, and while stops are held up there it ends.
pub(crate) const SWEEP_LOOKS_UP: Duration = Duration::from_secs(5);

// Health

/// How much longer than announced a wait may take before its task counts as stuck: well beyond
/// what a busy machine delays, and soon enough for a restart to help.
pub(crate) const STUCK_AFTER: Duration = Duration::from_secs(30);
/// How often the daemon looks itself whether a task is stuck, and says so in the log.
pub(crate) const STUCK_CHECK: Duration = Duration::from_secs(10);
/// How often systemd's status line is renewed.
pub(crate) const SYSTEMD_STATUS: Duration = Duration::from_secs(10);
/// A systemd watchdog that wants to be fed more often than this would keep the daemon from its
/// work.
pub(crate) const SHORTEST_WATCHDOG: Duration = Duration::from_millis(10);
/// How long `healthcheck` waits for its answer: less than the 5 s that the image and the task
/// definition give it.
pub(crate) const HEALTHCHECK: Duration = Duration::from_secs(4);
/// How long a connection to the admin port may take: less than `healthcheck` waits, so that it
/// outlasts those who hold it up.
pub(crate) const ADMIN_CONNECTION: Duration = Duration::from_secs(3);
/// How often an admin port that another process has is tried again: more often than health checks
/// ask.
pub(crate) const ADMIN_TAKEN: Duration = Duration::from_secs(1);
/// How long a taken admin port is tried, 120 s: as long as a predecessor may drain, whose
/// `drain.timeout_secs` may differ from ours, and 7 s for what it does before and after.
pub(crate) const ADMIN_HANDOVER: Duration =
    LONGEST_DRAIN.saturating_add(LAST_ROUND).saturating_add(Duration::from_secs(7));
/// The wait after an error that keeps connections from being taken, such as too many open files.
pub(crate) const ADMIN_ERROR: Duration = Duration::from_secs(1);

// The audit trail

/// Lines that come within this time of each other are written together: each write costs a switch
/// to another thread. A message is deleted that much later, which nobody notices.
pub(crate) const AUDIT_GATHERING: Duration = Duration::from_millis(2);
/// The first wait after a failed write. It doubles: a full disk is mended by a person.
pub(crate) const AUDIT_RETRY: Duration = Duration::from_secs(1);
/// The longest wait after a failed write: each leaves an error in the log, which is to be found
/// there within a minute, and whoever frees space need not wait for longer.
pub(crate) const LONGEST_AUDIT_RETRY: Duration = Duration::from_secs(30);
/// A write that takes longer than this makes the daemon unready: disks that are well take
/// milliseconds.
pub(crate) const AUDIT_SLOW: Duration = Duration::from_secs(10);
/// How long the end of a drain waits for lines that no message waits for.
pub(crate) const AUDIT_FLUSH: Duration = Duration::from_secs(1);

// Clocks

/// The daemon computes the age of an event with its own clock; a minute more or less does no harm.
pub(crate) const HARMLESS_SKEW: Duration = Duration::from_mins(1);
/// A host's clock that is further off than this is warned of: one that the network sets is off by
/// less than a second, and the date of an answer may be seconds old when it is read.
pub(crate) const TOLERATED_SKEW: Duration = Duration::from_secs(30);
/// AWS refuses signatures that are more than 5 min off ("Elements of an AWS API request signature",
/// IAM User Guide).
pub(crate) const REFUSED_SKEW: Duration = Duration::from_mins(5);

// Undo

/// The first wait of a command before it tries a failed call again. It doubles up to
/// [`COMMAND_LONGEST_RETRY`].
pub(crate) const COMMAND_FIRST_RETRY: Duration = Duration::from_millis(500);
/// EC2's buckets for StartInstances get 2 tokens a second: a try every few seconds finds one, also
/// beside a tool that takes all it can.
pub(crate) const COMMAND_LONGEST_RETRY: Duration = Duration::from_secs(8);
/// For how long a command goes on while nothing but failures come back: what lasts longer is an
/// outage, which a person is told of, who can run the command again after it.
pub(crate) const COMMAND_PATIENCE: Duration = Duration::from_mins(2);
/// How often `undo` looks again at instances whose state or tags are to change soon.
pub(crate) const UNDO_LOOK: Duration = Duration::from_secs(2);
/// How long a tag may take until both describing calls show it: EC2 is eventually consistent, and
/// usually shows it within seconds.
pub(crate) const EXEMPTION_SHOWS: Duration = Duration::from_mins(1);
/// How long an instance may take to go from `stopping` to `stopped`: usually a minute, but a guest
/// that does not shut down is waited for by EC2 for minutes.
pub(crate) const STOPPING_TAKES: Duration = Duration::from_mins(10);
/// How long `undo` watches what it started come up. One that cannot, such as for a key of its
/// volume that may not be used, is stopped again by EC2 within seconds.
pub(crate) const STARTED_WATCHED: Duration = Duration::from_mins(1);
