//! The ids of instances, accounts and regions. Each is checked for the form that AWS gives it, so
//! that text from a message can neither widen a filter nor change a host name.

use std::fmt;

use serde::Serialize;

/// An EC2 instance id: `i-` and 8 or 17 lower-case hex digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InstanceId(Box<str>);

/// An AWS account: 12 digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Account(Box<str>);

/// An AWS region, such as `eu-central-1`, `us-gov-west-1` or `eusc-de-east-1`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Region(Box<str>);

impl InstanceId {
    /// Reads an instance id; `None` for text that has not EC2's form.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix("i-")?;
        let is_valid = matches!(digits.len(), 8 | 17)
            && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        is_valid.then(|| Self(text.into()))
    }
}

impl Account {
    /// Reads an account id; `None` for text that is not 12 ASCII digits.
    pub fn parse(text: &str) -> Option<Self> {
        let is_valid = text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit());
        is_valid.then(|| Self(text.into()))
    }
}

impl Region {
    /// Reads a region; `None` for text other than two or more lower-case words and a number, joined
    /// by hyphens. Regions that AWS adds later are accepted.
    pub fn parse(text: &str) -> Option<Self> {
        let (words, number) = text.rsplit_once('-')?;
        let is_word = |word: &str| {
            (2..=12).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_lowercase())
        };
        let is_valid = text.len() <= 32
            && (1..=2).contains(&number.len())
            && number.bytes().all(|byte| byte.is_ascii_digit())
            && words.contains('-')
            && words.split('-').all(is_word);
        is_valid.then(|| Self(text.into()))
    }
}

/// The text of each type.
macro_rules! text {
    ($($name:ident),*) => {$(
        impl $name {
            /// The text as AWS writes it.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }
    )*};
}
text!(InstanceId, Account, Region);
