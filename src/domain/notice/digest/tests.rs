use super::*;
use crate::domain::notice::style::{Format, Style};
use crate::domain::notice::tests::{NOW, attributes, decision, key, told};
use crate::domain::notice::{Notice, SUBJECT};
use crate::domain::outcome::Refusal;
use crate::domain::policy::decision::Decision;
use crate::domain::policy::mode::Mode;

#[test]
fn each_instance_has_a_line_in_the_words_of_its_own_notice() {
    let (keys, plain) = ([1, 2, 3].map(key), Decision::plain());
    let gpu = decision(&["no-gpu"], Mode::Enforce);
    let both = decision(&["no-gpu", "team-tag"], Mode::Warn);
    let all = [
        told(&keys[0], Outcome::Stopped, &plain),
        told(&keys[1], Outcome::Refused(Refusal::Managed), &gpu),
        told(&keys[2], Outcome::Warned, &both),
    ];
    let notice = Notice::digest(&all, &Style::default());
    assert_eq!(
        notice.message(),
        "3 notices about EC2 instances of alice@example.com\n\
         \n\
         EC2 i-00000000000000001 Stopped\n\
         EC2 i-00000000000000002 NOT stopped: managed by an AWS service (policy no-gpu)\n\
         EC2 i-00000000000000003 violates no-gpu, team-tag\n\
         \n\
         Policy no-gpu: About no-gpu.\n\
         Policy team-tag: About team-tag.\n\
         To exempt an instance, give it the tag KEEP."
    );
    assert_eq!(notice.subject(), Some(SUBJECT));
}

#[test]
fn of_the_built_in_policy_alone_a_digest_is_the_lines_of_the_contract() {
    let (keys, plain) = ([1, 2].map(key), Decision::plain());
    let all = keys
        .each_ref()
        .map(|key| Told { owner: UNKNOWN_OWNER.to_owned(), ..told(key, Outcome::Stopped, &plain) });
    assert_eq!(
        Notice::digest(&all, &Style::default()).message(),
        "2 notices about EC2 instances without a known owner\n\
         \n\
         EC2 i-00000000000000001 Stopped\n\
         EC2 i-00000000000000002 Stopped"
    );
}

#[test]
fn a_policy_that_ignores_the_exception_tag_is_named() {
    let (keys, mut strict) = ([1, 2].map(key), decision(&["no-gpu"], Mode::Enforce));
    std::sync::Arc::make_mut(&mut strict.denials[0]).ignores_exception = true;
    let mixed = decision(&["team-tag"], Mode::Enforce);
    let last = |all: &[Told<'_>]| {
        let text = Notice::digest(all, &Style::default()).message().to_owned();
        text.lines().last().unwrap().to_owned()
    };
    let [one, other] = [&strict, &mixed].map(|it| told(&keys[0], Outcome::Stopped, it));
    assert_eq!(last(&[one.clone(), one.clone()]), "The tag KEEP does not exempt from no-gpu.");
    assert_eq!(
        last(&[one, other]),
        "To exempt an instance, give it the tag KEEP; it does not exempt from no-gpu."
    );
}

#[test]
fn a_filter_that_lets_one_notice_pass_lets_the_digest_pass() {
    let (keys, style) = ([1, 2].map(key), Style { attributes: true, ..Style::default() });
    let (gpu, tags) = (decision(&["no-gpu"], Mode::Enforce), decision(&["team-tag"], Mode::Warn));
    let all = [told(&keys[0], Outcome::Planned(NOW), &gpu), told(&keys[1], Outcome::Warned, &tags)];
    assert_eq!(
        attributes(&Notice::digest(&all, &style)),
        [
            ("kind", "digest"),
            ("outcome", r#"["planned","warned"]"#),
            ("account", r#"["123456789012"]"#),
            ("region", r#"["us-east-1"]"#),
            ("policy", r#"["no-gpu","team-tag"]"#),
            ("mode", r#"["enforce","warn"]"#),
            ("owner", "alice@example.com"),
        ]
    );
}

#[test]
fn the_same_notices_have_the_same_deduplication_id_and_others_another() {
    let (keys, plain) = ([1, 2, 3].map(key), Decision::plain());
    let all = keys.each_ref().map(|key| told(key, Outcome::Stopped, &plain));
    let id = |all: &[Told<'_>]| Notice::digest(all, &Style::default()).deduplication_id;
    assert_eq!(id(&all), id(&all));
    assert_eq!(id(&all).len(), 64);
    assert_ne!(id(&all), id(&all[..2]));
}

#[test]
fn programs_get_a_line_of_the_audit_trail_for_each_instance() {
    let (keys, plain) = ([1, 2].map(key), Decision::plain());
    let all = keys.each_ref().map(|key| Told {
        line: Some(format!("{{\"instance\":\"{}\"}}", key.instance)),
        ..told(key, Outcome::Stopped, &plain)
    });
    let notice = Notice::digest(&all, &Style { format: Format::Json, ..Style::default() });
    let forms: serde_json::Value = serde_json::from_str(notice.message()).unwrap();
    let lines = "{\"instance\":\"i-00000000000000001\"}\n{\"instance\":\"i-00000000000000002\"}";
    assert_eq!(forms["sqs"], lines);
    assert_eq!(forms["lambda"], lines);
}

#[test]
fn three_thousand_lines_of_plain_text_fit_into_a_notice() {
    let (keys, plain) = ((0..LINE_LIMIT).map(key).collect::<Vec<_>>(), Decision::plain());
    let all: Vec<_> = keys.iter().map(|key| told(key, Outcome::Stopped, &plain)).collect();
    let notice = Notice::digest(&all, &Style::default());
    assert!(notice.is_small_enough(), "{}", notice.size());
    assert_eq!(notice.message().lines().count(), LINE_LIMIT + 2);
}
