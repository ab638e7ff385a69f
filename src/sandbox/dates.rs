//! Times in the formats that AWS uses.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The time since 1970, in which SQS counts its timestamps.
pub(super) fn since_epoch(at: SystemTime) -> Duration {
    at.duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Writes a time in the format of events: `2021-11-11T21:29:54Z`.
pub(super) fn rfc3339(at: SystemTime) -> String {
    let at = OffsetDateTime::from(at).truncate_to_second();
    at.format(&Rfc3339).unwrap_or_default()
}

/// Writes a time in the format of HTTP headers: `Thu, 11 Nov 2021 21:29:54 GMT`.
pub(super) fn http_date(at: SystemTime) -> String {
    let secs = since_epoch(at).as_secs().try_into().unwrap_or_default();
    DateTime::from_secs(secs).fmt(Format::HttpDate).unwrap_or_default()
}
