//! The messages that this process has hidden because their stops are held, and the receipts by which
//! it makes them visible when stops go on.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use crate::aws::sqs::Receipt;
use crate::domain::event::EventKey;
use crate::domain::hold::Hold;
use crate::pipeline::settle::counts::Invisible;

/// The most receipts that are kept, of some 400 bytes each. The other messages become visible when
/// SQS hides them no longer, within 12 h.
const MOST_RECEIPTS: usize = 10_000;

/// The messages that are hidden, by their account and region.
#[derive(Debug, Default)]
pub(crate) struct OnHold(Mutex<BTreeMap<Hold, Hidden>>);

/// The hidden messages of an account and region.
#[derive(Debug, Default)]
struct Hidden {
    /// Those whose receipts are kept, each with the time until which it is hidden.
    receipts: VecDeque<(Receipt, Instant)>,
    /// When the others become visible.
    others: Invisible,
}

impl OnHold {
    /// Adds a message that SQS hides until then.
    pub(super) fn add(&self, key: &EventKey, receipt: Option<Receipt>, until: Instant) {
        let mut hidden = self.lock();
        hidden.values_mut().for_each(Hidden::forget);
        let kept = hidden.values().map(|hidden| hidden.receipts.len()).sum::<usize>();
        let hidden = hidden.entry(Hold::of(&key.account, &key.region)).or_default();
        match receipt {
            Some(receipt) if kept < MOST_RECEIPTS => hidden.receipts.push_back((receipt, until)),
            _ => hidden.others.add(until),
        }
    }

    /// How many messages of each account and region are hidden.
    pub(crate) fn counts(&self) -> BTreeMap<Hold, u64> {
        let mut hidden = self.lock();
        hidden.values_mut().for_each(Hidden::forget);
        hidden.iter().map(|(target, hidden)| (target.clone(), hidden.count())).collect()
    }

    /// Takes receipts of messages that are hidden and whose target is free; nothing if there are
    /// none.
    pub(super) fn take(
        &self,
        most: usize,
        is_free: impl Fn(&Hold) -> bool,
    ) -> Option<(Hold, Vec<(Receipt, Instant)>)> {
        let mut hidden = self.lock();
        hidden.values_mut().for_each(Hidden::forget);
        let (target, hidden) = hidden
            .iter_mut()
            .find(|(target, hidden)| !hidden.receipts.is_empty() && is_free(target))?;
        let count = hidden.receipts.len().min(most);
        Some((target.clone(), hidden.receipts.drain(..count).collect()))
    }

    /// Puts receipts back that were taken and could not be used.
    pub(super) fn put_back(&self, target: Hold, receipts: Vec<(Receipt, Instant)>) {
        let mut hidden = self.lock();
        let kept = &mut hidden.entry(target).or_default().receipts;
        receipts.into_iter().rev().for_each(|receipt| kept.push_front(receipt));
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Hold, Hidden>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Hidden {
    /// Forgets messages that are visible again. They were hidden one after the other for about the
    /// same time, so that the first ones are.
    fn forget(&mut self) {
        let now = Instant::now();
        while self.receipts.front().is_some_and(|(_, until)| *until <= now) {
            self.receipts.pop_front();
        }
    }

    fn count(&self) -> u64 {
        self.receipts.len() as u64 + self.others.count()
    }
}
