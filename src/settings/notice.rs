//! The section `[notice]`: how notices look, and how fast they go.

use std::fmt;

use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::scope::texts;
use super::{tag, truth};
use crate::domain::notice::style::{self, Format};
use crate::domain::policy::reads::Reads;

const AUTO: &str = "auto";
const REMEDY: &str = "give auto, or 1 to 30000";
const RANGE: &str = "give 1 to 30000";

/// How many notices may go out in any second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PerSecond {
    /// As many as the topic's subscribers stand: few where there are e-mail subscribers.
    Auto,
    /// This many, whoever is subscribed.
    AtMost(usize),
}

/// The section `[notice]`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct NoticeSettings {
    /// How many notices may go out in any second.
    pub per_second: PerSecond,
    /// Whether an owner of many instances gets one notice of them a minute.
    #[serde(deserialize_with = "truth::deserialize")]
    pub digest: bool,
    /// Whether notices carry message attributes.
    #[serde(deserialize_with = "truth::deserialize")]
    pub attributes: bool,
    /// The form of the notices.
    pub format: NoticeFormat,
    /// The keys of the tags that name an owner; the first one counts that an instance has.
    #[serde(deserialize_with = "owner_tags")]
    pub owner_tags: Vec<String>,
}

/// The form of notices, as the setting `notice.format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoticeFormat(pub Format);

/// The most owner tags. Each takes the place of an instance in a DescribeTags call.
const OWNER_TAG_LIMIT: usize = 10;

impl NoticeSettings {
    /// The tags that name owners, where notices tell them.
    pub(crate) fn told_owner_tags(&self) -> &[String] {
        let tells = self.digest || self.attributes || self.format.0 == Format::Json;
        if tells { &self.owner_tags } else { &[] }
    }

    /// What is read of instances for the notices alone.
    pub(crate) fn reads(&self) -> Reads {
        style::reads(self.told_owner_tags(), self.format.0)
    }
}

impl<'de> Deserialize<'de> for NoticeFormat {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let wrong =
            || D::Error::invalid_value(Unexpected::Str(&text), &"give \"text\" or \"json\"");
        Format::parse(&text).map(Self).ok_or_else(wrong)
    }
}

impl Serialize for NoticeFormat {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.as_str())
    }
}

fn owner_tags<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let mut keys = Vec::new();
    for text in texts(deserializer)? {
        let key = tag::checked_to_read(text)?;
        if keys.contains(&key) {
            return Err(D::Error::invalid_value(Unexpected::Str(&key), &"name each tag once"));
        }
        if keys.len() == OWNER_TAG_LIMIT {
            return Err(D::Error::invalid_value(Unexpected::Str(&key), &"give at most 10 tags"));
        }
        keys.push(key);
    }
    Ok(keys)
}

impl PerSecond {
    /// Takes SNS's quotas of publishing as the upper limit.
    fn at_most<E: Error>(number: i64) -> Result<Self, E> {
        let number_in_range = usize::try_from(number).ok().filter(|it| (1..=30_000).contains(it));
        let refused = || E::invalid_value(Unexpected::Signed(number), &RANGE);
        number_in_range.map(Self::AtMost).ok_or_else(refused)
    }
}

impl Serialize for PerSecond {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Auto => serializer.serialize_str(AUTO),
            Self::AtMost(number) => number.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for PerSecond {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PerSecondVisitor)
    }
}

struct PerSecondVisitor;

impl Visitor<'_> for PerSecondVisitor {
    type Value = PerSecond;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(REMEDY)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<PerSecond, E> {
        PerSecond::at_most(number)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<PerSecond, E> {
        if text == AUTO {
            return Ok(PerSecond::Auto);
        }
        let refused = || E::invalid_value(Unexpected::Str(text), &REMEDY);
        PerSecond::at_most(text.parse().map_err(|_| refused())?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::SettingsError;
    use crate::settings::tests;

    #[test]
    fn auto_and_numbers_are_taken() {
        let read = |text| PerSecondVisitor.visit_str::<SettingsError>(text).unwrap();
        assert_eq!(read("auto"), PerSecond::Auto);
        assert_eq!(read("2"), PerSecond::AtMost(2));
        assert_eq!(PerSecondVisitor.visit_i64::<SettingsError>(9).unwrap(), PerSecond::AtMost(9));
    }

    #[test]
    fn a_form_that_there_is_not_is_refused() {
        let refusal = tests::refusal("ENFORCER_NOTICE__FORMAT", "JSON");
        assert!(refusal.ends_with("give \"text\" or \"json\""), "{refusal}");
        for key in ["ENFORCER_NOTICE__DIGEST", "ENFORCER_NOTICE__ATTRIBUTES"] {
            let refusal = tests::refusal(key, "yes");
            assert!(refusal.ends_with("give true or false"), "{refusal}");
        }
    }

    #[test]
    fn owner_tags_keep_their_order_and_are_keys_that_can_be_read() {
        let tags = |text| {
            let given = [("ENFORCER_NOTICE__OWNER_TAGS", text)];
            tests::load(None, &given).unwrap().notice.owner_tags
        };
        assert_eq!(tags("team, Owner,aws:createdBy"), ["team", "Owner", "aws:createdBy"]);
        // Empty is unset.
        assert_eq!(tags(""), ["Owner"]);
        for (wrong, remedy) in [
            ("Owner,Owner", "name each tag once"),
            ("Ow*ner", "as tag keys do"),
            ("a,b,c,d,e,f,g,h,i,j,k", "give at most 10 tags"),
            ("Owner,", "give a tag key"),
        ] {
            let refusal = tests::refusal("ENFORCER_NOTICE__OWNER_TAGS", wrong);
            assert!(refusal.ends_with(remedy), "{refusal}");
        }
    }

    #[test]
    fn owners_are_read_only_where_notices_tell_them() {
        let reads = |name: &str, value: &str| {
            let name = format!("ENFORCER_NOTICE__{name}");
            tests::load(None, &[(&name, value)]).unwrap().notice.reads()
        };
        assert_eq!(reads("OWNER_TAGS", "team"), Reads::default());
        assert!(reads("DIGEST", "true").tags.contains("Owner"));
        assert!(reads("ATTRIBUTES", "true").attributes.is_empty());
        assert_eq!(reads("FORMAT", "json").attributes.len(), 1);
    }

    #[test]
    fn what_is_neither_is_refused() {
        for wrong in ["0", "30001", "1.5", "Auto"] {
            let refusal = tests::refusal("ENFORCER_NOTICE__PER_SECOND", wrong);
            assert!(refusal.ends_with("1 to 30000"), "{refusal}");
        }
    }
}
