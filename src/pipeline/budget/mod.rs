//! The budget: how many instances may be stopped within a window in one account and region, so that
//! a policy that is wrong does not stop a company.
//!
//! Where more are to be stopped, the budget trips: all stops of the account and region are held, and
//! the messages of violators hidden, until a person lets stops go on. The hold is a tag of the
//! queue, so that it binds all processes and outlives them, and a person can set one, too.
//!
//! - here: what enforcers ask: whether a stop may begin;
//! - [`holds`]: which holds are in effect;
//! - [`tags`]: the task that reads the queue's tags, and sets those of this process;
//! - [`on_hold`]: the messages that are hidden;
//! - [`release`]: the task that makes them visible when a hold has ended.

mod holds;
mod on_hold;
pub(crate) mod release;
pub(crate) mod tags;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use crate::aws::sqs::Receipt;
use crate::domain::event::EventKey;
use crate::domain::hold::Hold;
use crate::domain::policy::rule::span;
use crate::rate_limit::stop_window::{CallEnd, Launch, StopWindow};
use crate::retry::delays;
use crate::runtime::liveness;
use crate::settings::BudgetSettings;

use holds::{Changes, Holds, Reading};
use on_hold::OnHold;

/// The budget of all accounts and regions.
#[derive(Debug)]
pub(crate) struct Budget {
    /// How many stops may begin, and in which time.
    settings: BudgetSettings,
    state: Mutex<State>,
    /// Signalled when a call has ended, or a hold has begun or ended: stops may begin, or may no
    /// longer be waited for.
    changed: Notify,
    /// Signalled when a hold has ended.
    ended: Notify,
    /// The messages that are hidden because stops are held.
    pub(crate) on_hold: OnHold,
}

#[derive(Debug, Default)]
struct State {
    /// What counts in each account and region.
    windows: BTreeMap<Hold, StopWindow>,
    holds: Holds,
    /// What is wrong with the queue's tags, in words.
    troubles: BTreeSet<&'static str>,
}

/// The budget of one account and region.
#[derive(Clone, Debug)]
pub(crate) struct TargetBudget {
    budget: Arc<Budget>,
    target: Hold,
}

/// The right to stop instances in one call: each of them counts until its call has ended, and for a
/// window after that unless it was certainly not stopped.
#[derive(Debug)]
pub(crate) struct Places {
    budget: TargetBudget,
    launches: Vec<Launch>,
}

impl Budget {
    /// A budget of which nothing is used, and no hold is known.
    pub(crate) fn new(settings: BudgetSettings) -> Self {
        let (state, changed, ended) = (Mutex::default(), Notify::new(), Notify::new());
        Self { settings, state, changed, ended, on_hold: OnHold::default() }
    }

    /// Whether stops are limited at all.
    pub(crate) fn is_on(&self) -> bool {
        self.settings.stops > 0
    }

    /// How many stops may begin and in which time, in words.
    pub(crate) fn limit(&self) -> String {
        let BudgetSettings { stops, window } = self.settings;
        let window = span(time::Duration::try_from(window.0).unwrap_or_default());
        format!("{stops} in {window}")
    }

    /// The part of an account and a region.
    pub(crate) fn of(self: &Arc<Self>, target: Hold) -> TargetBudget {
        TargetBudget { budget: Arc::clone(self), target }
    }

    /// The holds that are in effect, each with the value of its tag.
    pub(crate) fn holds(&self) -> Vec<(Hold, String)> {
        let state = self.state();
        state.holds.all().map(|(hold, since)| (hold.clone(), since.to_owned())).collect()
    }

    /// What is wrong with the queue's tags, so that holds bind this process alone or are not seen.
    pub(crate) fn troubles(&self) -> BTreeSet<&'static str> {
        self.state().troubles.clone()
    }

    /// Notes what is wrong with the queue's tags, and says whether that is new.
    fn is_new_trouble(&self, trouble: &'static str) -> bool {
        self.state().troubles.insert(trouble)
    }

    /// Notes that this is wrong no longer.
    fn is_over(&self, trouble: &'static str) {
        self.state().troubles.remove(trouble);
    }

    /// Whether stops in an account and region are held.
    fn holds_back(&self, target: &Hold) -> bool {
        self.is_on() && self.state().holds.hold(target)
    }

    /// Remembers a message that SQS hides until then because stops were held. Where they are no longer,
    /// as after an outage in which it could not be hidden, it is made visible.
    pub(crate) fn hid(&self, key: &EventKey, receipt: Option<Receipt>, until: Instant) {
        self.on_hold.add(key, receipt, until);
        if !self.holds_back(&Hold::of(&key.account, &key.region)) {
            self.ended.notify_one();
        }
    }

    /// Takes over what the queue's tags say. Where a hold has ended, a new window begins.
    fn read(&self, reading: Reading) -> Changes {
        let mut state = self.state();
        let changes = state.holds.read(reading);
        let State { windows, holds, .. } = &mut *state;
        if !changes.ended.is_empty() {
            let of_ended = |target: &Hold| {
                changes.ended.contains(target) || changes.ended.contains(&Hold::All)
            };
            let free = windows.iter_mut().filter(|(target, _)| !holds.hold(target));
            free.filter(|(target, _)| of_ended(target)).for_each(|(_, window)| window.begin_anew());
            self.ended.notify_one();
        }
        drop(state);
        self.changed.notify_waiters();
        changes
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TargetBudget {
    /// The account and the region.
    pub(crate) fn target(&self) -> &Hold {
        &self.target
    }

    /// Whether stops are limited at all.
    pub(crate) fn is_limited(&self) -> bool {
        self.budget.is_on()
    }

    /// How many stops may begin and in which time, in words.
    pub(crate) fn limit(&self) -> String {
        self.budget.limit()
    }

    /// Whether stops are held until a person lets them go on.
    pub(crate) fn is_held(&self) -> bool {
        self.budget.is_on() && self.budget.state().holds.hold(&self.target)
    }

    /// Whether no stop of an instance that does not count yet may begin: stops are held, or the
    /// budget is used up.
    fn lets_none_begin(&self) -> bool {
        let mut state = self.budget.state();
        state.holds.hold(&self.target) || self.window(&mut state).is_used_up(Instant::now())
    }

    /// Whether calls that are not decided take the rest of the budget, so that it may have room soon.
    pub(crate) fn is_full_for_now(&self) -> bool {
        self.budget.is_on() && !self.lets_none_begin() && {
            let mut state = self.budget.state();
            self.window(&mut state).room(Instant::now()) == 0
        }
    }

    /// Whether the stop of an instance need not be held back, although it may have to wait for calls
    /// that are in flight.
    pub(crate) fn is_open_to(&self, launch: &Launch) -> bool {
        !self.budget.is_on() || !self.lets_none_begin() || self.counts(launch)
    }

    /// Whether the stop of an instance was tried within the window, and may be tried again.
    pub(crate) fn counts(&self, launch: &Launch) -> bool {
        self.budget.is_on() && {
            let mut state = self.budget.state();
            let is_held = state.holds.hold(&self.target);
            !is_held && self.window(&mut state).counts(launch, Instant::now())
        }
    }

    /// Waits while only calls that are in flight take the rest of the budget. Returns how many stops
    /// may begin; none if stops are held or the budget is used up, and `None` without a limit.
    pub(crate) async fn room(&self) -> Option<usize> {
        if !self.budget.is_on() {
            return None;
        }
        loop {
            let changed = self.budget.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if self.lets_none_begin() {
                return Some(0);
            }
            let room = self.window(&mut self.budget.state()).room(Instant::now());
            if room > 0 {
                return Some(room);
            }
            // A place also comes back when an instance counts no longer.
            liveness::within(delays::TOKEN_RECHECK);
            timeout(delays::TOKEN_RECHECK, changed).await.ok();
        }
    }

    /// Counts those of the instances whose stop may begin.
    pub(crate) fn take(&self, launches: impl IntoIterator<Item = Launch>) -> Places {
        let mut places = Places { budget: self.clone(), launches: Vec::new() };
        if self.budget.is_on() {
            let mut state = self.budget.state();
            let is_held = state.holds.hold(&self.target);
            let (window, now) = (self.window(&mut state), Instant::now());
            let may_begin = |launch: &Launch| !is_held && window.take(launch, now);
            places.launches = launches.into_iter().filter(may_begin).collect();
        }
        places
    }

    fn window<'state>(&self, state: &'state mut State) -> &'state mut StopWindow {
        let BudgetSettings { stops, window } = self.budget.settings;
        let entry = state.windows.entry(self.target.clone());
        entry.or_insert_with(|| StopWindow::new(stops, window.0))
    }
}

impl Places {
    /// Whether an instance is among them.
    pub(crate) fn have(&self, launch: &Launch) -> bool {
        self.launches.contains(launch)
    }

    /// Ends the call, of which `says` tells what it says of each instance.
    pub(crate) fn end(mut self, says: impl Fn(&Launch) -> CallEnd) {
        self.end_all(says);
    }

    fn end_all(&mut self, says: impl Fn(&Launch) -> CallEnd) {
        let launches = std::mem::take(&mut self.launches);
        if launches.is_empty() {
            return;
        }
        let mut state = self.budget.budget.state();
        let (window, now) = (self.budget.window(&mut state), Instant::now());
        for launch in &launches {
            window.end(launch, says(launch), now);
        }
        drop(state);
        self.budget.budget.changed.notify_waiters();
    }
}

impl Drop for Places {
    /// The call was cut off, as by a panic: it may have stopped all of the instances.
    fn drop(&mut self) {
        self.end_all(|_| CallEnd::Unknown);
    }
}
