//! The AWS services of the sandbox, and the protocol of each.

use std::fmt;

/// An AWS service that the sandbox has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Service {
    Sqs,
    Ec2,
    Sns,
    Events,
    Sts,
}

/// The protocol of a service's calls and answers.
#[derive(Debug, Clone, Copy)]
pub(in crate::sandbox) enum Protocol {
    /// AWS JSON. The names of errors begin with the namespace.
    Json { version: &'static str, namespace: &'static str },
    /// Calls are forms, answers are XML.
    Query { xmlns: &'static str },
    /// EC2's variant of Query.
    Ec2,
}

impl Service {
    const ALL: [Self; 5] = [Self::Sqs, Self::Ec2, Self::Sns, Self::Events, Self::Sts];

    /// The name in ARNs and in signatures.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sqs => "sqs",
            Self::Ec2 => "ec2",
            Self::Sns => "sns",
            Self::Events => "events",
            Self::Sts => "sts",
        }
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|service| service.name() == name)
    }

    pub(in crate::sandbox) fn protocol(self) -> Protocol {
        match self {
            Self::Sqs => Protocol::Json { version: "1.0", namespace: "com.amazonaws.sqs#" },
            Self::Events => Protocol::Json { version: "1.1", namespace: "" },
            Self::Sns => Protocol::Query { xmlns: "http://sns.amazonaws.com/doc/2010-03-31/" },
            Self::Sts => Protocol::Query { xmlns: "https://sts.amazonaws.com/doc/2011-06-15/" },
            Self::Ec2 => Protocol::Ec2,
        }
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
