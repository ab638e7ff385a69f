use super::*;
use crate::domain::event::EventKey;
use crate::domain::notice::tests::{INSTANCE, NOW, decision, told};
use crate::domain::outcome::Outcome;
use crate::domain::policy::decision::Decision;
use crate::domain::policy::mode::Mode;

fn style() -> Style {
    Style { partition: "aws".to_owned(), ..Style::default() }
}

#[test]
fn a_planned_stop_can_be_answered_from_the_chat() {
    let (key, decision) = (EventKey::example("a"), decision(&["no-gpu"], Mode::Enforce));
    let stop = NOW + Duration::hours(4);
    let told = Told { launched: Some(NOW), ..told(&key, Outcome::Planned(stop), &decision) };
    let chat = of_one(&told, &style(), NOW);
    assert_eq!(
        chat,
        json!({
            "version": "1.0",
            "source": "custom",
            "content": {
                "textType": "client-markdown",
                "title": format!("EC2 {INSTANCE} will be stopped at 2025-07-31T04:00Z"),
                "description": "Account 123456789012, region us-east-1, owner alice@example.com\n\
                                Policy no-gpu: About no-gpu.",
                "nextSteps": ["To exempt the instance, give it the tag KEEP."],
                "keywords": ["planned", "us-east-1", "123456789012", "alice@example.com", "no-gpu"],
            },
            "metadata": {
                "threadId": format!("123456789012/us-east-1/{INSTANCE}/2025-07-31T00:00:00Z"),
                "summary": format!("EC2 {INSTANCE} will be stopped at 2025-07-31T04:00Z"),
                "eventType": "planned",
                "relatedResources": [format!("arn:aws:ec2:us-east-1:123456789012:instance/{INSTANCE}")],
                "additionalContext": {
                    "account": "123456789012",
                    "region": "us-east-1",
                    "instance": INSTANCE,
                    "until": "2025-08-01T00:00:00Z",
                },
                "enableCustomActions": true,
            },
        })
    );
}

#[test]
fn the_notices_of_one_launch_are_one_thread() {
    let (key, plain) = (EventKey::example("a"), Decision::plain());
    let thread = |outcome, launched| {
        let told = Told { launched, ..told(&key, outcome, &plain) };
        of_one(&told, &style(), NOW)["metadata"]["threadId"].clone()
    };
    let planned = thread(Outcome::Planned(NOW), Some(NOW));
    assert_eq!(planned, thread(Outcome::Stopped, Some(NOW)));
    assert_ne!(planned, thread(Outcome::Stopped, Some(NOW + Duration::HOUR)));
}

#[test]
fn a_tag_can_call_nobody_in_the_chat() {
    let (key, plain) = (EventKey::example("a"), Decision::plain());
    let owner = "<!channel>".to_owned();
    let chat = of_one(&Told { owner, ..told(&key, Outcome::Stopped, &plain) }, &style(), NOW);
    assert!(!chat.to_string().contains('<'), "{chat}");
}

#[test]
fn a_digest_shows_whole_lines_and_how_many_are_left_out() {
    let (key, plain) = (EventKey::example("a"), Decision::plain());
    let all = vec![told(&key, Outcome::Stopped, &plain); 400];
    let digest = Digest { all: &all, owner: "alice" };
    let chat = of_digest(&digest, &style());
    let description = chat["content"]["description"].as_str().unwrap();
    let line = format!("EC2 {INSTANCE} Stopped");
    let shown = description.lines().filter(|it| *it == line).count();
    let last = format!("… and {} more lines: see the e-mail", 400 - shown);
    assert_eq!(description.lines().last(), Some(&*last));
    assert_eq!(description.lines().count(), shown + 1);
    assert_eq!(chat["content"]["title"], "400 notices about EC2 instances of alice");
    assert_eq!(chat["metadata"]["enableCustomActions"], false);
}
