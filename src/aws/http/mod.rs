//! What every call to AWS goes through below the SDK: the answer is read to its end, one that was
//! cut off is an error, and a connection that brings no answer is not used again.
//!
//! - here: the HTTP client around the SDK's own;
//! - `connection`: the connection of a call, which its answer clears;
//! - `whole`: whether an XML document is complete.

mod connection;
mod whole;

use std::error::Error;
use std::fmt;

use aws_smithy_runtime_api::client::http::{HttpConnectorFuture, SharedHttpClient};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;

use crate::aws::error::foreign::describe;
use crate::aws::layer;

use connection::Unproven;

/// An HTTP client that calls AWS by `client`.
pub(super) fn careful(client: SharedHttpClient) -> SharedHttpClient {
    layer::around(client, |asked, answer| {
        let connection = Unproven::of(asked);
        HttpConnectorFuture::new(async move {
            let answer = read(answer.await?).await?;
            connection.answered();
            Ok(answer)
        })
    })
}

/// The document in an answer has a fault, such as an end that a proxy has cut off. The SDK would
/// take what it can read for complete, so that instances would be missing from a list, or their
/// tags.
#[derive(Debug)]
pub(super) struct FaultyAnswer {
    fault: &'static str,
    /// What is known of the answer.
    told: String,
}

impl FaultyAnswer {
    /// The error of an answer with this fault.
    pub(super) fn error(fault: &'static str, answer: &HttpResponse) -> ConnectorError {
        ConnectorError::other(Self { fault, told: describe(answer) }.into(), None)
    }
}

impl fmt::Display for FaultyAnswer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}; {}", self.fault, self.told)
    }
}

impl Error for FaultyAnswer {}

/// Reads the body of an answer, and checks that none of it is missing.
async fn read(mut answer: HttpResponse) -> Result<HttpResponse, ConnectorError> {
    let body = collect(answer.take_body()).await?;
    let is_whole = !answer.status().is_success() || whole::is_whole(&body);
    *answer.body_mut() = SdkBody::from(body);
    if is_whole {
        Ok(answer)
    } else {
        Err(FaultyAnswer::error("the end of the answer is missing", &answer))
    }
}

/// The most room that is made for a body before it comes, in bytes: twice that of a look at 190
/// instances with 6 kB each. A larger body makes room as it comes.
const LARGEST_EXPECTED: usize = 2_500_000;

/// Reads a body to its end, part by part: kept until all are there, the parts would take as much
/// memory again as the whole, which is a megabyte for a look at 190 instances.
async fn collect(body: SdkBody) -> Result<Vec<u8>, ConnectorError> {
    let mut parts = ByteStream::new(body);
    let expected = usize::try_from(parts.size_hint().0).unwrap_or_default();
    let mut whole = Vec::with_capacity(expected.min(LARGEST_EXPECTED));
    while let Some(part) = parts.next().await {
        whole.extend_from_slice(&part.map_err(|error| ConnectorError::io(error.into()))?);
    }
    Ok(whole)
}

#[cfg(test)]
mod tests;
