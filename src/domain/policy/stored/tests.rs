//! Tests of reading and writing stored facts.

use super::*;

fn now() -> UtcDateTime {
    UtcDateTime::UNIX_EPOCH
}

fn document() -> Value {
    json!({
        "account": "222222222222",
        "region": "eu-west-1",
        "instance": "i-0123456789abcdef0",
        "started": "2026-12-02T09:59:00Z",
        "facts": {
            "instanceType": "m5.large",
            "launchTime": "2026-12-02T10:00:00Z",
            "imdsv2Required": false,
            "securityGroupIds": ["sg-1"],
            "publicIpAddress": "203.0.113.7",
            "lifecycle": "spot",
            "tags": { "Name": "web" },
            "firstTags": {},
        },
    })
}

fn wrong(change: impl FnOnce(&mut Value)) -> String {
    let mut document = document();
    change(&mut document);
    Stored::read(&document, now()).unwrap_err().to_string()
}

#[test]
fn what_is_written_is_read_as_it_was() {
    let stored = Stored::read(&document(), now()).unwrap();
    assert_eq!(Stored::read(&stored.json(), UtcDateTime::MAX), Ok(stored.clone()));
    assert!(stored.facts.is_spot && stored.first_tags.is_empty());
    assert_eq!((stored.now, stored.trigger), (now(), Trigger::Start));
    assert_eq!(stored.facts.tags.get("Name").map(String::as_str), Some("web"));
}

#[test]
fn whether_it_can_be_stopped_is_written_also_where_no_policy_reads_it() {
    let mut stored = Stored::read(&document(), now()).unwrap();
    stored.facts.attributes.clear();
    stored.facts.has_instance_store_root = true;
    let read = Stored::read(&stored.json(), now()).unwrap().facts;
    assert!(read.is_spot && read.has_instance_store_root);
}

#[test]
fn the_sample_is_an_instance_with_every_attribute_that_each_has() {
    let mut document = document();
    document["facts"] = sample::attributes().into();
    document["now"] = sample::NOW.into();
    let mut stored = Stored::read(&document, now()).unwrap();
    sample::launched(&mut stored.facts.attributes, stored.now);
    let reads = Reads { attributes: Attribute::all().collect(), ..Reads::default() };
    assert_eq!(stored.has_all_of(&reads), Ok(()));
    assert_eq!(stored.facts.state, InstanceState::Running);
}

#[test]
fn a_misspelt_attribute_is_refused_with_what_was_meant_or_with_those_that_there_are() {
    let said = wrong(|document| document["facts"]["instanceTyp"] = "t3.micro".into());
    assert_eq!(said, "facts.instanceTyp is not known; did you mean instanceType?");
    let said = wrong(|document| document["owner"] = json!({}));
    assert!(said.starts_with("owner is not known; there are account, region, "), "{said}");
}

#[test]
fn a_value_of_another_kind_is_refused_with_what_would_be_right() {
    for (key, value, said) in [
        ("instanceType", json!(3), "facts.instanceType is 3; give a text in quotes"),
        ("imdsv2Required", json!("yes"), "facts.imdsv2Required is \"yes\"; give true or false"),
        ("securityGroupIds", json!("sg-1"), "facts.securityGroupIds is \"sg-1\"; give a list"),
        ("launchTime", json!("soon"), "facts.launchTime is \"soon\"; give a time such as"),
        ("publicIpAddress", json!("x"), "facts.publicIpAddress is \"x\"; give an address"),
        ("state", json!("up"), "facts.state is \"up\"; there are pending, running"),
        ("tags", json!({ "a": 1 }), "facts.tags.a is 1; give a text in quotes"),
        ("tags", json!([]), "facts.tags is []; give keys and values"),
    ] {
        let told = wrong(|document| document["facts"][key] = value);
        assert!(told.starts_with(said), "{told}");
    }
}

#[test]
fn an_id_that_is_none_is_refused() {
    for (key, remedy) in [
        ("account", "give 12 digits in quotes"),
        ("region", "give a region such as eu-central-1"),
        ("instance", "give an id such as i-0123456789abcdef0"),
        ("trigger", "give start, tag or sweep"),
    ] {
        let told = wrong(|document| document[key] = "*".into());
        assert_eq!(told, format!("{key} is \"*\"; {remedy}"));
    }
    let told = wrong(|document| document["account"] = Value::Null);
    assert_eq!(told, "account is missing; give 12 digits in quotes");
    assert_eq!(wrong(|document| *document = json!([])), "is []; give keys and values");
}

#[test]
fn facts_without_what_policies_read_are_refused() {
    let stored = Stored::read(&document(), now()).unwrap();
    let reads = |attribute| Reads { attributes: [attribute].into(), ..Reads::default() };
    assert_eq!(stored.has_all_of(&reads(Attribute::InstanceType)), Ok(()));
    assert_eq!(stored.has_all_of(&reads(Attribute::KeyName)), Ok(()));
    assert_eq!(
        stored.has_all_of(&reads(Attribute::Tenancy)).unwrap_err().to_string(),
        "facts.tenancy is missing, and policies read it; give what it was"
    );
}

#[test]
fn tags_that_were_not_read_are_not_taken_for_missing() {
    let mut stored = Stored::read(&document(), now()).unwrap();
    stored.read_tags = Some(["KEEP".to_owned()].into());
    let stored = Stored::read(&stored.json(), now()).unwrap();
    let reads = |key: &str| Reads { tags: [key.to_owned()].into(), ..Reads::default() };
    assert_eq!(stored.has_all_of(&reads("KEEP")), Ok(()));
    assert_eq!(
        stored.has_all_of(&reads("CostCenter")).unwrap_err().to_string(),
        "read.tags lacks \"CostCenter\", and policies read it; replay the events again with these \
         policies"
    );
}

#[test]
fn a_line_of_an_audit_trail_may_have_more_and_tells_its_time() {
    let mut line = document();
    line["audit"] = 1.into();
    line["request"] = "r".into();
    line["time"] = "2026-12-02T10:00:00Z".into();
    assert_eq!(rfc3339(Stored::read(&line, now()).unwrap().now), "2026-12-02T10:00:00Z");
}
