//! The forms of a notice by protocol: SNS takes them as one JSON object, and gives each subscriber
//! the form for their protocol, or else `default` (`MessageStructure` of Publish, API reference).

use serde_json::{Map, Value};

/// All forms: the text for people, the chat's for HTTPS, and the line of the audit trail, if there
/// is one, for programs.
pub(super) fn by_protocol(text: &str, chat: &Value, line: Option<&str>) -> String {
    let chat = chat.to_string();
    let mut forms = vec![("default", text), ("email", text), ("https", &chat)];
    forms.extend(line.into_iter().flat_map(|line| [("sqs", line), ("lambda", line)]));
    let forms: Map<_, _> =
        forms.into_iter().map(|(protocol, form)| (protocol.to_owned(), form.into())).collect();
    Value::Object(forms).to_string()
}
