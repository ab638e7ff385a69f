//! Which policy denied a call, as IAM tells in the message of the error. Only a missing Allow in a
//! policy of the role is mended by adding one.

use crate::aws::error::AwsError;
use crate::commands::check::finding::Finding;
use crate::commands::check::statement::Statement;

/// What denied a call.
#[derive(Debug, PartialEq, Eq)]
enum Denial<'message> {
    /// A Deny in this policy, such as `a service control policy`. No Allow overrides it.
    Explicit(&'message str),
    /// This policy, which is not the role's own, allows too little.
    Limit(&'message str),
    /// No Allow in the role's own policies, as far as is told.
    Missing,
}

impl Finding {
    /// Adds what to do about a denial: the role gets the statement only where that would help.
    #[must_use]
    pub(super) fn denied(self, error: &AwsError, remedy: String, statement: Statement) -> Self {
        match read(&error.message) {
            Denial::Explicit(policy) => self.remedy(format!(
                "take the explicit Deny out of {policy}, or except the role there: no Allow helps"
            )),
            Denial::Limit(policy) => self.remedy(format!("let {policy} allow it: no other can")),
            Denial::Missing => self.remedy(remedy).allow(statement),
        }
    }
}

/// Reads `… with an explicit deny in a service control policy` and `… because no permissions
/// boundary allows the ec2:StopInstances action`.
fn read(message: &str) -> Denial<'_> {
    if let Some((_, policy)) = message.split_once("with an explicit deny in ") {
        return Denial::Explicit(first_clause(policy));
    }
    let allows =
        message.split_once("because no ").and_then(|(_, rest)| rest.split_once(" allows "));
    match allows {
        Some(("identity-based policy" | "resource-based policy", _)) | None => Denial::Missing,
        Some((policy, _)) => Denial::Limit(policy),
    }
}

/// The text up to the end of its sentence. The ARN of a policy, which newer messages have, ends
/// with a blank or a full stop too.
fn first_clause(text: &str) -> &str {
    let end = text.find(". ").or_else(|| text.find(" Encoded ")).unwrap_or(text.len());
    text[..end].trim_end_matches('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALLER: &str = "User: arn:aws:sts::123456789012:assumed-role/enforcer/i-0abcd1234abcd1234 \
        is not authorized to perform: ec2:StopInstances on resource: \
        arn:aws:ec2:us-east-1:123456789012:instance/i-0abcd1234abcd1234";

    #[test]
    fn the_policy_with_an_explicit_deny_is_named() {
        for (text, policy) in [
            ("with an explicit deny in a service control policy", "a service control policy"),
            (
                "with an explicit deny in an identity-based policy. Encoded authorization failure \
                 message: 0aBc",
                "an identity-based policy",
            ),
            (
                "with an explicit deny in an identity-based policy: \
                 arn:aws:iam::123456789012:policy/NoStops",
                "an identity-based policy: arn:aws:iam::123456789012:policy/NoStops",
            ),
        ] {
            let message = format!("{CALLER} {text}");
            assert_eq!(read(&message), Denial::Explicit(policy));
        }
    }

    #[test]
    fn a_limit_beside_the_roles_own_policies_is_named() {
        for policy in ["permissions boundary", "service control policy", "VPC endpoint policy"] {
            let message =
                format!("{CALLER} because no {policy} allows the ec2:StopInstances action");
            assert_eq!(read(&message), Denial::Limit(policy));
        }
    }

    #[test]
    fn a_missing_allow_is_what_is_left() {
        let own = "because no identity-based policy allows the ec2:StopInstances action";
        for message in [format!("{CALLER} {own}"), CALLER.to_owned(), String::new()] {
            assert_eq!(read(&message), Denial::Missing);
        }
    }
}
