//! An instance as Cedar sees it: an entity with attributes and tags, in its account, its region,
//! its units and its Auto Scaling group. Only what policies mention is handed to Cedar.

use std::collections::HashSet;
use std::sync::LazyLock;

use cedar_policy::{Context, Entities, EntityUid, RestrictedExpression};
use cedar_policy_core::ast::{Eid, Entity, EntityType, EntityUID, Name, RestrictedExpr};
use cedar_policy_core::entities::{self, NoEntitiesSchema, TCComputation};
use cedar_policy_core::extensions::Extensions;
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

/// The names of the schema, and of the functions that read values from text. They are parsed once:
/// `RestrictedExpression::new_datetime` runs Cedar's parser for the word `datetime` each time, which
/// took half the time of a decision.
struct Names {
    account: EntityType,
    region: EntityType,
    unit: EntityType,
    group: EntityType,
    instance: EntityType,
    dates: EntityType,
    action: EntityType,
    datetime: Name,
    address: Name,
}

static NAMES: LazyLock<Names> = LazyLock::new(|| Names {
    account: name("Account").into(),
    region: name("Region").into(),
    unit: name("Unit").into(),
    group: name("AutoScalingGroup").into(),
    instance: name("Instance").into(),
    dates: name("Dates").into(),
    action: name("Action").into(),
    datetime: name("datetime"),
    address: name("ip"),
});

#[expect(clippy::expect_used, reason = "the names above are identifiers")]
fn name(name: &str) -> Name {
    Name::parse_unqualified_name(name).expect("an identifier")
}

fn uid(of: &EntityType, id: &str) -> EntityUID {
    EntityUID::from_components(of.clone(), Eid::new(id), None)
}

/// The action that every policy is about.
pub(super) fn run() -> EntityUid {
    uid(&NAMES.action, "run").into()
}

/// An account.
pub(super) fn account(account: &Account) -> EntityUid {
    uid(&NAMES.account, account.as_str()).into()
}

/// An instance.
pub(super) fn instance(id: &InstanceId) -> EntityUid {
    uid(&NAMES.instance, id.as_str()).into()
}

/// What `context` is in policies.
pub(super) fn context(occasion: &Occasion, exception_tag: &str) -> Context {
    let pairs = [
        ("now".to_owned(), datetime(occasion.now)),
        ("exceptionTag".to_owned(), text(exception_tag)),
        ("trigger".to_owned(), text(occasion.trigger.label())),
    ];
    let pairs = pairs.map(|(key, value)| (key, RestrictedExpression::from(value)));
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
    let mut attributes: Vec<_> =
        attributes.map(|(attribute, value)| (attribute.name(), expression(value))).collect();
    let mut entities = Vec::with_capacity(2);
    if reads.dates {
        let of = uid(&NAMES.dates, subject.id.as_str());
        attributes.push((DATES, RestrictedExpr::val(of.clone())));
        entities.push(entity(of, [], HashSet::new(), dates(&tags))?);
    }
    let of = uid(&NAMES.instance, subject.id.as_str());
    let parents = parents(subject, &tags, vocabulary);
    let tags = tags.iter().map(|(key, value)| (*key, text(value)));
    entities.push(entity(of, attributes, parents, tags)?);
    // No entity has an ancestor but its parents, so that there is nothing to compute.
    let computed = TCComputation::AssumeAlreadyComputed;
    let schema = None::<&NoEntitiesSchema>;
    entities::Entities::from_entities(entities, schema, computed, Extensions::all_available())
        .map(Entities::from)
        .map_err(|error| error.to_string())
}

fn entity<'key>(
    uid: EntityUID,
    attributes: impl IntoIterator<Item = (&'key str, RestrictedExpr)>,
    parents: HashSet<EntityUID>,
    tags: impl IntoIterator<Item = (&'key str, RestrictedExpr)>,
) -> Result<Entity, String> {
    let attributes = attributes.into_iter().map(|(key, value)| (key.into(), value));
    let tags = tags.into_iter().map(|(key, value)| (key.into(), value));
    let extensions = Extensions::all_available();
    Entity::new(uid, attributes, HashSet::new(), parents, tags, extensions)
        .map_err(|error| error.to_string())
}

fn parents(
    subject: Subject<'_>,
    tags: &[(&str, &str)],
    vocabulary: &Vocabulary,
) -> HashSet<EntityUID> {
    let Subject { account: of, region, .. } = subject;
    let account = uid(&NAMES.account, of.as_str());
    let mut parents = HashSet::from([account, uid(&NAMES.region, region.as_str())]);
    parents.extend(vocabulary.units_of(of).map(|unit| uid(&NAMES.unit, unit)));
    let group = tags.iter().find(|(key, _)| *key == AUTO_SCALING_GROUP);
    parents.extend(group.map(|(_, name)| uid(&NAMES.group, &format!("{of}/{region}/{name}"))));
    parents
}

/// The dates in the values of the tags, by the keys of the tags.
fn dates<'key>(
    tags: &[(&'key str, &'key str)],
) -> impl Iterator<Item = (&'key str, RestrictedExpr)> {
    tags.iter().filter_map(|(key, value)| Some((*key, datetime(dates::date(value)?))))
}

fn expression(value: &Value) -> RestrictedExpr {
    match value {
        Value::Text(value) => text(value),
        Value::Texts(values) => RestrictedExpr::set(values.iter().map(|one| text(one))),
        Value::Truth(truth) => RestrictedExpr::val(*truth),
        Value::Time(time) => datetime(*time),
        Value::Address(address) => {
            RestrictedExpr::call_extension_fn(NAMES.address.clone(), [text(&address.to_string())])
        }
    }
}

fn text(text: &str) -> RestrictedExpr {
    RestrictedExpr::val(text)
}

/// A time in Cedar, which takes whole milliseconds.
fn datetime(time: UtcDateTime) -> RestrictedExpr {
    let whole = time.truncate_to_millisecond();
    let date = whole.date();
    let (year, month, day) = (date.year(), u8::from(date.month()), date.day());
    let (hour, minute, second, ms) = whole.as_hms_milli();
    let time = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z");
    RestrictedExpr::call_extension_fn(NAMES.datetime.clone(), [text(&time)])
}
