//! Finds the tags of a document in XML, and copies nothing.

use memchr::{memchr, memchr2, memmem};

/// A tag of a document, with the name of its element as it is written there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tag<'d> {
    Start(&'d [u8]),
    /// Of an element without content, which has no end tag.
    Empty(&'d [u8]),
    End(&'d [u8]),
}

/// The document has a mistake, or markup that no answer of AWS has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// A document, and how far it has been read.
#[derive(Clone, Debug)]
pub(super) struct Tags<'d> {
    document: &'d [u8],
    at: usize,
}

impl<'d> Tags<'d> {
    pub(super) fn of(document: &'d [u8]) -> Self {
        Self { document, at: 0 }
    }

    /// How much has been read: all of the last tag.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    /// Finds the next tag, and where it begins; `None` behind the last one.
    pub(super) fn next(&mut self) -> Result<Option<(usize, Tag<'d>)>, Malformed> {
        loop {
            let Some(text) = memchr(b'<', self.rest()) else {
                self.at = self.document.len();
                return Ok(None);
            };
            let start = self.at + text;
            self.at = start + 1;
            if let Some(end) = end_of_other_markup(self.rest()) {
                self.read_to(end)?;
            } else {
                return self.tag().map(|tag| Some((start, tag)));
            }
        }
    }

    /// Reads an element `name`, whose start tag has been read, to its end. Does not do so, and
    /// returns whether it did, where it may not be seen at once which end tag is its own.
    pub(super) fn skip(&mut self, name: &[u8]) -> bool {
        let rest = self.rest();
        let end_tag = [b"</", name, b">"].concat();
        let Some(end) = memmem::find(rest, &end_tag) else { return false };
        let content = &rest[..end];
        let start_tag = &[b"<", name].concat();
        if [b"<!", b"<?", start_tag.as_slice()].iter().any(|it| memmem::find(content, it).is_some())
        {
            return false;
        }
        self.at += end + end_tag.len();
        true
    }

    /// Reads a tag whose `<` has been read.
    fn tag(&mut self) -> Result<Tag<'d>, Malformed> {
        let rest = self.rest();
        let end = end_of_tag(rest).ok_or(Malformed)?;
        self.at += end + 1;
        let tag = rest.get(..end).ok_or(Malformed)?;
        let (tag, kind): (_, fn(_) -> _) = match tag {
            [b'/', tag @ ..] => (tag, Tag::End),
            [tag @ .., b'/'] => (tag, Tag::Empty),
            tag => (tag, Tag::Start),
        };
        let blank = tag.iter().position(u8::is_ascii_whitespace);
        let name = blank.map_or(tag, |blank| &tag[..blank]);
        if name.is_empty() { Err(Malformed) } else { Ok(kind(name)) }
    }

    fn rest(&self) -> &'d [u8] {
        self.document.get(self.at..).unwrap_or_default()
    }

    /// Reads up to and with `end`.
    fn read_to(&mut self, end: &[u8]) -> Result<(), Malformed> {
        let at = memmem::find(self.rest(), end);
        self.at += at.ok_or(Malformed)? + end.len();
        Ok(())
    }
}

/// What ends the markup that begins here behind its `<`, if it is none of a tag: a declaration, a
/// comment, or text in which nothing is markup.
fn end_of_other_markup(rest: &[u8]) -> Option<&'static [u8]> {
    if !rest.starts_with(b"!") && !rest.starts_with(b"?") {
        return None;
    }
    let ends: [(&[u8], &[u8]); 3] = [(b"?", b"?>"), (b"!--", b"-->"), (b"![CDATA[", b"]]>")];
    ends.into_iter().find_map(|(begin, end)| rest.starts_with(begin).then_some(end))
}

/// Finds the `>` of a tag. One in the value of an attribute, which is in quotes, does not end it.
fn end_of_tag(rest: &[u8]) -> Option<usize> {
    let end = memchr(b'>', rest)?;
    if memchr2(b'"', b'\'', &rest[..end]).is_none() {
        return Some(end);
    }
    let mut quote = None;
    rest.iter().position(|byte| {
        let in_quotes = quote.is_some();
        quote = match quote {
            Some(opened) => Some(opened).filter(|opened| *opened != byte),
            None => Some(byte).filter(|byte| b"\"'".contains(byte)),
        };
        *byte == b'>' && !in_quotes
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tags(document: &str) -> Result<Vec<(usize, Tag<'_>)>, Malformed> {
        let mut tags = Tags::of(document.as_bytes());
        std::iter::from_fn(|| tags.next().transpose()).collect()
    }

    #[test]
    fn every_kind_of_tag_is_found() {
        assert_eq!(
            tags("<?xml version=\"1.0\"?>\n<a b=\"/>\" c='\"'>1 > 0<d/></a\r>\n"),
            Ok(vec![(22, Tag::Start(b"a")), (43, Tag::Empty(b"d")), (47, Tag::End(b"a"))])
        );
    }

    #[test]
    fn what_looks_like_a_tag_in_a_comment_or_in_text_is_none() {
        let document = "<!-- <a> --><b><![CDATA[</b>]]></b>";
        assert_eq!(tags(document), Ok(vec![(12, Tag::Start(b"b")), (31, Tag::End(b"b"))]));
    }

    #[test]
    fn an_element_is_skipped_where_its_end_is_certain() {
        for (document, skipped) in [
            ("<a>1</a><b/>", Some(8)),
            ("<a><c><d/></c></a><a/>", Some(18)),
            ("<a><a></a></a>", None),
            ("<a><ab></ab></a>", None),
            ("<a><!-- </a> --></a>", None),
            ("<a><![CDATA[</a>]]></a>", None),
            ("<a><? </a> ?></a>", None),
            ("<a></a ><b></b><a></a>", None),
            ("<a></b>", None),
        ] {
            let mut tags = Tags::of(document.as_bytes());
            assert_eq!(tags.next(), Ok(Some((0, Tag::Start(b"a")))));
            let is_skipped = tags.skip(b"a");
            assert_eq!(is_skipped.then_some(tags.position()), skipped, "{document}");
        }
    }

    #[test]
    fn a_mistake_is_told() {
        for document in ["<", "<a", "<>", "</>", "< a>", "<a b=\">", "<!-- ", "<![CDATA[ ]]"] {
            assert_eq!(tags(document), Err(Malformed), "{document}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_end(document: Vec<u8>) {
            let mut tags = Tags::of(&document);
            while let Ok(Some((start, _))) = tags.next() {
                prop_assert!(start < tags.position() && tags.position() <= document.len());
            }
        }
    }
}
