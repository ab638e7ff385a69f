//! Makes the resources that a daemon needs: queue, dead-letter queue, topic and rule.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Sandbox;
use super::events::rule::EventRule;
use super::sns;
use super::sqs::queue::Queue;
use super::sqs::redrive::Redrive;
use super::world::World;

const QUEUE: &str = "ec2-state-changes";
const DEAD_LETTERS: &str = "ec2-state-changes-dead-letters";
const TOPIC: &str = "ec2-policy-violations";
const RULE: &str = "ec2-state-changes";
const TAG_RULE: &str = "ec2-tag-changes";
const MAX_RECEIVES: u32 = 20;
/// 14 days, in seconds.
const LONGEST_RETENTION: &str = "1209600";

/// The resources that `set_up` makes.
#[derive(Debug, Clone)]
pub struct Resources {
    pub account: String,
    pub region: String,
    pub queue_name: String,
    /// The URL with the host of AWS. The sandbox reads only the account and the name in it.
    pub queue_url: String,
    pub queue_arn: String,
    pub dead_letter_url: String,
    pub dead_letter_arn: String,
    pub topic_arn: String,
    pub rule_arn: String,
    /// The rule that `send_tag_events` makes.
    pub tag_rule_arn: String,
}

impl Resources {
    /// The queue's URL on a server such as `http://127.0.0.1:4566`.
    #[must_use]
    pub fn queue_url_at(&self, origin: &str) -> String {
        format!("{}/{}/{}", origin.trim_end_matches('/'), self.account, self.queue_name)
    }

    fn named(world: &World) -> Self {
        let region = world.options.region.clone();
        let account = world.options.account.clone();
        let url = |name| format!("https://sqs.{region}.amazonaws.com/{account}/{name}");
        Self {
            queue_name: QUEUE.to_owned(),
            queue_url: url(QUEUE),
            queue_arn: world.arn("sqs", &region, QUEUE),
            dead_letter_url: url(DEAD_LETTERS),
            dead_letter_arn: world.arn("sqs", &region, DEAD_LETTERS),
            topic_arn: world.arn("sns", &region, TOPIC),
            rule_arn: world.arn("events", &region, &format!("rule/{RULE}")),
            tag_rule_arn: world.arn("events", &region, &format!("rule/{TAG_RULE}")),
            account,
            region,
        }
    }
}

impl Sandbox {
    /// Makes a queue (visibility 30 s) with a dead-letter queue (after 20 receives), a topic,
    /// and the rule that sends the `running` events of every region to the queue.
    #[must_use]
    pub fn set_up(&self) -> Resources {
        self.change(|world| {
            let resources = Resources::named(world);
            make_queues(world, &resources);
            sns::make(world, &resources.region, TOPIC);
            make_rule(world, &resources, (&resources.rule_arn, running()));
            resources
        })
    }

    /// Makes the rule that sends the tag events of every region to `set_up`'s queue.
    pub fn send_tag_events(&self) {
        self.make_tag_rule(None);
    }

    /// Makes the rule of `send_tag_events` for changes of one of these tag keys alone.
    pub fn send_tag_events_of(&self, keys: &[&str]) {
        self.make_tag_rule(Some(keys));
    }

    fn make_tag_rule(&self, keys: Option<&[&str]>) {
        let mut pattern = json!({
            "source": ["aws.tag"],
            "detail-type": ["Tag Change on Resource"],
            "detail": { "service": ["ec2"], "resource-type": ["instance"] },
        });
        if let Some(keys) = keys {
            pattern["detail"]["changed-tag-keys"] = json!(keys);
        }
        self.change(|world| {
            let made = Resources::named(world);
            make_rule(world, &made, (&made.tag_rule_arn, pattern));
            let policy = policy(&made.queue_arn, &[&made.rule_arn, &made.tag_rule_arn]);
            if let Some(queue) = world.queues.remove(&made.queue_arn) {
                world.queues.insert(made.queue_arn, queue.having("Policy", policy));
            }
        });
    }

    /// Makes a topic in the sandbox's region and returns its ARN. It is a FIFO topic if its name
    /// ends in `.fifo`.
    #[must_use]
    pub fn topic(&self, name: &str) -> String {
        self.change(|world| {
            let region = world.options.region.clone();
            sns::make(world, &region, name)
        })
    }

    /// Returns the names of the resources that `set_up` makes, whether they are made or not.
    pub(super) fn resources(&self) -> Resources {
        self.read(Resources::named)
    }
}

fn make_queues(world: &mut World, resources: &Resources) {
    let created = world.wall_clock();
    let target = resources.dead_letter_arn.clone();
    let redrive = Redrive { target: target.clone(), max_receives: MAX_RECEIVES };
    let queue = Queue::new(created)
        .redriving(redrive)
        .having("Policy", policy(&resources.queue_arn, &[&resources.rule_arn]));
    let dead_letters = Queue::new(created).having("MessageRetentionPeriod", LONGEST_RETENTION);
    world.queues.entry(target).or_insert(dead_letters);
    world.queues.entry(resources.queue_arn.clone()).or_insert(queue);
}

/// The policy of a queue, which lets rules send to it.
fn policy(queue: &str, rules: &[&str]) -> String {
    let rules = match rules {
        [rule] => json!(rule),
        rules => json!(rules),
    };
    let statement = json!({
        "Effect": "Allow",
        "Principal": { "Service": "events.amazonaws.com" },
        "Action": "sqs:SendMessage",
        "Resource": queue,
        "Condition": { "ArnEquals": { "aws:SourceArn": rules } },
    });
    json!({ "Version": "2012-10-17", "Statement": [statement] }).to_string()
}

/// The pattern of the events of instances that run.
fn running() -> Value {
    json!({
        "source": ["aws.ec2"],
        "detail-type": ["EC2 Instance State-change Notification"],
        "detail": { "state": ["running"] },
    })
}

/// Makes a rule for the events of every region.
fn make_rule(world: &mut World, resources: &Resources, (arn, pattern): (&str, Value)) {
    let targets = BTreeMap::from([("queue".to_owned(), resources.queue_arn.clone())]);
    let rule = EventRule { region: None, pattern, targets };
    world.rules.insert(arn.to_owned(), rule);
}
