//! What is told of an answer that names no error code of AWS, or cannot be read: such an answer may
//! come from a proxy, a captive portal or a broken connection.

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;

use crate::aws::headers::is_from_aws;

/// How much of the answer is shown, in characters.
const SHOWN_CHARACTERS: usize = 200;
/// Words near secrets: what a stranger sent back with one of these in it is not shown.
const NEAR_SECRETS: [&str; 7] =
    ["authorization", "credential", "password", "secret", "signature", "token", "x-amz-"];

/// The status and the type of an answer, and how it begins unless it is AWS's own: that may hold
/// the bodies of messages.
pub(in crate::aws) fn describe(response: &HttpResponse) -> String {
    let status = response.status().as_u16();
    let kind = first(response.headers().get("content-type").unwrap_or("no content type"));
    let Some(body) = response.body().bytes().filter(|body| !body.is_empty()) else {
        return format!("HTTP {status}, {kind}, empty");
    };
    let length = body.len();
    if is_from_aws(response.headers()) {
        return format!("HTTP {status}, {kind}, {length} bytes");
    }
    // Four times as many bytes as characters are shown, which is enough to hold them.
    let begin = String::from_utf8_lossy(&body[..length.min(4 * SHOWN_CHARACTERS)]);
    let lower = begin.to_ascii_lowercase();
    let is_near_secrets = NEAR_SECRETS.iter().any(|word| lower.contains(word));
    let begin = if is_near_secrets { "(hidden)".to_owned() } else { first(&begin) };
    let hint = "this does not look like AWS: is there a proxy?";
    format!("HTTP {status}, {kind}, {length} bytes, which begin \"{begin}\"; {hint}")
}

/// The first characters, in one line and without control characters.
fn first(text: &str) -> String {
    text.chars().take(SHOWN_CHARACTERS).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests {
    use aws_smithy_types::body::SdkBody;

    use super::*;

    fn response(status: u16, headers: &[(&'static str, &str)], body: &str) -> HttpResponse {
        let mut response =
            HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body.as_bytes()));
        for (name, value) in headers {
            response.headers_mut().insert(*name, (*value).to_owned());
        }
        response
    }

    #[test]
    fn a_page_of_a_proxy_is_told_by_status_type_and_first_characters_in_one_line() {
        let page = "<html>\r\n<title>502 Bad \u{1b}[31mGateway</title>";
        let shown = describe(&response(502, &[("content-type", "text/html")], page));
        let expected = "HTTP 502, text/html, 43 bytes, which begin \"<html>\\r\\n<title>502 Bad \
            \\u{1b}[31mGateway</title>\"; this does not look like AWS: is there a proxy?";
        assert_eq!(shown, expected);
    }

    #[test]
    fn a_long_page_is_shortened() {
        let shown = describe(&response(403, &[], &"é".repeat(100_000)));
        assert!(shown.contains(&"é".repeat(SHOWN_CHARACTERS)), "{shown}");
        assert!(!shown.contains(&"é".repeat(SHOWN_CHARACTERS + 1)), "{shown}");
        assert!(shown.contains("no content type, 200000 bytes"), "{shown}");
    }

    #[test]
    fn an_empty_answer_is_told_as_one() {
        assert_eq!(describe(&response(503, &[], "")), "HTTP 503, no content type, empty");
    }

    #[test]
    fn what_aws_sent_is_not_shown_since_it_may_hold_messages() {
        for header in [("x-amzn-requestid", "1"), ("x-amz-request-id", "1")] {
            let headers = [("content-type", "application/x-amz-json-1.0"), header];
            let shown = describe(&response(200, &headers, "{\"Messages\":[{\"Body\":\"private"));
            assert_eq!(shown, "HTTP 200, application/x-amz-json-1.0, 29 bytes");
        }
        // An emulator may leave the id out.
        let headers = [("content-type", "application/x-amz-json-1.0")];
        let shown = describe(&response(200, &headers, "{\"Messages\":[{\"Body\":\"private"));
        assert!(!shown.contains("private"), "{shown}");
    }

    #[test]
    fn an_echo_of_the_request_is_not_shown() {
        let echo = "{\"headers\":{\"Authorization\":\"AWS4-HMAC-SHA256 AKIA";
        let shown = describe(&response(200, &[("content-type", "application/json")], echo));
        assert!(shown.contains("which begin \"(hidden)\""), "{shown}");
    }
}
