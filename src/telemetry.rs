//! Sets up the logs: JSON lines, or readable ones on a terminal.

use std::io::{IsTerminal, stderr, stdout};

use thiserror::Error;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

/// What is logged by default: everything of ours, and what the SDK and its HTTP stack warn of.
const DEFAULT_FILTER: &str = "info,aws_config=warn,aws_credential_types=warn,aws_runtime=warn,\
    aws_sdk_ec2=warn,aws_sdk_sns=warn,aws_sdk_sqs=warn,aws_sdk_sts=warn,\
    aws_smithy_http_client=warn,aws_smithy_runtime=warn,aws_smithy_runtime_api=warn,h2=warn,hyper=warn,hyper_util=warn,\
    rustls=warn,tower=warn";

/// What the logs are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// They are the output: on stdout, from `info` on.
    Output,
    /// They accompany what stdout shows: on stderr, from `info` on.
    Company,
    /// They explain what stdout shows where it goes wrong: on stderr, errors only.
    Explanation,
}

/// A `RUST_LOG` that cannot be read; the process ends with exit code 78.
#[derive(Debug, Error)]
#[error("RUST_LOG = {filter:?}: {error}; give a level such as info, or TARGET=LEVEL with commas")]
pub struct RefusedFilter {
    filter: String,
    error: ParseError,
}

/// Starts the logs with `filter`, or the default for their purpose where there is none.
///
/// # Errors
///
/// The filter cannot be read. The logs are started with the default then, so that this can be
/// logged.
pub fn start(filter: Option<&str>, purpose: Purpose) -> Result<(), RefusedFilter> {
    let default = if purpose == Purpose::Explanation { "error" } else { DEFAULT_FILTER };
    let (filter, result) = match read(filter.unwrap_or(default)) {
        Ok(filter) => (filter, Ok(())),
        Err(refused) => (EnvFilter::new(default), Err(refused)),
    };
    write(filter, purpose);
    result
}

fn read(filter: &str) -> Result<EnvFilter, RefusedFilter> {
    let refused = |error| RefusedFilter { filter: filter.to_owned(), error };
    EnvFilter::builder().parse(filter).map_err(refused)
}

fn write(filter: EnvFilter, purpose: Purpose) {
    let logs = tracing_subscriber::fmt().with_env_filter(filter);
    match purpose {
        Purpose::Output if stdout().is_terminal() => logs.init(),
        Purpose::Output => logs.json().flatten_event(true).with_span_list(false).init(),
        Purpose::Company | Purpose::Explanation if stderr().is_terminal() => {
            logs.with_writer(stderr).init();
        }
        Purpose::Company | Purpose::Explanation => {
            logs.json().flatten_event(true).with_span_list(false).with_writer(stderr).init();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_filter_can_be_read() {
        assert!(read(DEFAULT_FILTER).is_ok());
    }

    #[test]
    fn an_unreadable_filter_is_refused_with_an_example() {
        let message = read("ec2_policy_enforcer=loud").unwrap_err().to_string();
        assert!(message.starts_with("RUST_LOG = \"ec2_policy_enforcer=loud\": "), "{message}");
        assert!(message.ends_with("give a level such as info, or TARGET=LEVEL with commas"));
    }
}
