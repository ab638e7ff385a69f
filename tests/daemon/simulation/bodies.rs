//! Writes the bodies of the messages that a world sends to the queue.

use std::time::Duration;

use ec2_policy_enforcer::sandbox::Sandbox;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::time::Instant;

use super::names::ec2_id;
use super::plan::{Event, Form, Instance, Noise, Plan, TagEvent};

/// A region that no world has in its settings.
const FOREIGN: &str = "ap-southeast-2";

/// Writes a valid `running` event. Its time is now, or earlier by the planned age.
pub(super) fn event(aws: &Sandbox, plan: &Plan, number: usize) -> String {
    let Event { instance, id, form, age } = &plan.events[number];
    let instance = &plan.instances[*instance];
    let mut event = running(aws, instance, *age);
    event["id"] = id.as_str().into();
    match form {
        Form::Plain | Form::InSnsEnvelope => {}
        Form::UpperCase => event["detail"]["state"] = "RUNNING".into(),
        Form::WithoutId => drop(event.as_object_mut().unwrap().remove("id")),
        Form::WithoutTime => drop(event.as_object_mut().unwrap().remove("time")),
        Form::FromTheFuture => event["time"] = "2031-01-01T00:00:00Z".into(),
    }
    if *form == Form::InSnsEnvelope {
        return json!({ "Type": "Notification", "Message": event.to_string() }).to_string();
    }
    event.to_string()
}

/// Writes an event of a change of tags, with the tags that the instance has now.
pub(super) fn tag_change(aws: &Sandbox, plan: &Plan, number: usize) -> String {
    let TagEvent { instance, id, key } = &plan.tag_events[number];
    let instance = &plan.instances[*instance];
    let mut event = running(aws, instance, Duration::ZERO);
    event["id"] = id.as_str().into();
    event["source"] = "aws.tag".into();
    event["detail-type"] = "Tag Change on Resource".into();
    let (account, region) = instance.target();
    let id = ec2_id(&instance.id);
    event["resources"] = json!([format!("arn:aws:ec2:{region}:{account}:instance/{id}")]);
    event["detail"] = json!({
        "changed-tag-keys": [key],
        "service": "ec2",
        "resource-type": "instance",
        "version": 1.0,
        "tags": aws.in_account(account).instance(id).map(|instance| instance.tags).unwrap_or_default(),
    });
    event.to_string()
}

/// Writes a message that the daemon must ignore (and delete) or reject (and leave). It names an
/// instance that no valid event names.
pub(super) fn noise(aws: &Sandbox, bait: &Instance, noise: Noise) -> String {
    let mut event = running(aws, bait, Duration::ZERO);
    match noise {
        Noise::OtherSource => event["source"] = "aws.autoscaling".into(),
        Noise::OtherState => event["detail"]["state"] = "stopped".into(),
        Noise::NotJson => return format!("{event}}}"),
        Noise::KeyTwice => return event.to_string().replacen('{', "{\"source\":\"aws.ec2\",", 1),
        // The account of the instance does not count.
        Noise::UnlistedAccount => {}
        Noise::ForeignAccount => event["account"] = "210987654321".into(),
        Noise::ForeignRegion => event["region"] = FOREIGN.into(),
        Noise::Wildcard => event["detail"]["instance-id"] = "i-*".into(),
        Noise::NoState => drop(event["detail"].as_object_mut().unwrap().remove("state")),
    }
    event.to_string()
}

fn running(aws: &Sandbox, instance: &Instance, age: Duration) -> Value {
    let event = aws.in_account(&instance.account).event(ec2_id(&instance.id));
    let mut event: Value = serde_json::from_str(&event).unwrap();
    event["region"] = instance.region.into();
    let time = OffsetDateTime::from(aws.clock().wall(Instant::now()) - age).truncate_to_second();
    event["time"] = time.format(&Rfc3339).unwrap().into();
    event
}
