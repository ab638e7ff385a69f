//! Writes notices of outcomes: of one, or of several as a digest.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use time::UtcDateTime;
use tokio::time::Instant;

use crate::domain::audit::outcome::OutcomeLine;
use crate::domain::notice::digest::LINE_LIMIT;
use crate::domain::notice::style::{Format, Style};
use crate::domain::notice::told::{Reason, Told};
use crate::domain::notice::{Notice, SIZE_LIMIT};
use crate::domain::outcome::Outcome;
use crate::domain::policy::Policies;
use crate::pipeline::context::Context;
use crate::pipeline::delivery::Delivery;
use crate::pipeline::exits::Announcement;
use crate::pipeline::planner::Planner;
use crate::pipeline::seen::seen;
use crate::retry::delays;

/// How large the parts are made of a notice that is too large: instances differ.
const PART_SIZE: usize = SIZE_LIMIT / 10 * 9;

/// What notices are written by.
#[derive(Debug)]
pub(crate) struct Writer {
    /// Has the policies, which say how to be exempt.
    context: Arc<Context>,
    /// Knows the time, and which stops are too soon to be told.
    planner: Arc<Planner>,
    style: Style,
}

/// A notice that is to be published, and what it tells. The messages are settled after that.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) told: Announcement,
    pub(super) notice: Notice,
}

impl Writer {
    /// A writer by the settings.
    pub(crate) fn new(context: &Arc<Context>, planner: &Arc<Planner>) -> Self {
        let style = context.settings.notice_style();
        Self { context: Arc::clone(context), planner: Arc::clone(planner), style }
    }

    /// Writes the notice of an announcement, or several where it is too large for one. An outcome
    /// that is not announced is left out.
    pub(super) fn write(&self, mut announcement: Announcement) -> Vec<Pending> {
        if announcement.len() > 1 {
            self.put_off(&mut announcement, Duration::ZERO);
        }
        let (mut parts, mut pending) = (VecDeque::from([announcement]), Vec::new());
        while let Some(told) = parts.pop_front() {
            if told.len() > LINE_LIMIT {
                split(told, LINE_LIMIT, &mut parts);
                continue;
            }
            let Some(notice) = self.notice(&told) else { continue };
            if told.len() == 1 || notice.is_small_enough() {
                pending.push(Pending { told, notice });
            } else {
                // By the size of all, so that hardly any part has to be written a third time.
                let most = told.len() * PART_SIZE / notice.size();
                split(told, most, &mut parts);
            }
        }
        pending
    }

    /// Puts off the stops of which a notice tells that was held up, so that their owners have time
    /// to answer, and writes it anew.
    pub(super) fn put_off_if_late(&self, pending: &mut Pending) {
        if !self.put_off(&mut pending.told, delays::NOTICE_HELD_UP) {
            return;
        }
        self.put_off(&mut pending.told, Duration::ZERO);
        if let Some(notice) = self.notice(&pending.told) {
            pending.notice = pending.notice.replaced_by(notice);
        }
    }

    /// Puts off planned stops that would come too soon by more than this; says whether there were
    /// any.
    fn put_off(&self, told: &mut Announcement, tolerated: Duration) -> bool {
        let (earliest, mut some) = (self.planner.earliest_stop(), false);
        for (_, outcome) in told {
            if let Outcome::Planned(stop) = outcome
                && *stop + tolerated < earliest
            {
                (*stop, some) = (earliest, true);
            }
        }
        some
    }

    fn notice(&self, announcement: &[(Delivery, Outcome)]) -> Option<Notice> {
        let policies = self.context.policies();
        let told = announcement.iter().map(|announced| self.told(announced, &policies));
        match &*told.collect::<Vec<_>>() {
            [] => None,
            [one] => Notice::of(one, &self.style, self.planner.now()),
            all => Some(Notice::digest(all, &self.style)),
        }
    }

    fn told<'t>(
        &self,
        (delivery, outcome): &'t (Delivery, Outcome),
        policies: &'t Policies,
    ) -> Told<'t> {
        let told = Told {
            key: &delivery.event.key,
            outcome: *outcome,
            reason: Reason {
                decision: delivery.decision.as_deref(),
                exception_tag: policies.exception_tag(),
                code: delivery.failure.as_deref(),
            },
            owner: delivery.owner(&self.style.owner_tags),
            launched: delivery.launched(),
            line: None,
        };
        Told { line: self.line(delivery, &told), ..told }
    }

    /// The line of the audit trail without the id of the notice, in the form in which programs get
    /// it.
    fn line(&self, delivery: &Delivery, told: &Told<'_>) -> Option<String> {
        if self.style.format != Format::Json {
            return None;
        }
        let at = |moment| UtcDateTime::from(self.context.clock.wall(moment));
        let line = OutcomeLine {
            time: at(Instant::now()),
            message: delivery.arrival().message_id.as_deref(),
            about: Some(&delivery.event),
            seen: seen(Some(&delivery.first_look), delivery.second_look.as_ref(), at),
            decision: told.reason.decision,
            outcome: told.outcome,
            reason: told.reason(),
            deadline: match told.outcome {
                Outcome::Planned(at) | Outcome::Expiring(at) => Some(at),
                _ => self.planner.plans.told(told.key, told.launched),
            },
            notice: None,
        };
        serde_json::to_string(&line).ok()
    }
}

/// Splits what is told into parts of so many instances, at least one, which are next.
fn split(mut told: Announcement, most: usize, parts: &mut VecDeque<Announcement>) {
    let most = most.clamp(1, told.len() - 1);
    while !told.is_empty() {
        let last = (told.len() - 1) / most * most;
        parts.push_front(told.split_off(last));
    }
}

impl Pending {
    /// The same notice with all that belongs to it.
    pub(super) fn full(self) -> Self {
        Self { notice: self.notice.full(), ..self }
    }

    /// The same notice as its text alone.
    pub(super) fn plainest(self) -> Self {
        Self { notice: self.notice.plainest(), ..self }
    }
}
