//! The section `[scope]`: the account and the regions whose instances count.

use std::fmt;

use serde::de::{Error, SeqAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::domain::ids::{Account, Region};

/// The account and the regions whose instances count.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ScopeSettings {
    /// `None`: the credentials' account.
    #[serde(deserialize_with = "account")]
    pub account: Option<Account>,
    /// Empty: the queue's region. Live.
    #[serde(deserialize_with = "regions")]
    pub regions: Vec<Region>,
}

fn account<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Account>, D::Error> {
    let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
    let wrong = || D::Error::invalid_value(Unexpected::Str(&text), &"give 12 digits in quotes");
    Account::parse(&text).map(Some).ok_or_else(wrong)
}

fn regions<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Region>, D::Error> {
    let List(texts) = List::deserialize(deserializer)?;
    let mut regions = Vec::new();
    for text in texts {
        let wrong = |remedy: &str| D::Error::invalid_value(Unexpected::Str(&text), &remedy);
        let region =
            Region::parse(&text).ok_or_else(|| wrong("give regions such as eu-central-1"))?;
        if regions.contains(&region) {
            return Err(wrong("name each region once"));
        }
        regions.push(region);
    }
    Ok(regions)
}

/// Reads several texts.
pub(super) fn texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    List::deserialize(deserializer).map(|List(texts)| texts)
}

/// Several texts, written as an array or (in the environment) with commas between them.
struct List(Vec<String>);

impl<'de> Deserialize<'de> for List {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ListVisitor)
    }
}

struct ListVisitor;

impl<'de> Visitor<'de> for ListVisitor {
    type Value = List;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list, or text with commas")
    }

    fn visit_str<E>(self, text: &str) -> Result<List, E> {
        let items = text.split(',').map(|item| item.trim().to_owned());
        Ok(List(if text.is_empty() { Vec::new() } else { items.collect() }))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<List, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(List(list))
    }
}
