//! Refuses an answer whose XML has a mistake. The SDK's decoder reads such a document up to the
//! mistake without an error, so that the tags and instances behind it would be missing.

use aws_smithy_runtime_api::client::http::{HttpConnectorFuture, SharedHttpClient};
use aws_smithy_xml::decode::Document;

use super::markup::{Malformed, Tag, Tags};
use crate::aws::http::FaultyAnswer;
use crate::aws::layer;

/// The client, whose answers, if they are XML, have no mistake. Errors of EC2 are left as they are.
pub(super) fn requiring(client: SharedHttpClient) -> SharedHttpClient {
    layer::around(client, |_, answer| {
        HttpConnectorFuture::new(async move {
            let answer = answer.await?;
            let body = answer.body().bytes().filter(|body| body.starts_with(b"<"));
            let is_sound = !answer.status().is_success() || body.is_none_or(is_sound);
            if is_sound {
                Ok(answer)
            } else {
                Err(FaultyAnswer::error("the answer is no sound XML", &answer))
            }
        })
    })
}

fn is_sound(document: &[u8]) -> bool {
    let Ok(mut tokens) = Document::try_from(document) else { return false };
    tokens.all(|token| token.is_ok()) && check_tags(document).is_ok()
}

/// Checks what the SDK's tokenizer does not: that each end tag is that of the element which is
/// open, and that no attribute has a reference, such as `&amp;`, which would have to be checked
/// too.
fn check_tags(document: &[u8]) -> Result<(), Malformed> {
    let (mut tags, mut open) = (Tags::of(document), Vec::new());
    while let Some((start, tag)) = tags.next()? {
        let has_reference =
            document.get(start..tags.position()).is_none_or(|tag| tag.contains(&b'&'));
        match tag {
            _ if has_reference => return Err(Malformed),
            Tag::Start(name) => open.push(name),
            Tag::Empty(_) => {}
            Tag::End(name) if open.pop() == Some(name) => {}
            Tag::End(_) => return Err(Malformed),
        }
    }
    if open.is_empty() { Ok(()) } else { Err(Malformed) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_ec2_may_write_is_sound() {
        for document in [
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<a xmlns=\"http://ec2/\"><b/>\n</a>\n",
            "<a><key>&lt;tagSet&gt;&#xD;\r\u{e4}\u{1f600}</key><value>&#1;</value></a>",
            "<e:a xmlns:e='e'><!-- <b> --><![CDATA[</a>]]></e:a >",
        ] {
            assert!(is_sound(document.as_bytes()), "{document}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_judged(before: Vec<u8>, after: Vec<u8>) {
            is_sound(&before);
            is_sound(&[b"<a>", &*before, b"</a>", &after].concat());
        }
    }
}
