//! The section `[policy]`: which instances are exempt, which policies there are besides, and how
//! far they go.
//!
//! - here: the keys;
//! - [`values`]: reads those that are no plain text or number;
//! - [`files`]: reads the files that the keys name.

pub(super) mod files;
mod values;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::number::secs;
use super::{tag, truth};
use crate::domain::ids::Account;

use values::{Grace, Known, MinNotice, Mode, Since, known, units};

/// Which instances are exempt, which policies there are besides, and how stubbornly violators are
/// stopped. All but `denial_timeout`, `min_notice` and `tag_changes` is live.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PolicySettings {
    /// The tag key that exempts an instance, whatever its value.
    #[serde(deserialize_with = "tag::deserialize")]
    pub exception_tag: String,
    /// Whether a date in the tag's value ends the exemption.
    #[serde(deserialize_with = "truth::deserialize")]
    pub exception_expires: bool,
    /// How long a denied stop is tried again before the refusal is announced.
    #[serde(rename = "denial_timeout_secs", deserialize_with = "secs::<1, 3600, _>")]
    pub denial_timeout: Duration,
    /// Whether the built-in policy binds: an instance without the exception tag must not run.
    #[serde(deserialize_with = "truth::deserialize")]
    pub builtin: bool,
    /// The strongest mode: no policy goes further than this.
    pub mode: Mode,
    /// How long owners have before a stop by the built-in policy.
    pub grace: Grace,
    /// When the built-in policy began to bind; needed with a grace.
    pub since: Since,
    /// How long before a stop its owner is told at least, where a policy gives a grace.
    pub min_notice: MinNotice,
    /// Whether instances are looked at when their tags change, too.
    #[serde(deserialize_with = "truth::deserialize")]
    pub tag_changes: bool,
    /// The files with policies in Cedar: paths, or patterns such as `/etc/policies/*.cedar`.
    #[serde(deserialize_with = "super::scope::texts")]
    pub files: Vec<String>,
    /// Policies in Cedar, as text.
    pub inline: String,
    /// Regions and accounts that policies may name besides those that count.
    #[serde(deserialize_with = "known")]
    pub known: Known,
    /// Named groups of accounts, which policies may name.
    #[serde(deserialize_with = "units")]
    pub units: BTreeMap<String, Vec<Account>>,
}

impl PolicySettings {
    /// These settings, but with what a reload does not change as it is in `running`.
    #[must_use]
    pub(super) fn reloaded_over(self, running: &Self) -> Self {
        let Self { denial_timeout, min_notice, tag_changes, .. } = *running;
        Self { denial_timeout, min_notice, tag_changes, ..self }
    }
}
