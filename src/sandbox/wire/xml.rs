//! Writes answers in XML: those of EC2, and those of the other services with a query protocol.

use quick_xml::escape::escape;
use serde_json::Value;

use crate::sandbox::answer::{Answer, Failure};

const EC2_XMLNS: &str = "http://ec2.amazonaws.com/doc/2016-11-15/";
/// The name of a field whose text is XML already, of any number of elements.
pub(in crate::sandbox) const MARKUP: &str = "<>";

/// Writes an answer of EC2: the fields are directly under the root, and lists are made of `item`s.
pub(super) fn ec2(operation: &str, request_id: &str, answer: &Answer) -> String {
    match answer {
        Ok(fields) => {
            let fields = children(fields, "item");
            let id = element("requestId", &escape(request_id));
            format!("<{operation}Response xmlns=\"{EC2_XMLNS}\">{id}{fields}</{operation}Response>")
        }
        Err(failure) => {
            let errors = element("Errors", &element("Error", &reason(failure)));
            element("Response", &format!("{errors}{}", element("RequestID", request_id)))
        }
    }
}

/// Writes an answer of SNS or STS: the fields are in a result, and lists are made of `member`s.
pub(super) fn query(xmlns: &str, operation: &str, request_id: &str, answer: &Answer) -> String {
    let id = element("RequestId", &escape(request_id));
    match answer {
        Ok(fields) => {
            let result = element(&format!("{operation}Result"), &children(fields, "member"));
            let metadata = element("ResponseMetadata", &id);
            format!(
                "<{operation}Response xmlns=\"{xmlns}\">{result}{metadata}</{operation}Response>"
            )
        }
        Err(failure) => {
            let blame = if failure.is_senders() { "Sender" } else { "Receiver" };
            let error = element("Type", blame) + &reason(failure);
            format!(
                "<ErrorResponse xmlns=\"{xmlns}\">{}{id}</ErrorResponse>",
                element("Error", &error)
            )
        }
    }
}

fn reason(failure: &Failure) -> String {
    element("Code", &escape(&failure.code)) + &element("Message", &escape(&failure.message))
}

fn element(name: &str, content: &str) -> String {
    format!("<{name}>{content}</{name}>")
}

/// Writes the content of an element.
fn children(value: &Value, item: &str) -> String {
    let mut text = String::new();
    write_children(&mut text, value, item);
    text
}

/// Writes into one buffer: an answer of DescribeInstances has 20,000 elements and a megabyte.
fn write_children(text: &mut String, value: &Value, item: &str) {
    match value {
        Value::Null => {}
        Value::String(content) => text.push_str(&escape(content)),
        Value::Bool(_) | Value::Number(_) => text.push_str(&value.to_string()),
        Value::Array(items) => items.iter().for_each(|one| write_element(text, item, one, item)),
        Value::Object(fields) => {
            fields.iter().for_each(|(name, field)| write_named(text, name, field, item));
        }
    }
}

fn write_named(text: &mut String, name: &str, field: &Value, item: &str) {
    match (name, field) {
        (_, Value::Null) => {}
        (MARKUP, Value::String(markup)) => text.push_str(markup),
        // SNS writes a map as a list of entries.
        ("Attributes", list) => write_element(text, name, list, "entry"),
        _ => write_element(text, name, field, item),
    }
}

fn write_element(text: &mut String, name: &str, content: &Value, item: &str) {
    for part in ["<", name, ">"] {
        text.push_str(part);
    }
    write_children(text, content, item);
    for part in ["</", name, ">"] {
        text.push_str(part);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn markup_in_a_tag_stays_text() {
        let xml = ec2("DescribeTags", "r", &Ok(json!({"tagSet": [{"key": "</item>&"}]})));
        assert!(
            xml.contains("<tagSet><item><key>&lt;/item&gt;&amp;</key></item></tagSet>"),
            "{xml}"
        );
    }

    #[test]
    fn an_error_of_ec2_has_its_own_shape() {
        let failure = Failure::refused("InvalidAction", "no");
        let expected = "<Response><Errors><Error><Code>InvalidAction</Code><Message>no</Message>\
                        </Error></Errors><RequestID>r</RequestID></Response>";
        assert_eq!(ec2("X", "r", &Err(failure)), expected);
    }
}
