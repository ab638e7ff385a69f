//! The key that encrypts the queue: EventBridge must be allowed to use it, and so must the role.
//!
//! Nothing that could ask KMS is at hand, and a queue refuses its readers only when it has a
//! message. So a key of one's own is never proven here.

use crate::commands::check::finding::Finding;
use crate::commands::check::subject::Subject;

/// The alias of AWS's own key, whose policy nobody can change. It lets no service send.
const KEY_OF_AWS: &str = "alias/aws/sqs";

/// Checks the key of the queue; `None` for a queue that SQS encrypts by itself, or not at all.
pub(super) fn finding(key: Option<&str>) -> Finding {
    let Some(key) = key else {
        return Finding::ok(Subject::Encryption, "without a key of KMS");
    };
    if key.ends_with(KEY_OF_AWS) {
        let found =
            format!("{KEY_OF_AWS}: EventBridge cannot use AWS's own key, so no event arrives");
        return Finding::failed(Subject::Encryption, found)
            .remedy("encrypt the queue with SSE-SQS, or with a key of your own");
    }
    let found = format!(
        "{key}: its policy must allow events.amazonaws.com kms:Decrypt and kms:GenerateDataKey, \
         and the role kms:Decrypt"
    );
    Finding::not_proven(Subject::Encryption, found).remedy(look(key))
}

/// The command that shows the policy of a key. It takes an id or an ARN, and no alias.
fn look(key: &str) -> String {
    let id = if key.contains("alias/") {
        format!("$(aws kms describe-key --key-id {key} --query KeyMetadata.KeyId --output text)")
    } else {
        key.to_owned()
    };
    format!("aws kms get-key-policy --key-id {id} --policy-name default --output text")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::check::subject::State;

    #[test]
    fn a_queue_without_a_key_is_ok() {
        assert_eq!(finding(None).state, State::Ok);
    }

    #[test]
    fn the_key_of_aws_lets_no_event_in() {
        for key in ["alias/aws/sqs", "arn:aws:kms:us-east-1:123456789012:alias/aws/sqs"] {
            assert_eq!(finding(Some(key)).state, State::Failed, "{key}");
        }
    }

    #[test]
    fn a_key_of_ones_own_is_not_proven_and_the_command_shows_its_policy() {
        for (key, command) in [
            (
                "1234abcd-12ab",
                "aws kms get-key-policy --key-id 1234abcd-12ab --policy-name default",
            ),
            (
                "alias/mine",
                "aws kms get-key-policy --key-id $(aws kms describe-key --key-id alias/mine ",
            ),
        ] {
            let finding = finding(Some(key));
            assert_eq!(finding.state, State::NotProven);
            assert!(finding.found.contains("kms:GenerateDataKey"), "{}", finding.found);
            assert!(finding.remedy.unwrap().starts_with(command), "{key}");
        }
    }
}
