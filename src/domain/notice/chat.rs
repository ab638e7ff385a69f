//! The form of notices for chats: the schema of custom notifications of Amazon Q Developer in chat
//! applications, which hands them on to Slack, Microsoft Teams and Amazon Chime ("Custom
//! notifications", Administrator Guide). Longer texts than its limits are cut: the e-mail has them
//! whole.

use serde_json::{Map, Value, json};
use time::format_description::well_known::Rfc3339;
use time::{Duration, UtcDateTime};

use super::digest::Digest;
use super::style::Style;
use super::told::Told;

/// The limits of the schema, in characters.
const TITLE: usize = 250;
const DESCRIPTION: usize = 8000;
const NEXT_STEP: usize = 350;
const KEYWORD: usize = 75;
/// A chat shows keywords in one line: more would hide the first ones, which tell the most.
const KEYWORDS: usize = 10;
/// How many instances of a digest are named as related resources, for the same reason.
const RESOURCES: usize = 10;
/// How long an owner keeps an instance by one press in the chat.
const KEPT: Duration = Duration::hours(24);

/// The form of a notice of one instance. A custom action of the chat can read
/// `additionalContext`, and tag the instance with `until=$until`.
pub(super) fn of_one(told: &Told<'_>, style: &Style, now: UtcDateTime) -> Value {
    let key = told.key;
    let (first, lines) = (told.first_line().unwrap_or_default(), told.reason.policy_lines());
    let place = format!("Account {}, region {}, owner {}", key.account, key.region, told.owner);
    let lines = [place].into_iter().chain(lines);
    let mut keywords = vec![told.outcome.label(), key.region.as_str(), key.account.as_str()];
    keywords.push(&told.owner);
    keywords.extend(told.reason.policies());
    let mut context = Map::new();
    context.insert("account".to_owned(), key.account.as_str().into());
    context.insert("region".to_owned(), key.region.as_str().into());
    context.insert("instance".to_owned(), key.instance.as_str().into());
    context.insert("until".to_owned(), rfc3339(now + KEPT).into());
    let next_steps = told.remedies();
    json!({
        "version": "1.0",
        "source": "custom",
        "content": {
            "textType": "client-markdown",
            "title": shortened(&first, TITLE),
            "description": whole_lines(lines, DESCRIPTION),
            "nextSteps": next_steps.iter().map(|it| shortened(it, NEXT_STEP)).collect::<Vec<_>>(),
            "keywords": shown(&keywords),
        },
        "metadata": {
            "threadId": thread_id(told),
            "summary": shortened(&first, TITLE),
            "eventType": told.kind(),
            "relatedResources": [arn(told, style)],
            "additionalContext": context,
            "enableCustomActions": true,
        },
    })
}

/// The form of a digest. It offers no custom actions, since they are about one instance.
pub(super) fn of_digest(digest: &Digest<'_>, style: &Style) -> Value {
    let lines = digest.lines().chain(digest.foot());
    let mut keywords = vec!["digest", digest.owner];
    keywords.extend(digest.policies());
    let resources = digest.all.iter().take(RESOURCES).map(|told| arn(told, style));
    let context = json!({ "owner": safe(digest.owner), "notices": digest.all.len().to_string() });
    json!({
        "version": "1.0",
        "source": "custom",
        "content": {
            "textType": "client-markdown",
            "title": shortened(&digest.head(), TITLE),
            "description": whole_lines(lines, DESCRIPTION),
            "keywords": shown(&keywords),
        },
        "metadata": {
            "summary": shortened(&digest.head(), TITLE),
            "eventType": "digest",
            "relatedResources": resources.collect::<Vec<_>>(),
            "additionalContext": context,
            "enableCustomActions": false,
        },
    })
}

/// The form of a test notice.
pub(super) fn of_test(head: &str, text: &str) -> Value {
    of_no_instance(head, text, "test")
}

/// The form of a notice to operators.
pub(super) fn to_operators(head: &str, text: &str) -> Value {
    of_no_instance(head, text, "operators")
}

fn of_no_instance(head: &str, text: &str, event_type: &str) -> Value {
    json!({
        "version": "1.0",
        "source": "custom",
        "content": {
            "textType": "client-markdown",
            "title": shortened(head, TITLE),
            "description": shortened(text, DESCRIPTION),
        },
        "metadata": {
            "summary": shortened(head, TITLE),
            "eventType": event_type,
            "enableCustomActions": false,
        },
    })
}

/// All notices of one launch of an instance have the same, so that a chat shows them together.
fn thread_id(told: &Told<'_>) -> String {
    let key = told.key;
    let instance = format!("{}/{}/{}", key.account, key.region, key.instance);
    match told.launched {
        Some(launched) => format!("{instance}/{}", rfc3339(launched)),
        None => instance,
    }
}

fn arn(told: &Told<'_>, Style { partition, .. }: &Style) -> String {
    let key = told.key;
    format!("arn:{partition}:ec2:{}:{}:instance/{}", key.region, key.account, key.instance)
}

/// A time as RFC 3339 has it, to the second.
fn rfc3339(at: UtcDateTime) -> String {
    at.truncate_to_second().format(&Rfc3339).unwrap_or_default()
}

fn shown(keywords: &[&str]) -> Vec<String> {
    keywords.iter().take(KEYWORDS).map(|keyword| shortened(keyword, KEYWORD)).collect()
}

/// As many lines as fit, and how many are left out.
fn whole_lines(lines: impl Iterator<Item = String>, limit: usize) -> String {
    let lines: Vec<_> = lines.map(|line| safe(&line)).collect();
    let total: usize = lines.iter().map(|line| line.chars().count() + 1).sum();
    if total <= limit {
        return lines.join("\n");
    }
    let more = |count| format!("… and {count} more lines: see the e-mail");
    let (mut room, mut kept) = (limit - more(lines.len()).chars().count(), 0);
    for line in &lines {
        let Some(left) = room.checked_sub(line.chars().count() + 1) else { break };
        (room, kept) = (left, kept + 1);
    }
    let (shown, hidden) = lines.split_at(kept);
    let shown = shown.iter().cloned().chain([more(hidden.len())]);
    shown.collect::<Vec<_>>().join("\n")
}

/// As much of a text as fits.
fn shortened(text: &str, limit: usize) -> String {
    let text = safe(text);
    if text.chars().count() <= limit {
        return text;
    }
    text.chars().take(limit - 1).chain(['…']).collect()
}

/// A text in which nothing is a mention or a link: `<!channel>` in a tag would call everybody in
/// Slack.
fn safe(text: &str) -> String {
    text.replace('<', "‹").replace('>', "›")
}

#[cfg(test)]
mod tests;
