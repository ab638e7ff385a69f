//! `undo`: starts again what the daemon stopped by mistake, and exempts it first.
//!
//! - here: the steps, from the audit trail to the last word;
//! - `trail`: reads the audit lines; `plan`: decides what is to be started;
//! - `site`, `place`: whose instances they are, where, and how they are reached;
//! - `exempt`, `start`: the two things that are done; `batches`: their calls, and
//!   `failure`: what EC2 says instead;
//! - `journal`, `report`: what is recorded, and what is shown.
//!
//! What is to be done follows from what EC2 shows: an instance that was started has another launch
//! time than its stop says. So a run that was interrupted needs no state of its own to go on.

mod trail;
mod plan;
mod site;
mod place;
mod batches;
mod failure;
mod exempt;
mod start;
mod journal;
mod report;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use time::UtcDateTime;

use crate::aws::sdk::{self, Sdk};
use crate::cli::console::{Answer, Console};
use crate::cli::undo::UndoArguments;
use crate::commands::ended::Ended;
use crate::domain::policy::stored::attributes::rfc3339;
use crate::retry::backoff::Jitter;
use crate::retry::patience::Patience;
use crate::runtime::clock::Clock;

use journal::Journal;
use place::Place;
use plan::{Candidate, Fate};
use site::Site;
use trail::{Key, Trail};

/// The exit codes beside 0.
const FAILED: u8 = 1;
const USAGE: u8 = 2;
/// How many lines that cannot be read are shown.
const SHOWN: usize = 5;

/// What the command has of the process that it runs in.
pub struct Host {
    /// The way to AWS.
    pub sdk: Sdk,
    /// The time of day.
    pub clock: Clock,
    /// The source of random delays.
    pub jitter: Jitter,
    /// Where it writes, and whom it asks.
    pub console: Console,
}

/// One run of the command.
struct Undo<'a> {
    arguments: &'a UndoArguments,
    site: Site,
    places: Vec<Place>,
    /// What an earlier run started.
    started: BTreeMap<Key, UtcDateTime>,
    patience: Patience,
    journal: Journal,
    /// How many have been started.
    done: usize,
}

/// Starts again what the daemon stopped, as the command line asks for.
///
/// # Errors
/// An audit trail that cannot be read, settings that cannot work, credentials that AWS refuses, and
/// a file that cannot be recorded in.
pub async fn run(arguments: &UndoArguments) -> Result<u8, Ended> {
    let sdk = sdk::load().await?;
    let console = Console::of_process(arguments.from == Path::new("-"));
    let jitter = Jitter::seeded(fastrand::u64(..));
    carry_out(arguments, Host { sdk, clock: Clock::System, jitter, console }).await
}

/// As [`run`], with what it has of the process handed in.
///
/// # Errors
/// As [`run`].
pub async fn carry_out(arguments: &UndoArguments, host: Host) -> Result<u8, Ended> {
    let Host { sdk, clock, jitter, console } = host;
    let mut journal = Journal::new(console, clock, arguments);
    if arguments.until.is_some_and(|until| until < arguments.since) {
        journal.console.remark("--until is before --since: give a later one, or leave it out");
        return Ok(USAGE);
    }
    let mut trail = Trail::read(arguments)?;
    tell_broken(&trail, &mut journal);
    if trail.stops.is_empty() {
        journal.say(&nothing(&trail, arguments))?;
        return Ok(0);
    }
    let site = Site::connect(arguments, sdk, &trail).await?;
    journal.by.clone_from(&site.by);
    let started = std::mem::take(&mut trail.started);
    let places = Place::all(trail, &site);
    let patience = Patience::new(Arc::new(jitter));
    let undo = Undo { arguments, site, places, started, patience, journal, done: 0 };
    Ok(undo.carry_out().await?)
}

impl Undo<'_> {
    async fn carry_out(mut self) -> anyhow::Result<u8> {
        let value = self.exemption();
        self.look(&value).await;
        self.journal.say(&report::plan(&self.places))?;
        self.journal.say("")?;
        for remedy in report::remedies(&self.places, self.site.account.as_str()) {
            self.journal.say(&remedy)?;
        }
        let wanted = self.count(Candidate::is_to_start);
        if wanted == 0 {
            self.journal.say("Nothing is to be started.")?;
            return Ok(self.code());
        }
        // Before the question, so that a yes is not followed by a no.
        self.journal.open(self.arguments)?;
        self.journal.say(&self.about_exemption(&value))?;
        if let Some(code) = self.refused(wanted)? {
            return Ok(code);
        }
        // The question may have waited for long.
        self.look(&value).await;
        self.exempt(&value).await?;
        self.start().await?;
        self.journal.say(&self.ending())?;
        Ok(self.code())
    }

    /// Looks at all instances, and leaves those that are not to be started.
    async fn look(&mut self, value: &str) {
        let now = self.journal.now();
        for place in &mut self.places {
            place.look(&mut self.patience, &self.started).await;
            for one in &mut place.candidates {
                self.site.judge(one, now, value);
            }
        }
    }

    /// The value of the exception tag.
    fn exemption(&self) -> String {
        let end = self.journal.now() + self.arguments.keep.0;
        format!("until={}", rfc3339(end.truncate_to_second()))
    }

    fn about_exemption(&self, value: &str) -> String {
        let tag = self.site.policies.exception_tag();
        let end = if self.site.policies.exception_expires() {
            "Until then no policy stops them."
        } else {
            "That has no end (policy.exception_expires is off): remove the tag by hand."
        };
        format!("They get the tag {tag} = {value} first.\n{end}")
    }

    /// The exit code, if the person does not want it or cannot be asked.
    fn refused(&mut self, wanted: usize) -> anyhow::Result<Option<u8>> {
        if self.arguments.yes {
            return Ok(None);
        }
        Ok(match self.journal.console.ask(&format!("Start {wanted} instances?")) {
            Answer::Yes => None,
            Answer::No => {
                self.journal.say("Nothing was changed.")?;
                Some(FAILED)
            }
            Answer::Nobody => {
                let remedy = "nothing was changed: there is no terminal to ask; give --yes";
                self.journal.console.remark(remedy);
                Some(USAGE)
            }
        })
    }

    /// The last words.
    fn ending(&self) -> String {
        let failed = self.count(|one| matches!(one.fate, Fate::Failed(_)));
        let started = self.count(|one| one.fate == Fate::Started);
        let failures = report::failures(&self.places);
        match failed {
            0 => format!("{started} instances were started."),
            _ => format!("{failures}\n{started} instances were started, {failed} were not."),
        }
    }

    /// The exit code.
    fn code(&self) -> u8 {
        let failed = self.count(|one| matches!(one.fate, Fate::Failed(_)));
        if failed > 0 { FAILED } else { 0 }
    }

    fn count(&self, is_one: impl Fn(&Candidate) -> bool) -> usize {
        self.places.iter().map(|place| place.ids(&is_one).len()).sum()
    }
}

/// Tells of audit lines that cannot be read: what they say is not undone.
fn tell_broken(trail: &Trail, journal: &mut Journal) {
    if trail.broken.is_empty() {
        return;
    }
    let count = trail.broken.len();
    journal
        .console
        .remark(&format!("{count} audit lines cannot be read, and what they say is not undone:"));
    for (number, wrong) in trail.broken.iter().take(SHOWN) {
        journal.console.remark(&format!("  line {number}: {wrong}"));
    }
    if count > SHOWN {
        journal.console.remark(&format!("  and {} more", count - SHOWN));
    }
}

fn nothing(trail: &Trail, arguments: &UndoArguments) -> String {
    let since = rfc3339(arguments.since);
    let until = arguments.until.map_or_else(|| "now".to_owned(), rfc3339);
    match trail.lines {
        0 => "There is no audit line: is audit.to set, and is this its file?".to_owned(),
        lines => format!(
            "No stop that is asked for, from {since} to {until}, stands in {lines} audit lines."
        ),
    }
}
