//! What is on a line: facts, or the body of an event; and what became of it.

use crate::commands::judging::{judge, now};
use crate::commands::lines::{self, Line};
use crate::domain::event::{Event, EventKey};
use crate::domain::policy::Policies;
use crate::domain::policy::stored::Stored;
use crate::domain::policy::verdict::Judgement;

/// The word for a line of an earlier replay without facts.
const NO_FACTS: &str = "no_facts";

/// A line, and what is on it.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// Its number.
    pub line: usize,
    pub content: Content,
}

/// What is on a line.
#[derive(Clone, Debug)]
pub(in crate::commands) enum Content {
    /// What was known of an instance, or was looked up by its event.
    Stored(Box<Stored>),
    /// The body of an event, which has not been read yet.
    Event(String),
    /// The start of an instance of which nothing was seen.
    Start(Event),
    /// An event about something else, and which word the logs have for it.
    Ignored(&'static str),
    /// Neither, and why.
    Unreadable(String),
}

/// What became of a line.
#[derive(Clone, Debug)]
pub(in crate::commands) enum Replayed {
    /// The verdict on an instance.
    Judged(Box<(Stored, Judgement)>),
    /// An event about an instance that EC2 does not know any more.
    Gone(EventKey),
    /// An event about something else than a start, and which word the logs have for it.
    Ignored(&'static str),
    /// A line that cannot be read, and why.
    Unreadable(String),
}

impl Entry {
    /// Tells facts from events; `None` for the summary of an earlier replay.
    pub(super) fn of(line: &Line) -> Option<Self> {
        Some(Self { line: line.number, content: Content::of(line)? })
    }

    /// Whether it is the body of an event.
    pub(super) fn is_event(&self) -> bool {
        matches!(self.content, Content::Event(_))
    }
}

impl Content {
    /// Tells facts from events; `None` for the summary of an earlier replay.
    pub(in crate::commands) fn of(line: &Line) -> Option<Self> {
        Some(match line.json() {
            Err(why) => Self::Unreadable(why),
            Ok(json) if lines::is_summary(&json) => return None,
            Ok(json) if lines::is_report(&json) => Self::Ignored(NO_FACTS),
            Ok(json) if !Stored::is_meant(&json) => Self::Event(line.text.clone()),
            Ok(json) => match Stored::read(&json, now()) {
                Ok(stored) => Self::Stored(Box::new(stored)),
                Err(wrong) => Self::Unreadable(wrong.to_string()),
            },
        })
    }
}

/// Judges what is on a line. A start of which nothing was seen is one of an instance that is gone.
pub(in crate::commands) fn judged(policies: &Policies, content: Content) -> Replayed {
    match content {
        Content::Stored(stored) => match stored.has_all_of(policies.reads()) {
            Ok(()) => {
                let judgement = judge(policies, &stored);
                Replayed::Judged(Box::new((*stored, judgement)))
            }
            Err(wrong) => Replayed::Unreadable(wrong.to_string()),
        },
        Content::Start(change) => Replayed::Gone(change.key),
        Content::Ignored(reason) => Replayed::Ignored(reason),
        Content::Event(_) => {
            Replayed::Unreadable("is an event, which was not looked up".to_owned())
        }
        Content::Unreadable(why) => Replayed::Unreadable(why),
    }
}
