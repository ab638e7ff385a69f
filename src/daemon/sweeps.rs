//! When the accounts are swept: each for the first time at a random moment, and then again and again
//! at the interval of the setting, give or take a tenth. So the sweeps of many accounts, and of several
//! processes, are spread over the interval. All regions of an account are swept at the same time, so
//! that its role is assumed once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use time::UtcDateTime;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::domain::ids::Account;
use crate::domain::period::Period;
use crate::domain::target::TargetKey;
use crate::pipeline::sweep::Swept;
use crate::retry::backoff::Jitter;
use crate::retry::delays;

/// How many accounts and regions are swept at a time.
const AT_ONCE: usize = 20;

/// When the accounts are swept.
#[derive(Debug)]
pub(super) struct Sweeps {
    /// How often; `None` without sweeps.
    every: Option<Duration>,
    jitter: Arc<Jitter>,
    /// When each account is swept next.
    due: BTreeMap<Account, Instant>,
    /// How far the sweeps of each account and region are.
    progress: BTreeMap<TargetKey, Progress>,
    /// Places for those that are swept at a time.
    pub(super) places: Arc<Semaphore>,
}

/// How far the sweeps of an account and region are. Clones share that.
#[derive(Clone, Debug, Default)]
pub(super) struct Progress(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// When the last sweep began that read all instances.
    read: Option<UtcDateTime>,
    /// When the last sweep began that told all owners of what goes on.
    told: Option<UtcDateTime>,
    /// Whether one is going on.
    is_going_on: bool,
}

/// A sweep that is going on.
#[derive(Debug)]
pub(super) struct Begun {
    progress: Progress,
    /// The time that it answers for.
    pub(super) period: Period,
    /// The time since the last sweep that read all instances.
    pub(super) unread: Period,
    /// Whether it is the first one of this process.
    pub(super) is_first: bool,
}

impl Sweeps {
    /// No account is known yet.
    pub(super) fn new(every: Option<Duration>, jitter: &Arc<Jitter>) -> Self {
        Self {
            every,
            jitter: Arc::clone(jitter),
            due: BTreeMap::new(),
            progress: BTreeMap::new(),
            places: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }

    /// Has an account swept from now on, if it is not yet.
    pub(super) fn add(&mut self, account: &Account) {
        let Some(every) = self.every else { return };
        if !self.due.contains_key(account) {
            let first = self.jitter.full(every.min(delays::FIRST_SWEEP));
            self.due.insert(account.clone(), Instant::now() + first);
        }
    }

    /// When the next account is due; `None` without any.
    pub(super) fn next(&self) -> Option<Instant> {
        self.due.values().min().copied()
    }

    /// The accounts that are due, each of which is due again an interval later.
    pub(super) fn take_due(&mut self) -> Vec<Account> {
        let (Some(every), now) = (self.every, Instant::now()) else { return Vec::new() };
        let mut taken = Vec::new();
        for (account, due) in &mut self.due {
            if *due <= now {
                *due = now + every * 9 / 10 + self.jitter.full(every / 5);
                taken.push(account.clone());
            }
        }
        taken
    }

    /// Begins a sweep of an account and region; `None` while the one before goes on.
    pub(super) fn begin(&mut self, target: &TargetKey, now: UtcDateTime) -> Option<Begun> {
        let every = self.every?;
        let progress = self.progress.entry(target.clone()).or_default().clone();
        let (read, told) = {
            let mut state = progress.state();
            if std::mem::replace(&mut state.is_going_on, true) {
                return None;
            }
            (state.read, state.told)
        };
        let since =
            |last: Option<UtcDateTime>| Period { after: last.unwrap_or(now - every), until: now };
        Some(Begun { progress, period: since(told), unread: since(read), is_first: told.is_none() })
    }
}

impl Progress {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Begun {
    /// Notes how far the sweep came: the next one answers for what comes after it.
    pub(super) fn ended(&self, swept: Swept) {
        let mut state = self.progress.state();
        if swept != Swept::Nothing {
            state.read = Some(self.period.until);
        }
        if swept == Swept::All {
            state.told = Some(self.period.until);
        }
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        self.progress.state().is_going_on = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::Region;

    const HOUR: Duration = Duration::from_hours(1);

    fn account(number: u64) -> Account {
        Account::parse(&format!("{number:012}")).unwrap()
    }

    fn sweeps(every: Duration) -> Sweeps {
        Sweeps::new(Some(every), &Arc::new(Jitter::seeded(1)))
    }

    fn at(mins: i64) -> UtcDateTime {
        UtcDateTime::UNIX_EPOCH + time::Duration::minutes(mins)
    }

    #[tokio::test(start_paused = true)]
    async fn each_account_is_swept_within_the_first_hour_and_then_about_as_often_as_wanted() {
        let mut sweeps = sweeps(4 * HOUR);
        (0..100).for_each(|number| sweeps.add(&account(number)));
        let (began, mut times) = (Instant::now(), BTreeMap::<_, Vec<_>>::new());
        while began.elapsed() < 24 * HOUR {
            tokio::time::sleep_until(sweeps.next().unwrap()).await;
            for account in sweeps.take_due() {
                times.entry(account).or_default().push(began.elapsed());
            }
        }
        assert_eq!(times.len(), 100);
        for times in times.values() {
            assert!(times[0] <= HOUR + Duration::from_millis(1), "{times:?}");
            for pair in times.windows(2) {
                let between = pair[1].saturating_sub(pair[0]);
                assert!((HOUR * 18 / 5..=HOUR * 22 / 5).contains(&between), "{between:?}");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_sweep_answers_for_the_time_since_the_last_that_was_complete() {
        let mut sweeps = sweeps(HOUR);
        let region = Region::parse("eu-central-1").unwrap();
        let target = TargetKey { account: account(1), region };
        let begun = sweeps.begin(&target, at(60)).unwrap();
        assert!(begun.is_first && begun.period == Period { after: at(0), until: at(60) });
        assert!(sweeps.begin(&target, at(70)).is_none());
        begun.ended(Swept::Nothing);
        drop(begun);
        let begun = sweeps.begin(&target, at(120)).unwrap();
        assert!(begun.is_first);
        begun.ended(Swept::All);
        drop(begun);
        let begun = sweeps.begin(&target, at(200)).unwrap();
        assert!(!begun.is_first && begun.period == Period { after: at(120), until: at(200) });
        begun.ended(Swept::Read);
        drop(begun);
        let begun = sweeps.begin(&target, at(300)).unwrap();
        assert_eq!(begun.period, Period { after: at(120), until: at(300) });
        assert_eq!(begun.unread, Period { after: at(200), until: at(300) });
    }

    #[tokio::test(start_paused = true)]
    async fn without_the_setting_there_is_none() {
        let mut sweeps = Sweeps::new(None, &Arc::new(Jitter::seeded(1)));
        sweeps.add(&account(1));
        assert!(sweeps.next().is_none() && sweeps.take_due().is_empty());
    }
}
