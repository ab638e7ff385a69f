//! Draws what goes wrong with member accounts: roles break and heal, regions are switched off, STS
//! fails.

use std::time::Duration;

use ec2_policy_enforcer::sandbox::{Fault, Rule};

use super::Draw;
use crate::simulation::members::{AccountChange, Members};
use crate::simulation::plan::{Happening, Trouble};

/// The least time that a role is broken, and the most, in seconds.
const BROKEN: [(u64, u64); 4] = [(5, 60), (60, 300), (60, 300), (300, 2_400)];

impl Draw {
    /// A role breaks, and is mended later.
    pub(super) fn broken_role(&mut self, account: &str) {
        for _ in 0..self.pick(&[1, 1, 2]) {
            let (least, most) = self.pick(&BROKEN);
            let breaks = self.pick(&[AccountChange::BreakRole, AccountChange::DeleteRole]);
            let (at, lasts) = (self.moment(), self.secs(least, most));
            self.happens(at, Happening::Account(breaks, account.to_owned()));
            self.happens(
                at + lasts,
                Happening::Account(AccountChange::HealRole, account.to_owned()),
            );
        }
    }

    /// A region is switched off, from the begin and to the end, or for a while.
    pub(super) fn opted_out(&mut self, account: &str, regions: &[&'static str]) {
        let region = self.pick(regions);
        let for_ever = self.chance(0.5);
        let at = if for_ever { Duration::ZERO } else { self.moment() };
        self.happens(at, Happening::Account(AccountChange::OptOut(region), account.to_owned()));
        if !for_ever {
            let lasts = self.secs(20, 1_800);
            let opts_in = AccountChange::OptIn(region);
            self.happens(at + lasts, Happening::Account(opts_in, account.to_owned()));
        }
    }

    /// STS is slow, or fails, for all members or for one.
    pub(super) fn sts_in_trouble(&mut self, members: &Members) {
        let operation = "AssumeRole";
        if self.chance(0.5) {
            let by = Duration::from_millis(self.rng.u64(0..3_000));
            self.strikes(Duration::ZERO, Trouble::Slow { operation, by });
        }
        if self.calm {
            return;
        }
        for _ in 0..self.pick(&[1, 1, 2]) {
            let mut rule = Rule::on(operation).fault(self.sts_fault());
            if self.chance(0.5) {
                let one = self.rng.usize(..members.accounts.len());
                let account = &members.accounts[one].account;
                rule = rule.naming(format!("arn:aws:iam::{account}:role/ec2-policy-enforcer"));
            }
            let (at, lasts) = (self.moment(), self.secs(5, 200));
            let number = self.strikes(at, Trouble::Fault(rule));
            self.happens(at + lasts, Happening::Lift(number));
        }
    }

    fn sts_fault(&mut self) -> Fault {
        match self.rng.u32(0..6) {
            0 => Fault::error(500, "InternalFailure"),
            1 => Fault::error(400, "Throttling"),
            2 => Fault::CutBefore,
            3 => Fault::CutAfter,
            4 => Fault::HangBefore,
            _ => Fault::error(403, "AccessDenied"),
        }
    }
}
