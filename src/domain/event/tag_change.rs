//! Reads events that say that the tags of an instance have changed: "Tag Change on Resource", which
//! EventBridge gets from AWS's tagging service for every resource of every service.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::{Event, EventKey, TagChange, event_id, string, time};
use crate::domain::ids::{Account, InstanceId, Region};
use crate::domain::trigger::Trigger;

const SOURCE: &str = "aws.tag";
const DETAIL_TYPE: &str = "Tag Change on Resource";

/// Whether this is such an event, of whatever resource.
pub(super) fn is_one(source: &str, detail_type: &str) -> bool {
    source == SOURCE && detail_type == DETAIL_TYPE
}

/// Reads such an event; `None` if it is about something else than an instance. What identifies the
/// instance comes from its ARN, and must agree with the event around it.
///
/// # Errors
/// The reason to reject it.
pub(super) fn read(
    event: &Map<String, Value>,
    message_id: &str,
) -> Result<Option<TagChange>, &'static str> {
    let detail = event.get("detail").and_then(Value::as_object).ok_or("no_detail")?;
    let service = string(detail, "service").ok_or("no_service")?;
    let resource_type = string(detail, "resource-type").ok_or("no_resource_type")?;
    if (service, resource_type) != ("ec2", "instance") {
        return Ok(None);
    }
    let account = string(event, "account").and_then(Account::parse).ok_or("unusable_account")?;
    let region = string(event, "region").and_then(Region::parse).ok_or("unusable_region")?;
    let resources = event.get("resources").and_then(Value::as_array);
    let [Value::String(arn)] = resources.map(Vec::as_slice).ok_or("no_resources")? else {
        return Err("unusable_resources");
    };
    let instance = instance(arn, &account, &region).ok_or("unusable_arn")?;
    let keys = keys(detail).ok_or("unusable_tag_keys")?;
    let key = EventKey { account, region, instance, event_id: event_id(event, message_id) };
    let event = Event { key, time: time(event), trigger: Trigger::Tag };
    Ok(Some(TagChange { event, keys, tags: tags(detail) }))
}

/// The instance that an ARN names, if it is in this account and region.
fn instance(arn: &str, account: &Account, region: &Region) -> Option<InstanceId> {
    let mut parts = arn.splitn(6, ':');
    let is_arn = parts.next() == Some("arn") && parts.next()?.starts_with("aws");
    let is_here = parts.next() == Some("ec2")
        && parts.next() == Some(region.as_str())
        && parts.next() == Some(account.as_str());
    let id = parts.next()?.strip_prefix("instance/")?;
    InstanceId::parse(id).filter(|_| is_arn && is_here)
}

/// The keys that changed, all of which must be text.
fn keys(detail: &Map<String, Value>) -> Option<BTreeSet<String>> {
    let keys = detail.get("changed-tag-keys")?.as_array()?;
    keys.iter().map(|key| key.as_str().map(str::to_owned)).collect()
}

/// The tags after the change, as far as they can be read.
fn tags(detail: &Map<String, Value>) -> BTreeMap<String, String> {
    let tags = detail.get("tags").and_then(Value::as_object);
    let pairs = tags.into_iter().flatten();
    pairs.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::event::{Reading, Scope};
    use crate::domain::members::Members;

    const MESSAGE_ID: &str = "the-message";
    const ARN: &str = "arn:aws:ec2:us-east-1:123456789012:instance/i-0abcd1234abcd1234";

    fn event() -> Value {
        json!({
            "version": "0",
            "id": "7bf73129-1428-4cd3-a780-95db273d1602",
            "detail-type": DETAIL_TYPE,
            "source": SOURCE,
            "account": "123456789012",
            "time": "2026-05-04T07:12:31Z",
            "region": "us-east-1",
            "resources": [ARN],
            "detail": {
                "changed-tag-keys": ["Owner", "KEEP"],
                "service": "ec2",
                "resource-type": "instance",
                "version": 3.0,
                "tags": { "KEEP": "until=2026-06-01" },
            },
        })
    }

    fn scope(tag_changes: bool) -> Scope {
        Scope {
            account: Account::parse("123456789012").unwrap(),
            members: Members::default(),
            regions: vec![Region::parse("us-east-1").unwrap()],
            tag_changes,
        }
    }

    fn reading(pointer: &str, value: Value) -> Reading {
        let mut event = event();
        *event.pointer_mut(pointer).unwrap() = value;
        scope(true).read(&event.to_string(), MESSAGE_ID)
    }

    fn rejected(pointer: &str, value: Value) -> &'static str {
        match reading(pointer, value) {
            Reading::Rejected(dismissal) => dismissal.reason,
            other => panic!("{pointer}: {other:?}"),
        }
    }

    #[test]
    fn a_change_of_tags_names_the_instance_of_its_arn_and_the_keys() {
        let Reading::TagChange(change) = scope(true).read(&event().to_string(), MESSAGE_ID) else {
            panic!("not read");
        };
        assert_eq!(change.event.key.instance.as_str(), "i-0abcd1234abcd1234");
        assert_eq!(&*change.event.key.event_id, "7bf73129-1428-4cd3-a780-95db273d1602");
        assert_eq!(change.event.trigger, Trigger::Tag);
        assert!(change.event.time.is_some());
        assert_eq!(change.keys, ["KEEP", "Owner"].map(str::to_owned).into());
        assert_eq!(change.tags["KEEP"], "until=2026-06-01");
    }

    #[test]
    fn other_partitions_are_read_too() {
        let arn = ARN.replace("arn:aws:", "arn:aws-us-gov:");
        assert!(matches!(reading("/resources", json!([arn])), Reading::TagChange(_)));
    }

    #[test]
    fn changes_of_tags_are_ignored_unread_unless_they_count() {
        for body in [event(), json!({ "source": SOURCE, "detail-type": DETAIL_TYPE })] {
            let reading = scope(false).read(&body.to_string(), MESSAGE_ID);
            assert_eq!(reading, Reading::Ignored("other_event_type".into()));
        }
    }

    #[test]
    fn tags_of_other_resources_are_ignored() {
        for (pointer, value) in [("/detail/service", "s3"), ("/detail/resource-type", "volume")] {
            let ignored = Reading::Ignored("other_resource".into());
            assert_eq!(reading(pointer, json!(value)), ignored, "{pointer}");
        }
    }

    #[test]
    fn an_arn_that_is_none_or_disagrees_with_the_event_is_rejected() {
        for arn in [
            "i-0abcd1234abcd1234",
            "arn:aws:ec2:us-east-1:123456789012:instance/i-0abcd1234abcd123*",
            "arn:aws:ec2:us-east-1:123456789012:volume/i-0abcd1234abcd1234",
            "arn:aws:ec2:eu-west-1:123456789012:instance/i-0abcd1234abcd1234",
            "arn:aws:ec2:us-east-1:210987654321:instance/i-0abcd1234abcd1234",
            "arn:aws:s3:us-east-1:123456789012:instance/i-0abcd1234abcd1234",
            "arn:other:ec2:us-east-1:123456789012:instance/i-0abcd1234abcd1234",
        ] {
            assert_eq!(rejected("/resources", json!([arn])), "unusable_arn", "{arn}");
        }
        for resources in [json!([]), json!([ARN, ARN]), json!([1])] {
            assert_eq!(rejected("/resources", resources), "unusable_resources");
        }
        assert_eq!(rejected("/resources", json!(ARN)), "no_resources");
    }

    #[test]
    fn what_is_not_sound_otherwise_is_rejected_with_its_reason() {
        for (pointer, value, reason) in [
            ("/detail", json!(1), "no_detail"),
            ("/detail/service", json!(1), "no_service"),
            ("/detail/resource-type", json!(null), "no_resource_type"),
            ("/detail/changed-tag-keys", json!("KEEP"), "unusable_tag_keys"),
            ("/detail/changed-tag-keys", json!([1]), "unusable_tag_keys"),
            ("/account", json!("1"), "unusable_account"),
            ("/region", json!("here"), "unusable_region"),
        ] {
            assert_eq!(rejected(pointer, value), reason, "{pointer}");
        }
    }

    #[test]
    fn other_accounts_and_regions_are_rejected() {
        let mut elsewhere = event();
        let arn = ARN.replace("us-east-1", "eu-west-1");
        elsewhere["region"] = json!("eu-west-1");
        elsewhere["resources"] = json!([arn]);
        let Reading::Rejected(why) = scope(true).read(&elsewhere.to_string(), MESSAGE_ID) else {
            panic!("not rejected");
        };
        assert_eq!(why.reason, "region_out_of_scope");
        assert!(why.about.is_some());
    }
}
