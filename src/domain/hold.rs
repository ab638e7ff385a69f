//! Holds: tags of the queue that keep the daemon from stopping instances.
//!
//! `hold/111122223333/eu-central-1` holds the stops in one account and region, `hold/all` those in
//! all. The value is the time since which it does, which nobody reads but people.

use std::fmt;

use crate::domain::ids::{Account, Region};

/// What the keys of all holds begin with.
const PREFIX: &str = "hold/";
/// The rest of the key of a hold of everything.
const ALL: &str = "all";

/// What a hold keeps from being stopped. Its text is the key of the tag.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hold {
    /// All instances.
    All,
    /// The instances of one account and region.
    Target {
        /// The account.
        account: Account,
        /// The region.
        region: Region,
    },
}

impl Hold {
    /// The hold of an account and a region.
    pub fn of(account: &Account, region: &Region) -> Self {
        Self::Target { account: account.clone(), region: region.clone() }
    }

    /// Reads the key of a tag; `None` for one that is no hold. A key that begins as one and goes on
    /// otherwise, such as by a slip of the pen, holds everything: somebody wants stops to end.
    pub fn read(key: &str) -> Option<Self> {
        let lower = key.to_ascii_lowercase();
        let place = lower.strip_prefix(PREFIX)?;
        let target = place.split_once('/').and_then(|(account, region)| {
            Some(Self::Target { account: Account::parse(account)?, region: Region::parse(region)? })
        });
        Some(target.unwrap_or(Self::All))
    }
}

impl fmt::Display for Hold {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => write!(formatter, "{PREFIX}{ALL}"),
            Self::Target { account, region } => write!(formatter, "{PREFIX}{account}/{region}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target() -> Hold {
        let (account, region) = (Account::parse("111122223333"), Region::parse("eu-central-1"));
        Hold::of(&account.unwrap(), &region.unwrap())
    }

    #[test]
    fn the_key_of_a_hold_is_read_as_it_is_written() {
        assert_eq!(target().to_string(), "hold/111122223333/eu-central-1");
        for hold in [target(), Hold::All] {
            assert_eq!(Hold::read(&hold.to_string()), Some(hold));
        }
    }

    #[test]
    fn other_tags_are_no_holds() {
        for key in ["Owner", "hold", "holds/all", "aws:hold/all", ""] {
            assert_eq!(Hold::read(key), None, "{key}");
        }
    }

    #[test]
    fn a_hold_with_a_slip_in_its_key_holds_everything() {
        for key in ["hold/", "hold/ALL", "Hold/all", "hold/everything", "hold/1111/eu-central-1"] {
            assert_eq!(Hold::read(key), Some(Hold::All), "{key}");
        }
        assert_eq!(Hold::read("Hold/111122223333/EU-central-1"), Some(target()));
    }
}
