//! Reads the topic's ARN.

use serde::de::{Error, Unexpected};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::arn::{is_name, split_arn};
use crate::domain::ids::{Account, Region};

const FORM: &str = "give an ARN such as arn:aws:sns:eu-central-1:123456789012:instance-notices";
/// SNS's limit for the name of a topic, `.fifo` included.
const NAME_LIMIT: usize = 256;

/// The topic that notices go to: its ARN and what the ARN tells.
#[derive(Clone, Debug)]
pub struct TopicArn {
    /// The whole ARN, as SNS wants it.
    pub arn: String,
    /// The region of the SNS client.
    pub region: Region,
    /// The account that owns the topic.
    pub account: Account,
    /// Whether messages need a group and a deduplication id.
    pub fifo: bool,
}

impl TopicArn {
    /// Takes `arn:PARTITION:sns:REGION:ACCOUNT:NAME`, and nothing else.
    fn read<E: Error>(written: &str) -> Result<Self, E> {
        let refused = || E::invalid_value(Unexpected::Str(written), &FORM);
        Self::parse(written).ok_or_else(refused)
    }

    /// AWS's partition, such as `aws`.
    pub(crate) fn partition(&self) -> &str {
        self.arn.split(':').nth(1).unwrap_or_default()
    }

    fn parse(arn: &str) -> Option<Self> {
        let (region, account, name) = split_arn(arn, "sns")?;
        let stem = name.strip_suffix(".fifo").unwrap_or(name);
        let sound = name.len() <= NAME_LIMIT && is_name(stem);
        let fifo = name.len() > stem.len();
        sound.then(|| Self { arn: arn.to_owned(), region, account, fifo })
    }
}

/// The section `[topic]`: who is told of what.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TopicSettings {
    /// Where owners listen.
    #[serde(rename = "arn")]
    pub owners: TopicArn,
    /// Where operators listen; `None`: where owners do.
    #[serde(rename = "operators_arn")]
    pub operators: Option<TopicArn>,
}

impl TopicSettings {
    /// The topic of the operators, which may be that of the owners.
    pub(crate) fn of_operators(&self) -> &TopicArn {
        self.operators.as_ref().unwrap_or(&self.owners)
    }
}

impl<'de> Deserialize<'de> for TopicArn {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let written = Option::<String>::deserialize(deserializer)?;
        let missing = || D::Error::invalid_value(Unexpected::Unit, &FORM);
        Self::read(&written.ok_or_else(missing)?)
    }
}

impl Serialize for TopicArn {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.arn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::SettingsError;
    use crate::settings::tests;

    fn read(arn: &str) -> TopicArn {
        TopicArn::read::<SettingsError>(arn).unwrap()
    }

    fn refusal(arn: &str) -> String {
        tests::refusal("SNS_TOPIC_ARN", arn)
    }

    #[test]
    fn a_topic_tells_its_region_account_and_kind() {
        let topic = read("arn:aws-cn:sns:cn-north-1:123456789012:t.fifo");
        assert_eq!((topic.region.as_str(), topic.partition()), ("cn-north-1", "aws-cn"));
        assert_eq!(topic.account.as_str(), "123456789012");
        assert!(topic.fifo);
        assert!(!read("arn:aws:sns:us-east-1:123456789012:t").fifo);
        let topic = read("arn:aws-eusc:sns:eusc-de-east-1:123456789012:t");
        assert_eq!(topic.region.as_str(), "eusc-de-east-1");
    }

    #[test]
    fn operators_listen_where_owners_do_unless_they_have_a_topic_of_their_own() {
        let settings = |own: &[(&str, &str)]| tests::load(None, own).unwrap().topic;
        let same = settings(&[]);
        assert_eq!(same.of_operators().arn, same.owners.arn);
        let arn = "arn:aws:sns:us-east-1:123456789012:operators";
        let own = settings(&[("ENFORCER_TOPIC__OPERATORS_ARN", arn)]);
        assert_eq!(own.of_operators().arn, arn);
        assert_ne!(own.owners.arn, arn);
    }

    #[test]
    fn an_unsound_topic_of_operators_is_refused_by_its_key() {
        let message = tests::refusal("ENFORCER_TOPIC__OPERATORS_ARN", "operators");
        assert!(message.starts_with("topic.operators_arn"), "{message}");
        assert!(message.ends_with(FORM), "{message}");
    }

    #[test]
    fn a_name_of_256_characters_is_taken() {
        let arn = format!("arn:aws:sns:us-east-1:123456789012:{}", "n".repeat(256));
        assert_eq!(read(&arn).arn, arn);
    }

    #[test]
    fn a_missing_topic_is_refused() {
        assert_eq!(
            tests::refusal_without("SNS_TOPIC_ARN"),
            "topic.arn (SNS_TOPIC_ARN) is missing: give an ARN such as \
             arn:aws:sns:eu-central-1:123456789012:instance-notices"
        );
    }

    #[test]
    fn an_unsound_topic_is_refused_with_an_example() {
        let too_long = format!("arn:aws:sns:us-east-1:123456789012:{}", "n".repeat(257));
        let unsound = [
            "notices",
            "arn:aws:sqs:us-east-1:123456789012:t",
            "arn:evil:sns:us-east-1:123456789012:t",
            "arn:aws:sns:us-east-1/:123456789012:t",
            "arn:aws:sns::123456789012:t",
            "arn:aws:sns:us-east-1:12345:t",
            "arn:aws:sns:us-east-1:123456789012:",
            "arn:aws:sns:us-east-1:123456789012:.fifo",
            "arn:aws:sns:us-east-1:123456789012:a b",
            "arn:aws:sns:us-east-1:123456789012:t:subscription",
            " arn:aws:sns:us-east-1:123456789012:t",
            &too_long,
        ];
        for arn in unsound {
            let message = refusal(arn);
            assert!(message.starts_with("topic.arn (SNS_TOPIC_ARN) = \""), "{message}");
            assert!(message.ends_with(FORM), "{message}");
        }
    }
}
