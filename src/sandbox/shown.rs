//! What a look at instances showed of one of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::ec2::details::Details;

/// What an answer shows of an instance. An answer that lags behind shows what was.
#[derive(Debug, Clone, Default)]
pub struct Shown {
    /// The tags that the answer has; `DescribeTags` leaves out those that are not asked for.
    pub tags: BTreeMap<String, String>,
    /// The details; `None` in an answer of `DescribeTags`.
    pub details: Option<Arc<Details>>,
}
