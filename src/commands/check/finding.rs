//! One finding: what was looked at, how it stands, and what to do.

use serde::Serialize;

use crate::aws::error::{AwsError, Class};
use crate::commands::check::statement::Statement;
use crate::commands::check::subject::{State, Subject};
use crate::domain::ids::Region;

/// A refusal of IAM may carry kilobytes of encoded reasons.
const SHOWN_CHARACTERS: usize = 300;

/// One finding.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// What was looked at.
    pub subject: Subject,
    /// Where, if it stands differently from region to region.
    pub region: Option<String>,
    /// How it stands.
    pub state: State,
    /// What was found, in words.
    pub found: String,
    /// What to do, if anything.
    pub remedy: Option<String>,
    /// What the role's policy lacks.
    #[serde(skip)]
    pub statement: Option<Statement>,
}

impl Finding {
    /// It is right.
    pub fn ok(subject: Subject, found: impl Into<String>) -> Self {
        Self::of(subject, State::Ok, found)
    }

    /// Nobody knows.
    pub fn not_proven(subject: Subject, found: impl Into<String>) -> Self {
        Self::of(subject, State::NotProven, found)
    }

    /// It could be better.
    pub fn warning(subject: Subject, found: impl Into<String>) -> Self {
        Self::of(subject, State::Warning, found)
    }

    /// It is wrong.
    pub fn failed(subject: Subject, found: impl Into<String>) -> Self {
        Self::of(subject, State::Failed, found)
    }

    fn of(subject: Subject, state: State, found: impl Into<String>) -> Self {
        let found = found.into();
        Self { subject, region: None, state, found, remedy: None, statement: None }
    }

    /// A call that the daemon needs and that was refused; a denial is mended by `statement`.
    pub fn refused(subject: Subject, error: &AwsError, statement: Statement) -> Self {
        let finding = Self::failed(subject, words(error)).remedy(remedy(error.class));
        if error.class == Class::Denied { finding.allow(statement) } else { finding }
    }

    /// Says what to do.
    #[must_use]
    pub fn remedy(self, remedy: impl Into<String>) -> Self {
        Self { remedy: Some(remedy.into()), ..self }
    }

    /// Says what to add to the role's policy.
    #[must_use]
    pub fn allow(self, statement: Statement) -> Self {
        Self { statement: Some(statement), ..self }
    }

    /// Says where.
    #[must_use]
    pub fn within(self, region: &Region) -> Self {
        Self { region: Some(region.to_string()), ..self }
    }
}

/// An error in one line of bearable length.
pub fn words(error: &AwsError) -> String {
    let text = error.to_string();
    let line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(SHOWN_CHARACTERS) {
        Some((end, _)) => format!("{} …", &line[..end]),
        None => line,
    }
}

fn remedy(class: Class) -> &'static str {
    match class {
        Class::Denied => "add the statement below to the role's policy",
        Class::Credentials => "check the credentials",
        Class::Throttled | Class::Transient => "AWS could not answer: check again later",
        Class::Unknown => "check the network, the region and the VPC endpoints",
        _ => "check the settings and the region",
    }
}
