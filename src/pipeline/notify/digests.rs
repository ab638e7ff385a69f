//! The task that makes digests, where the settings want them: an owner who would get many notices
//! gets the first ones alone, and the others as one notice a minute.

use std::sync::Arc;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::time::{Instant, sleep_until};

use super::windows::Windows;
use crate::domain::outcome::Outcome;
use crate::pipeline::context::Context;
use crate::pipeline::delivery::Delivery;
use crate::pipeline::exits::Announcement;
use crate::runtime::liveness;

/// How many announcements are taken together.
const BATCH: usize = 100;

/// Gathers announcements on their way to the notifiers. Leases are renewed meanwhile.
#[derive(Debug)]
pub(crate) struct Digests {
    context: Arc<Context>,
    announcements: UnboundedReceiver<Announcement>,
    notices: UnboundedSender<Announcement>,
    windows: Windows<(Delivery, Outcome)>,
    is_draining: bool,
}

/// What ended the wait of the task.
enum Woken {
    Arrived(Vec<Announcement>),
    WindowOver,
    Draining,
    Closed,
}

impl Digests {
    /// Nothing is gathered yet.
    pub(crate) fn new(
        context: &Arc<Context>,
        announcements: UnboundedReceiver<Announcement>,
        notices: UnboundedSender<Announcement>,
    ) -> Self {
        let context = Arc::clone(context);
        Self { context, announcements, notices, windows: Windows::default(), is_draining: false }
    }

    /// Gathers until the channel is closed and empty. A drain waits for no minute to end: what is
    /// gathered goes out at once.
    pub(crate) async fn run(mut self) {
        loop {
            match self.woken().await {
                Woken::Arrived(announcements) => self.add(announcements),
                Woken::WindowOver => {}
                Woken::Draining => self.is_draining = true,
                Woken::Closed => {
                    let all = self.windows.all();
                    return self.send(all);
                }
            }
            let due = if self.is_draining { self.windows.all() } else { self.windows.due() };
            self.send(due);
            self.context.metrics.set_notices_waiting(self.windows.waiting());
        }
    }

    async fn woken(&mut self) -> Woken {
        let over = self.windows.next();
        match over {
            Some(over) => liveness::within(over.saturating_duration_since(Instant::now())),
            None => liveness::idle(),
        }
        let mut arrived = Vec::new();
        let is_draining = self.is_draining;
        tokio::select! {
            biased;
            count = self.announcements.recv_many(&mut arrived, BATCH) => match count {
                0 => Woken::Closed,
                _ => Woken::Arrived(arrived),
            },
            () = until(over) => Woken::WindowOver,
            () = self.context.drain.cancelled(), if !is_draining => Woken::Draining,
        }
    }

    fn add(&mut self, announcements: Vec<Announcement>) {
        let keys = self.context.settings.notice.told_owner_tags();
        for (delivery, outcome) in announcements.into_iter().flatten() {
            let owner = delivery.owner(keys);
            if let Some(at_once) = self.windows.add(owner, (delivery, outcome)) {
                // If the notifiers have been aborted, the deliveries are dropped and handed back.
                drop(self.notices.send(at_once));
            }
        }
    }

    fn send(&self, announcements: Vec<Announcement>) {
        for announcement in announcements {
            drop(self.notices.send(announcement));
        }
    }
}

/// Waits until a time; for ever without one.
async fn until(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}
