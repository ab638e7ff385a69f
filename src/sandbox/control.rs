//! What tests and the subcommand change in the sandbox directly, without a call of AWS.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;

use super::Sandbox;
use super::ec2::details::Details;
use super::ec2::launch::Launch;
use super::ec2::{launch, lifecycle, tags};
use super::events::{event, tag_change};
use super::fault::Fault;
use super::fault_rules::{FaultId, Rule};
use super::schedule::Planned;
use super::sns::Subscription;
use super::sqs;

#[expect(clippy::must_use_candidate, reason = "called for the effect; an id is a by-product")]
impl Sandbox {
    /// Launches an instance and returns its id. It reaches `running` after `Options::pending`, and
    /// its event is sent then.
    pub fn launch(&self, mut launch: Launch) -> String {
        launch.account.get_or_insert_with(|| self.account.to_string());
        self.change(|world| launch::launch(world, launch))
    }

    /// Tags an instance, as `CreateTags` does.
    pub fn tag(&self, id: &str, key: &str, value: &str) {
        self.change(|world| {
            let add =
                |tags: &mut BTreeMap<_, _>| drop(tags.insert(key.to_owned(), value.to_owned()));
            tags::change(world, self.name(id), add);
        });
    }

    /// Removes a tag of an instance, as `DeleteTags` does.
    pub fn untag(&self, id: &str, key: &str) {
        self.change(|world| tags::change(world, self.name(id), |tags| drop(tags.remove(key))));
    }

    /// Changes the details of an instance, as calls that modify it do.
    pub fn change_details(&self, id: &str, change: impl FnOnce(&mut Details)) {
        self.change(|world| {
            let now = world.now();
            let instance = world.ec2.instances.get_mut(self.name(id));
            instance.map(|instance| instance.change_details(now, change))
        });
    }

    /// Confirms all subscriptions of a topic, as their owners do by a link in an e-mail.
    pub fn confirm_subscriptions(&self, topic: &str) {
        self.change(|world| {
            let topic = world.topics.get_mut(topic).into_iter();
            topic.flat_map(|topic| &mut topic.subscriptions).for_each(Subscription::confirm);
        });
    }

    /// Leaves the tags of an instance out of the answers of `DescribeTags` or `DescribeInstances`.
    /// In AWS both can lag behind a change of tags.
    pub fn hide_tags(&self, id: &str, operation: &str) {
        self.change(|world| {
            let instance = world.ec2.instances.get_mut(self.name(id));
            instance.map(|instance| instance.tags_unseen_by.insert(operation.to_owned()))
        });
    }

    /// Ends `hide_tags`.
    pub fn show_tags(&self, id: &str) {
        self.change(|world| {
            world
                .ec2
                .instances
                .get_mut(self.name(id))
                .map(|instance| instance.tags_unseen_by.clear())
        });
    }

    /// Starts an instance if it is stopped.
    pub fn start(&self, id: &str) {
        self.change(|world| lifecycle::start(world, self.name(id)));
    }

    /// Stops an instance that is pending or running, whatever protects it.
    pub fn stop(&self, id: &str) {
        self.change(|world| lifecycle::stop(world, self.name(id)));
    }

    /// Lets somebody stop an instance at a moment to come, unless it is stopped by then.
    pub fn stop_at(&self, id: &str, at: Instant) {
        let (account, id) = (self.account.to_string(), id.to_owned());
        self.change(|world| world.schedule.plan(at, Planned::Stop { account, id }));
    }

    /// Shuts an instance down from its own operating system: EC2 then does not say when.
    pub fn shut_down(&self, id: &str) {
        self.change(|world| lifecycle::shut_down(world, self.name(id)));
    }

    pub fn terminate(&self, id: &str) {
        self.change(|world| lifecycle::terminate(world, self.name(id)));
    }

    /// Removes an instance from every answer, as EC2 does some time after its termination.
    pub fn forget(&self, id: &str) {
        self.change(|world| world.ec2.instances.remove(self.name(id)));
    }

    /// Writes a valid `running` event with a new event id, for [`Sandbox::send`].
    #[must_use]
    pub fn event(&self, instance_id: &str) -> String {
        self.change(|world| {
            let instance = world.ec2.instances.get(self.name(instance_id));
            let region =
                instance.map_or(&world.options.region, |instance| &instance.region).clone();
            event::state_change(world, self.name(instance_id), &region, "running").body()
        })
    }

    /// Writes the event of a change of these tag keys, with a new event id and the tags as they are
    /// now, for [`Sandbox::send`].
    ///
    /// # Panics
    /// If there is no such instance.
    #[must_use]
    pub fn tag_event(&self, instance_id: &str, keys: &[&str]) -> String {
        let keys: BTreeSet<String> = keys.iter().map(|key| (*key).to_owned()).collect();
        let event = self.change(|world| {
            let mut event = tag_change::event(world, self.name(instance_id), &keys)?;
            event.id = world.ids.uuid().to_string();
            Some(event.body())
        });
        event.unwrap_or_else(|| panic!("no instance {instance_id}"))
    }

    /// Sends a message with this body to `set_up`'s queue and returns the message id.
    ///
    /// # Panics
    /// If `set_up` was not called.
    pub fn send(&self, body: &str) -> String {
        let queue = self.resources().queue_arn;
        let sent = self.change(|world| sqs::send::deliver(world, &queue, body.to_owned()));
        sent.unwrap_or_else(|| panic!("no queue {queue}: call set_up first"))
    }

    /// Tags `set_up`'s queue.
    pub fn tag_queue(&self, key: &str, value: &str) {
        self.change_queue_tags(|tags| drop(tags.insert(key.to_owned(), value.to_owned())));
    }

    /// Removes a tag of `set_up`'s queue.
    pub fn untag_queue(&self, key: &str) {
        self.change_queue_tags(|tags| drop(tags.remove(key)));
    }

    fn change_queue_tags(&self, change: impl FnOnce(&mut BTreeMap<String, String>)) {
        let queue = self.resources().queue_arn;
        self.change(|world| world.queues.get_mut(&queue).map(|queue| change(&mut queue.tags)));
    }

    /// Injects a fault into the calls to come.
    pub fn inject(&self, fault: Rule) -> FaultId {
        self.change(|world| world.faults.inject(fault))
    }

    /// Makes an operation slower.
    pub fn latency(&self, operation: &str, delay: Duration) -> FaultId {
        self.inject(Rule::on(operation).fault(Fault::Delay(delay)))
    }

    /// Ends a fault.
    pub fn lift(&self, fault: FaultId) {
        self.change(|world| world.faults.lift(fault));
    }

    pub fn lift_all(&self) {
        self.change(|world| world.faults.lift_all());
    }
}
