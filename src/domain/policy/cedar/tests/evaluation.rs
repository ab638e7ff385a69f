//! Tests of what Cedar is told of an instance: each condition is met by one instance, and not by
//! another that differs in what the condition asks for.

use std::collections::BTreeSet;
use std::sync::LazyLock;
use std::thread;

use proptest::collection::btree_map;
use proptest::prelude::*;
use time::{OffsetDateTime, UtcDateTime};

use crate::domain::ids::{Account, InstanceId, Region};
use crate::domain::policy::attribute::{Attribute, Value};
use crate::domain::policy::facts::{Facts, Tags};
use crate::domain::policy::occasion::Trigger;
use crate::domain::policy::subject::Subject;
use crate::domain::policy::{EVALUATION_STACK, Policies, Source, Sources, Vocabulary};

const OWN: &str = "111111111111";
const OTHER: &str = "222222222222";

fn at(text: &str) -> UtcDateTime {
    OffsetDateTime::parse(text, &time::format_description::well_known::Rfc3339).unwrap().to_utc()
}

fn accounts(ids: &[&str]) -> BTreeSet<Account> {
    ids.iter().filter_map(|id| Account::parse(id)).collect()
}

/// Policies of which one has this text; the built-in one is off.
fn policies(text: &str) -> Policies {
    let texts = vec![Source { name: "p.cedar".to_owned(), text: text.to_owned() }];
    let sources = Sources { texts, ..Sources::bare("KEEP") };
    let vocabulary = Vocabulary {
        accounts: Some(accounts(&[OWN, OTHER])),
        regions: ["eu-west-1", "us-east-1"].into_iter().filter_map(Region::parse).collect(),
        units: [
            ("sandbox".to_owned(), accounts(&[OTHER])),
            ("all".to_owned(), accounts(&[OWN, OTHER])),
        ]
        .into(),
    };
    Policies::load(&sources, &vocabulary).unwrap()
}

fn with_condition(condition: &str) -> Policies {
    policies(&format!(
        "@id(\"a\") @mode(\"warn\") @exception(\"ignored\")\n\
         forbid (principal, action == Action::\"run\", resource) when {{ {condition} }};"
    ))
}

/// An instance of an account in a region.
struct Instance {
    account: &'static str,
    region: &'static str,
    facts: Facts,
}

impl Instance {
    fn plain() -> Self {
        Self { account: OWN, region: "us-east-1", facts: Facts::running() }
    }

    fn in_account(self, account: &'static str) -> Self {
        Self { account, ..self }
    }

    fn in_region(self, region: &'static str) -> Self {
        Self { region, ..self }
    }

    fn tagged(mut self, key: &str, value: &str) -> Self {
        self.facts.tags.insert(key.to_owned(), value.to_owned());
        self
    }

    fn having(mut self, attribute: Attribute, value: Value) -> Self {
        self.facts.attributes.insert(attribute, value);
        self
    }

    fn violates(&self, policies: &Policies) -> bool {
        let [account, region] = [self.account, self.region];
        let (account, region) = (Account::parse(account).unwrap(), Region::parse(region).unwrap());
        let id = InstanceId::parse("i-0abcd1234abcd1234").unwrap();
        let subject = Subject { account: &account, region: &region, id: &id };
        let occasion = policies.occasion(at("2026-12-01T12:00:00Z"), Trigger::Start);
        let decision = policies.decide(subject, &self.facts, &occasion);
        assert_eq!(decision.faults, []);
        !decision.denials.is_empty()
    }
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

/// Expects that the first instance meets the condition, and the second one does not.
fn tells_apart(condition: &str, meets: &Instance, does_not: &Instance) {
    let policies = with_condition(condition);
    assert!(meets.violates(&policies), "{condition}");
    assert!(!does_not.violates(&policies), "{condition}");
}

#[test]
fn an_instance_is_in_its_account_its_region_and_its_units() {
    let plain = Instance::plain;
    tells_apart("resource in Account::\"222222222222\"", &plain().in_account(OTHER), &plain());
    tells_apart("principal == Account::\"222222222222\"", &plain().in_account(OTHER), &plain());
    tells_apart("resource in Unit::\"sandbox\"", &plain().in_account(OTHER), &plain());
    tells_apart("resource in Region::\"eu-west-1\"", &plain().in_region("eu-west-1"), &plain());
    assert!(plain().violates(&with_condition("resource in Unit::\"all\"")));
}

#[test]
fn an_instance_is_in_the_auto_scaling_group_that_its_tag_names() {
    let group = "resource in AutoScalingGroup::\"111111111111/us-east-1/web\"";
    let member = |name| Instance::plain().tagged("aws:autoscaling:groupName", name);
    tells_apart(group, &member("web"), &member("db"));
    tells_apart(group, &member("web"), &member("web").in_region("eu-west-1"));
    tells_apart(group, &member("web"), &Instance::plain());
}

#[test]
fn tags_are_read_by_key_and_value() {
    let owner = |value| Instance::plain().tagged("Owner", value);
    tells_apart("resource.hasTag(\"Owner\")", &owner(""), &Instance::plain().tagged("owner", ""));
    let mail = "resource.hasTag(\"Owner\") && resource.getTag(\"Owner\") like \"*@example.com\"";
    tells_apart(mail, &owner("web@example.com"), &owner("web@example.org"));
}

#[test]
fn dates_in_tags_are_compared_with_the_time() {
    let over = "resource.dates.hasTag(\"end\") && resource.dates.getTag(\"end\") <= context.now";
    let end = |value| Instance::plain().tagged("end", value);
    tells_apart(over, &end("2026-11-30"), &end("2026-12-01"));
    tells_apart(over, &end("2026-12-01T12:00:00Z"), &end("2026-12-01T12:00:01Z"));
    tells_apart(over, &end("ticket until=2026-11-30"), &end("until=soon"));
}

/// An attribute, a condition on it, a value that meets the condition, and one that does not.
type Row = (Attribute, &'static str, Value, Value);

fn required() -> Vec<Row> {
    vec![
        (
            Attribute::InstanceType,
            "instanceType == \"m5.large\"",
            text("m5.large"),
            text("t3.micro"),
        ),
        (Attribute::ImageId, "imageId like \"ami-0*\"", text("ami-01"), text("ami-1")),
        (Attribute::Architecture, "architecture == \"arm64\"", text("arm64"), text("x86_64")),
        (
            Attribute::PlatformDetails,
            "platformDetails == \"Windows\"",
            text("Windows"),
            text("Linux/UNIX"),
        ),
        (Attribute::Tenancy, "tenancy == \"host\"", text("host"), text("default")),
        (
            Attribute::RootDeviceType,
            "rootDeviceType == \"ebs\"",
            text("ebs"),
            text("instance-store"),
        ),
        (
            Attribute::LaunchTime,
            "launchTime < datetime(\"2026-12-01\")",
            Value::Time(at("2026-11-30T23:59:59.999Z")),
            Value::Time(at("2026-12-01T00:00:00Z")),
        ),
        (Attribute::Imdsv2Required, "imdsv2Required", Value::Truth(true), Value::Truth(false)),
        (
            Attribute::SecurityGroupIds,
            "securityGroupIds.contains(\"sg-1\")",
            Value::Texts(vec!["sg-2".to_owned(), "sg-1".to_owned()]),
            Value::Texts(vec!["sg-2".to_owned()]),
        ),
    ]
}

fn optional() -> Vec<Row> {
    let address = |text: &str| Value::Address(text.parse().unwrap());
    vec![
        (Attribute::Lifecycle, "lifecycle == \"spot\"", text("spot"), text("scheduled")),
        (Attribute::KeyName, "keyName == \"mine\"", text("mine"), text("yours")),
        (Attribute::VpcId, "vpcId == \"vpc-1\"", text("vpc-1"), text("vpc-2")),
        (Attribute::SubnetId, "subnetId == \"subnet-1\"", text("subnet-1"), text("subnet-2")),
        (
            Attribute::PrivateIpAddress,
            "privateIpAddress.isInRange(ip(\"10.0.0.0/8\"))",
            address("10.1.2.3"),
            address("192.168.1.1"),
        ),
        (
            Attribute::PublicIpAddress,
            "publicIpAddress.isInRange(ip(\"203.0.113.0/24\"))",
            address("203.0.113.7"),
            address("198.51.100.7"),
        ),
        (
            Attribute::IamInstanceProfileArn,
            "iamInstanceProfileArn like \"*/admin\"",
            text("arn:aws:iam::1:instance-profile/admin"),
            text("arn:aws:iam::1:instance-profile/web"),
        ),
    ]
}

#[test]
fn every_attribute_is_read() {
    let rows: Vec<_> = required().into_iter().chain(optional()).collect();
    assert_eq!(rows.len(), Attribute::all().count());
    for (attribute, condition, meets, does_not) in rows {
        let asked = format!("resource has {} && ", attribute.name());
        let asked = if attribute.is_optional() { &*asked } else { "" };
        let condition = format!("{asked}resource.{condition}");
        let having = |value| Instance::plain().having(attribute, value);
        tells_apart(&condition, &having(meets), &having(does_not));
        if attribute.is_optional() {
            let has = format!("resource has {}", attribute.name());
            let policies = with_condition(&has);
            assert!(!Instance::plain().violates(&policies), "{has}");
        }
    }
}

#[test]
fn the_context_has_the_time_the_trigger_and_the_key_of_the_exception_tag() {
    for condition in [
        "context.now == datetime(\"2026-12-01T12:00:00Z\")",
        "context.trigger == \"start\"",
        "context.exceptionTag == \"KEEP\"",
    ] {
        assert!(Instance::plain().violates(&with_condition(condition)), "{condition}");
    }
}

#[test]
fn a_policy_that_cannot_be_evaluated_is_named_and_counts_as_not_violated() {
    let both = policies(
        "@id(\"broken\") @mode(\"enforce\") forbid (principal, action == Action::\"run\", resource)\n\
         unless { resource.instanceType == \"t3.micro\" };\n\
         @id(\"sound\") @mode(\"warn\") forbid (principal, action == Action::\"run\", resource)\n\
         unless { resource.hasTag(\"Owner\") };",
    );
    let (account, region) = (Account::parse(OWN).unwrap(), Region::parse("us-east-1").unwrap());
    let id = InstanceId::parse("i-0abcd1234abcd1234").unwrap();
    let subject = Subject { account: &account, region: &region, id: &id };
    let occasion = both.occasion(UtcDateTime::UNIX_EPOCH, Trigger::Start);
    // The instance type is missing.
    let decision = both.decide(subject, &Facts::running(), &occasion);
    assert_eq!(decision.policies(), "sound");
    let [fault] = &*decision.faults else { panic!("{:?}", decision.faults) };
    assert_eq!(fault.policy, "broken");
    assert!(fault.error.contains("instanceType"), "{}", fault.error);
}

#[test]
fn the_deepest_policies_that_are_loaded_are_evaluated_on_the_stack_of_a_worker() {
    let terms = vec!["resource.instanceType == \"x\""; 98].join(" || ");
    let nested = format!("{}resource.imdsv2Required{}", "!(".repeat(97), ")".repeat(97));
    for (condition, is_violated) in [(terms, true), (nested, false)] {
        let judge = move || {
            let instance = Instance::plain()
                .having(Attribute::InstanceType, text("x"))
                .having(Attribute::Imdsv2Required, Value::Truth(true));
            instance.violates(&with_condition(&condition))
        };
        let worker = thread::Builder::new().stack_size(EVALUATION_STACK).spawn(judge).unwrap();
        assert_eq!(worker.join().unwrap(), is_violated);
    }
}

/// The built-in policy, and its text in Cedar.
static BOTH: LazyLock<[Policies; 2]> = LazyLock::new(|| {
    let text = "@id(\"exception-tag\") @mode(\"enforce\") @exception(\"ignored\")\n\
         forbid (principal, action == Action::\"run\", resource)\n\
         unless { resource.hasTag(\"KEEP\") };";
    [Policies::builtin("KEEP"), policies(text)]
});

proptest! {
    #[test]
    fn the_built_in_policy_decides_as_its_text_in_cedar(
        tags in btree_map("KEEP|keep|Name|.{0,6}", ".{0,6}", 0..6)
    ) {
        let [built_in, cedar] = &*BOTH;
        let tags: Tags = tags;
        let instance = Instance { facts: Facts { tags, ..Facts::running() }, ..Instance::plain() };
        prop_assert_eq!(instance.violates(built_in), instance.violates(cedar));
    }
}
