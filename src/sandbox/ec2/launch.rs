//! Launches instances.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::details::Details;
use super::instance::{Instance, State};
use super::instances::InstanceName;
use super::past::Past;
use super::reason::Reason;
use super::{addresses, lifecycle, tags};
use crate::sandbox::world::{World, profile_arn};

/// Tags as companies and their tools set them on every instance.
const USUAL_TAGS: [(&str, &str); 14] = [
    ("Application", "order-intake"),
    ("BackupPlan", "daily-35-days"),
    ("CostCenter", "4711-0815"),
    ("CreatedBy", "terraform"),
    ("DataClassification", "internal"),
    ("Environment", "production"),
    ("OnCall", "https://oncall.example.com/teams/order-intake"),
    ("Owner", "order-intake@example.com"),
    ("PatchGroup", "linux-tuesday"),
    ("Project", "storefront"),
    ("Repository", "https://git.example.com/storefront/order-intake"),
    ("Role", "worker"),
    ("aws:ec2launchtemplate:id", "lt-0a20c965061f64abc"),
    ("aws:ec2launchtemplate:version", "17"),
];

/// What to launch; by default an untagged on-demand instance on EBS.
#[derive(Debug, Clone, Default)]
pub struct Launch {
    pub(super) id: Option<String>,
    pub(in crate::sandbox) account: Option<String>,
    pub(super) region: Option<String>,
    pub(super) tags: BTreeMap<String, String>,
    pub(super) details: Details,
    pub(super) age: Duration,
    pub(super) stop_protected: bool,
    pub(super) managed: bool,
    pub(super) quiet: bool,
    pub(super) state: Option<State>,
}

impl Launch {
    /// Adds a tag that the instance has from its launch on.
    #[must_use]
    pub fn tagged(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.tags.insert(key.into(), value.into());
        self
    }

    /// Adds the tags that instances usually have: 14 of them, and none exempts.
    #[must_use]
    pub fn usually_tagged(self) -> Self {
        USUAL_TAGS.into_iter().fold(self, |launch, (key, value)| launch.tagged(key, value))
    }

    /// Makes the instance a member of an Auto Scaling group.
    #[must_use]
    pub fn auto_scaling_group(self, name: impl Into<String>) -> Self {
        self.tagged("aws:autoscaling:groupName", name)
    }

    /// Launches in another account than that of the handle which launches it.
    #[must_use]
    pub fn account(mut self, account: impl Into<String>) -> Self {
        self.account = Some(account.into());
        self
    }

    /// Launches in another region than the sandbox's own.
    #[must_use]
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.region = Some(region.into());
        self
    }

    #[must_use]
    pub fn stop_protected(mut self) -> Self {
        self.stop_protected = true;
        self
    }

    /// Lets an AWS service, such as EKS Auto Mode, manage the instance.
    #[must_use]
    pub fn managed(mut self) -> Self {
        self.managed = true;
        self
    }

    /// Sends no state-change events, now or later.
    #[must_use]
    pub fn quiet(mut self) -> Self {
        self.quiet = true;
        self
    }

    /// Gives it this id, which instances of other accounts can have, too.
    #[must_use]
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Launches it in this state, without an event. It stays in this state.
    #[must_use]
    pub fn state(mut self, state: State) -> Self {
        self.state = Some(state);
        self
    }
}

/// Creates the instance and returns its id.
pub(in crate::sandbox) fn launch(world: &mut World, mut launch: Launch) -> String {
    let id = launch.id.take().unwrap_or_else(|| world.ids.resource("i"));
    let region = launch.region.take().unwrap_or_else(|| world.options.region.clone());
    let account = launch.account.take().unwrap_or_else(|| world.options.account.clone());
    let name = InstanceName { account: &account, id: &id };
    let details = details(world, &launch, (name, &region));
    let instance = Instance {
        id: id.clone(),
        account: account.clone(),
        region,
        state: launch.state.unwrap_or(State::Pending),
        reason: Reason::of(launch.state.unwrap_or(State::Pending), world.wall_clock()),
        tags: launch.tags,
        details: Arc::new(details),
        stop_protected: launch.stop_protected,
        managed: launch.managed,
        quiet: launch.quiet,
        past: Past::since(world.now().checked_sub(launch.age).unwrap_or_else(|| world.now())),
        tags_unseen_by: BTreeSet::new(),
    };
    world.ec2.instances.insert(instance);
    if launch.state.is_none() {
        tags::launched(world, name);
        lifecycle::enter(world, name, State::Pending, Reason::Started);
    }
    id
}

/// Completes the details with what only the launch can tell.
fn details(
    world: &mut World,
    launch: &Launch,
    (name, region): (InstanceName<'_>, &str),
) -> Details {
    let mut details = launch.details.clone();
    if details.reservation.is_empty() {
        details.reservation = world.ids.resource("r");
    }
    let now = world.wall_clock();
    details.launched = now.checked_sub(launch.age).unwrap_or(now);
    let network = &mut details.network;
    if network.subnet.is_some() && network.private_address.is_none() {
        network.private_address = Some(addresses::private(name.id));
    }
    if let Some(profile) = details.profile.take_if(|profile| !profile.starts_with("arn:")) {
        details.profile = Some(profile_arn(name.account, region, &profile));
    }
    details
}
