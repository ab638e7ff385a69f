//! Says which Auto Scaling groups start anew what is stopped.

use tracing::warn;

use super::Enforcer;
use crate::aws::ec2::Stopped;
use crate::domain::policy::reads::AUTO_SCALING_GROUP;
use crate::pipeline::delivery::Delivery;
use crate::pipeline::operators::{Matter, OperatorNotice};

impl Enforcer {
    /// Notes the groups of instances that a call stopped, and tells of those that are loops.
    pub(super) fn watch_for_loops(&self, deliveries: &[Delivery], stopped: &Stopped) {
        if !self.target.budget.is_limited() {
            return;
        }
        for delivery in deliveries {
            let state = stopped.previous_states.get(delivery.instance()).map(String::as_str);
            let is_new = !matches!(state, None | Some("stopping" | "stopped"));
            let facts = delivery.second_look.as_ref().map(|look| &look.facts);
            let group = facts.and_then(|facts| facts.tags.get(AUTO_SCALING_GROUP));
            if let Some(group) = group.filter(|_| is_new)
                && self.target.loops.stopped(group)
            {
                self.tell_of_loop(group);
            }
        }
    }

    fn tell_of_loop(&self, group: &str) {
        let (account, region) = (&self.target.key.account, &self.target.key.region);
        warn!(
            %account,
            %region,
            group,
            "an Auto Scaling group starts anew what is stopped: exempt its instances or mend its \
             launch template"
        );
        self.context.metrics.count_loop(&self.target.key);
        let text = format!(
            "Within an hour 5 instances of the Auto Scaling group {group} in account {account}, \
             region {region}, were stopped. The group replaces each, and the replacement is stopped \
             as well, for ever. Mend its launch template, so that its instances violate no policy, \
             or exempt them there."
        );
        let key = format!("{account}/{region}/{group}");
        self.exits.operators.tell(OperatorNotice { matter: Matter::Loop, key, text });
    }
}
