//! What the headers of an answer tell.

use aws_smithy_runtime_api::http::Headers;

/// The headers in which AWS puts the id that it gave to a request.
const REQUEST_IDS: [&str; 2] = ["x-amzn-requestid", "x-amz-request-id"];

/// Whether an answer is from AWS, or from what speaks like it, and not from a proxy on the way.
pub(super) fn is_from_aws(headers: &Headers) -> bool {
    let is_json = |kind: &str| kind.starts_with("application/x-amz-json");
    REQUEST_IDS.iter().any(|id| headers.get(*id).is_some())
        || headers.get("content-type").is_some_and(is_json)
}
