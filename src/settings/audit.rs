//! The section `[audit]`: where the audit trail goes, and which tags it tells.

use std::path::PathBuf;

use serde::de::{Error, Unexpected};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

const TO: &str = "give \"off\", \"stdout\", or the path of a file that begins with /";
const TAGS: &str = "give \"mentioned\" or \"all\"";

/// Where the audit trail goes, and which tags it tells.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct AuditSettings {
    /// Where its lines go.
    pub to: AuditTo,
    /// Which tags of an instance it tells.
    pub tags: AuditTags,
}

/// Where the lines of the audit trail go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuditTo {
    /// Nowhere: there is none.
    Off,
    /// Among the lines of the log, on stdout.
    Stdout,
    /// To the end of this file. The path is absolute.
    File(PathBuf),
}

/// Which tags of an instance the audit trail tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditTags {
    /// Those that policies mention, the exception tag among them.
    Mentioned,
    /// All that DescribeInstances shows.
    All,
}

impl AuditSettings {
    /// Whether there is an audit trail.
    pub(crate) fn is_on(&self) -> bool {
        self.to != AuditTo::Off
    }
}

impl<'de> Deserialize<'de> for AuditTo {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match &*text {
            "off" => Ok(Self::Off),
            "stdout" => Ok(Self::Stdout),
            path if is_file(path) => Ok(Self::File(path.into())),
            other => Err(D::Error::invalid_value(Unexpected::Str(other), &TO)),
        }
    }
}

/// Whether a text can be the absolute path of a file.
fn is_file(path: &str) -> bool {
    path.starts_with('/') && !path.ends_with('/') && !path.contains(char::is_control)
}

impl Serialize for AuditTo {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Off => serializer.serialize_str("off"),
            Self::Stdout => serializer.serialize_str("stdout"),
            Self::File(path) => path.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for AuditTags {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match &*String::deserialize(deserializer)? {
            "mentioned" => Ok(Self::Mentioned),
            "all" => Ok(Self::All),
            other => Err(D::Error::invalid_value(Unexpected::Str(other), &TAGS)),
        }
    }
}

impl Serialize for AuditTags {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(match self {
            Self::Mentioned => "mentioned",
            Self::All => "all",
        })
    }
}
