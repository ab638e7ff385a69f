//! Decisions by policies in Cedar, about an instance that has all that they mention.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use divan::{Bencher, black_box};
use ec2_policy_enforcer::domain::ids::{Account, InstanceId, Region};
use ec2_policy_enforcer::domain::policy::attribute::{Attribute, Value};
use ec2_policy_enforcer::domain::policy::facts::Facts;
use ec2_policy_enforcer::domain::policy::occasion::Trigger;
use ec2_policy_enforcer::domain::policy::subject::Subject;
use ec2_policy_enforcer::domain::policy::{Policies, Source, Sources, Vocabulary};
use time::{Duration, UtcDateTime};

/// Eight policies.
const POLICIES: &str = include_str!("policies.cedar");

/// The tags that the policies mention. The instance has eleven others, and no exception tag.
const TAGS: [(&str, &str); 5] = [
    ("Environment", "production"),
    ("Owner", "order-intake@example.com"),
    ("Project", "storefront"),
    ("Until", "2027-03-31"),
    ("aws:autoscaling:groupName", "workers"),
];

/// By the built-in policy, and by as many of the file's as the number says.
#[divan::bench(args = [0, 1, 8])]
fn decides_by_policies(bencher: Bencher<'_, '_>, count: usize) {
    let (account, region) = (Account::parse("123456789012"), Region::parse("us-east-1"));
    let id = InstanceId::parse("i-0abcd1234abcd1234");
    let (Some(account), Some(region), Some(id)) = (account, region, id) else { return };
    let subject = Subject { account: &account, region: &region, id: &id };
    let policies = policies(first(count), subject);
    let now = UtcDateTime::UNIX_EPOCH + Duration::days(20_000) + Duration::hours(12);
    let (facts, occasion) = (facts(now), policies.occasion(now, Trigger::Start));
    bencher.bench(|| policies.decide(subject, black_box(&facts), &occasion));
}

/// The first policies of the file, as a text of their own.
fn first(count: usize) -> Option<Source> {
    let end = POLICIES.match_indices("@id").map(|(start, _)| start).chain([POLICIES.len()]);
    let text = POLICIES.get(..end.skip(1).nth(count.checked_sub(1)?)?)?.to_owned();
    Some(Source { name: "policies.cedar".to_owned(), text })
}

fn policies(text: Option<Source>, subject: Subject<'_>) -> Policies {
    let accounts = BTreeSet::from([subject.account.clone()]);
    let texts = text.into_iter().collect();
    let sources = Sources { builtin: true, texts, ..Sources::bare("SPECIAL_EXCEPTION") };
    let vocabulary = Vocabulary {
        accounts: Some(accounts.clone()),
        regions: BTreeSet::from([subject.region.clone()]),
        units: [("sandbox".to_owned(), accounts)].into(),
    };
    Policies::load(&sources, &vocabulary).unwrap_or_else(|refusals| panic!("{refusals}"))
}

fn facts(now: UtcDateTime) -> Facts {
    let others = (0..11).map(|number| (format!("key-{number}"), format!("value-{number}")));
    let tags = TAGS.map(|(key, value)| (key.to_owned(), value.to_owned()));
    let address = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 7));
    let attributes = [
        (Attribute::InstanceType, Value::Text("t3.micro".to_owned())),
        (Attribute::Imdsv2Required, Value::Truth(true)),
        (Attribute::LaunchTime, Value::Time(now - Duration::days(40))),
        (Attribute::PublicIpAddress, Value::Address(address)),
    ];
    Facts {
        tags: tags.into_iter().chain(others).collect(),
        attributes: attributes.into(),
        ..Facts::running()
    }
}
