//! The test notice, by which an operator sees whether notices arrive.

use super::attributes::Attributes;
use super::style::{Format, Style};
use super::{Notice, SUBJECT, chat, forms};
use crate::domain::ids::Account;

/// The first line of a test notice.
const HEAD: &str = "EC2 policy enforcer: this is a test notice, nothing was stopped";

/// The daemon whose settings are tried.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Daemon<'d> {
    /// The account of its credentials.
    pub account: &'d Account,
    /// The ARN of its queue.
    pub queue: &'d str,
    /// Its version.
    pub version: &'d str,
}

impl Notice {
    /// A test notice in the form of others.
    pub(crate) fn test(daemon: &Daemon<'_>, style: &Style) -> Self {
        let Daemon { account, queue, version } = daemon;
        let from = format!(
            "From the daemon of account {account} with the queue {queue}, version {version}."
        );
        let text = format!("{HEAD}\n{from}");
        let by_protocol = match style.format {
            Format::Text => None,
            Format::Json => Some(forms::by_protocol(&text, &chat::of_test(HEAD, &from), None)),
        };
        let mut attributes = Attributes::default();
        if style.attributes {
            attributes.add("kind", "test");
            attributes.add("account", account.as_str());
        }
        Self { by_protocol, attributes, ..Self::new(SUBJECT, text) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::attributes;
    use super::*;

    #[test]
    fn a_test_notice_says_that_it_is_one_and_from_whom() {
        let account = Account::parse("123456789012").unwrap();
        let daemon = Daemon { account: &account, queue: "arn:aws:sqs:q", version: "1.2.3" };
        let plain = Notice::test(&daemon, &Style::default());
        assert_eq!(
            plain.message(),
            "EC2 policy enforcer: this is a test notice, nothing was stopped\n\
             From the daemon of account 123456789012 with the queue arn:aws:sqs:q, version 1.2.3."
        );
        assert_eq!((plain.structure(), plain.attributes().count()), (None, 0));
        let style = Style { attributes: true, format: Format::Json, ..Style::default() };
        let full = Notice::test(&daemon, &style);
        assert_eq!(attributes(&full), [("kind", "test"), ("account", "123456789012")]);
        assert_eq!(full.structure(), Some("json"));
        assert_eq!(full.plainest().message(), plain.message());
    }
}
