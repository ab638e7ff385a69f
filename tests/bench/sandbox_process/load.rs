//! The events of a trial. Their instances are launched before it, and they are sent as the scene
//! says.

use ec2_policy_enforcer::sandbox::{Launch, Sandbox};
use tokio::time::{Duration, Instant, interval};

use super::told::Told;
use crate::case::{Arrival, Scene};

/// An event that was sent.
#[derive(Debug)]
pub struct Event {
    pub instance: String,
    pub message: String,
    /// What the owner of the instance is to be told in the end.
    pub told: &'static [Told],
    /// When it became visible.
    pub visible: Instant,
}

#[derive(Debug)]
pub struct Load {
    waiting: Vec<Prepared>,
    sent: Vec<Event>,
}

#[derive(Debug)]
struct Prepared {
    instance: String,
    told: &'static [Told],
    body: String,
}

impl Event {
    pub fn is_to_stop(&self) -> bool {
        self.told.contains(&Told::Stopped)
    }
}

impl Load {
    /// Launches the instances, and sends their events if these are to be in the queue at the start.
    pub fn prepare(aws: &Sandbox, scene: &Scene) -> Self {
        let waiting = (0..scene.events).map(|number| prepared(aws, number, scene)).collect();
        let mut load = Self { waiting, sent: Vec::with_capacity(scene.events) };
        if matches!(scene.arrival, Arrival::Waiting) {
            load.send_all(aws);
        }
        load
    }

    /// Sends the events that are not sent yet.
    pub async fn arrive(&mut self, aws: &Sandbox, scene: &Scene) {
        match scene.arrival {
            Arrival::Waiting | Arrival::AtOnce => self.send_all(aws),
            Arrival::Every(rhythm) => self.send_slowly(aws, rhythm).await,
        }
    }

    pub fn events(&self) -> &[Event] {
        &self.sent
    }

    fn send_all(&mut self, aws: &Sandbox) {
        self.sent.extend(self.waiting.drain(..).map(|prepared| prepared.send(aws)));
    }

    async fn send_slowly(&mut self, aws: &Sandbox, rhythm: Duration) {
        let mut rhythm = interval(rhythm);
        for prepared in self.waiting.drain(..) {
            rhythm.tick().await;
            self.sent.push(prepared.send(aws));
        }
    }
}

impl Prepared {
    fn send(self, aws: &Sandbox) -> Event {
        let Self { instance, told, body } = self;
        let visible = Instant::now();
        let message = aws.send(&body);
        Event { instance, message, told, visible }
    }
}

/// Launches an instance that sends no event of its own, and writes its event.
fn prepared(aws: &Sandbox, number: usize, scene: &Scene) -> Prepared {
    let violator = number.is_multiple_of(scene.violator_in);
    let launch =
        Launch::default().quiet().usually_tagged().tagged("Name", format!("instance-{number}"));
    let launch = if violator { launch } else { launch.tagged("SPECIAL_EXCEPTION", "approved") };
    let instance = aws.launch(launch);
    let body = aws.event(&instance);
    let told: &[Told] = if violator { &[Told::Stopped] } else { &[] };
    Prepared { instance, told, body }
}
