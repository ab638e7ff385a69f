//! The calls about subscriptions: subscribe, confirm, list, filter, unsubscribe.

use serde_json::{Map, Value, json};

use super::subscription::{Subscription, delete_suspended};
use super::topic::{entries, invalid, known, not_found, pairs, topic};
use crate::sandbox::answer::{Answer, Failure};
use crate::sandbox::wire::request::Request;
use crate::sandbox::world::World;

/// The protocols that the sandbox knows. It delivers to queues alone, and counts the others.
const PROTOCOLS: [&str; 6] = ["sqs", "email", "email-json", "http", "https", "lambda"];
/// How many subscriptions a page of `ListSubscriptionsByTopic` has.
const PAGE: usize = 100;

/// Subscribes an endpoint. One that is subscribed already stays as it is.
pub(super) fn subscribe(world: &mut World, request: &Request) -> Answer {
    let topic_arn = known(world, request)?;
    let parameters = request.parameters();
    let (protocol, endpoint) = (parameters.text("Protocol")?, parameters.text("Endpoint")?);
    if !PROTOCOLS.contains(&protocol) {
        return Err(invalid("Does not support this protocol string"));
    }
    let arn = format!("{topic_arn}:{}", world.ids.uuid());
    let mut subscription = Subscription::new(arn, protocol, endpoint);
    let attributes = pairs(request);
    // The scope says how the policy is read, and so comes first.
    for name in ["FilterPolicyScope", "FilterPolicy", "RawMessageDelivery"] {
        if let Some(value) = attributes.get(name) {
            set(&mut subscription, name, value)
                .map_err(|what| invalid(&format!("Attributes Reason: {what}")))?;
        }
    }
    let subscriptions = &mut topic(world, &topic_arn)?.subscriptions;
    let is_same = |one: &&Subscription| one.protocol == protocol && one.endpoint == endpoint;
    let known = subscriptions.iter().find(is_same);
    let shown = known.unwrap_or(&subscription);
    let tells = shown.confirmed || parameters.flag("ReturnSubscriptionArn");
    let arn = if tells { shown.arn.clone() } else { "pending confirmation".to_owned() };
    if known.is_none() {
        subscriptions.push(subscription);
    }
    Ok(json!({ "SubscriptionArn": arn }))
}

/// Confirms a subscription. The token, which AWS sends in an e-mail, is the subscribed address here.
pub(super) fn confirm(world: &mut World, request: &Request) -> Answer {
    let arn = known(world, request)?;
    let token = request.parameters().text("Token")?;
    let mut subscriptions = topic(world, &arn)?.subscriptions.iter_mut();
    let subscription = subscriptions.find(|one| one.endpoint == token);
    let subscription = subscription.ok_or_else(|| invalid("Token"))?;
    subscription.confirm();
    Ok(json!({ "SubscriptionArn": subscription.arn }))
}

/// Ends a subscription. One that does not exist is no error.
pub(super) fn unsubscribe(world: &mut World, request: &Request) -> Answer {
    let arn = request.parameters().text("SubscriptionArn")?;
    for topic in world.topics.values_mut() {
        topic.subscriptions.retain(|one| one.arn != arn);
    }
    Ok(json!({}))
}

/// Lists the subscriptions of a topic, a page at a time. A token is the number of the first one of
/// its page.
pub(super) fn list(world: &mut World, request: &Request) -> Answer {
    let (arn, now) = (known(world, request)?, world.now());
    let from = request.parameters().optional("NextToken").and_then(|token| token.parse().ok());
    let (from, size) = (from.unwrap_or(0), world.options.page_size.unwrap_or(PAGE).min(PAGE));
    let account = world.options.account.clone();
    let subscriptions = &mut topic(world, &arn)?.subscriptions;
    delete_suspended(subscriptions, now);
    let page: Vec<_> =
        subscriptions.iter().skip(from).take(size).map(|one| listed(one, &arn, &account)).collect();
    let next = from + page.len();
    let next = (next < subscriptions.len()).then(|| next.to_string());
    Ok(json!({ "Subscriptions": page, "NextToken": next }))
}

pub(super) fn attributes(world: &mut World, request: &Request) -> Answer {
    let account = world.options.account.clone();
    let (topic_arn, one) = find(world, request)?;
    let attributes = [
        ("Endpoint", Some(one.endpoint.clone())),
        ("FilterPolicy", one.filter.policy()),
        ("FilterPolicyScope", one.filter.policy().map(|_| scope(one).to_owned())),
        ("Owner", Some(account)),
        ("PendingConfirmation", Some((!one.confirmed).to_string())),
        ("Protocol", Some(one.protocol.clone())),
        ("RawMessageDelivery", Some(one.raw.to_string())),
        ("SubscriptionArn", Some(one.arn.clone())),
        ("TopicArn", Some(topic_arn)),
    ];
    let set = attributes.into_iter().filter_map(|(name, value)| Some((name, value?)));
    Ok(json!({ "Attributes": entries(set) }))
}

pub(super) fn set_attributes(world: &mut World, request: &Request) -> Answer {
    let parameters = request.parameters();
    let name = parameters.text("AttributeName")?;
    let value = parameters.optional("AttributeValue").unwrap_or_default();
    let (_, subscription) = find(world, request)?;
    set(subscription, name, value).map_err(invalid)?;
    Ok(json!({}))
}

/// Sets an attribute of a subscription. The error says what is wrong.
fn set(subscription: &mut Subscription, name: &str, value: &str) -> Result<(), &'static str> {
    match (name, value) {
        ("RawMessageDelivery", "true" | "false") => subscription.raw = value == "true",
        ("FilterPolicyScope", "MessageAttributes" | "MessageBody") => {
            subscription.filter.reads_body = value == "MessageBody";
        }
        ("FilterPolicy", policy) => subscription.filter.set(policy)?,
        ("RawMessageDelivery" | "FilterPolicyScope", _) => return Err("AttributeValue"),
        _ => return Err("AttributeName"),
    }
    Ok(())
}

fn scope(subscription: &Subscription) -> &'static str {
    if subscription.filter.reads_body { "MessageBody" } else { "MessageAttributes" }
}

/// Finds the subscription of a call, with the ARN of its topic.
fn find<'w>(
    world: &'w mut World,
    request: &Request,
) -> Result<(String, &'w mut Subscription), Failure> {
    let arn = request.parameters().text("SubscriptionArn")?;
    let all = world.topics.iter_mut().flat_map(|(topic_arn, topic)| {
        topic.subscriptions.iter_mut().map(move |one| (topic_arn.clone(), one))
    });
    let mut found = all.filter(|(_, one)| one.arn == arn);
    found.next().ok_or_else(|| not_found("Subscription does not exist"))
}

fn listed(subscription: &Subscription, topic: &str, account: &str) -> Value {
    let pending = "PendingConfirmation";
    let arn = if subscription.confirmed { &subscription.arn } else { pending };
    let fields: Map<String, Value> = [
        ("SubscriptionArn", arn),
        ("Owner", account),
        ("Protocol", &subscription.protocol),
        ("Endpoint", &subscription.endpoint),
        ("TopicArn", topic),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value.into()))
    .collect();
    fields.into()
}
