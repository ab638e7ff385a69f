//! The line `stop`: what one StopInstances call stopped.

use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use time::UtcDateTime;
use time::format_description::well_known::Rfc3339;

use super::{Secs, begin};

/// What one StopInstances call stopped, as EC2 answered. `undo` reads it to start the instances
/// again. The fields are text as they stand in the line: whoever reads them checks them.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct StopLine {
    /// When the answer came.
    #[serde(deserialize_with = "time")]
    pub time: UtcDateTime,
    /// The account of the instances.
    pub account: String,
    /// Their region.
    pub region: String,
    /// AWS's id of the request, by which `CloudTrail` has the call.
    pub request_id: Option<String>,
    /// The instances that EC2 says are stopping or stopped now.
    pub instances: Vec<StoppedInstance>,
}

/// An instance that was stopped.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct StoppedInstance {
    /// Its id.
    pub instance: String,
    /// Its state before the call, in EC2's words. Where it is not `running`, it was stopped before.
    pub previous_state: String,
    /// When it was launched; `None` if EC2 did not say.
    #[serde(default, deserialize_with = "optional_time")]
    pub launch_time: Option<UtcDateTime>,
    /// The ids of the enforced policies that it violated.
    pub policies: Vec<String>,
    /// SQS's id of the message after which it was stopped; `None` where a sweep found it.
    #[serde(default)]
    pub message: Option<String>,
}

impl StopLine {
    /// Reads a line of the audit trail; `None` if it is another one.
    pub fn read(line: &str) -> Option<Self> {
        /// What every line begins with.
        #[derive(Deserialize)]
        struct Begin {
            audit: u8,
            kind: String,
        }
        let Begin { audit, kind } = serde_json::from_str(line).ok()?;
        if audit != super::VERSION || kind != "stop" {
            return None;
        }
        serde_json::from_str(line).ok()
    }
}

impl Serialize for StopLine {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut line = begin(serializer, "stop", self.time)?;
        line.serialize_entry("account", &self.account)?;
        line.serialize_entry("region", &self.region)?;
        if let Some(request_id) = &self.request_id {
            line.serialize_entry("request_id", request_id)?;
        }
        line.serialize_entry("instances", &self.instances)?;
        line.end()
    }
}

impl Serialize for StoppedInstance {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("instance", &self.instance)?;
        map.serialize_entry("previous_state", &self.previous_state)?;
        if let Some(launched) = self.launch_time {
            map.serialize_entry("launch_time", &Secs(launched))?;
        }
        map.serialize_entry("policies", &self.policies)?;
        if let Some(message) = &self.message {
            map.serialize_entry("message", message)?;
        }
        map.end()
    }
}

fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<UtcDateTime, D::Error> {
    let text = String::deserialize(deserializer)?;
    UtcDateTime::parse(&text, &Rfc3339).map_err(serde::de::Error::custom)
}

fn optional_time<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<UtcDateTime>, D::Error> {
    time(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = concat!(
        r#"{"audit":1,"kind":"stop","time":"2026-11-26T20:48:21.123Z","account":"111122223333","#,
        r#""region":"eu-central-1","request_id":"r-1","instances":[{"instance":"i-0abcd1234","#,
        r#""previous_state":"running","launch_time":"2026-11-26T20:40:00Z","#,
        r#""policies":["builtin"],"message":"m-1"}]}"#
    );

    fn time(text: &str) -> UtcDateTime {
        UtcDateTime::parse(text, &Rfc3339).unwrap()
    }

    fn stop() -> StopLine {
        StopLine {
            time: time("2026-11-26T20:48:21.123Z"),
            account: "111122223333".to_owned(),
            region: "eu-central-1".to_owned(),
            request_id: Some("r-1".to_owned()),
            instances: vec![StoppedInstance {
                instance: "i-0abcd1234".to_owned(),
                previous_state: "running".to_owned(),
                launch_time: Some(time("2026-11-26T20:40:00Z")),
                policies: vec!["builtin".to_owned()],
                message: Some("m-1".to_owned()),
            }],
        }
    }

    #[test]
    fn a_stop_is_written_as_it_is_read() {
        assert_eq!(serde_json::to_string(&stop()).unwrap(), LINE);
        assert_eq!(StopLine::read(LINE), Some(stop()));
    }

    #[test]
    fn what_ec2_did_not_say_is_left_out() {
        let mut stop = stop();
        stop.request_id = None;
        stop.instances[0].launch_time = None;
        let line = serde_json::to_string(&stop).unwrap();
        assert!(!line.contains("request_id") && !line.contains("launch_time"), "{line}");
        assert_eq!(StopLine::read(&line), Some(stop));
    }

    #[test]
    fn other_lines_are_no_stops() {
        for (from, to) in [("\"stop\"", "\"outcome\""), ("\"audit\":1", "\"audit\":2"), ("{", "")] {
            assert_eq!(StopLine::read(&LINE.replacen(from, to, 1)), None, "{to}");
        }
    }
}
