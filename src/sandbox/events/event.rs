//! An event in the form in which `EventBridge` delivers it.

use serde::Serialize;
use serde_json::Value;

use crate::sandbox::dates::rfc3339;
use crate::sandbox::ec2::instances::InstanceName;
use crate::sandbox::world::{World, arn};

/// An event. Its body has the fields in this order.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::sandbox) struct Event {
    pub(super) version: &'static str,
    pub(in crate::sandbox) id: String,
    pub(super) detail_type: String,
    pub(super) source: String,
    pub(super) account: String,
    pub(super) time: String,
    pub(super) region: String,
    pub(super) resources: Vec<String>,
    pub(super) detail: Value,
}

impl Event {
    pub(in crate::sandbox) fn body(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    pub(super) fn fields(&self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }
}

/// Makes the event of an instance that has entered a state.
pub(in crate::sandbox) fn state_change(
    world: &mut World,
    name: InstanceName<'_>,
    region: &str,
    state: &str,
) -> Event {
    Event {
        version: "0",
        id: world.ids.uuid().to_string(),
        detail_type: "EC2 Instance State-change Notification".to_owned(),
        source: "aws.ec2".to_owned(),
        account: name.account.to_owned(),
        time: rfc3339(world.wall_clock()),
        region: region.to_owned(),
        resources: vec![arn(name.account, "ec2", region, &format!("instance/{}", name.id))],
        detail: serde_json::json!({ "instance-id": name.id, "state": state }),
    }
}
