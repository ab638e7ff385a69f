//! Verdicts on instances whose exemption ends.

use proptest::prelude::*;
use time::{Duration, UtcDateTime};

use crate::domain::event::EventKey;
use crate::domain::policy::attribute::{Attribute, Value};
use crate::domain::policy::dates::beginning;
use crate::domain::policy::facts::{Facts, Tags};
use crate::domain::policy::occasion::Trigger;
use crate::domain::policy::rule::Grace;
use crate::domain::policy::subject::Subject;
use crate::domain::policy::verdict::{Judgement, SecondLook, StopSoFar, Verdict};
use crate::domain::policy::{Policies, Source, Sources, Vocabulary};

const KEEP: &str = "KEEP";

fn at(text: &str) -> UtcDateTime {
    beginning(text).unwrap()
}

/// The built-in policy, with exemptions that end.
fn expiring() -> Sources {
    Sources { exception_expires: true, builtin: true, ..Sources::bare(KEEP) }
}

/// The same with a grace of 4 hours since 2020.
fn expiring_with_grace() -> Sources {
    let grace = Grace { period: Duration::hours(4), since: at("2020-01-01") };
    Sources { grace: Some(grace), ..expiring() }
}

fn load(sources: &Sources) -> Policies {
    Policies::load(sources, &Vocabulary::default()).unwrap()
}

fn tagged(value: Option<&str>) -> Tags {
    value.map(|value| (KEEP.to_owned(), value.to_owned())).into_iter().collect()
}

/// The judgement on an instance that has run since noon of 2026-12-01, with these values of the tag
/// by the first and by the second reading.
fn judged(sources: &Sources, readings: [Option<&str>; 2], now: UtcDateTime) -> Judgement {
    let (event, policies) = (EventKey::example("a"), load(sources));
    let [first_tags, tags] = readings.map(tagged);
    let launched = (Attribute::LaunchTime, Value::Time(at("2026-12-01T12:00:00Z")));
    let facts = Facts { tags, attributes: [launched].into(), ..Facts::running() };
    let look = SecondLook {
        stop: StopSoFar::NotSent,
        subject: Subject::from(&event),
        first_tags: &first_tags,
        facts: Some(&facts),
        was_absent: false,
        is_recent: false,
        is_own_host: false,
        started: None,
        told: None,
        earliest_stop: Some(at("2026-12-01T12:10:00Z")),
    };
    policies.verdict(look, &policies.occasion(now, Trigger::Start))
}

fn verdict(sources: &Sources, value: &str, now: &str) -> Verdict {
    judged(sources, [Some(value); 2], at(now)).verdict
}

#[test]
fn an_instance_is_exempt_to_the_end_of_the_day_and_stopped_from_then_on() {
    for value in ["2026-12-31", "ticket-4711 until=2026-12-31"] {
        let before = verdict(&expiring(), value, "2026-12-31T23:59:59.999999999Z");
        assert_eq!(before, Verdict::Exempt, "{value}");
        assert_eq!(verdict(&expiring(), value, "2027-01-01T00:00:00Z"), Verdict::Stop, "{value}");
    }
}

#[test]
fn no_date_ends_an_exemption_where_that_is_not_wanted() {
    let plain = Sources { exception_expires: false, ..expiring() };
    assert_eq!(verdict(&plain, "until=2020-01-01", "2027-01-01"), Verdict::Exempt);
    let builtin = Policies::builtin(KEEP);
    let exemption = builtin.exemption(&tagged(Some("2020-01-01")), at("2027-01-01"));
    assert!(builtin.exempts(&exemption));
}

#[test]
fn what_looks_like_a_date_and_is_none_ends_no_exemption() {
    for value in ["until=tomorrow", "until=2020-13-01", "3d", "2020-02-30"] {
        assert_eq!(verdict(&expiring(), value, "2027-01-01"), Verdict::Exempt, "{value}");
    }
}

#[test]
fn the_grace_begins_at_the_end_of_the_exemption() {
    let sources = expiring_with_grace();
    let planned = |value, now| match verdict(&sources, value, now) {
        Verdict::Plan(stop) => stop,
        _ => panic!("no stop is planned of {value} at {now}"),
    };
    // Long after the launch, and before it.
    assert_eq!(planned("2026-12-31", "2027-01-01T01:00:00Z"), at("2027-01-01T04:00:00Z"));
    assert_eq!(planned("2026-11-30", "2026-12-01T13:00:00Z"), at("2026-12-01T16:00:00Z"));
}

#[test]
fn the_end_of_an_exemption_puts_off_no_policy_that_ignores_the_tag() {
    let text = "@id(\"p\") @mode(\"enforce\") @grace(\"4h\") @since(\"2020-01-01\") \
                @exception(\"ignored\")\nforbid (principal, action == Action::\"run\", resource) \
                unless { resource.hasTag(\"Owner\") };";
    let texts = vec![Source { name: "p.cedar".to_owned(), text: text.to_owned() }];
    let sources = Sources { builtin: false, texts, ..expiring() };
    let now = "2026-12-02T01:00:00Z";
    let planned = Verdict::Plan(at("2026-12-01T16:00:00Z"));
    assert_eq!(verdict(&sources, "2026-12-01", now), planned);
    assert_eq!(verdict(&sources, "yes", now), planned);
}

/// Values of the tag, and when each ends; `None`: it does not.
const VALUES: [(Option<&str>, Option<&str>); 6] = [
    (None, Some("0001-01-01")),
    (Some("2026-12-01"), Some("2026-12-02")),
    (Some("a until=2026-12-02T10:00:00Z"), Some("2026-12-02T10:00:00Z")),
    (Some("until=2026-12-31"), Some("2027-01-01")),
    (Some("yes"), None),
    (Some("until=soon"), None),
];

proptest! {
    #[test]
    fn an_instance_is_exempt_while_either_reading_says_so(
        [first, second] in [0..VALUES.len(), 0..VALUES.len()],
        place in 0_usize..4,
        secs in -1_i64..=1,
    ) {
        let ends = ["2026-12-02", "2026-12-02T10:00:00Z", "2027-01-01", "2027-06-01"];
        let now = at(ends[place]) + Duration::seconds(secs);
        let readings = [first, second].map(|place| VALUES[place].0);
        let lasts = [first, second].map(|place| VALUES[place].1.is_none_or(|end| now < at(end)));
        let expected = if lasts.contains(&true) { Verdict::Exempt } else { Verdict::Stop };
        let judgement = judged(&expiring(), readings, now);
        prop_assert_eq!(judgement.verdict, expected);
        prop_assert_eq!(judgement.decision.exemption.holds(), expected == Verdict::Exempt);
    }
}
