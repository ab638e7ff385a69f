//! Values of the section `[policy]` that are no plain text or number.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::de::{Error, MapAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use time::UtcDateTime;

use crate::domain::ids::{Account, Region};
use crate::domain::policy::{dates, mode, rule};
use crate::settings::scope::texts;

/// With less than this nobody could answer a notice.
const SHORTEST_NOTICE: Duration = Duration::from_mins(1);
/// With more than this a restart would put every stop off by more than a day.
const LONGEST_NOTICE: Duration = Duration::from_hours(24);

/// A mode, as the setting `policy.mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mode(pub mode::Mode);

/// A grace; `None` stands for `0s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grace(pub Option<time::Duration>);

/// The least time between a notice of a stop and the stop: from a minute to a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MinNotice(pub Duration);

/// A day or a time; `None` where it was left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Since(pub Option<UtcDateTime>);

/// Regions and accounts that policies may name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Known {
    /// The accounts.
    pub accounts: Vec<Account>,
    /// The regions.
    pub regions: Vec<Region>,
}

impl<'de> Deserialize<'de> for Mode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let remedy = "give \"enforce\", \"warn\" or \"dry-run\"";
        let wrong = || D::Error::invalid_value(Unexpected::Str(&text), &remedy);
        mode::Mode::parse(&text).map(Self).ok_or_else(wrong)
    }
}

impl Serialize for Mode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.as_str())
    }
}

impl<'de> Deserialize<'de> for Grace {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text == "0s" {
            return Ok(Self(None));
        }
        let remedy = "give a number and s, m, h or d, at most 7d, such as \"4h\"; \"0s\" for none";
        let wrong = || D::Error::invalid_value(Unexpected::Str(&text), &remedy);
        rule::grace(&text).map(|grace| Self(Some(grace))).ok_or_else(wrong)
    }
}

impl Serialize for Grace {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&rule::span(self.0.unwrap_or_default()))
    }
}

impl<'de> Deserialize<'de> for MinNotice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let remedy = "give a number and s, m, h or d, from 1m to 1d, such as \"10m\"";
        let notice = rule::grace(&text).and_then(|notice| Duration::try_from(notice).ok());
        let notice = notice.filter(|notice| (SHORTEST_NOTICE..=LONGEST_NOTICE).contains(notice));
        let wrong = || D::Error::invalid_value(Unexpected::Str(&text), &remedy);
        notice.map(Self).ok_or_else(wrong)
    }
}

impl Serialize for MinNotice {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&rule::span(self.0.try_into().unwrap_or_default()))
    }
}

impl<'de> Deserialize<'de> for Since {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Some(text) = Option::<String>::deserialize(deserializer)? else {
            return Ok(Self(None));
        };
        let remedy = "give a day such as \"2026-12-01\", or a time as in RFC 3339";
        let wrong = || D::Error::invalid_value(Unexpected::Str(&text), &remedy);
        dates::beginning(&text).map(|since| Self(Some(since))).ok_or_else(wrong)
    }
}

impl Serialize for Since {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.map(|since| since.to_string()).serialize(serializer)
    }
}

/// Reads a list of regions and accounts.
pub(super) fn known<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Known, D::Error> {
    let mut known = Known::default();
    for text in texts(deserializer)? {
        match (Account::parse(&text), Region::parse(&text)) {
            (Some(account), _) => known.accounts.push(account),
            (None, Some(region)) => known.regions.push(region),
            (None, None) => {
                let remedy =
                    "give regions such as eu-central-1, and accounts of 12 digits in quotes";
                return Err(D::Error::invalid_value(Unexpected::Str(&text), &remedy));
            }
        }
    }
    Ok(known)
}

/// Reads named groups of accounts.
pub(super) fn units<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, Vec<Account>>, D::Error> {
    deserializer.deserialize_map(UnitsVisitor)
}

struct UnitsVisitor;

impl<'de> Visitor<'de> for UnitsVisitor {
    type Value = BTreeMap<String, Vec<Account>>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a table of names with lists of accounts")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(BTreeMap::new())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut units = BTreeMap::new();
        while let Some((name, Accounts(accounts))) = map.next_entry::<String, Accounts>()? {
            if !is_unit(&name) {
                let remedy = "name units with 1 to 64 of a-z, 0-9, - and _";
                return Err(A::Error::invalid_value(Unexpected::Str(&name), &remedy));
            }
            units.insert(name, accounts);
        }
        Ok(units)
    }
}

/// The most characters of a unit's name.
const UNIT_LIMIT: usize = 64;

fn is_unit(name: &str) -> bool {
    let is_valid = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
    (1..=UNIT_LIMIT).contains(&name.len()) && name.bytes().all(is_valid)
}

/// The accounts of a unit, at least one.
struct Accounts(Vec<Account>);

impl<'de> Deserialize<'de> for Accounts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let texts = texts(deserializer)?;
        if texts.is_empty() {
            return Err(D::Error::invalid_value(Unexpected::Seq, &"give at least one account"));
        }
        let account = |text: &String| {
            let remedy = "give accounts of 12 digits in quotes";
            let wrong = || D::Error::invalid_value(Unexpected::Str(text), &remedy);
            Account::parse(text).ok_or_else(wrong)
        };
        texts.iter().map(account).collect::<Result<_, _>>().map(Self)
    }
}
