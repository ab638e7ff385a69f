//! An instance as Cedar sees it: an entity with attributes and tags, in its account, its region,
//! its units and its Auto Scaling group. Only what policies mention is handed to Cedar.

use std::collections::{HashMap, HashSet};
use std::str::FromStr;
use std::sync::LazyLock;

use cedar_policy::{
    Context, Entities, Entity, EntityId, EntityTypeName, EntityUid, RestrictedExpression,
};
use time::UtcDateTime;

use super::vocabulary::Vocabulary;
use crate::domain::ids::{Account, InstanceId};
use crate::domain::policy::attribute::Value;
use crate::domain::policy::dates;
use crate::domain::policy::facts::{Facts, Tags};
use crate::domain::policy::occasion::Occasion;
use crate::domain::policy::reads::{AUTO_SCALING_GROUP, Reads};
use crate::domain::policy::subject::Subject;

/// The attribute whose tags are the dates of an instance.
const DATES: &str = "dates";

/// The types of the schema, which are parsed once.
struct Types {
    account: EntityTypeName,
    region: EntityTypeName,
    unit: EntityTypeName,
    group: EntityTypeName,
    instance: EntityTypeName,
    dates: EntityTypeName,
    action: EntityTypeName,
}

static TYPES: LazyLock<Types> = LazyLock::new(|| Types {
    account: type_name("Account"),
    region: type_name("Region"),
    unit: type_name("Unit"),
    group: type_name("AutoScalingGroup"),
    instance: type_name("Instance"),
    dates: type_name("Dates"),
    action: type_name("Action"),
});

#[expect(clippy::expect_used, reason = "the names above are identifiers")]
fn type_name(name: &str) -> EntityTypeName {
    EntityTypeName::from_str(name).expect("an identifier")
}

fn uid(of: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(of.clone(), EntityId::new(id))
}

/// The action that every policy is about.
pub(super) fn run() -> EntityUid {
    uid(&TYPES.action, "run")
}

/// An account.
pub(super) fn account(account: &Account) -> EntityUid {
    uid(&TYPES.account, account.as_str())
}

/// An instance.
pub(super) fn instance(id: &InstanceId) -> EntityUid {
    uid(&TYPES.instance, id.as_str())
}

/// What `context` is in policies.
pub(super) fn context(occasion: &Occasion, exception_tag: &str) -> Context {
    let pairs = [
        ("now".to_owned(), datetime(occasion.now)),
        ("exceptionTag".to_owned(), text(exception_tag)),
        ("trigger".to_owned(), text(occasion.trigger.label())),
    ];
    Context::from_pairs(pairs).unwrap_or_else(|_| Context::empty())
}

/// An instance, and its dates if policies read any.
///
/// # Errors
/// A value that Cedar does not take.
pub(super) fn of(
    (subject, facts, tags): (Subject<'_>, &Facts, &Tags),
    vocabulary: &Vocabulary,
    reads: &Reads,
) -> Result<Entities, String> {
    let mentioned = tags.iter().filter(|(key, _)| reads.tags.contains(*key));
    let tags: Vec<_> = mentioned.map(|(key, value)| (key.as_str(), value.as_str())).collect();
    let attributes = facts.attributes.iter();
    let attributes = attributes.filter(|(attribute, _)| reads.attributes.contains(attribute));
    let mut attributes: HashMap<_, _> = attributes
        .map(|(attribute, value)| (attribute.name().to_owned(), expression(value)))
        .collect();
    let mut entities = Vec::with_capacity(2);
    if reads.dates {
        let dates = dates_of(subject, &tags)?;
        attributes.insert(DATES.to_owned(), RestrictedExpression::new_entity_uid(dates.uid()));
        entities.push(dates);
    }
    let parents = parents(subject, &tags, vocabulary);
    let tags = tags.iter().map(|(key, value)| ((*key).to_owned(), text(value)));
    let instance = Entity::new_with_tags(instance(subject.id), attributes, parents, tags);
    entities.push(instance.map_err(|error| error.to_string())?);
    Entities::from_entities(entities, None).map_err(|error| error.to_string())
}

fn parents(
    subject: Subject<'_>,
    tags: &[(&str, &str)],
    vocabulary: &Vocabulary,
) -> HashSet<EntityUid> {
    let Subject { account: of, region, .. } = subject;
    let mut parents = HashSet::from([account(of), uid(&TYPES.region, region.as_str())]);
    parents.extend(vocabulary.units_of(of).map(|unit| uid(&TYPES.unit, unit)));
    let group = tags.iter().find(|(key, _)| *key == AUTO_SCALING_GROUP);
    parents.extend(group.map(|(_, name)| uid(&TYPES.group, &format!("{of}/{region}/{name}"))));
    parents
}

/// The dates in the values of the tags, by the keys of the tags.
fn dates_of(subject: Subject<'_>, tags: &[(&str, &str)]) -> Result<Entity, String> {
    let dates = tags
        .iter()
        .filter_map(|(key, value)| Some(((*key).to_owned(), datetime(dates::date(value)?))));
    let uid = uid(&TYPES.dates, subject.id.as_str());
    Entity::new_with_tags(uid, [], [], dates).map_err(|error| error.to_string())
}

fn expression(value: &Value) -> RestrictedExpression {
    match value {
        Value::Text(value) => text(value),
        Value::Texts(values) => RestrictedExpression::new_set(values.iter().map(|one| text(one))),
        Value::Truth(truth) => RestrictedExpression::new_bool(*truth),
        Value::Time(time) => datetime(*time),
        Value::Address(address) => RestrictedExpression::new_ip(address.to_string()),
    }
}

fn text(text: &str) -> RestrictedExpression {
    RestrictedExpression::new_string(text.to_owned())
}

/// A time in Cedar, which takes whole milliseconds.
fn datetime(time: UtcDateTime) -> RestrictedExpression {
    let whole = time.truncate_to_millisecond();
    let date = whole.date();
    let (year, month, day) = (date.year(), u8::from(date.month()), date.day());
    let (hour, minute, second, ms) = whole.as_hms_milli();
    RestrictedExpression::new_datetime(format!(
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z"
    ))
}
