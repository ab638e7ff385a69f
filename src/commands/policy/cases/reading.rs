//! Reads the cases of a file.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::section::Section;
use super::toml;
use crate::commands::ended::Ended;
use crate::domain::ids::{Account, Region};
use crate::domain::policy::Vocabulary;
use crate::domain::policy::facts::InstanceState;
use crate::domain::policy::stored::object::{Object, Wrong};
use crate::domain::policy::stored::{Stored, sample, state_word};

/// The keys at the top of a file.
const FILE_KEYS: [&str; 4] = ["regions", "units", "defaults", "case"];

/// The cases of one file or of several.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::commands) struct Cases {
    /// The cases, in the order in which they are written.
    pub list: Vec<Case>,
    /// The regions that policies may name; empty: any.
    pub regions: BTreeSet<Region>,
    /// The units that policies may name.
    pub units: BTreeMap<String, BTreeSet<Account>>,
    /// What is wrong with cases, as `FILE:LINE: what is wrong; what would be right`.
    pub mistakes: Vec<String>,
    /// The same for files that have none of the keys of cases, such as settings.
    pub strangers: Vec<String>,
}

/// A test case: facts, and which policies deny.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::commands) struct Case {
    /// The path of its file.
    pub file: String,
    /// The line at which it begins.
    pub line: usize,
    /// What it shows, in words.
    pub name: String,
    /// The ids of the policies that deny, and of no other.
    pub denies: BTreeSet<String>,
    /// The instance at a moment.
    pub stored: Stored,
}

impl Cases {
    /// Reads the cases of a file.
    pub(in crate::commands) fn read(file: &str, text: &str) -> Self {
        let mut cases = Self::default();
        match toml::read(text) {
            Ok(document) => {
                if let Err(wrong) = cases.add(file, &document) {
                    let is_known = FILE_KEYS.iter().any(|key| document.root.get(key).is_some());
                    let list = if is_known { &mut cases.mistakes } else { &mut cases.strangers };
                    list.push(format!("{file}: {wrong}"));
                }
            }
            Err(wrong) => cases.mistakes.push(format!("{file}:{wrong}")),
        }
        cases
    }

    /// What policies may name by these files.
    pub(in crate::commands::policy) fn vocabulary(&self) -> Vocabulary {
        Vocabulary { accounts: None, regions: self.regions.clone(), units: self.units.clone() }
    }

    /// Refuses cases with mistakes: without their units and regions, policies seem to have other
    /// mistakes.
    ///
    /// # Errors
    /// A line for each mistake.
    pub(in crate::commands::policy) fn sound(&self) -> Result<(), Ended> {
        if self.mistakes.is_empty() { Ok(()) } else { Err(Ended::Cases(self.mistakes.join("\n"))) }
    }

    /// Warnings of files that are no cases.
    pub(in crate::commands::policy) fn warnings(&self) -> impl Iterator<Item = String> {
        self.strangers.iter().map(|stranger| format!("warning: {stranger}"))
    }

    /// Adds the cases of other files.
    pub(in crate::commands::policy) fn extend(&mut self, others: Self) {
        self.list.extend(others.list);
        self.regions.extend(others.regions);
        for (unit, accounts) in others.units {
            self.units.entry(unit).or_default().extend(accounts);
        }
        self.mistakes.extend(others.mistakes);
        self.strangers.extend(others.strangers);
    }

    fn add(&mut self, file: &str, document: &toml::Document) -> Result<(), Wrong> {
        let top = Object::of(&document.root, "")?;
        top.has_only(&FILE_KEYS)?;
        self.regions = regions(&top)?;
        self.units = units(&top)?;
        let defaults = Section::of(&top, "defaults", &[])?;
        let Some(Value::Array(cases)) = top.value("case") else {
            return Err(top.wrong("case", "is missing", "write a case under [[case]]"));
        };
        for (value, line) in cases.iter().zip(&document.lines) {
            let name = value.get("name").and_then(Value::as_str).unwrap_or_default();
            match self.case(value, &defaults) {
                Ok(case) => {
                    let (file, line) = (file.to_owned(), *line);
                    self.list.push(Case { file, line, ..case });
                }
                Err(wrong) => {
                    self.mistakes.push(format!("{file}:{line}: case {}: {wrong}", quoted(name)));
                }
            }
        }
        Ok(())
    }

    fn case(&self, value: &Value, defaults: &Section<'_>) -> Result<Case, Wrong> {
        let object = Object::of(value, "")?;
        let own = Section::over(&object, &["name", "denies"])?;
        let name = object.required("name", line, "say in one line what the case shows")?;
        let Some(denies) = object.texts("denies")? else {
            let remedy = "list the ids of the policies that deny; [] if none does";
            return Err(object.wrong("denies", "is missing", remedy));
        };
        let document = defaults.with(own).document();
        let mut stored = Stored::read(&document, sample::now()).map_err(in_case)?;
        sample::launched(&mut stored.facts.attributes, stored.now);
        let state = stored.facts.state;
        if !matches!(state, InstanceState::Running | InstanceState::Stopped) {
            return Err(Wrong {
                key: "instance.state".to_owned(),
                wrong: format!("is {}, of which no policy is asked", state_word(state)),
                remedy: "give running or stopped".to_owned(),
            });
        }
        if !self.regions.is_empty() && !self.regions.contains(&stored.region) {
            let wrong = format!("is {}, which is not among the regions above", stored.region);
            return Err(object.wrong("region", wrong, "add it to regions, or correct it"));
        }
        let denies = denies.into_iter().collect();
        Ok(Case { file: String::new(), line: 0, name, denies, stored })
    }
}

/// Names the key as it stands in a case.
fn in_case(wrong: Wrong) -> Wrong {
    let key = match wrong.key.strip_prefix("facts") {
        Some(rest) => format!("instance{rest}"),
        None if wrong.key == "instance" => "id".to_owned(),
        None => wrong.key,
    };
    Wrong { key, ..wrong }
}

fn regions(top: &Object<'_>) -> Result<BTreeSet<Region>, Wrong> {
    let texts = top.texts("regions")?.unwrap_or_default();
    let region = |text: &String| {
        let remedy = "give regions such as eu-central-1";
        Region::parse(text).ok_or_else(|| top.wrong("regions", format!("has {text}"), remedy))
    };
    texts.iter().map(region).collect()
}

fn units(top: &Object<'_>) -> Result<BTreeMap<String, BTreeSet<Account>>, Wrong> {
    let Some(value) = top.value("units") else { return Ok(BTreeMap::new()) };
    let units = Object::of(value, "units")?;
    let unit = |(name, _): (&str, &Value)| {
        let remedy = "give accounts of 12 digits in quotes";
        let account = |text: String| {
            let wrong = || units.wrong(name, format!("has {text}"), remedy);
            Account::parse(&text).ok_or_else(wrong)
        };
        let accounts = units.texts(name)?.unwrap_or_default();
        Ok((name.to_owned(), accounts.into_iter().map(account).collect::<Result<_, Wrong>>()?))
    };
    units.fields().map(unit).collect()
}

/// Reads one line of text.
fn line(text: &str) -> Option<String> {
    let is_line = !text.trim().is_empty() && !text.chars().any(char::is_control);
    is_line.then(|| text.to_owned())
}

fn quoted(text: &str) -> Value {
    text.into()
}
