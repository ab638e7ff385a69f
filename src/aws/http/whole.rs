//! Whether a document in XML is complete. The SDK's decoder takes one that ends in the middle for
//! complete: its lists end where it can read no further.

/// Whether `body`, if it is XML, ends with the end tag of its root. Anything else counts as whole:
/// half of a document in JSON is an error by itself.
pub(super) fn is_whole(body: &[u8]) -> bool {
    let body = body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body).trim_ascii();
    !body.starts_with(b"<") || root(body).is_some_and(|root| ends_with_tag(body, root))
}

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The name of the root, which is the first element after declarations and comments.
fn root(document: &[u8]) -> Option<&[u8]> {
    let mut rest = document.strip_prefix(b"<")?;
    while let Some(end) = end_of_markup(rest) {
        let after = rest.get(position(rest, end)? + end.len()..)?.trim_ascii_start();
        rest = after.strip_prefix(b"<")?;
    }
    let end = rest.iter().position(|byte| byte.is_ascii_whitespace() || b"/>".contains(byte))?;
    rest.get(..end).filter(|name| !name.is_empty())
}

/// What ends the markup that begins here, if it is no element.
fn end_of_markup(rest: &[u8]) -> Option<&'static [u8]> {
    let ends: [(&[u8], &[u8]); 3] = [(b"?", b"?>"), (b"!--", b"-->"), (b"!", b">")];
    ends.into_iter().find_map(|(begin, end)| rest.starts_with(begin).then_some(end))
}

fn position(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}

/// Whether the document ends with `</name>`.
fn ends_with_tag(document: &[u8], name: &[u8]) -> bool {
    let before = document.strip_suffix(b">").map(<[u8]>::trim_ascii_end);
    before.and_then(|rest| rest.strip_suffix(name)).is_some_and(|rest| rest.ends_with(b"</"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ANSWER: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!-- > -->\n\
        <DescribeTagsResponse xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\">\n\
        <requestId>4cb7</requestId><tagSet><item><key>a</key><value/></item></tagSet>\n\
        </DescribeTagsResponse>";

    #[test]
    fn a_document_that_ends_with_its_root_is_whole() {
        for whole in [
            ANSWER,
            &format!("{ANSWER}\r\n"),
            &format!("\u{feff}{ANSWER}"),
            "<Response></Response >",
            "<Response>\n<Response2></Response2></Response>",
        ] {
            assert!(is_whole(whole.as_bytes()), "{whole}");
        }
    }

    #[test]
    fn what_is_no_xml_is_left_to_its_reader() {
        for other in ["", " ", "{}", "{\"Messages\":[", "i-0123456789abcdef0", "\u{feff}"] {
            assert!(is_whole(other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn a_document_that_ends_with_another_tag_is_cut_off() {
        for cut in [
            "<",
            "<?xml version=\"1.0\"?>",
            "<?xml version=\"1.0\"",
            "<!-- </a> -->",
            "<a",
            "<a>",
            "<a/>",
            "<a><b></b>",
            "<a></aa>",
            "<aa></a>",
            "<a></a><b>",
            "< ></ >",
        ] {
            assert!(!is_whole(cut.as_bytes()), "{cut}");
        }
    }

    proptest! {
        #[test]
        fn no_beginning_of_a_document_is_whole(length in 1..ANSWER.len()) {
            let cut = &ANSWER.as_bytes()[..length];
            prop_assert!(!is_whole(cut), "{}", String::from_utf8_lossy(cut));
        }

        #[test]
        fn any_bytes_are_judged(body: Vec<u8>) {
            is_whole(&body);
        }
    }
}
