//! Draws what happens in member accounts: their instances, some with the ids of others, their
//! events, and events that are forged.

use std::time::Duration;

use super::Draw;
use super::setting::HOME;
use crate::simulation::members::{Member, Members, Role};
use crate::simulation::names::{ec2_id, name};
use crate::simulation::plan::{Change, Happening, Instance, Kind, Noise};

impl Draw {
    /// Plans what happens in a world with these members.
    pub(super) fn member_worlds(&mut self, members: &Members) {
        for member in &members.accounts {
            match (member.counts, member.role) {
                (false, _) => self.unlisted(&member.account),
                (true, Role::NoAccount) => self.forged_account(&member.account),
                (true, _) => self.member(member, &members.regions),
            }
        }
        if self.chance(0.3) {
            let end = self.moment();
            self.replaced(end);
        }
        if self.chance(0.5) {
            self.sts_in_trouble(members);
        }
        let hours = Duration::from_mins(self.pick(&[0, 0, 0, 0, 0, 0, 40, 100]));
        self.lingers = self.lingers.max(hours);
    }

    /// Plans the instances of a member, its events and its troubles.
    fn member(&mut self, member: &Member, regions: &[&'static str]) {
        for _ in 0..self.pick(&[1, 1, 2, 3, 6]) {
            let number = self.member_instance(&member.account, regions);
            let launched = if self.burst { Duration::ZERO } else { self.moment() };
            self.lives(number, launched);
        }
        if self.chance(0.3) {
            self.forged_instance(&member.account);
        }
        if self.chance(0.1) {
            self.poisoned_member(&member.account, regions);
        }
        match self.rng.u32(0..100) {
            _ if member.role != Role::Sound => {}
            0..25 => self.broken_role(&member.account),
            25..37 => self.opted_out(&member.account, regions),
            _ => {}
        }
    }

    /// Draws an instance, in many cases with the id of one in another account.
    fn member_instance(&mut self, account: &str, regions: &[&'static str]) -> usize {
        let region = self.pick(regions);
        let drawn = self.instance(region);
        let mut id = drawn.id.clone();
        if self.chance(0.4) && !self.instances.is_empty() {
            let other = self.rng.usize(..self.instances.len());
            ec2_id(&self.instances[other].id).clone_into(&mut id);
        }
        if self.has(account, &id) {
            id.clone_from(&drawn.id);
        }
        let id = name(account, region, &id);
        self.instances.push(Instance { id, account: account.to_owned(), ..drawn });
        self.instances.len() - 1
    }

    /// Plans an instance of which every look fails, or every stop.
    fn poisoned_member(&mut self, account: &str, regions: &[&'static str]) {
        let number = self.member_instance(account, regions);
        let instance = &mut self.instances[number];
        (instance.kind, instance.exempt, instance.unseen_by) = (Kind::Plain, false, None);
        let at = self.moment();
        self.lives(number, at);
        self.poisoned(number);
    }

    /// Whether an account has an instance of this id, in whatever region.
    fn has(&self, account: &str, id: &str) -> bool {
        self.instances.iter().any(|one| one.account == account && ec2_id(&one.id) == id)
    }

    /// Plans an event that names a member and an instance of another account.
    fn forged_instance(&mut self, account: &str) {
        let one = self.rng.usize(..self.instances.len());
        let (region, id) = (self.instances[one].region, ec2_id(&self.instances[one].id).to_owned());
        if self.has(account, &id) {
            return;
        }
        self.claimed(account, region, &id);
    }

    /// Plans events of an account that is not there.
    fn forged_account(&mut self, account: &str) {
        for _ in 0..self.pick(&[0, 1, 3]) {
            let one = self.rng.usize(..self.instances.len());
            let id = ec2_id(&self.instances[one].id).to_owned();
            if !self.has(account, &id) {
                self.claimed(account, HOME, &id);
            }
        }
    }

    /// Plans an event of an instance that is not there.
    fn claimed(&mut self, account: &str, region: &'static str, id: &str) {
        let drawn = self.instance(region);
        self.instances.push(Instance {
            id: name(account, region, id),
            account: account.to_owned(),
            kind: Kind::Unknown,
            unseen_by: None,
            ..drawn
        });
        let at = self.moment();
        self.reported(self.instances.len() - 1, at);
    }

    /// Plans messages about an instance in an account that does not count.
    fn unlisted(&mut self, account: &str) {
        let bait = self.member_instance(account, &[HOME]);
        let instance = &mut self.instances[bait];
        (instance.kind, instance.exempt, instance.unseen_by) = (Kind::Plain, false, None);
        self.happens(Duration::ZERO, Happening::Change(Change::Launch, bait));
        for _ in 0..self.pick(&[1, 1, 2, 4]) {
            let at = self.moment();
            self.happens(at, Happening::Noise(Noise::UnlistedAccount, bait));
        }
    }
}
