//! Which host could not be reached: the errors of the SDK's HTTP client leave it out.

use std::error::Error;
use std::fmt;
use std::iter::successors;

use aws_smithy_runtime_api::client::http::{HttpConnectorFuture, SharedHttpClient};
use aws_smithy_runtime_api::client::result::ConnectorError;
use hyper_util::client::legacy::Error as HttpError;
use url::{Position, Url};

use crate::aws::layer;

/// The error of a call for which no connection was made, so that nothing was sent.
#[derive(Debug)]
pub(super) struct Unreached {
    /// The host, with its port if that is not the usual one.
    host: String,
    cause: ConnectorError,
}

impl Unreached {
    /// The messages of the causes, from hyper's on.
    fn causes(&self) -> Vec<String> {
        let first: &(dyn Error + 'static) = &self.cause;
        let causes = successors(Some(first), |&error| error.source());
        // Before it stand the kind of the error, and that it is one about a connection.
        causes.skip(2).map(ToString::to_string).collect()
    }
}

impl fmt::Display for Unreached {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (host, causes) = (&self.host, self.causes());
        match causes.as_slice() {
            [kind, reasons @ ..] if kind == "dns error" => write!(
                formatter,
                "no address is known for {host} ({}): is the region right, and the endpoint?",
                reasons.join(": ")
            ),
            causes => write!(formatter, "no connection to {host}: {}", causes.join(": ")),
        }
    }
}

impl Error for Unreached {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.cause)
    }
}

/// The client, with the host in the error of a connection that was not made.
pub(super) fn naming_hosts(client: SharedHttpClient) -> SharedHttpClient {
    layer::around(client, |asked, answer| {
        let named = move |error| named(&asked.url, error);
        HttpConnectorFuture::new(async move { answer.await.map_err(named) })
    })
}

/// Names the host in an error, and leaves its kind as it is.
fn named(url: &str, error: ConnectorError) -> ConnectorError {
    let kind = match () {
        () if !is_unconnected(&error) => return error,
        () if error.is_timeout() => ConnectorError::timeout,
        () if error.is_io() => ConnectorError::io,
        () => return error,
    };
    kind(Box::new(Unreached { host: host(url), cause: error }))
}

/// Whether no connection was made.
fn is_unconnected(error: &ConnectorError) -> bool {
    let cause = error.source().and_then(|cause| cause.downcast_ref::<HttpError>());
    cause.is_some_and(HttpError::is_connect)
}

/// The host and the port of a URL, which may hold secrets elsewhere.
pub(super) fn host(url: &str) -> String {
    let url = Url::parse(url).ok();
    let host = url.map(|url| url[Position::BeforeHost..Position::AfterPort].to_owned());
    host.unwrap_or_else(|| "the endpoint".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_host_and_port_of_a_url_are_shown() {
        for (url, shown) in [
            ("https://sqs.eu-central-1.amazonaws.com/?Action=x", "sqs.eu-central-1.amazonaws.com"),
            ("http://me:secret@127.0.0.1:4566/", "127.0.0.1:4566"),
            ("http://[::1]:80/", "[::1]"),
            ("nonsense", "the endpoint"),
        ] {
            assert_eq!(host(url), shown);
        }
    }
}
