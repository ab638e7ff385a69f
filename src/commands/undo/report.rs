//! What `undo` shows: the plan, and how it went.

use std::fmt::Write;

use super::place::Place;
use super::plan::{Candidate, Fate, Left, minute};
use crate::cli::table::Table;

/// The most characters of a name that are shown.
const NAME: usize = 16;

/// The plan: for each place what is to be started, what is left alone, and why.
pub(super) fn plan(places: &[Place]) -> String {
    let mut text = String::new();
    for place in places {
        let starts = place.candidates.iter().filter(|one| one.is_to_start()).count();
        let (account, region, all) = (&place.account, &place.region, place.candidates.len());
        // Writing to a text cannot fail.
        let _ = writeln!(text, "Account {account}, {region}: {starts} of {all} to start\n");
        if starts > 0 {
            let _ = writeln!(text, "{}", to_start(place));
        }
        if starts < all {
            let _ = writeln!(text, "{}", others(place, "NOT STARTED, BECAUSE"));
        }
    }
    text
}

fn to_start(place: &Place) -> Table {
    let mut table = Table::headed(["TO START", "NAME", "STOPPED AT", "POLICIES"]);
    for one in place.candidates.iter().filter(|one| one.is_to_start()) {
        let still = if one.fate == Fate::Stopping { " (still stopping)" } else { "" };
        let policies = format!("{}{still}", one.stop.policies.join(", "));
        table.add([one.id().as_str(), &name(one), &minute(one.stop.time), &policies]);
    }
    table
}

/// The instances that are left alone or failed.
fn others(place: &Place, why: &str) -> Table {
    let mut table = Table::headed(["INSTANCE", "NAME", why]);
    for one in &place.candidates {
        let why = match &one.fate {
            Fate::Left(why) => why.to_string(),
            Fate::Failed(why) => why.clone(),
            Fate::Start | Fate::Stopping | Fate::Started => continue,
        };
        table.add([one.id().as_str(), &name(one), &why]);
    }
    table
}

/// The instances that could not be started, in each place.
pub(super) fn failures(places: &[Place]) -> String {
    let mut text = String::new();
    for place in places {
        let mut table = Table::headed(["INSTANCE", "NAME", "COULD NOT BE STARTED, BECAUSE"]);
        let mut failed = 0;
        for one in &place.candidates {
            if let Fate::Failed(why) = &one.fate {
                table.add([one.id().as_str(), &name(one), why]);
                failed += 1;
            }
        }
        if failed > 0 {
            let (account, region) = (&place.account, &place.region);
            let _ = writeln!(text, "Account {account}, {region}: {failed} not started\n\n{table}");
        }
    }
    text
}

/// What can be done about instances that are left.
pub(super) fn remedies(places: &[Place], account: &str) -> Vec<String> {
    let left = || places.iter().flat_map(|place| &place.candidates);
    let mut remedies = Vec::new();
    if left().any(|one| one.fate == Fate::Left(Left::OtherAccount)) {
        remedies.push(format!(
            "These credentials are of account {account}: for another one, give a role of it with \
             --role ARN."
        ));
    }
    if left().any(|one| matches!(one.fate, Fate::Left(Left::Ignored(_)))) {
        remedies.push(
            "Policies that ignore the exception tag would stop instances again: mend the policy, \
             then run the command again."
                .to_owned(),
        );
    }
    remedies
}

/// The name of an instance, cut to its column. A name that a terminal might obey is left out.
fn name(one: &Candidate) -> String {
    let name = one.name();
    match name.char_indices().nth(NAME) {
        _ if name.chars().any(char::is_control) => String::new(),
        Some(_) => name.chars().take(NAME - 1).chain(['…']).collect(),
        None => name.to_owned(),
    }
}
