//! The whole state of the sandbox. It changes under one lock and knows nothing of HTTP.

use std::collections::BTreeMap;
use std::time::SystemTime;

use tokio::time::Instant;

use super::answer::{Answer, Failure};
use super::ec2::Ec2;
use super::events::rule::EventRule;
use super::faults::Faults;
use super::ids::Ids;
use super::ledger::Ledger;
use super::options::Options;
use super::schedule::{Due, Schedule};
use super::sns::{Notice, Topic};
use super::sqs::queue::Queue;
use super::wire::request::Request;
use super::wire::service::Service;
use super::{ec2, events, facts, sns, sqs, sts};
use crate::runtime::clock::Clock;

/// Everything there is. Maps that are listed are ordered, so that no answer depends on a hash.
#[derive(Debug)]
pub(super) struct World {
    pub(super) options: Options,
    pub(super) ids: Ids,
    pub(super) schedule: Schedule,
    pub(super) ec2: Ec2,
    /// By ARN.
    pub(super) queues: BTreeMap<String, Queue>,
    /// By ARN.
    pub(super) topics: BTreeMap<String, Topic>,
    pub(super) notices: Vec<Notice>,
    /// By ARN.
    pub(super) rules: BTreeMap<String, EventRule>,
    pub(super) faults: Faults,
    pub(super) ledger: Ledger,
    clock: Clock,
    now: Instant,
}

impl World {
    pub(super) fn new(options: Options) -> Self {
        let clock = Clock::tied(options.began.unwrap_or_else(SystemTime::now));
        Self {
            ids: Ids::seeded(options.seed),
            options,
            schedule: Schedule::default(),
            ec2: Ec2::default(),
            queues: BTreeMap::new(),
            topics: BTreeMap::new(),
            notices: Vec::new(),
            rules: BTreeMap::new(),
            faults: Faults::default(),
            ledger: Ledger::default(),
            clock,
            now: Instant::now(),
        }
    }

    /// Lets everything happen that is due by now. Nothing runs between two looks at the world:
    /// whoever waits wakes at [`World::next_due`] and looks.
    pub(super) fn advance(&mut self, now: Instant) {
        while let Some((at, due)) = self.schedule.take_due(now) {
            self.now = at;
            match due {
                Due::State { id, from, to } => ec2::lifecycle::arrive(self, &id, from, to),
            }
        }
        self.now = now;
        for queue in self.queues.values_mut() {
            queue.surface(now);
        }
    }

    /// Says when the world next changes by itself.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let messages = self.queues.values().filter_map(Queue::next_due);
        messages.chain(self.schedule.next()).min()
    }

    /// The moment that is being looked at: now, or the time of the thing that is happening.
    pub(super) fn now(&self) -> Instant {
        self.now
    }

    pub(super) fn clock(&self) -> Clock {
        self.clock
    }

    pub(super) fn wall_clock(&self) -> SystemTime {
        self.clock.wall(self.now)
    }

    /// Lists the messages that a deletion named and that are still in a queue.
    pub(super) fn kept(&self, request: &Request) -> Vec<String> {
        if !request.operation.starts_with("DeleteMessage") {
            return Vec::new();
        }
        let named = facts::subjects(request.parameters()).into_iter();
        named.filter(|id| self.queues.values().any(|queue| queue.has(id))).collect()
    }

    /// Carries out a call.
    pub(super) fn act(&mut self, request: &Request) -> Answer {
        match request.service {
            Service::Sqs => sqs::act(self, request),
            Service::Ec2 => ec2::act(self, request),
            Service::Sns => sns::act(self, request),
            Service::Events => events::act(self, request),
            Service::Sts => sts::act(self, request),
        }
    }

    /// Names a resource of this account, such as `arn:aws:sqs:us-east-1:123456789012:orders`.
    pub(super) fn arn(&self, service: &str, region: &str, resource: &str) -> String {
        let partition = match region {
            region if region.starts_with("cn-") => "aws-cn",
            region if region.starts_with("us-gov-") => "aws-us-gov",
            _ => "aws",
        };
        format!("arn:{partition}:{service}:{region}:{}:{resource}", self.options.account)
    }

    /// Words the refusal of IAM, as every service but EC2 does.
    pub(super) fn caller(&self) -> String {
        format!("arn:aws:sts::{}:assumed-role/sandbox/session", self.options.account)
    }

    /// Refuses an operation that the service does not have, or the sandbox does not know.
    pub(super) fn unknown(request: &Request) -> Answer {
        Err(Failure::unknown_operation(request.service, &request.operation))
    }
}
