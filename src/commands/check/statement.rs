//! The statements of the role's policy, with this installation's names.
//!
//! They are those of `deploy/iam/daemon.json` and `preflight.json`; a test compares them.

use serde::Serialize;
use serde_json::{Value, json};

use crate::aws::sqs::attributes::Attributes;
use crate::daemon::startup;
use crate::domain::ids::{Account, Region};
use crate::settings::Settings;

/// One statement, in the form that IAM takes.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Statement {
    sid: &'static str,
    effect: &'static str,
    action: Vec<&'static str>,
    resource: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    condition: Option<Value>,
}

/// A policy of such statements.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Policy {
    version: &'static str,
    statement: Vec<Statement>,
}

/// What IAM takes for values of the exception tag that have a date: every date that ends an exemption
/// in this century, and more.
pub(super) const DATED: [&str; 2] = ["*until=*", "20*"];

impl Policy {
    /// A policy of these statements, each once; `None` without any.
    pub(super) fn of<'some>(statements: impl Iterator<Item = &'some Statement>) -> Option<Self> {
        let mut each: Vec<Statement> = Vec::new();
        for statement in statements {
            if !each.contains(statement) {
                each.push(statement.clone());
            }
        }
        (!each.is_empty()).then_some(Self { version: "2012-10-17", statement: each })
    }
}

/// The names of this installation, which the statements are about.
#[derive(Clone, Debug)]
pub(super) struct Names {
    /// AWS's partition, such as `aws` or `aws-us-gov`.
    partition: String,
    /// The account that the daemon works for.
    pub(super) account: Account,
    /// The ARN of the queue.
    pub(super) queue: String,
    /// The ARN of the topic.
    topic: String,
    /// The regions whose instances count.
    pub(super) regions: Vec<Region>,
    /// The key of the tag that exempts an instance.
    pub(super) exception_tag: String,
    /// Whether a date in the value of this tag ends the exemption.
    exception_expires: bool,
    /// The policies that may stop an instance with this tag, too, by their ids.
    pub(super) ignoring: Vec<String>,
}

impl Names {
    /// Takes the names from the queue's attributes, and from the settings what these lack.
    pub(super) fn of(
        settings: &Settings,
        account: Account,
        queue_region: Region,
        attributes: Option<&Attributes>,
    ) -> Self {
        let partition = settings.topic.owners.arn.split(':').nth(1).unwrap_or("aws").to_owned();
        let address = &settings.queue.address;
        let owner = address.account().unwrap_or(&account);
        let told = attributes.and_then(|attributes| attributes.arn.clone());
        let queue = told.unwrap_or_else(|| {
            format!("arn:{partition}:sqs:{queue_region}:{owner}:{}", address.name())
        });
        Self {
            partition,
            queue,
            topic: settings.topic.owners.arn.clone(),
            regions: startup::regions(settings, queue_region, attributes),
            exception_tag: settings.policy.exception_tag.clone(),
            exception_expires: settings.policy.exception_expires,
            ignoring: Vec::new(),
            account,
        }
    }

    /// The names in another account, which has the same regions.
    pub(super) fn in_account(&self, account: &Account) -> Self {
        Self { account: account.clone(), ..self.clone() }
    }

    /// Adds the policies that may stop an instance with the exception tag, too.
    #[must_use]
    pub(super) fn with_ignoring(self, policies: &[String]) -> Self {
        Self { ignoring: policies.to_vec(), ..self }
    }

    /// The policies that may stop an instance with the exception tag, in words; `None` without any.
    pub(super) fn ignoring_policies(&self) -> Option<String> {
        match self.ignoring.as_slice() {
            [] => None,
            [one] => Some(format!("policy {one}")),
            several => Some(format!("policies {}", several.join(", "))),
        }
    }

    /// Allows what the daemon does with the queue.
    pub(super) fn queue_work(&self) -> Statement {
        let action = vec![
            "sqs:ChangeMessageVisibility",
            "sqs:DeleteMessage",
            "sqs:GetQueueAttributes",
            "sqs:GetQueueUrl",
            "sqs:ReceiveMessage",
        ];
        allow("WorkOffTheQueue", action, &self.queue)
    }

    /// Allows holding stops by tags of the queue, and no other tags. A condition for all keys of a
    /// request holds where there are none, as when the tags are listed.
    pub(super) fn holding(&self) -> Statement {
        let condition = json!({ "ForAllValues:StringLike": { "aws:TagKeys": ["hold/*"] } });
        let allowed = allow("HoldStops", vec!["sqs:ListQueueTags", "sqs:TagQueue"], &self.queue);
        Statement { condition: Some(condition), ..allowed }
    }

    /// Allows the describing calls of EC2. They take no resource, so the regions limit them.
    pub(super) fn describing(&self) -> Statement {
        let action = vec!["ec2:DescribeInstances", "ec2:DescribeTags"];
        let condition = json!({ "StringEquals": { "aws:RequestedRegion": self.region_names() } });
        Statement { condition: Some(condition), ..allow("LookAtInstances", action, "*") }
    }

    /// Allows stops of instances that lack the exception tag; of all, where a policy may stop those
    /// that carry it.
    pub(super) fn stopping(&self) -> Statement {
        let resource = format!("arn:{}:ec2:*:{}:instance/*", self.partition, self.account);
        let mut condition = json!({
            "StringEquals": { "aws:RequestedRegion": self.region_names() },
        });
        let mut sid = "StopInstances";
        if self.ignoring.is_empty() {
            sid = "StopInstancesWithoutTheTag";
            let tag = format!("aws:ResourceTag/{}", self.exception_tag);
            condition["Null"] = json!({ tag: "true" });
        }
        let allowed = allow(sid, vec!["ec2:StopInstances"], &resource);
        Statement { condition: Some(condition), ..allowed }
    }

    /// Whether the guard has to let instances be stopped whose exception tag has a date. Without a
    /// guard it does.
    pub(super) fn needs_expiry(&self) -> bool {
        self.exception_expires && self.ignoring.is_empty()
    }

    /// Allows stops of instances whose exception tag has a date. IAM cannot compare it, so that
    /// whether it is past is for the daemon to say.
    pub(super) fn stopping_of_dated(&self) -> Statement {
        let resource = format!("arn:{}:ec2:*:{}:instance/*", self.partition, self.account);
        let tag = format!("aws:ResourceTag/{}", self.exception_tag);
        let condition = json!({
            "StringEquals": { "aws:RequestedRegion": self.region_names() },
            "StringLike": { tag: DATED },
        });
        let allowed = allow("StopInstancesWhoseTagHasADate", vec!["ec2:StopInstances"], &resource);
        Statement { condition: Some(condition), ..allowed }
    }

    /// Allows what the daemon does with the topic.
    pub(super) fn topic_work(&self) -> Statement {
        let action = vec!["sns:ListSubscriptionsByTopic", "sns:Publish"];
        allow("PublishNotices", action, &self.topic)
    }

    /// Allows reading the topic's attributes, which only the preflight does.
    pub(super) fn topic_reading(&self) -> Statement {
        allow("ReadTheTopic", vec!["sns:GetTopicAttributes"], &self.topic)
    }

    fn region_names(&self) -> Vec<&str> {
        self.regions.iter().map(Region::as_str).collect()
    }
}

/// Allows reading the dead-letter queue's attributes, which only the preflight does.
pub(super) fn dead_letter_reading(arn: &str) -> Statement {
    allow("ReadTheDeadLetterQueue", vec!["sqs:GetQueueAttributes"], arn)
}

fn allow(sid: &'static str, action: Vec<&'static str>, resource: &str) -> Statement {
    Statement { sid, effect: "Allow", action, resource: resource.to_owned(), condition: None }
}
