//! What EC2 showed of an instance, as the audit trail and notices to programs tell it.

use time::UtcDateTime;
use tokio::time::Instant;

use crate::domain::audit::outcome::Seen;
use crate::domain::policy::facts::Facts;
use crate::pipeline::delivery::{FirstLook, Shown};

/// What both looks showed. `at` says at which time of day a moment was.
pub(crate) fn seen<'of>(
    first: Option<&'of FirstLook>,
    second: Option<&'of Shown>,
    at: impl Fn(Instant) -> UtcDateTime,
) -> Seen<'of> {
    let first = first.filter(|look| look.reads.is_some());
    let by_first = first.and_then(|look| look.policies);
    Seen {
        first: first.map(|look| (at(look.at), &look.tags)),
        second: second.map(|shown| {
            let Facts { tags, attributes, .. } = &*shown.facts;
            (shown.at.wall().into(), tags, attributes)
        }),
        policies: second.map(|shown| shown.policies).or(by_first),
    }
}
