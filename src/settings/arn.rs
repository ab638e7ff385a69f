//! Takes ARNs apart, for the settings that name a resource of AWS.

use crate::domain::ids::{Account, Region};

/// Takes an ARN of `service` apart into region, account and name; the name is not checked.
pub(super) fn split_arn<'arn>(
    arn: &'arn str,
    service: &str,
) -> Option<(Region, Account, &'arn str)> {
    let parts: Vec<&str> = arn.split(':').collect();
    let ["arn", partition, named, region, account, name] = parts[..] else { return None };
    let (region, account) = (Region::parse(region)?, Account::parse(account)?);
    (is_partition(partition) && named == service).then_some((region, account, name))
}

/// Whether a text has the form of AWS's partitions: `aws`, or `aws` and more lower-case words, such
/// as `aws-us-gov`. Partitions that AWS adds later are accepted.
fn is_partition(text: &str) -> bool {
    let is_word = |word: &str| {
        (1..=12).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_lowercase())
    };
    let mut words = text.split('-');
    text.len() <= 32 && words.next() == Some("aws") && words.all(is_word)
}

/// Whether a name has the characters that SQS and SNS allow, and at least one.
pub(super) fn is_name(name: &str) -> bool {
    let sound = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    !name.is_empty() && name.bytes().all(sound)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_partitions_of_today_and_of_tomorrow_are_taken() {
        for (partition, region) in [
            ("aws", "mx-central-1"),
            ("aws-cn", "cn-northwest-1"),
            ("aws-us-gov", "us-gov-west-1"),
            ("aws-eusc", "eusc-de-east-1"),
            ("aws-iso", "us-iso-east-1"),
            ("aws-iso-b", "us-isob-east-1"),
            ("aws-iso-e", "eu-isoe-west-1"),
            ("aws-iso-f", "us-isof-south-1"),
            ("aws-moon", "moon-north-12"),
        ] {
            let arn = format!("arn:{partition}:sqs:{region}:123456789012:events");
            let (read, _, name) = split_arn(&arn, "sqs").expect(&arn);
            assert_eq!((read.as_str(), name), (region, "events"));
        }
    }

    #[test]
    fn what_has_not_the_form_of_a_partition_is_refused() {
        for partition in
            ["", "evil", "AWS", "aws-", "-aws", "aws--cn", "aws_cn", "aws-cn1", "awscn"]
        {
            let arn = format!("arn:{partition}:sqs:us-east-1:123456789012:events");
            assert_eq!(split_arn(&arn, "sqs"), None, "{arn}");
        }
        let long = format!("aws{}", "-word".repeat(6));
        assert!(!is_partition(&long), "{long}");
    }
}
