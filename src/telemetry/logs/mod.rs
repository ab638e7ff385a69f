//! Sets up the logs: a JSON object in each line, or plain text on a terminal.
//!
//! - here: what is logged, and the filter, which can change;
//! - `output`: where the lines go, and how the journal learns their priorities;
//! - `buffer`: holds them until a thread has written them;
//! - `terminal`: the format at a terminal.

mod buffer;
mod output;
mod terminal;

use std::backtrace::{Backtrace, BacktraceStatus};
use std::fmt as text;
use std::panic::{self, PanicHookInfo};
use std::time::Duration;

use thiserror::Error;
use tracing::{Level, error};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::prelude::*;
use tracing_subscriber::{EnvFilter, fmt, reload};

pub use output::flush;
pub(crate) use output::{dropped_lines, print};

use output::Output;
use terminal::{OWN_TARGET, Terminal};

/// What is logged by default: our own lines from `info` on, those of the SDK and its HTTP stack
/// from `warn` on.
const DEFAULT_FILTER: &str = "info,aws_config=warn,aws_credential_types=warn,aws_runtime=warn,\
    aws_sdk_ec2=warn,aws_sdk_sns=warn,aws_sdk_sqs=warn,aws_sdk_sts=warn,\
    aws_smithy_http_client=warn,aws_smithy_runtime=warn,aws_smithy_runtime_api=warn,h2=warn,hyper=warn,hyper_util=warn,\
    rustls=warn,tower=warn";

/// What the logs are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// They are the output: on stdout, from `info` on.
    Output,
    /// They stand beside the output on stdout: on stderr, from `info` on.
    Company,
    /// They explain why the output on stdout is missing: on stderr, errors only.
    Explanation,
}

/// A `RUST_LOG` that cannot be read; the process ends with exit code 78.
#[derive(Debug, Error)]
#[error("RUST_LOG = {filter:?}: {error}; give a level such as info, or TARGET=LEVEL with commas")]
pub struct RefusedFilter {
    filter: String,
    error: String,
}

/// Starts the logs with `filter`, or the default for their purpose where there is none.
/// `journal_stream` is the variable by which systemd tells which file is its journal; lines that
/// come within `gathering` are written at once. Panics are logged from now on: what writes them
/// otherwise would wait for a stderr that is blocked.
///
/// # Errors
///
/// The filter cannot be read. The logs are started with the default then, so that this can be
/// logged.
pub fn start(
    filter: Option<&str>,
    purpose: Purpose,
    journal_stream: Option<&str>,
    gathering: Duration,
) -> Result<Logs, RefusedFilter> {
    let default = if purpose == Purpose::Explanation { "error" } else { DEFAULT_FILTER };
    let (first, refused) = match read(filter.unwrap_or(default)) {
        Ok(filter) => (filter, None),
        Err(refused) => (EnvFilter::new(default), Some(refused)),
    };
    let output = match purpose {
        Purpose::Output => Output::stdout(journal_stream, gathering),
        Purpose::Company | Purpose::Explanation => Output::stderr(journal_stream, gathering),
    };
    let reload = write(first, output);
    panic::set_hook(Box::new(log_panic));
    refused.map_or(Ok(Logs { reload, settled: filter.is_some() }), Err)
}

/// The running logs. Their filter can change.
pub struct Logs {
    reload: Box<dyn Fn(EnvFilter) + Send + Sync>,
    /// Whether `RUST_LOG` is set, so that the filter never changes.
    settled: bool,
}

impl Logs {
    /// Whether `RUST_LOG` is set, so that the filter of the settings is ignored.
    pub fn are_settled(&self) -> bool {
        self.settled
    }

    /// Changes the filter to that of the settings, `None` for the default. Does nothing if
    /// `RUST_LOG` is set. The settings have checked that the filter can be read.
    pub fn follow(&self, filter: Option<&str>) {
        if let Ok(filter) = read(filter.unwrap_or(DEFAULT_FILTER))
            && !self.settled
        {
            (self.reload)(filter);
        }
    }
}

impl text::Debug for Logs {
    fn fmt(&self, formatter: &mut text::Formatter<'_>) -> text::Result {
        formatter.write_str("Logs")
    }
}

/// Whether a filter names nothing. Used as it is, it would silence all but errors.
pub fn is_blank(filter: &str) -> bool {
    filter.chars().all(|character| character == ',' || character.is_whitespace())
}

/// Checks that a filter can be read, and shows lines of this program.
///
/// # Errors
/// What is wrong with the filter.
pub fn check(filter: &str) -> Result<(), String> {
    parsed(filter).map(drop)
}

fn read(filter: &str) -> Result<EnvFilter, RefusedFilter> {
    let refused = |error| RefusedFilter { filter: filter.to_owned(), error };
    parsed(filter).map_err(refused)
}

fn parsed(filter: &str) -> Result<EnvFilter, String> {
    let parsed = EnvFilter::builder().parse(filter).map_err(|error| error.to_string())?;
    if is_silent(filter) { Err("it shows no line of this program".to_owned()) } else { Ok(parsed) }
}

/// Whether a filter hides every line of this program without saying so. A misspelt level does: it
/// is taken for the name of a target. A filter with spans, in brackets, is not judged.
fn is_silent(filter: &str) -> bool {
    let is_meant = filter.contains(OWN_TARGET)
        || filter.contains('[')
        || filter.split(',').any(|directive| directive.trim().eq_ignore_ascii_case("off"));
    let targets = filter.parse::<Targets>();
    !is_meant && targets.is_ok_and(|targets| !targets.would_enable(OWN_TARGET, &Level::ERROR))
}

/// Starts the logs, and returns a function that changes their filter.
fn write(filter: EnvFilter, output: Output) -> Box<dyn Fn(EnvFilter) + Send + Sync> {
    let (filter, reload) = reload::Layer::new(filter);
    let layer = if output.is_terminal {
        fmt::layer().event_format(Terminal).with_writer(output).boxed()
    } else {
        let json = fmt::layer().json().flatten_event(true).with_span_list(false);
        json.with_writer(output).boxed()
    };
    tracing_subscriber::registry().with(layer.with_filter(filter)).init();
    // Changing the filter fails only once the logs are gone.
    Box::new(move |filter| drop(reload.reload(filter)))
}

/// A duration in whole milliseconds, as the fields of the lines have it: JSON has no numbers for
/// what
/// `as_millis` gives, so that it would become a text.
pub(crate) fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Writes a panic where all else is written, with a backtrace if `RUST_BACKTRACE` asks for it.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let backtrace = Backtrace::capture();
    let is_captured = backtrace.status() == BacktraceStatus::Captured;
    error!(
        cause = panic.payload_as_str().unwrap_or("no message"),
        location = panic.location().map(ToString::to_string),
        backtrace = is_captured.then(|| backtrace.to_string()),
        "panicked"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_filter_can_be_read() {
        assert!(read(DEFAULT_FILTER).is_ok());
    }

    #[test]
    fn a_filter_that_shows_no_line_of_ours_is_refused_unless_it_says_so() {
        for silent in ["inof", "loud", "hyper=debug", "hyper", "aws_config=debug,h2=warn"] {
            assert_eq!(
                check(silent),
                Err("it shows no line of this program".to_owned()),
                "{silent}"
            );
        }
        for meant in [
            "info",
            "WARN",
            "off",
            "error,hyper=debug",
            "ec2_policy_enforcer=warn",
            "ec2_policy_enforcer::health=info",
            "hyper=debug, off",
            "[span]=info",
        ] {
            assert_eq!(check(meant), Ok(()), "{meant}");
        }
    }

    #[test]
    fn an_unreadable_filter_is_refused_with_an_example() {
        let message = read("ec2_policy_enforcer=loud").unwrap_err().to_string();
        assert!(message.starts_with("RUST_LOG = \"ec2_policy_enforcer=loud\": "), "{message}");
        assert!(message.ends_with("give a level such as info, or TARGET=LEVEL with commas"));
    }
}
