//! A finding: what was checked, its state, and what to do about it.

use serde::Serialize;

use crate::aws::error::{AwsError, Class};
use crate::aws::watch::Watch;
use crate::commands::check::statement::Statement;
use crate::commands::check::subject::{State, Subject};
use crate::domain::ids::{Account, Region};

/// How much of an error is shown: a refusal of IAM may carry kilobytes of encoded reasons.
const SHOWN_CHARACTERS: usize = 300;

/// What the check of one subject found.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// What was checked.
    pub subject: Subject,
    /// The member account, for what is checked in each of them.
    pub account: Option<String>,
    /// The region, for what is checked in each of them.
    pub region: Option<String>,
    /// The host that was asked, for what is checked by a call.
    pub endpoint: Option<String>,
    /// How the check ended.
    pub state: State,
    /// What was found, in words.
    pub found: String,
    /// What to do, if anything.
    pub remedy: Option<String>,
    /// What the role's policy lacks.
    #[serde(skip)]
    pub(super) statement: Option<Statement>,
}

impl Finding {
    /// A subject that is right.
    pub(super) fn ok(subject: Subject, found: impl Into<String>) -> Self {
        Self::of(subject, State::Ok, found)
    }

    /// A subject that the check could neither confirm nor refute.
    pub(super) fn not_proven(subject: Subject, found: impl Into<String>) -> Self {
        Self::of(subject, State::NotProven, found)
    }

    /// A subject that works, but not as well as it could.
    pub(super) fn warning(subject: Subject, found: impl Into<String>) -> Self {
        Self::of(subject, State::Warning, found)
    }

    /// A subject with which the daemon cannot work.
    pub(super) fn failed(subject: Subject, found: impl Into<String>) -> Self {
        Self::of(subject, State::Failed, found)
    }

    fn of(subject: Subject, state: State, found: impl Into<String>) -> Self {
        let found = found.into();
        Self {
            subject,
            account: None,
            region: None,
            endpoint: None,
            state,
            found,
            remedy: None,
            statement: None,
        }
    }

    /// A failed call that the daemon needs; `statement` allows it, if IAM denied it.
    pub(super) fn refused(subject: Subject, error: &AwsError, statement: Statement) -> Self {
        let (finding, remedy) = (Self::failed(subject, one_line(error)), remedy(error));
        if error.class == Class::Denied {
            return finding.denied(error, remedy.to_owned(), statement);
        }
        finding.remedy(remedy)
    }

    /// Adds what to do.
    #[must_use]
    pub(super) fn remedy(self, remedy: impl Into<String>) -> Self {
        Self { remedy: Some(remedy.into()), ..self }
    }

    /// Adds what the role's policy lacks.
    #[must_use]
    pub(super) fn allow(self, statement: Statement) -> Self {
        Self { statement: Some(statement), ..self }
    }

    /// Adds the host that was asked.
    #[must_use]
    pub(super) fn by(self, watch: &Watch) -> Self {
        Self { endpoint: watch.host(), ..self }
    }

    /// Adds the member account.
    #[must_use]
    pub(super) fn of_account(self, account: &Account) -> Self {
        Self { account: Some(account.to_string()), ..self }
    }

    /// Adds the region.
    #[must_use]
    pub(super) fn within(self, region: &Region) -> Self {
        Self { region: Some(region.to_string()), ..self }
    }
}

/// An error in one line of at most 300 characters, without the reasons that IAM encodes.
pub(super) fn one_line(error: &AwsError) -> String {
    let text = error.to_string();
    let text = text.split("Encoded authorization failure message").next().unwrap_or_default();
    let line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(SHOWN_CHARACTERS) {
        Some((end, _)) => format!("{} …", &line[..end]),
        None => line,
    }
}

fn remedy(error: &AwsError) -> &'static str {
    match error.class {
        _ if error.code == "NotConnected" => "check the network, the region and the VPC endpoints",
        Class::Denied => "add the statement below to the role's policy",
        Class::Credentials => "check the credentials",
        Class::Throttled | Class::Transient => "AWS could not answer: check again later",
        Class::Unknown => "check the network, the region and the VPC endpoints",
        _ => "check the settings and the region",
    }
}
