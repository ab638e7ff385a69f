//! A call without the entries that `Fault::Entries` makes fail, and as far behind as `Fault::Lag`
//! says.

use std::collections::BTreeMap;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::answer::{Answer, Failure};
use super::ec2::details::Details;
use super::fault::Fault;
use super::wire::request::Request;
use super::world::World;
use super::{batch, call_details};

/// The parameters that have entries which can fail.
const LISTS: [&str; 3] = ["Entries", "PublishBatchRequestEntries", "InstanceId"];

/// A call whose first entries are removed, and the results of the removed ones.
#[derive(Debug)]
pub(super) struct PartialCall {
    pub(super) request: Request,
    /// The results of the removed entries, for `Failed`.
    failed: Vec<Value>,
    /// How far the answer of a describing call lags behind.
    lag: Option<Duration>,
}

impl PartialCall {
    pub(super) fn of(request: &Request, faults: &[Fault]) -> Self {
        let (mut request, mut failed) = (request.clone(), Vec::new());
        for fault in faults {
            let Fault::Entries { count, code, sender_fault } = fault else { continue };
            let status = if *sender_fault { 400 } else { 500 };
            let failure = Failure::new(status, code, format!("{code}, as injected"));
            for list in LISTS {
                let Some(Value::Array(entries)) = request.body.get_mut(list) else { continue };
                let removed = entries.drain(..entries.len().min(*count));
                failed.extend(removed.map(|entry| result(&entry, &failure)));
            }
        }
        let lags = faults.iter().filter_map(|fault| match fault {
            Fault::Lag(lag) if request.operation.starts_with("Describe") => Some(*lag),
            _ => None,
        });
        Self { lag: lags.max(), request, failed }
    }

    /// Carries out the entries that are left, if any, and answers for all entries.
    pub(super) fn act(&self, world: &mut World) -> Answer {
        let nothing = self.nothing_left().filter(|_| !self.failed.is_empty());
        let mut answer = nothing.map_or_else(|| self.act_late(world), Ok)?;
        if let Some(Value::Array(failed)) = answer.get_mut("Failed") {
            failed.extend(self.failed.iter().cloned());
        }
        Ok(answer)
    }

    /// The details of the instances that an answer of `DescribeInstances` shows, as it shows them.
    pub(super) fn shown(&self, world: &World, answer: &Answer) -> BTreeMap<String, Arc<Details>> {
        let ids = answer.iter().flat_map(call_details::described_ids);
        let shown = |id: &str| {
            let instance = world.ec2.instances.get(self.request.instance(id))?;
            let moment = self.lag.map(|lag| world.now().checked_sub(lag));
            Some(match moment {
                Some(moment) => instance.as_of(moment?)?.shown(),
                None => instance.shown(),
            })
        };
        ids.filter_map(|id| Some((id.to_owned(), shown(id)?))).collect()
    }

    /// Carries out the call upon the instances as they were, if it lags.
    fn act_late(&self, world: &mut World) -> Answer {
        let Some(lag) = self.lag else { return world.act(&self.request) };
        let past = world.now().checked_sub(lag).map(|moment| world.ec2.instances.as_of(moment));
        let present = mem::replace(&mut world.ec2.instances, past.unwrap_or_default());
        let answer = world.act(&self.request);
        world.ec2.instances = present;
        answer
    }

    /// The answer to a call that has no entries left, which AWS would refuse as empty.
    fn nothing_left(&self) -> Option<Value> {
        let emptied = |list: &&str| self.request.body.get(*list) == Some(&json!([]));
        Some(match LISTS.into_iter().find(emptied)? {
            "InstanceId" => json!({ "instancesSet": [] }),
            _ => json!({ "Successful": [], "Failed": [] }),
        })
    }
}

fn result(entry: &Value, failure: &Failure) -> Value {
    let id = entry.get("Id").and_then(Value::as_str).unwrap_or_default();
    batch::failed_entry(id, failure)
}
