//! The whole state of the sandbox, which is behind one lock. Nothing in it depends on HTTP.

use std::collections::BTreeMap;
use std::time::SystemTime;

use tokio::time::Instant;

use super::accounts::Accounts;
use super::accounts::admission::admit;
use super::answer::{Answer, Failure};
use super::ec2::Ec2;
use super::ec2::instances::InstanceName;
use super::events::rule::EventRule;
use super::fault_rules::Faults;
use super::ids::Ids;
use super::ledger::Ledger;
use super::options::Options;
use super::schedule::{Planned, Schedule};
use super::sns::{Notice, Topic};
use super::sqs::queue::Queue;
use super::token_buckets::Buckets;
use super::wire::request::Request;
use super::wire::service::Service;
use super::{call_details, ec2, events, sns, sqs, sts};
use crate::runtime::clock::Clock;

/// The state of all services. Maps whose content is listed are sorted, so that answers are the same
/// in every run.
#[derive(Debug)]
pub(super) struct World {
    pub(super) options: Options,
    pub(super) ids: Ids,
    pub(super) schedule: Schedule,
    pub(super) ec2: Ec2,
    pub(super) accounts: Accounts,
    /// By ARN.
    pub(super) queues: BTreeMap<String, Queue>,
    /// By ARN.
    pub(super) topics: BTreeMap<String, Topic>,
    pub(super) notices: Vec<Notice>,
    /// By ARN.
    pub(super) rules: BTreeMap<String, EventRule>,
    pub(super) buckets: Buckets,
    pub(super) faults: Faults,
    pub(super) ledger: Ledger,
    clock: Clock,
    /// The time of the latest change.
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
            accounts: Accounts::default(),
            queues: BTreeMap::new(),
            topics: BTreeMap::new(),
            notices: Vec::new(),
            rules: BTreeMap::new(),
            buckets: Buckets::default(),
            faults: Faults::default(),
            ledger: Ledger::default(),
            clock,
            now: Instant::now(),
        }
    }

    /// Carries out everything that is due by now, at its own time. Nothing runs in the background:
    /// this is called before every read and change, and tasks that wait wake at
    /// [`World::next_due`].
    pub(super) fn advance(&mut self, now: Instant) {
        while let Some((at, planned)) = self.schedule.take_due(now) {
            self.now = at;
            match planned {
                Planned::Transition(transition) => ec2::lifecycle::carry_out(self, &transition),
                Planned::Stop { account, id } => {
                    ec2::lifecycle::stop(self, InstanceName { account: &account, id: &id });
                }
                Planned::Event(event) => events::route(self, &event),
            }
        }
        self.now = now;
        for queue in self.queues.values_mut() {
            queue.show_due(now);
        }
    }

    /// When the state next changes without a call.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let messages = self.queues.values().filter_map(Queue::next_due);
        messages.chain(self.schedule.next()).min()
    }

    /// The current time or, while a plan is carried out, the time for which it was planned.
    pub(super) fn now(&self) -> Instant {
        self.now
    }

    pub(super) fn clock(&self) -> Clock {
        self.clock
    }

    pub(super) fn wall_clock(&self) -> SystemTime {
        self.clock.wall(self.now)
    }

    /// Lists the messages of a deletion that are still in a queue: its receipt handles were stale.
    pub(super) fn kept(&self, request: &Request) -> Vec<String> {
        if !request.operation.starts_with("DeleteMessage") {
            return Vec::new();
        }
        let named = call_details::subjects(request.parameters()).into_iter();
        named.filter(|id| self.queues.values().any(|queue| queue.has(id))).collect()
    }

    /// Carries out a call, if its credentials are valid.
    pub(super) fn act(&mut self, request: &Request) -> Answer {
        admit(self, request)?;
        match request.service {
            Service::Sqs => sqs::act(self, request),
            Service::Ec2 => ec2::act(self, request),
            Service::Sns => sns::act(self, request),
            Service::Events => events::act(self, request),
            Service::Sts => sts::act(self, request),
        }
    }

    /// Names a resource of the sandbox's own account.
    pub(super) fn arn(&self, service: &str, region: &str, resource: &str) -> String {
        arn(&self.options.account, service, region, resource)
    }

    /// The ARN of the role whose credentials a call is signed with. That of the sandbox's own account
    /// is in the partition of its region.
    pub(super) fn caller(&self, request: &Request) -> String {
        if let Some(session) = self.accounts.session(request) {
            return session.arn(&request.region);
        }
        let partition = partition(&self.options.region);
        format!("arn:{partition}:sts::{}:assumed-role/sandbox/session", self.options.account)
    }

    /// Refuses an operation that the sandbox does not have.
    pub(super) fn unknown(request: &Request) -> Answer {
        Err(Failure::unknown_operation(request.service, &request.operation))
    }
}

/// Names a resource of an account, such as `arn:aws:sqs:us-east-1:123456789012:orders`.
pub(super) fn arn(account: &str, service: &str, region: &str, resource: &str) -> String {
    format!("arn:{}:{service}:{region}:{account}:{resource}", partition(region))
}

/// Names an instance profile of an account, in the partition of a region.
pub(super) fn profile_arn(account: &str, region: &str, name: &str) -> String {
    format!("arn:{}:iam::{account}:instance-profile/{name}", partition(region))
}

/// The partition of a region, which begins like all regions of the partition do.
pub(super) fn partition(region: &str) -> String {
    let mut words = region.split('-');
    match (words.next().unwrap_or_default(), words.next().unwrap_or_default()) {
        ("cn", _) => "aws-cn".to_owned(),
        ("eusc", _) => "aws-eusc".to_owned(),
        ("us", "gov") => "aws-us-gov".to_owned(),
        (_, "iso") => "aws-iso".to_owned(),
        (_, word) => match word.strip_prefix("iso") {
            Some(letter) => format!("aws-iso-{letter}"),
            None => "aws".to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_tells_its_partition() {
        for (region, told) in [
            ("us-east-1", "aws"),
            ("cn-northwest-1", "aws-cn"),
            ("us-gov-east-1", "aws-us-gov"),
            ("eusc-de-east-1", "aws-eusc"),
            ("us-iso-west-1", "aws-iso"),
            ("us-isob-east-1", "aws-iso-b"),
            ("eu-isoe-west-1", "aws-iso-e"),
        ] {
            assert_eq!(partition(region), told);
        }
    }
}
