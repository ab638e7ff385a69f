//! Reads the audit trail: which instances the daemon stopped, and which `undo` started again.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use time::UtcDateTime;

use super::super::lines::{Line, Lines};
use crate::cli::undo::UndoArguments;
use crate::domain::ids::{Account, InstanceId, Region};
use crate::domain::policy::dates;

/// The version of the audit lines that this program reads.
const VERSION: u64 = 1;
/// The state before a stop of an instance that ran.
const RUNNING: &str = "running";
/// What every audit line has, and hardly any other.
const MARK: &str = "\"audit\"";

/// Which instance it is.
pub(super) type Key = (Account, Region, InstanceId);

/// One instance of a StopInstances answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stop {
    /// When EC2 answered.
    pub time: UtcDateTime,
    /// Whose it is, where it is, and its id.
    pub key: Key,
    /// EC2's word for its state before the stop.
    pub previous_state: String,
    /// When it had been started before that; `None` where EC2 did not say it.
    pub launched: Option<UtcDateTime>,
    /// The policies that it violated.
    pub policies: Vec<String>,
}

/// What the lines say, as far as it was asked for.
#[derive(Debug, Default)]
pub(super) struct Trail {
    /// The newest stop of each instance; of those that ran until then, if there is one.
    pub stops: BTreeMap<Key, Stop>,
    /// When `undo` last started each instance.
    pub started: BTreeMap<Key, UtcDateTime>,
    /// The audit lines that cannot be read: the number of the line, and what is wrong.
    pub broken: Vec<(usize, String)>,
    /// How many audit lines were read.
    pub lines: usize,
}

impl Trail {
    /// Reads the lines that the command line names, and keeps the stops that it asks for.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(super) fn read(arguments: &UndoArguments) -> anyhow::Result<Self> {
        let mut trail = Self::default();
        for line in Lines::open(&arguments.from)? {
            trail.add(&line?, arguments);
        }
        Ok(trail)
    }

    fn add(&mut self, line: &Line, wanted: &UndoArguments) {
        let found = match find(&line.text) {
            None => return,
            Some((found, is_whole)) => {
                if !is_whole {
                    self.broken.push((line.number, "an audit line in it is cut off".to_owned()));
                }
                found
            }
        };
        let Some(found) = found else { return };
        self.lines += 1;
        match read(found) {
            Ok(Entry::Stops(stops)) => {
                stops
                    .into_iter()
                    .filter(|stop| is_wanted(stop, wanted))
                    .for_each(|it| self.stop(it));
            }
            Ok(Entry::Started(key, time)) => {
                let last = self.started.entry(key).or_insert(time);
                *last = time.max(*last);
            }
            Ok(Entry::Other) => {}
            Err(wrong) => self.broken.push((line.number, wrong)),
        }
    }

    /// Keeps the newest stop of an instance. A stop that was tried again finds the instance
    /// `stopping`, and says nothing about who stopped it.
    fn stop(&mut self, stop: Stop) {
        let rank = |stop: &Stop| (stop.previous_state == RUNNING, stop.time);
        let kept = self.stops.entry(stop.key.clone()).or_insert_with(|| stop.clone());
        if rank(&stop) >= rank(kept) {
            *kept = stop;
        }
    }
}

impl Stop {
    /// Whether the instance ran until this stop.
    pub(super) fn was_running(&self) -> bool {
        self.previous_state == RUNNING
    }
}

fn is_wanted(stop: &Stop, wanted: &UndoArguments) -> bool {
    let UndoArguments { since, until, policy, account, .. } = wanted;
    stop.time >= *since
        && until.is_none_or(|until| stop.time <= until)
        && policy.as_ref().is_none_or(|policy| stop.policies.contains(policy))
        && account.as_ref().is_none_or(|account| stop.key.0 == *account)
}

/// What an audit line says that matters here.
enum Entry {
    Stops(Vec<Stop>),
    Started(Key, UtcDateTime),
    Other,
}

/// Finds the audit line in a line, behind whatever a log puts before it. The second value says
/// whether nothing of another audit line is lost; `None` where there is no trace of one.
fn find(line: &str) -> Option<(Option<Value>, bool)> {
    if !line.contains(MARK) {
        return None;
    }
    let text = line.trim_end();
    for (at, _) in text.match_indices('{') {
        let Ok(json) = serde_json::from_str::<Value>(&text[at..]) else { continue };
        let is_whole = !text[..at].contains(MARK);
        return match json.get("audit") {
            Some(_) => Some((Some(json), is_whole)),
            // Another line that speaks of audits.
            None if is_whole => None,
            None => Some((None, false)),
        };
    }
    // A text that mentions the word is none; one that begins as audit lines do was cut off.
    let begins = text.split('{').skip(1).any(|part| part.trim_start().starts_with(MARK));
    begins.then_some((None, false))
}

/// A line of kind `stop`.
#[derive(Deserialize)]
struct StopLine {
    time: String,
    account: String,
    region: String,
    instances: Vec<StoppedInstance>,
}

#[derive(Deserialize)]
struct StoppedInstance {
    instance: String,
    previous_state: String,
    launch_time: Option<String>,
    #[serde(default)]
    policies: Vec<String>,
}

/// A line of kind `start`.
#[derive(Deserialize)]
struct StartLine {
    time: String,
    account: String,
    region: String,
    instance: String,
    result: String,
}

/// Reads an audit line; nothing that is missing is guessed.
fn read(json: Value) -> Result<Entry, String> {
    let version = json.get("audit").and_then(Value::as_u64);
    if version != Some(VERSION) {
        return Err("is of a version that this program does not know; use a newer one".to_owned());
    }
    let kind = json.get("kind").and_then(Value::as_str).unwrap_or_default().to_owned();
    match &*kind {
        "stop" => stops(serde_json::from_value(json).map_err(|wrong| wrong.to_string())?),
        "start" => started(&serde_json::from_value(json).map_err(|wrong| wrong.to_string())?),
        "" => Err("has no kind".to_owned()),
        _ => Ok(Entry::Other),
    }
}

fn stops(line: StopLine) -> Result<Entry, String> {
    let StopLine { time, account, region, instances } = line;
    let time = moment("time", &time)?;
    let stop = |one: StoppedInstance| {
        let launched = one.launch_time.map(|text| moment("launch_time", &text)).transpose()?;
        Ok(Stop {
            time,
            key: key(&account, &region, &one.instance)?,
            previous_state: one.previous_state,
            launched: launched.map(UtcDateTime::truncate_to_second),
            policies: one.policies,
        })
    };
    instances.into_iter().map(stop).collect::<Result<_, _>>().map(Entry::Stops)
}

fn started(line: &StartLine) -> Result<Entry, String> {
    if line.result != "started" {
        return Ok(Entry::Other);
    }
    Ok(Entry::Started(
        key(&line.account, &line.region, &line.instance)?,
        moment("time", &line.time)?,
    ))
}

fn key(account: &str, region: &str, instance: &str) -> Result<Key, String> {
    let is_no = |what: &str, text: &str| format!("{what} {} is none", Value::from(text));
    Ok((
        Account::parse(account).ok_or_else(|| is_no("account", account))?,
        Region::parse(region).ok_or_else(|| is_no("region", region))?,
        InstanceId::parse(instance).ok_or_else(|| is_no("instance", instance))?,
    ))
}

fn moment(name: &str, text: &str) -> Result<UtcDateTime, String> {
    dates::beginning(text).ok_or_else(|| format!("{name} {} is no time", Value::from(text)))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use clap::Parser;
    use serde_json::json;

    use super::*;
    use crate::cli::{Arguments, Command};

    fn wanted(more: &[&str]) -> UndoArguments {
        let first = ["enforcer", "undo", "--from", "audit.jsonl", "--since", "2026-11-26"];
        let parsed = Arguments::try_parse_from(first.iter().chain(more).copied()).unwrap();
        match parsed.command {
            Command::Undo(undo) => *undo,
            _ => panic!("not undo"),
        }
    }

    fn id(number: usize) -> String {
        format!("i-{number:017x}")
    }

    fn stop(time: &str, number: usize, previous: &str) -> Value {
        json!({
            "audit": 1, "kind": "stop", "time": format!("2026-11-26T{time}Z"),
            "account": "111122223333", "region": "eu-central-1", "request_id": "r",
            "instances": [{
                "instance": id(number), "previous_state": previous,
                "launch_time": "2026-11-26T10:00:00Z", "policies": ["builtin"], "message": "m",
            }],
        })
    }

    fn read(lines: &[String], wanted: &UndoArguments) -> Trail {
        let mut trail = Trail::default();
        for (at, text) in lines.iter().enumerate() {
            trail.add(&Line { number: at + 1, text: text.clone() }, wanted);
        }
        trail
    }

    fn read_all(lines: &[String]) -> Trail {
        read(lines, &wanted(&[]))
    }

    fn ids(trail: &Trail) -> Vec<String> {
        trail.stops.keys().map(|(_, _, id)| id.to_string()).collect()
    }

    #[test]
    fn a_stop_is_found_alone_and_behind_what_logs_put_before_it() {
        let line = stop("12:00:00.5", 1, "running").to_string();
        for before in [
            "",
            "2026-11-26T12:00:00.512000+00:00 task/daemon/0a1b ",
            "Nov 26 12:00:00 host ec2-policy-enforcer[12]: ",
            "{\"stream\":{}} ",
            "\u{1b}[0m ",
        ] {
            let trail = read_all(&[format!("{before}{line}\r\n")]);
            assert_eq!((ids(&trail), trail.broken.len()), (vec![id(1)], 0), "{before}");
        }
    }

    #[test]
    fn other_lines_are_passed_over() {
        let lines = [
            "",
            "starting",
            "{\"message\":\"draining\",\"level\":\"INFO\"}",
            "{\"message\":\"the setting \\\"audit\\\" is off\"}",
            "see {\"audit\"",
            "{\"audit\":1,\"kind\":\"outcome\",\"instance\":\"i-1\"}",
        ];
        let trail = read_all(&lines.map(str::to_owned));
        assert_eq!((trail.stops.len(), trail.lines), (0, 1));
        // The one that begins as an audit line does was cut off.
        assert_eq!(trail.broken, [(5, "an audit line in it is cut off".to_owned())]);
    }

    #[test]
    fn broken_audit_lines_are_counted_and_nothing_of_them_is_taken() {
        let whole = stop("12:00:00", 1, "running");
        let without = |key: &str| {
            let mut line = whole.clone();
            line.as_object_mut().unwrap().remove(key);
            line.to_string()
        };
        let with = |key: &str, value: Value| {
            let mut line = whole.clone();
            line["instances"][0][key] = value;
            line.to_string()
        };
        let text = whole.to_string();
        let lines = [
            text[..text.len() - 3].to_owned(),
            without("time"),
            without("account"),
            without("kind"),
            with("instance", json!("i-*")),
            with("previous_state", Value::Null),
            with("launch_time", json!("yesterday")),
            text.replace("\"audit\":1", "\"audit\":2"),
            text.replace("eu-central-1", "evil.example"),
        ];
        let trail = read_all(&lines);
        assert_eq!(trail.stops.len(), 0);
        assert_eq!(trail.broken.len(), lines.len(), "{:?}", trail.broken);
    }

    #[test]
    fn a_line_behind_one_that_was_cut_off_is_taken_and_the_other_counted() {
        let (first, second) = (stop("12:00:00", 1, "running"), stop("12:00:01", 2, "running"));
        let trail = read_all(&[format!("{}{second}", &first.to_string()[..60])]);
        assert_eq!((ids(&trail), trail.broken.len()), (vec![id(2)], 1));
    }

    #[test]
    fn the_newest_stop_of_an_instance_counts_and_one_that_found_it_running_before_others() {
        let lines = [
            stop("12:00:00", 1, "running").to_string(),
            stop("14:00:00", 1, "running").to_string(),
            stop("13:00:00", 1, "running").to_string(),
            stop("15:00:00", 1, "stopping").to_string(),
            stop("15:00:00", 2, "stopping").to_string(),
        ];
        let trail = read_all(&lines);
        let times: Vec<_> = trail.stops.values().map(|stop| stop.time.hour()).collect();
        assert_eq!(times, [14, 15]);
        let ran: Vec<_> = trail.stops.values().map(Stop::was_running).collect();
        assert_eq!(ran, [true, false]);
    }

    #[test]
    fn only_what_is_asked_for_is_taken() {
        let lines = ["11:59:59", "12:00:00", "12:30:00", "13:00:00", "13:00:01"];
        let lines: Vec<_> = lines
            .iter()
            .enumerate()
            .map(|(number, time)| stop(time, number, "running").to_string())
            .collect();
        let taken = |more: &[&str]| {
            let mut wanted = wanted(more);
            wanted.from = PathBuf::from("-");
            ids(&read(&lines, &wanted)).len()
        };
        let until = ["--until", "2026-11-26T13:00:00Z"];
        assert_eq!(taken(&until), 4);
        assert_eq!(taken(&["--policy", "builtin"]), 5);
        assert_eq!(taken(&["--policy", "sandbox-types"]), 0);
        assert_eq!(taken(&["--account", "111122223333"]), 5);
        assert_eq!(taken(&["--account", "111122223334"]), 0);
        let mut late = wanted(&until);
        late.since = dates::beginning("2026-11-26T12:00:00Z").unwrap();
        assert_eq!(read(&lines, &late).stops.len(), 3);
    }

    #[test]
    fn starts_by_an_earlier_run_are_known_and_failed_ones_are_not() {
        let start = |number: usize, result: &str| {
            json!({
                "audit": 1, "kind": "start", "time": "2026-11-26T16:00:00Z", "result": result,
                "account": "111122223333", "region": "eu-central-1", "instance": id(number),
            })
            .to_string()
        };
        let trail = read_all(&[start(1, "started"), start(2, "failed")]);
        let started: Vec<_> = trail.started.keys().map(|(_, _, id)| id.to_string()).collect();
        assert_eq!((started, trail.broken.len()), (vec![id(1)], 0));
    }
}
