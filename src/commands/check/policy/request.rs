//! The request that a policy is asked about: a message that EventBridge or SNS sends to the queue.

/// Who sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::commands::check) enum Sender {
    /// A rule of EventBridge.
    Rule,
    /// A topic of SNS, which a rule has as its target.
    Topic,
}

/// A request to send a message to the queue.
#[derive(Clone, Debug)]
pub(in crate::commands::check) struct Request<'names> {
    sender: Sender,
    /// The ARN of the rule or the topic.
    source: &'names str,
    /// The ARN of the queue.
    pub(super) queue: &'names str,
}

/// What a request has under a key of a condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Context {
    /// Values.
    Present(Vec<String>),
    /// Nothing.
    Absent,
    /// Nobody can tell.
    Unknown,
}

/// Keys about callers that are no services, and about the networks that these come from.
const OF_PERSONS: [&str; 14] = [
    "aws:multifactorauthage",
    "aws:multifactorauthpresent",
    "aws:principalaccount",
    "aws:principalarn",
    "aws:principalorgid",
    "aws:principalorgpaths",
    "aws:referer",
    "aws:sourceip",
    "aws:sourcevpc",
    "aws:sourcevpcarn",
    "aws:sourcevpce",
    "aws:userid",
    "aws:username",
    "aws:vpcsourceip",
];

impl Sender {
    /// The name of the service, by which its ARNs and its principal call it.
    pub(in crate::commands::check) fn service(self) -> &'static str {
        match self {
            Self::Rule => "events",
            Self::Topic => "sns",
        }
    }
}

impl<'names> Request<'names> {
    /// The request of the rule or the topic `source` to the queue of this ARN.
    pub(in crate::commands::check) fn of(
        sender: Sender,
        source: &'names str,
        queue: &'names str,
    ) -> Self {
        Self { sender, source, queue }
    }

    /// Whether a service of this name, such as `events.amazonaws.com`, is the caller. Partitions
    /// and regions have domains of their own.
    pub(super) fn is_by(&self, principal: &str) -> bool {
        principal.split('.').next() == Some(self.sender.service())
    }

    /// What the request has under a key. The case of keys does not matter.
    pub(super) fn context(&self, key: &str) -> Context {
        let key = key.to_ascii_lowercase();
        let part = |arn: &str, at| arn.split(':').nth(at).unwrap_or_default().to_owned();
        let value = match key.as_str() {
            "aws:sourcearn" => self.source.to_owned(),
            "aws:sourceaccount" => part(self.source, 4),
            "aws:resourceaccount" => part(self.queue, 4),
            "aws:requestedregion" => part(self.queue, 3),
            "aws:securetransport" | "aws:principalisawsservice" => true.to_string(),
            "aws:viaawsservice" => false.to_string(),
            "aws:principalservicename" => format!("{}.amazonaws.com", self.sender.service()),
            key if OF_PERSONS.contains(&key) || key.starts_with("aws:principaltag/") => {
                return Context::Absent;
            }
            _ => return Context::Unknown,
        };
        Context::Present(vec![value])
    }
}
