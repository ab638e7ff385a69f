//! Encodes an answer as an HTTP response.

use axum::body::Bytes;
use axum::http::header::{CONTENT_TYPE, HeaderName};
use axum::http::{HeaderValue, Response, StatusCode};

use super::service::{Protocol, Service};
use super::{json, xml};
use crate::sandbox::answer::{Answer, Failure};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const QUERY_ERROR: HeaderName = HeaderName::from_static("x-amzn-query-error");

/// Encodes an answer in the protocol of its service.
pub(in crate::sandbox) fn encode(
    service: Service,
    operation: &str,
    request_id: &str,
    answer: &Answer,
) -> Response<Bytes> {
    let (content_type, body) = match service.protocol() {
        Protocol::Json { version, namespace } => {
            (format!("application/x-amz-json-{version}"), json::body(namespace, answer))
        }
        Protocol::Query { xmlns } => {
            ("text/xml".to_owned(), xml::query(xmlns, operation, request_id, answer))
        }
        Protocol::Ec2 => {
            ("text/xml;charset=UTF-8".to_owned(), xml::ec2(operation, request_id, answer))
        }
    };
    let mut response = Response::new(Bytes::from(body));
    set(&mut response, CONTENT_TYPE, &content_type);
    set(&mut response, REQUEST_ID, request_id);
    if let Err(failure) = answer {
        *response.status_mut() = status(failure);
        set(&mut response, QUERY_ERROR, &json::query_error(failure));
    }
    response
}

fn status(failure: &Failure) -> StatusCode {
    StatusCode::from_u16(failure.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

fn set(response: &mut Response<Bytes>, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}
