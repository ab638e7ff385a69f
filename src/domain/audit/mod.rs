//! The lines of the audit trail: a JSON object each, which `docs/audit.schema.json` describes.
//!
//! - here: the times, and what every line begins with;
//! - [`stop`]: what StopInstances answered;
//! - [`outcome`]: what became of a message.

pub mod outcome;
pub mod stop;

use std::fmt;

use serde::ser::{SerializeMap, Serializer};
use time::UtcDateTime;

/// The version of the lines: the value of `audit`, by which a line is known among others.
pub const VERSION: u8 = 1;

/// A time in RFC 3339, with milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct Millis(pub UtcDateTime);

/// A time in RFC 3339, in whole seconds.
#[derive(Clone, Copy, Debug)]
pub struct Secs(pub UtcDateTime);

impl fmt::Display for Millis {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(time) = *self;
        write_secs(time, formatter)?;
        write!(formatter, ".{:03}Z", time.millisecond())
    }
}

impl fmt::Display for Secs {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_secs(self.0, formatter)?;
        formatter.write_str("Z")
    }
}

impl serde::Serialize for Millis {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl serde::Serialize for Secs {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

fn write_secs(time: UtcDateTime, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
    let (year, month, day) = time.to_calendar_date();
    let (hour, minute, second) = time.as_hms();
    let month = u8::from(month);
    write!(formatter, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")
}

/// Begins a line.
fn begin<S: Serializer>(
    serializer: S,
    kind: &str,
    time: UtcDateTime,
) -> Result<S::SerializeMap, S::Error> {
    let mut line = serializer.serialize_map(None)?;
    line.serialize_entry("audit", &VERSION)?;
    line.serialize_entry("kind", kind)?;
    line.serialize_entry("time", &Millis(time))?;
    Ok(line)
}

#[cfg(test)]
mod tests {
    use time::format_description::well_known::Rfc3339;

    use super::*;

    #[test]
    fn times_have_milliseconds_or_whole_seconds() {
        let time = UtcDateTime::parse("2026-03-04T05:06:07.089Z", &Rfc3339).unwrap();
        assert_eq!(Millis(time).to_string(), "2026-03-04T05:06:07.089Z");
        assert_eq!(Secs(time).to_string(), "2026-03-04T05:06:07Z");
    }
}
