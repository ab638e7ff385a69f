//! The ids that AWS gives: instances, accounts and regions, each checked for its form.

use std::fmt;

use serde::Serialize;

/// An EC2 instance id: `i-` and 8 or 17 lower-case hex digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InstanceId(Box<str>);

/// An AWS account: 12 digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Account(Box<str>);

/// An AWS region, such as `eu-central-1` or `us-gov-west-1`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Region(Box<str>);

impl InstanceId {
    /// Takes an id that has EC2's form, and nothing else.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix("i-")?;
        let sound = matches!(digits.len(), 8 | 17)
            && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        sound.then(|| Self(text.into()))
    }
}

impl Account {
    /// Takes 12 ASCII digits, and nothing else.
    pub fn parse(text: &str) -> Option<Self> {
        let sound = text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit());
        sound.then(|| Self(text.into()))
    }
}

impl Region {
    /// Takes two or more lower-case words and a number, joined by hyphens, and nothing else.
    pub fn parse(text: &str) -> Option<Self> {
        let (words, number) = text.rsplit_once('-')?;
        let word = |word: &str| {
            (2..=12).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_lowercase())
        };
        let sound = text.len() <= 32
            && (1..=2).contains(&number.len())
            && number.bytes().all(|byte| byte.is_ascii_digit())
            && words.contains('-')
            && words.split('-').all(word);
        sound.then(|| Self(text.into()))
    }
}

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
