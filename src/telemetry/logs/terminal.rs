//! The format of the lines at a terminal: what happened to which instance first, and no more than
//! fits in a line. The JSON format has every field.

use std::fmt::{self, Write};

use time::OffsetDateTime;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::fmt::FmtContext;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::registry::LookupSpan;

/// How long a line gets. Only an error is written whatever its length: it says what is to be done.
const MOST_COLUMNS: usize = 120;
/// The width of time and level.
const BEGINNING: usize = "00:00:00Z LEVEL ".len();
/// How much of an ARN or a URL is shown. Its end has the name, by which it is known.
const ADDRESS_COLUMNS: usize = 36;
/// What stands for the fields that do not fit in.
const MORE: &str = "  …";
/// The width of the longest usual outcome, `refused`.
const OUTCOME_COLUMNS: usize = 8;
/// Fields of the decision line that a person at a terminal does not need.
const HIDDEN: [&str; 7] =
    ["message.id", "event.id", "account", "decision", "age_ms", "receives", "duration_ms"];
/// The beginning of the target of our own lines.
pub(super) const OWN_TARGET: &str = "ec2_policy_enforcer";

/// Writes an event as `TIME LEVEL OUTCOME INSTANCE MESSAGE FIELD=VALUE…`.
#[derive(Debug)]
pub(super) struct Terminal;

impl<S, N> FormatEvent<S, N> for Terminal
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    N: for<'writer> FormatFields<'writer> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let now = OffsetDateTime::now_utc();
        let (hour, minute, second) = now.to_hms();
        write!(writer, "{hour:02}:{minute:02}:{second:02}Z ")?;
        let level = event.metadata().level();
        match color(*level).filter(|_| writer.has_ansi_escapes()) {
            Some(color) => write!(writer, "\x1b[{color}m{level:<5}\x1b[0m ")?,
            None => write!(writer, "{level:<5} ")?,
        }
        writeln!(writer, "{}", fields.line(event.metadata()))
    }
}

/// The terminal's number of the color of a level that must be noticed.
fn color(level: Level) -> Option<u8> {
    match level {
        Level::ERROR => Some(31),
        Level::WARN => Some(33),
        _ => None,
    }
}

/// The fields of an event.
#[derive(Debug, Default)]
struct Fields {
    message: String,
    outcome: Option<String>,
    instance: Option<String>,
    /// Written last, and in full.
    error: Option<String>,
    /// As `NAME=VALUE`.
    others: Vec<String>,
}

impl Fields {
    /// The line behind time and level.
    fn line(self, metadata: &Metadata<'_>) -> String {
        let mut line = String::new();
        if let Some(outcome) = self.outcome {
            let _ = write!(line, "{outcome:<OUTCOME_COLUMNS$} ");
        }
        line.extend(self.instance.map(|instance| instance + "  "));
        if !metadata.target().starts_with(OWN_TARGET) {
            let _ = write!(line, "{}: ", metadata.target());
        }
        line += &self.message;
        line += &fitting(self.others, MOST_COLUMNS.saturating_sub(BEGINNING + columns(&line)));
        line.extend(self.error.map(|error| format!("  error={error}")));
        line
    }

    fn add(&mut self, name: &str, value: &str) {
        // A line break, or what moves the cursor, would make other lines of this one.
        let value = value.chars().flat_map(visible).collect();
        match name {
            "message" => self.message = value,
            "outcome" => self.outcome = Some(value),
            "instance.id" => self.instance = Some(value),
            "error" => self.error = Some(value),
            "reason" => self.others.insert(0, format!("reason={value}")),
            name if HIDDEN.contains(&name) || name.starts_with("log.") => {}
            name => self.others.push(format!("{name}={}", shortened(value))),
        }
    }
}

/// A value as it is shown. What the code logs by its `Display`, `tracing` hands over as `Debug`.
struct Shown<'value>(&'value dyn fmt::Debug);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// The fields that fit in so many columns together with [`MORE`], which stands for the others.
fn fitting(fields: Vec<String>, most_columns: usize) -> String {
    let (mut line, mut is_complete) = (String::new(), true);
    for field in fields {
        let field = format!("  {field}");
        if columns(&line) + columns(&field) + columns(MORE) <= most_columns {
            line += &field;
        } else {
            is_complete = false;
        }
    }
    if is_complete { line } else { line + MORE }
}

/// The end of an ARN or a URL; any other value as it is.
fn shortened(value: String) -> String {
    let is_address = value.starts_with("arn:") || value.contains("://");
    let Some(excess) = columns(&value).checked_sub(ADDRESS_COLUMNS).filter(|_| is_address) else {
        return value;
    };
    let end = value.chars().skip(excess + 1);
    ['…'].into_iter().chain(end).collect()
}

fn columns(text: &str) -> usize {
    text.chars().count()
}

fn visible(character: char) -> impl Iterator<Item = char> {
    let escaped = character.is_control().then(|| character.escape_default());
    let plain = escaped.is_none().then_some(character);
    escaped.into_iter().flatten().chain(plain)
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field.name(), value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field.name(), &Shown(value).to_string());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tracing::{error, info, warn};
    use tracing_subscriber::fmt;

    use super::*;

    /// What is written while `log` runs.
    fn written(log: impl FnOnce()) -> String {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let writer = Arc::clone(&lines);
        let logs = fmt().with_ansi(false).event_format(Terminal);
        let logs = logs.with_writer(move || Shared(Arc::clone(&writer))).finish();
        tracing::subscriber::with_default(logs, log);
        String::from_utf8(lines.lock().unwrap().clone()).unwrap()
    }

    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Shared {
        fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(line)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// A line behind its time.
    fn line(log: impl FnOnce()) -> String {
        written(log).split_once(' ').unwrap().1.to_owned()
    }

    #[test]
    fn outcome_and_instance_come_first_and_ids_are_left_out() {
        let line = line(|| {
            info!(
                message.id = "0a1b2c3d",
                instance.id = "i-0abcd1234abcd1234",
                region = "eu-central-1",
                outcome = "stopped",
                age_ms = 1200,
                "the notice is published"
            );
        });
        let expected = "INFO  stopped  i-0abcd1234abcd1234  the notice is published  \
                        region=eu-central-1\n";
        assert_eq!(line, expected);
    }

    #[test]
    fn a_line_fits_in_120_columns() {
        let line = written(|| {
            info!(exception_tag = "KEEP", topic = "t".repeat(90), sizes.batch = 190, "starting");
        });
        assert!(
            line.ends_with("INFO  starting  exception_tag=KEEP  sizes.batch=190  …\n"),
            "{line}"
        );
        let line = written(|| info!(one = "t".repeat(85), two = 2, "starting"));
        assert!(line.ends_with("t  …\n") && columns(line.trim_end()) <= 120, "{line}");
    }

    #[test]
    fn the_reason_comes_before_what_may_not_fit_in() {
        let line = line(|| info!(region = "eu-central-1", reason = "other_state", "ignored"));
        assert_eq!(line, "INFO  ignored  reason=other_state  region=eu-central-1\n");
    }

    #[test]
    fn of_an_arn_the_end_is_shown() {
        let topic = "arn:aws:sns:eu-central-1:123456789012:instance-notices";
        let line = line(|| info!(topic, "starting"));
        let end = "tral-1:123456789012:instance-notices";
        assert_eq!(line, format!("INFO  starting  topic=…{}\n", &end[1..]));
    }

    #[test]
    fn an_error_is_written_in_full_and_last() {
        let reason = format!("{}; check the credentials", "x".repeat(200));
        let line = line(|| error!(error = reason, task = "poller", "the command failed"));
        assert_eq!(line, format!("ERROR the command failed  task=poller  error={reason}\n"));
    }

    #[test]
    fn an_event_is_one_line_whatever_its_values() {
        let line = line(|| warn!(error = "one\ntwo\u{1b}[2J", "no"));
        assert_eq!(line, "WARN  no  error=one\\ntwo\\u{1b}[2J\n");
    }
}
