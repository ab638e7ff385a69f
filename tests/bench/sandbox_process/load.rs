//! The events of a scene. Their instances are launched before the trial, and they are sent as the
//! scene says.

use anyhow::Context;
use ec2_policy_enforcer::sandbox::{Launch, Sandbox};
use tokio::time::{Duration, Instant, interval};

use super::answers::{self, EXCEPTION_TAG};
use super::told::Told;
use crate::case::{Arrival, Scene};
use crate::fleet::Place;

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
    pub scene: Scene,
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
    pub fn prepare(aws: &Sandbox, scene: Scene) -> anyhow::Result<Self> {
        let waiting = (0..scene.events).map(|number| prepared(aws, number, &scene));
        let waiting = waiting.collect::<anyhow::Result<_>>()?;
        let mut load = Self { scene, waiting, sent: Vec::with_capacity(scene.events) };
        if matches!(scene.arrival, Arrival::Waiting) {
            load.send_all(aws);
        }
        Ok(load)
    }

    /// Sends the events that are not sent yet.
    pub async fn arrive(&mut self, aws: &Sandbox) {
        match self.scene.arrival {
            Arrival::Waiting | Arrival::AtOnce => self.send_all(aws),
            Arrival::Every(rhythm) => self.send_slowly(aws, rhythm).await,
        }
    }

    /// Where owners answer, waits until the stops of all instances are planned, and has them answer.
    /// From then on the events are the changes of tags by which they do.
    pub async fn answer(&mut self, aws: &Sandbox) -> anyhow::Result<()> {
        let Some(rhythm) = self.scene.answers else { return Ok(()) };
        answers::all_planned(aws, self.sent.len()).await?;
        self.sent = answers::answered(aws, &self.sent, rhythm).await;
        Ok(())
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
fn prepared(aws: &Sandbox, number: usize, scene: &Scene) -> anyhow::Result<Prepared> {
    let violator = number.is_multiple_of(scene.violator_in);
    let (aws, launch) = placed(aws, number, scene);
    let launch = launch.quiet().usually_tagged().tagged("Name", format!("instance-{number}"));
    let launch = if violator { launch } else { launch.tagged(EXCEPTION_TAG, "approved") };
    let is_answered = scene.answers.is_some();
    let age = if is_answered { answers::AGE } else { Duration::ZERO };
    let instance = aws.launch(launch.launched_ago(age));
    let event = aws.event(&instance);
    let body = if is_answered { answers::aged(&aws, &event) } else { Ok(event) };
    let told: &[Told] = match (violator, is_answered) {
        (false, _) => &[],
        (true, false) => &[Told::Stopped],
        (true, true) => &[Told::Planned, Told::CalledOff],
    };
    Ok(Prepared { instance, told, body: body.context("cannot write the event")? })
}

/// A handle of the account in which an instance of this number is, and a launch in its region. Each
/// account and region gets a violator and as many exempt ones as follow it.
fn placed(aws: &Sandbox, number: usize, scene: &Scene) -> (Sandbox, Launch) {
    if scene.members == 0 {
        return (aws.clone(), Launch::default());
    }
    let Place { account, region } = Place::of(number / scene.violator_in, scene.members);
    (aws.in_account(&account), Launch::default().region(region))
}
