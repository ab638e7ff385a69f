//! Loads the settings and refuses those that cannot work; nothing else reads the environment. May
//! use [`crate::telemetry`] and [`crate::domain`].
//!
//! `sections` has a struct for each section of `config/default.toml`, with the range of each
//! number. `layers` lays file and environment over the defaults, `names` says which variables are
//! settings, `reader` reads the structs from the result, and `changes` finds what a reload changed.
//! `sdk` checks what the AWS SDK reads by itself.

mod sections;
mod scope;
mod sweep;
mod accounts;
mod arn;
mod queue;
mod topic;
mod notice;
mod audit;
mod budget;
mod tag;
pub(crate) mod policy;
mod policies;
mod listen;
mod number;
mod style;
mod truth;
mod layers;
mod names;
mod reader;
mod changes;
mod error;
pub(crate) mod sdk;
#[cfg(test)]
mod tests;

use std::env;
use std::net::SocketAddr;
use std::path::Path;

use serde::Deserialize;

pub use accounts::{AccountsSettings, RoleTemplate};
pub use audit::{AuditSettings, AuditTags, AuditTo};
pub use budget::{BudgetSettings, BudgetWindow};
pub use changes::{Changes, Live};
pub use error::SettingsError;
pub use notice::{NoticeFormat, NoticeSettings, PerSecond};
pub use policies::{Place, PolicySections};
pub use policy::PolicySettings;
pub use queue::QueueAddress;
pub use scope::ScopeSettings;
pub use sdk::{SdkVariables, empty_sdk_variables};
pub use sections::{
    AdminSettings, DrainSettings, LogSettings, QueueSettings, RateLimitSettings, RetrySettings,
    Settings, Sizes,
};
pub use topic::{TopicArn, TopicSettings};

pub(crate) use accounts::{SESSION_LIMIT, is_session_char};
pub(crate) use policy::files::read as read_policies;
pub(crate) use sections::LONGEST_DRAIN;

use crate::domain::policy::mode::Mode;
use crate::telemetry::logs;

/// A poll brings at most this many messages, so a poller needs room for as many in the inbox.
const MESSAGES_PER_POLL: usize = 10;

impl Settings {
    /// Loads the built-in settings, then `file`, then the environment, and checks the result.
    ///
    /// # Errors
    ///
    /// Says which key is wrong and what would be right; the process should end with 78.
    pub fn load(file: Option<&Path>) -> Result<Self, SettingsError> {
        Self::from_layers(file, environment())
    }

    /// Loads the settings as [`Settings::load`] does, with `policy.mode = "dry-run"` whatever file
    /// and environment say.
    ///
    /// # Errors
    ///
    /// As for [`Settings::load`].
    pub fn load_for_dry_run(file: Option<&Path>) -> Result<Self, SettingsError> {
        let (name, mode) = ("ENFORCER_POLICY__MODE".to_owned(), Mode::DryRun.as_str().to_owned());
        let others = environment().filter(|(other, _)| *other != name);
        let environment: Vec<_> = others.collect();
        Self::from_layers(file, environment.into_iter().chain([(name, mode)]))
    }

    /// Loads the settings as [`Settings::load`] does, from an environment that is handed in.
    ///
    /// # Errors
    ///
    /// As for [`Settings::load`].
    pub fn from_layers(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, SettingsError> {
        let environment: Vec<_> = environment.into_iter().collect();
        let asks_metadata = !environment.iter().any(disables_metadata);
        let mut settings = Self { asks_metadata, ..layers::read(file, environment)? };
        settings.policy_texts = policy::files::sources(&settings.policy)?;
        settings.policy_sections().have_a_policy()?;
        settings.has_room_for_every_poller()?;
        settings.has_a_cap_above_the_first_back_off()?;
        settings.names_one_account()?;
        Ok(settings)
    }

    /// An idle poller holds the room for a full poll, so the inbox must have it for all of them.
    fn has_room_for_every_poller(&self) -> Result<(), SettingsError> {
        let Sizes { pollers, inbox, .. } = self.sizes;
        let needed = pollers * MESSAGES_PER_POLL;
        if needed <= inbox {
            return Ok(());
        }
        let remedy = format!("{pollers} pollers need an inbox of at least {needed}");
        Err(SettingsError::value("sizes.inbox", inbox, remedy))
    }

    fn has_a_cap_above_the_first_back_off(&self) -> Result<(), SettingsError> {
        let RetrySettings { first, cap } = self.retry;
        if first <= cap {
            return Ok(());
        }
        let remedy = format!("give at least retry.first_ms, which is {}", first.as_millis());
        Err(SettingsError::value("retry.cap_ms", cap.as_millis(), remedy))
    }

    /// Refuses a queue or a topic of another account than the one that was named.
    fn names_one_account(&self) -> Result<(), SettingsError> {
        let Some(account) = &self.scope.account else { return Ok(()) };
        let owners =
            [("queue", self.queue.address.account()), ("topic", Some(&self.topic.owners.account))];
        for (what, owner) in owners {
            if let Some(owner) = owner.filter(|owner| *owner != account) {
                let remedy = format!("the {what} belongs to {owner}; correct one of them");
                return Err(SettingsError::text("scope.account", account.as_str(), remedy));
            }
        }
        Ok(())
    }
}

/// The SDK's own variable, with the meaning that it has there.
fn disables_metadata((name, value): &(String, String)) -> bool {
    name == "AWS_EC2_METADATA_DISABLED" && value.eq_ignore_ascii_case("true")
}

/// Where the admin port is, by the same layers. Nothing else in them has to be right, so that
/// `healthcheck` needs neither queue nor topic.
///
/// # Errors
///
/// The layers cannot be read, or the address cannot work.
pub fn admin_listen(file: Option<&Path>) -> Result<Option<SocketAddr>, SettingsError> {
    /// Reads no other section.
    #[derive(Deserialize)]
    struct Admin {
        admin: AdminSettings,
    }
    let Admin { admin } = layers::read(file, environment().collect())?;
    Ok(admin.listen)
}

/// Which queue the events arrive in, by the same layers. Nothing else in them has to be right.
///
/// # Errors
///
/// The layers cannot be read, or the queue's address cannot work.
pub fn queue_address(file: Option<&Path>) -> Result<QueueAddress, SettingsError> {
    /// Reads no other section.
    #[derive(Deserialize)]
    struct Queue {
        queue: QueueSettings,
    }
    let Queue { queue } = layers::read(file, environment().collect())?;
    Ok(queue.address)
}

/// What policies are made from, by the same layers, so that work on policies needs neither queue nor
/// topic. The files are not read yet.
///
/// # Errors
///
/// The layers cannot be read, or a setting about policies cannot work.
pub fn policy_sections(file: Option<&Path>) -> Result<PolicySections, SettingsError> {
    layers::read(file, environment().collect())
}

/// The variables whose names suggest a setting although nothing reads them.
pub fn unread_variables() -> Vec<String> {
    names::unread(environment())
}

/// Every setting with its default, commented: the file that is built in.
#[must_use]
pub fn defaults() -> &'static str {
    names::DEFAULTS
}

/// The environment. What is not Unicode turns into a character that no setting allows.
fn environment() -> impl Iterator<Item = (String, String)> {
    env::vars_os().map(|(name, value)| {
        (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned())
    })
}

/// The variable by which systemd tells which file is its journal.
pub fn journal_stream() -> Option<String> {
    env::var_os("JOURNAL_STREAM")?.into_string().ok()
}

/// The filter for the logs, `RUST_LOG`; `None` where it is unset or blank.
#[must_use]
pub fn log_filter() -> Option<String> {
    let filter = env::var_os("RUST_LOG")?.to_string_lossy().into_owned();
    (!logs::is_blank(&filter)).then_some(filter)
}
