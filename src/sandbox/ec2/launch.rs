//! Launches instances.

use std::collections::{BTreeMap, BTreeSet};

use super::instance::{Instance, Lifecycle, Root, State};
use super::lifecycle;
use super::past::Past;
use crate::sandbox::world::World;

/// The image and the type of an instance that is launched without one, in every region.
pub(in crate::sandbox) const IMAGE: &str = "ami-0abcdef1234567890";
const TYPE: &str = "t3.micro";

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
    pub(super) region: Option<String>,
    pub(super) tags: BTreeMap<String, String>,
    pub(super) lifecycle: Lifecycle,
    pub(super) root: Root,
    pub(super) stop_protected: bool,
    pub(super) managed: bool,
    pub(super) quiet: bool,
    pub(super) state: Option<State>,
    pub(super) image: Option<String>,
    pub(super) kind: Option<String>,
    pub(super) reservation: Option<String>,
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

    /// Launches in another region than the sandbox's own.
    #[must_use]
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.region = Some(region.into());
        self
    }

    #[must_use]
    pub fn lifecycle(mut self, lifecycle: Lifecycle) -> Self {
        self.lifecycle = lifecycle;
        self
    }

    #[must_use]
    pub fn root(mut self, root: Root) -> Self {
        self.root = root;
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
pub(in crate::sandbox) fn launch(world: &mut World, launch: Launch) -> String {
    let id = launch.id.unwrap_or_else(|| world.ids.resource("i"));
    let reservation = launch.reservation.unwrap_or_else(|| world.ids.resource("r"));
    let instance = Instance {
        id: id.clone(),
        region: launch.region.unwrap_or_else(|| world.options.region.clone()),
        state: launch.state.unwrap_or(State::Pending),
        tags: launch.tags,
        lifecycle: launch.lifecycle,
        root: launch.root,
        stop_protected: launch.stop_protected,
        managed: launch.managed,
        quiet: launch.quiet,
        launched: world.wall_clock(),
        created: world.now(),
        past: Past::default(),
        image: launch.image.unwrap_or_else(|| IMAGE.to_owned()),
        kind: launch.kind.unwrap_or_else(|| TYPE.to_owned()),
        reservation,
        tags_unseen_by: BTreeSet::new(),
    };
    world.ec2.instances.insert(id.clone(), instance);
    if launch.state.is_none() {
        lifecycle::enter(world, &id, State::Pending);
    }
    id
}
