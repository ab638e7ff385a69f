//! Names in the record of a world. Instances of several accounts may have one id, so that in the
//! record an instance of a member goes by `account/region/id`, in calls as in notices. A call with
//! the credentials of a role goes by the process that assumed the role.

use std::collections::BTreeMap;

use ec2_policy_enforcer::sandbox::{Call, Instance, Notice, Service};

use super::policies::ACCOUNT;

/// Names an instance: by its id alone in the daemon's own account.
pub(super) fn name(account: &str, region: &str, id: &str) -> String {
    if account == ACCOUNT { id.to_owned() } else { format!("{account}/{region}/{id}") }
}

/// The id that EC2 knows an instance by.
pub(super) fn ec2_id(name: &str) -> &str {
    name.rsplit('/').next().unwrap()
}

/// The account whose role a call to STS assumes.
pub(super) fn assumed(call: &Call) -> Option<&str> {
    let arn = call.subjects.first().filter(|_| call.operation == "AssumeRole")?;
    arn.split(':').nth(4)
}

/// Names instances and callers in the calls of a record.
pub(super) fn in_calls(mut calls: Vec<Call>) -> Vec<Call> {
    let sessions: BTreeMap<_, _> = calls.iter().filter_map(session).collect();
    for call in &mut calls {
        if let Some((process, account)) = sessions.get(&call.caller) {
            (call.caller, call.account) = (process.clone(), account.clone());
        }
        match call.service {
            Service::Ec2 => in_ec2(call),
            Service::Sns => in_publish(call),
            _ => {}
        }
    }
    calls
}

/// The access key of a role that a call gave out, its process and the account of the role.
fn session(call: &Call) -> Option<(String, (String, String))> {
    Some((call.given_key.clone()?, (call.caller.clone(), assumed(call)?.to_owned())))
}

fn in_ec2(call: &mut Call) {
    let (account, region) = (call.account.clone(), call.region.clone());
    let named = |id: &String| name(&account, &region, id);
    for id in call.subjects.iter_mut().chain(&mut call.stopped) {
        *id = named(id);
    }
    for (id, _) in &mut call.failed {
        *id = named(id);
    }
    let renamed = |(id, value)| (named(&id), value);
    call.seen_tags = std::mem::take(&mut call.seen_tags).into_iter().map(renamed).collect();
    let renamed = |(id, value)| (named(&id), value);
    call.seen_states = std::mem::take(&mut call.seen_states).into_iter().map(renamed).collect();
    let renamed = |(id, value)| (named(&id), value);
    call.shown = std::mem::take(&mut call.shown).into_iter().map(renamed).collect();
}

fn in_publish(call: &mut Call) {
    for (text, attributes) in call.subjects.iter_mut().zip(&call.attributes) {
        let attribute = |name| attributes.get(name).map(String::as_str);
        *text = in_text(text, attribute("account"), attribute("region"));
    }
    for ((text, _), place) in call.failed.iter_mut().zip(&call.failed_entries) {
        text.clone_from(&call.subjects[*place]);
    }
}

/// Names instances in the notices of a record.
pub(super) fn in_notices(mut notices: Vec<Notice>) -> Vec<Notice> {
    for notice in &mut notices {
        let place = (notice.attribute("account"), notice.attribute("region"));
        notice.message = in_text(&notice.message, place.0, place.1);
    }
    notices
}

/// Names the instance that a notice is about, by the account and the region in its attributes.
fn in_text(text: &str, account: Option<&str>, region: Option<&str>) -> String {
    let (Some(account), Some(region)) = (account, region) else { return text.to_owned() };
    let Some((id, rest)) = text.strip_prefix("EC2 ").and_then(|text| text.split_once(' ')) else {
        return text.to_owned();
    };
    format!("EC2 {} {rest}", name(account, region, id))
}

/// Names the instances of an account.
pub(super) fn in_instances(mut instances: Vec<Instance>) -> Vec<Instance> {
    for instance in &mut instances {
        instance.id = name(&instance.account, &instance.region, &instance.id);
    }
    instances
}
