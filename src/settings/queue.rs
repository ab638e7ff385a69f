//! Reads the queue's address: a URL, an ARN or a name.

use std::fmt;

use serde::de::{Error, Unexpected};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use url::{Host, Url};

use super::arn::{is_name, split_arn};
use crate::domain::ids::{Account, Region};

const FORM: &str = "give a URL such as \
    https://sqs.eu-central-1.amazonaws.com/123456789012/instance-events, an ARN, or a name";
const NO_FIFO: &str = "give a standard queue: a rejected message would block its group in a FIFO \
    queue, and EventBridge's events need no order";
/// SQS's limit for the name of a queue.
const NAME_LIMIT: usize = 80;

/// Where the queue is: what the operator gave, and what it tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QueueAddress {
    /// A URL. The region is known only where the host tells it (AWS hosts); the account is the
    /// first path segment where that is 12 digits.
    Url { url: String, region: Option<Region>, account: Option<Account>, name: String },
    /// An ARN: everything but the URL, which SQS has to be asked for.
    Arn { region: Region, account: Account, name: String },
    /// A name in the credentials' account and the client's region.
    Name(String),
}

impl QueueAddress {
    /// The account that the address names, if it names one.
    #[must_use]
    pub fn account(&self) -> Option<&Account> {
        match self {
            Self::Url { account, .. } => account.as_ref(),
            Self::Arn { account, .. } => Some(account),
            Self::Name(_) => None,
        }
    }

    /// The scheme, the host and the port at which the URL has SQS called, such as a VPC endpoint, a
    /// FIPS endpoint or an emulator. The host that a region's queues have for everybody is no way
    /// of its own: SQS is called there anyway, unless the operator's environment says otherwise.
    #[must_use]
    pub fn route(&self) -> Option<String> {
        let Self::Url { url, .. } = self else { return None };
        let url = Url::parse(url).ok()?;
        (!is_public(&labels(&url))).then(|| url.origin().ascii_serialization())
    }

    /// Takes an address of a standard queue, and nothing else.
    pub(super) fn read<E: Error>(written: &str) -> Result<Self, E> {
        let refused = |remedy: &str| E::invalid_value(Unexpected::Str(written), &remedy);
        if has_password(written) {
            // The value may be a secret, so it is not shown.
            let hidden = Unexpected::Other("(hidden)");
            return Err(E::invalid_value(hidden, &"give a URL without user and password"));
        }
        let address = Self::parse(written).ok_or_else(|| refused(FORM))?;
        let name = address.name();
        // SQS itself compares the suffix with case.
        if name.strip_suffix(".fifo").is_some() {
            return Err(refused(NO_FIFO));
        }
        if !is_name(name) || name.len() > NAME_LIMIT {
            return Err(refused(FORM));
        }
        Ok(address)
    }

    fn parse(written: &str) -> Option<Self> {
        if written.contains("://") {
            return parse_url(written);
        }
        if written.starts_with("arn:") {
            let (region, account, name) = split_arn(written, "sqs")?;
            return Some(Self::Arn { region, account, name: name.to_owned() });
        }
        Some(Self::Name(written.to_owned()))
    }

    /// The queue's name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Url { name, .. } | Self::Arn { name, .. } | Self::Name(name) => name,
        }
    }
}

impl<'de> Deserialize<'de> for QueueAddress {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let written = Option::<String>::deserialize(deserializer)?;
        let missing = || D::Error::invalid_value(Unexpected::Unit, &FORM);
        Self::read(&written.ok_or_else(missing)?)
    }
}

impl Serialize for QueueAddress {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Display for QueueAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url { url, .. } => f.write_str(url),
            Self::Arn { region, account, name } => write!(f, "{name} of {account} in {region}"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

fn has_password(written: &str) -> bool {
    written.contains("://") && written.contains('@')
}

fn parse_url(written: &str) -> Option<QueueAddress> {
    // The parser would drop these without a word.
    if written.chars().any(|character| character.is_whitespace() || character.is_control()) {
        return None;
    }
    let url = Url::parse(written).ok()?;
    let plain = matches!(url.scheme(), "http" | "https")
        && url.query().is_none()
        && url.fragment().is_none();
    let segments: Vec<&str> = url.path_segments()?.collect();
    let (name, account) = (*segments.last()?, Account::parse(segments.first()?));
    let labels = labels(&url);
    let place = region_place(&labels);
    let region = place.and_then(Region::parse);
    // In its own domains AWS puts the region there, and knows no other path than /ACCOUNT/NAME.
    let is_slip = place.is_some()
        && is_domain_of_aws(&labels)
        && (region.is_none() || segments.len() != 2 || account.is_none());
    let name = name.to_owned();
    (plain && !is_slip).then(|| QueueAddress::Url { url: url.to_string(), region, account, name })
}

/// What stands in the place of the region, in a host that has such a place: after `sqs` or before
/// `queue`. The domain does not matter, since each of AWS's partitions has its own.
fn region_place<'host>(labels: &[&'host str]) -> Option<&'host str> {
    match labels {
        ["queue", "amazonaws", "com"] => Some("us-east-1"),
        ["sqs" | "sqs-fips", region, _, ..]
        | [region, "queue", _, ..]
        // A VPC endpoint.
        | [_, "sqs" | "sqs-fips", region, "vpce", _, ..] => Some(region),
        _ => None,
    }
}

/// Whether a host is the one that a region's queues have for everybody, or one of its old names.
fn is_public(labels: &[&str]) -> bool {
    let is_usual = match labels {
        ["sqs", _, domain, ..] => *domain != "api",
        ["queue", ..] | [_, "queue", ..] => true,
        _ => false,
    };
    is_usual && is_domain_of_aws(labels)
}

/// Whether a host is in a domain that is known to be AWS's. This finds slips in the rest of the
/// URL, so a domain of AWS that is missing here does no harm.
fn is_domain_of_aws(labels: &[&str]) -> bool {
    matches!(
        labels,
        [.., "amazonaws", "com" | "eu"]
            | [.., "amazonaws" | "amazonwebservices", "com", "cn"]
            | [.., "amazonwebservices", "eu"]
            | [.., "api", "aws"]
            | [.., "c2s", "ic", "gov"]
            | [.., "sc2s", "sgov", "gov"]
            | [.., "cloud", "adc-e", "uk"]
            | [.., "csp", "hci", "ic", "gov"]
    )
}

/// The labels of the host; none for an IP address.
fn labels(url: &Url) -> Vec<&str> {
    let Some(Host::Domain(host)) = url.host() else { return Vec::new() };
    host.split('.').collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::SettingsError;
    use crate::settings::tests;

    fn read(written: &str) -> Result<QueueAddress, SettingsError> {
        QueueAddress::read(written)
    }

    fn refusal(written: &str) -> String {
        tests::refusal("SQS_QUEUE_URL", written)
    }

    fn region_of(host: &str) -> Option<String> {
        let written = format!("https://{host}/123456789012/events");
        let Ok(QueueAddress::Url { region, account, name, .. }) = read(&written) else {
            panic!("{written} is refused");
        };
        assert_eq!(account, Account::parse("123456789012"));
        assert_eq!(name, "events");
        region.map(|region| region.as_str().to_owned())
    }

    #[test]
    fn the_hosts_of_aws_tell_the_region() {
        for host in [
            "sqs.eu-west-1.amazonaws.com",
            "sqs-fips.eu-west-1.amazonaws.com",
            "sqs.eu-west-1.amazonaws.com.cn",
            "eu-west-1.queue.amazonaws.com",
            "vpce-1a2b-3c4d.sqs.eu-west-1.vpce.amazonaws.com",
            "sqs.eu-west-1.api.aws",
            "sqs.eu-west-1.localhost.localstack.cloud:4566",
            "sqs.eu-west-1.aws.corp.example",
        ] {
            assert_eq!(region_of(host).as_deref(), Some("eu-west-1"), "{host}");
        }
        assert_eq!(region_of("queue.amazonaws.com").as_deref(), Some("us-east-1"));
    }

    #[test]
    fn the_hosts_of_every_partition_tell_the_region() {
        for (region, domains) in [
            ("mx-central-1", ["amazonaws.com", "api.aws"]),
            ("us-gov-west-1", ["amazonaws.com", "api.aws"]),
            ("cn-north-1", ["amazonaws.com.cn", "api.amazonwebservices.com.cn"]),
            ("eusc-de-east-1", ["amazonaws.eu", "api.amazonwebservices.eu"]),
            ("us-iso-east-1", ["c2s.ic.gov", "api.aws.ic.gov"]),
            ("us-isob-east-1", ["sc2s.sgov.gov", "api.aws.scloud"]),
            ("eu-isoe-west-1", ["cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"]),
            ("us-isof-south-1", ["csp.hci.ic.gov", "api.aws.hci.ic.gov"]),
        ] {
            for domain in domains {
                for host in [
                    format!("sqs.{region}.{domain}"),
                    format!("sqs-fips.{region}.{domain}"),
                    format!("vpce-1a2b-3c4d.sqs.{region}.vpce.{domain}"),
                ] {
                    assert_eq!(region_of(&host).as_deref(), Some(region), "{host}");
                }
            }
        }
    }

    #[test]
    fn other_hosts_tell_no_region() {
        for host in [
            "localhost:4566",
            "127.0.0.1:5000",
            "[::1]:5000",
            "sqs.internal.example",
            "sqs",
            "emulator-1a2b.elb.us-east-1.amazonaws.com",
        ] {
            assert_eq!(region_of(host), None, "{host}");
        }
    }

    fn route_by(origin: &str) -> Option<String> {
        read(&format!("{origin}/123456789012/events")).unwrap().route()
    }

    #[test]
    fn a_host_of_its_own_is_the_way_to_the_queue() {
        for origin in [
            "https://vpce-1a2b-3c4d.sqs.eu-west-1.vpce.amazonaws.com",
            "https://sqs-fips.us-gov-west-1.amazonaws.com",
            "https://sqs.eu-west-1.api.aws",
            "https://sqs.cn-north-1.api.amazonwebservices.com.cn",
            "http://sqs.eu-west-1.localhost.localstack.cloud:4566",
            "http://localhost:9324",
            "http://[::1]:5000",
            "https://sqs.internal.example",
        ] {
            assert_eq!(route_by(origin).as_deref(), Some(origin));
        }
    }

    #[test]
    fn the_host_of_everybody_is_no_way_of_its_own() {
        for origin in [
            "https://sqs.eu-west-1.amazonaws.com",
            "https://sqs.cn-north-1.amazonaws.com.cn",
            "https://sqs.eusc-de-east-1.amazonaws.eu",
            "https://eu-west-1.queue.amazonaws.com",
            "https://queue.amazonaws.com",
        ] {
            assert_eq!(route_by(origin), None, "{origin}");
        }
        assert_eq!(read("events").unwrap().route(), None);
        assert_eq!(read("arn:aws:sqs:us-east-1:123456789012:events").unwrap().route(), None);
    }

    #[test]
    fn an_arn_or_a_name_will_do() {
        let arn = read("arn:aws:sqs:us-east-1:123456789012:events").unwrap();
        assert_eq!(arn.account(), Account::parse("123456789012").as_ref());
        assert_eq!(arn.to_string(), "events of 123456789012 in us-east-1");
        assert_eq!(read("events").unwrap(), QueueAddress::Name("events".to_owned()));
    }

    #[test]
    fn a_name_of_80_characters_is_taken() {
        let longest = "n".repeat(80);
        assert_eq!(read(&longest).unwrap(), QueueAddress::Name(longest));
    }

    #[test]
    fn a_missing_queue_is_refused() {
        assert_eq!(
            tests::refusal_without("SQS_QUEUE_URL"),
            "queue.url (SQS_QUEUE_URL) is missing: give a URL such as \
             https://sqs.eu-central-1.amazonaws.com/123456789012/instance-events, an ARN, or a name"
        );
    }

    #[test]
    fn a_fifo_queue_is_refused() {
        for written in [
            "events.fifo",
            "arn:aws:sqs:us-east-1:123456789012:events.fifo",
            "https://sqs.us-east-1.amazonaws.com/123456789012/events.fifo",
        ] {
            let message = refusal(written);
            assert!(message.contains("give a standard queue"), "{message}");
        }
    }

    #[test]
    fn an_unsound_queue_is_refused_with_an_example() {
        let too_long = "n".repeat(81);
        for written in [
            " events",
            "my events",
            "events?",
            &too_long,
            "arn:aws:sns:us-east-1:123456789012:events",
            "arn:aws:sqs:us-east-1.evil.example/:123456789012:events",
            "arn:aws:sqs:us-east-1:12:events",
            "ftp://sqs.us-east-1.amazonaws.com/123456789012/events",
            "https://sqs.us-east-1.amazonaws.com/123456789012/",
            "https://sqs.us-east-1.amazonaws.com/events",
            "https://sqs.us-east-1.amazonaws.com/12345/events",
            "https://sqs.us-east.amazonaws.com/123456789012/events",
            "https://sqs.eusc-de-east.amazonaws.eu/123456789012/events",
            "https://sqs.eusc-de-east-1.amazonaws.eu/events",
            "https://sqs.us-east-1.amazonaws.com/123456789012/events?Action=x",
            "https://sqs.us-east-1.amazonaws.com/123456789012/events#x",
            "https://sqs.us-east-1.amazonaws.com/123456789012/ev%65nts",
            "https://sqs.us-east-1.amazonaws.com/123456789012/events\n",
            "https://sqs.us-east-1.amazonaws.com/123456789012/events ",
            "https://sqs.us-east-1.amazonaws.com/123456789012/events\u{1}",
            "https://",
        ] {
            let message = refusal(written);
            assert!(message.starts_with("queue.url (SQS_QUEUE_URL) = \""), "{message}");
            assert!(message.ends_with(FORM), "{message}");
        }
    }

    #[test]
    fn a_password_in_the_url_is_refused_and_not_shown() {
        assert_eq!(
            refusal("https://me:secret@sqs.us-east-1.amazonaws.com/123456789012/events"),
            "queue.url (SQS_QUEUE_URL) = (hidden): give a URL without user and password"
        );
    }
}
