//! Takes out of an answer of DescribeInstances what nobody here reads, which is nine tenths of it.
//! The SDK would decode all of it, and that would be half of what an event costs.

use aws_smithy_runtime_api::client::http::{HttpConnectorFuture, SharedHttpClient};
use aws_smithy_types::body::SdkBody;

use super::attributes;
use super::markup::{Malformed, Tag, Tags};
use crate::aws::layer;
use crate::domain::policy::attribute::Attribute;
use crate::domain::policy::reads::Reads;

/// The elements of an instance that [`super::facts`] always reads.
const READ: [&[u8]; 6] = [
    b"instanceId",
    b"instanceLifecycle",
    b"instanceState",
    b"operator",
    b"rootDeviceType",
    b"tagSet",
];

/// The element with EC2's reason for the last change of the state, which has its time.
const STOPPED: &[u8] = b"reason";

/// The way from the root of the document to an instance, and from there to the key of a tag.
const WAY: [&[u8]; 8] = [
    b"DescribeInstancesResponse",
    b"reservationSet",
    b"item",
    b"instancesSet",
    b"item",
    b"tagSet",
    b"item",
    b"key",
];
/// How many of these elements are open within an instance, within a tag, and within its key.
const INSTANCE: usize = 5;
const TAG: usize = 7;
const KEY: usize = 8;

/// The client, whose answers have only what the call says that is read.
pub(super) fn skimming(client: SharedHttpClient) -> SharedHttpClient {
    layer::around(client, move |asked, answer| {
        let Some(reads) = asked.reads else { return answer };
        HttpConnectorFuture::new(async move {
            let mut answer = answer.await?;
            let skimmed = answer.body().bytes().and_then(|body| skim(body, &reads));
            if let Some(skimmed) = skimmed {
                *answer.body_mut() = SdkBody::from(skimmed);
            }
            Ok(answer)
        })
    })
}

/// The document without the elements of instances, and without the tags, that are not read. What is left stands as it stood. `None` if nothing is to be taken out, or if the
/// document has mistakes, which [`super::sound`] finds.
fn skim(document: &[u8], reads: &Reads) -> Option<Vec<u8>> {
    let elements = reads.attributes.iter().map(|attribute| attributes::element(*attribute));
    // Where the time of the launch counts, that of the last stop does, too.
    let launches = reads.attributes.contains(&Attribute::LaunchTime);
    let elements = elements.chain(launches.then_some(STOPPED));
    let mut skim = Skim {
        document,
        elements: READ.into_iter().chain(elements).collect(),
        keys: reads.tags.iter().map(String::as_bytes).collect(),
        all_tags: reads.all_tags,
        ..Skim::default()
    };
    skim.read().ok()?;
    skim.kept.extend_from_slice(document.get(skim.kept_to..)?);
    (skim.kept_to > 0).then_some(skim.kept)
}

/// A document that is being skimmed.
#[derive(Default)]
struct Skim<'d> {
    document: &'d [u8],
    /// The elements of instances that are kept.
    elements: Vec<&'static [u8]>,
    /// The keys of the tags that are kept.
    keys: Vec<&'d [u8]>,
    /// Whether the other tags are kept, too.
    all_tags: bool,
    /// The elements that are open, from the root on, and where each begins.
    open: Vec<(&'d [u8], usize)>,
    /// How many of these, from the root on, lead to the key of a tag.
    on_way: usize,
    /// Whether the tag that is open has another key; `None` before its key is read.
    is_other_tag: Option<bool>,
    /// What is left of the document up to `kept_to`.
    kept: Vec<u8>,
    kept_to: usize,
}

impl<'d> Skim<'d> {
    fn read(&mut self) -> Result<(), Malformed> {
        let mut tags = Tags::of(self.document);
        while let Some((start, tag)) = tags.next()? {
            match tag {
                // Another document.
                Tag::Start(name) if self.open.is_empty() && local(name) != WAY[0] => {
                    return Err(Malformed);
                }
                Tag::Start(name) => {
                    self.enter(name, start);
                    if self.is_unread(name) && tags.skip(name) {
                        self.leave(name, start, tags.position())?;
                    }
                }
                Tag::Empty(name) => {
                    self.enter(name, start);
                    self.leave(name, start, tags.position())?;
                }
                Tag::End(name) => self.leave(name, start, tags.position())?,
            }
        }
        if self.open.is_empty() { Ok(()) } else { Err(Malformed) }
    }

    fn enter(&mut self, name: &'d [u8], start: usize) {
        if self.on_way == self.open.len() && WAY.get(self.on_way) == Some(&local(name)) {
            self.on_way += 1;
            if self.on_way == TAG {
                self.is_other_tag = None;
            }
        }
        self.open.push((name, start));
    }

    /// Whether the element that is open is one of an instance that is not read.
    fn is_unread(&self, name: &[u8]) -> bool {
        self.open.len() == INSTANCE + 1
            && self.on_way >= INSTANCE
            && !self.elements.contains(&local(name))
    }

    /// Leaves the element that is open, whose end tag, if it has one, stands from `end_tag` to
    /// `end`.
    fn leave(&mut self, name: &[u8], end_tag: usize, end: usize) -> Result<(), Malformed> {
        let (depth, is_unread) = (self.open.len(), self.is_unread(name));
        let (opened, start) = self.open.pop().ok_or(Malformed)?;
        if opened != name {
            return Err(Malformed);
        }
        if (depth, self.on_way) == (KEY, KEY) {
            let key = self.document.get(start..end_tag).unwrap_or_default();
            let is_other = !self.all_tags && is_other(key, &self.keys);
            self.is_other_tag = Some(is_other && self.is_other_tag != Some(false));
        }
        let is_tag = (depth, self.on_way) == (TAG, TAG);
        if is_unread || is_tag && self.is_other_tag == Some(true) {
            let left = self.document.get(self.kept_to..start).ok_or(Malformed)?;
            self.kept.extend_from_slice(left);
            self.kept_to = end;
        }
        self.on_way = self.on_way.min(self.open.len());
        Ok(())
    }
}

/// The name of an element without its prefix, by which the SDK knows it.
fn local(name: &[u8]) -> &[u8] {
    name.rsplit(|byte| *byte == b':').next().unwrap_or(name)
}

/// Whether an element `key`, which is given up to its end tag, has certainly another text than each
/// of `keys`, but for case: `check` warns of tags that differ in case alone. One that is written in
/// any special way may be the same.
fn is_other(element: &[u8], keys: &[&[u8]]) -> bool {
    let Some(text) = element.strip_prefix(b"<key>") else { return false };
    text.is_ascii()
        && !text.contains(&b'&')
        && !text.contains(&b'<')
        && !keys.iter().any(|key| text.eq_ignore_ascii_case(key))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BEFORE: &str = "<?xml version=\"1.0\"?>\n<DescribeInstancesResponse xmlns=\"http://ec2\">\
        <requestId>r</requestId><reservationSet><item><ownerId>o</ownerId><groupSet/>\
        <instancesSet><item>";
    const AFTER: &str = "</item></instancesSet></item></reservationSet><nextToken>n</nextToken>\
        </DescribeInstancesResponse>\n";

    fn reads() -> Reads {
        Reads { tags: ["KEEP".to_owned()].into(), ..Reads::default() }
    }

    fn skimmed(document: &str) -> Option<String> {
        skim(document.as_bytes(), &reads()).map(|kept| String::from_utf8(kept).unwrap())
    }

    /// What is left of the content of an instance.
    fn left_of(instance: &str) -> String {
        let document = format!("{BEFORE}{instance}{AFTER}");
        let document = skimmed(&document).unwrap_or(document);
        let document = document.strip_prefix(BEFORE).and_then(|rest| rest.strip_suffix(AFTER));
        document.unwrap().to_owned()
    }

    #[test]
    fn what_is_read_stands_as_it_stood() {
        for read in [
            "<instanceId>i-1</instanceId>",
            "<instanceState><code>16</code><name>running</name></instanceState>",
            "<tagSet><item><key>KEEP</key><value/></item>\n<item><key>keep</key></item></tagSet>",
            "<tagSet/>",
            "<operator a=\"/>\"><managed><![CDATA[true</operator>]]></managed></operator>",
            "<e:rootDeviceType>ebs</e:rootDeviceType><!-- <a> --><instanceLifecycle/>",
        ] {
            assert_eq!(left_of(read), read);
        }
    }

    #[test]
    fn nothing_else_of_an_instance_is_left() {
        for other in [
            "<dnsName/>",
            "<imageId a=\">\">x</imageId>",
            "<networkInterfaceSet><item><operator><managed>true</managed></operator>\
             <tagSet><item><key>SPECIAL_EXCEPTION</key></item></tagSet></item></networkInterfaceSet>",
            "<item><item><instanceId>i-2</instanceId></item></item>",
            "<reason><![CDATA[</reason>]]></reason>",
        ] {
            assert_eq!(
                left_of(&format!("{other}<instanceId>i-1</instanceId>{other}")),
                "<instanceId>i-1</instanceId>"
            );
        }
    }

    #[test]
    fn tags_of_other_keys_are_left_out() {
        let kept = "<item><key>KEEP</key><value>Name</value></item>";
        let other = "<item><key>Name</key><value>KEEP</value></item>\
            <item><value><key>KEEP</key></value><key>KEEPER</key></item>";
        let tags = left_of(&format!("<tagSet>{other}{kept}{other}</tagSet>"));
        assert_eq!(tags, format!("<tagSet>{kept}</tagSet>"));
        assert_eq!(left_of(&format!("<tagSet>{other}</tagSet>")), "<tagSet></tagSet>");
    }

    #[test]
    fn all_tags_are_kept_where_all_are_read() {
        let tags = "<tagSet><item><key>Name</key><value>KEEP</value></item></tagSet>";
        let document = format!("{BEFORE}{tags}{AFTER}");
        let all = Reads { all_tags: true, ..reads() };
        assert_eq!(skim(document.as_bytes(), &all), None);
        assert!(skim(document.as_bytes(), &reads()).is_some());
    }

    #[test]
    fn a_tag_whose_key_is_written_in_a_special_way_is_kept() {
        for key in [
            "<key>&#75;EEP</key>",
            "<key><![CDATA[KEEP]]></key>",
            "<key>K<!-- -->EEP</key>",
            "<key a=\"b\">KEEP</key>",
            "<key >KEEP</key>",
            "<e:key>KEEP</e:key>",
            "<key>\u{212a}EEP</key>",
            "<key/>",
            "<key>a</key><key>KEEP</key>",
            "<key>KEEP</key><key>a</key>",
            "<value>a</value>",
        ] {
            let tags = format!("<tagSet><item>{key}</item></tagSet>");
            assert_eq!(left_of(&tags), tags);
        }
    }

    #[test]
    fn every_instance_of_every_reservation_is_skimmed() {
        let instance = "<item><imageId>x</imageId><instanceId>i-1</instanceId></item>";
        let reservation = format!("<item><instancesSet>{instance}{instance}</instancesSet></item>");
        let document = format!(
            "<DescribeInstancesResponse><reservationSet>{reservation}{reservation}\
             </reservationSet></DescribeInstancesResponse>"
        );
        let expected = document.replace("<imageId>x</imageId>", "");
        assert_eq!(skimmed(&document), Some(expected));
    }

    #[test]
    fn other_documents_and_those_with_mistakes_are_left_as_they_are() {
        let whole = format!("{BEFORE}<dnsName/>{AFTER}");
        for other in [
            "",
            "{}",
            "<DescribeTagsResponse><tagSet/></DescribeTagsResponse>",
            "<DescribeInstancesResponse/>",
            &whole[..whole.len() - 3],
            &whole.replace("</instancesSet>", "</instanceSet>"),
            &format!("{BEFORE}<dnsName>{AFTER}"),
        ] {
            assert_eq!(skimmed(other), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_skimmed_or_left(before: Vec<u8>, cut in 0..BEFORE.len()) {
            skim(&before, &reads());
            let mixed = [&BEFORE.as_bytes()[..cut], &before, AFTER.as_bytes()].concat();
            skim(&mixed, &reads());
        }
    }
}
