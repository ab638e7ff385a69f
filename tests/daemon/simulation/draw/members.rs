//! Draws member accounts for some worlds: up to 30 in up to four regions, with instances of equal ids,
//! roles that break and heal, regions that are switched off, credentials that expire, and forged
//! events. It has a generator of its own, so that the other worlds stay the same.

use std::time::Duration;

use ec2_policy_enforcer::sandbox::{Fault, Rule};
use fastrand::Rng;

use super::Draw;
use super::setting::{AWAY, HOME};
use crate::simulation::members::{AccountChange, Member, Members, Role};
use crate::simulation::names::{ec2_id, name};
use crate::simulation::plan::{Change, Happening, Instance, Kind, Noise, Plan, Trouble};
use crate::simulation::policies::ACCOUNT;

/// Makes another sequence of the seed than that of the other draws.
const SALT: u64 = 0x0_ACC0_0275;
/// One world of so many has members: those whose seeds leave this rest.
const EVERY: u64 = 6;
const REST: u64 = 3;
const REGIONS: [&str; 4] = [HOME, AWAY, "ap-northeast-1", "sa-east-1"];
/// How long the credentials of roles are valid, in seconds.
const LIFETIMES: [u64; 5] = [60, 90, 300, 900, 3_600];
/// The shortest that AWS has.
const SHORTEST: Duration = Duration::from_mins(15);
/// The least time that a role is broken, and the most, in seconds.
const BROKEN: [(u64, u64); 4] = [(5, 60), (60, 300), (60, 300), (300, 2_400)];
const MINUTE: u64 = 60;
/// A world that lasts longer than this makes thousands of calls.
const LONG: Duration = Duration::from_mins(12);

impl Plan {
    /// The same plan, with members if the seed says so.
    pub(super) fn with_members(mut self) -> Self {
        if self.seed % EVERY != REST {
            return self;
        }
        let mut rng = Rng::with_seed(self.seed ^ SALT);
        let members = self.members(&mut rng);
        let lifetime = LIFETIMES[rng.usize(..LIFETIMES.len())];
        self.options.session_lifetime = Some(Duration::from_secs(lifetime));
        let mut draw = Draw {
            length: Duration::from_secs(rng.u64(30..10 * MINUTE)),
            pending: self.options.pending,
            calm: rng.f64() < 0.5,
            burst: rng.f64() < 0.4,
            rng,
            instances: self.instances,
            events: self.events,
            story: self.story,
            lingers: self.lingers,
        };
        draw.member_worlds(&members);
        let Draw { mut rng, instances, events, mut story, lingers, .. } = draw;
        story.sort_by_key(|(at, _)| *at);
        let mut plan =
            Self { instances, events, story, lingers, members: Some(members), ..self };
        plan.fits_its_members(&mut rng);
        plan.share_event_ids(&mut rng);
        plan.with_lasting_credentials()
    }

    /// The same plan, with credentials that last as long as in AWS at least where the clocks of hosts
    /// are off.
    pub(super) fn with_lasting_credentials(mut self) -> Self {
        if let Some(lifetime) = &mut self.options.session_lifetime
            && self.clock_ahead_secs != 0
        {
            *lifetime = (*lifetime).max(SHORTEST);
        }
        self
    }

    /// Draws the accounts and the regions. Where the plan has two regions already, both are among
    /// them.
    fn members(&self, rng: &mut Rng) -> Members {
        let any = rng.f64() < 0.3;
        let count = [1, 2, 2, 3, 3, 4, 8, 30][rng.usize(..8)];
        let mut account = || format!("{}", rng.u64(400_000_000_000..900_000_000_000));
        let mut accounts: Vec<_> = (0..count)
            .map(|_| Member { account: account(), counts: true, role: Role::Sound })
            .collect();
        let other = Member { account: account(), counts: any, role: Role::NoAccount };
        for member in &mut accounts {
            if rng.f64() < 0.15 {
                member.role = Role::Missing;
            }
        }
        accounts.push(Member { role: if any { other.role } else { Role::Sound }, ..other });
        let used = REGIONS.iter().rposition(|region| {
            self.instances.iter().any(|instance| instance.region == *region)
        });
        let regions = rng.usize(1..=4).max(used.map_or(1, |last| last + 1));
        let external_id = (rng.f64() < 0.3).then_some("o-4711/simulation");
        Members { any, accounts, regions: REGIONS[..regions].to_vec(), external_id }
    }

    /// Gives events of members the ids of events in other accounts whose instances have equal ids, as
    /// whoever forges events can.
    fn share_event_ids(&mut self, rng: &mut Rng) {
        for number in 0..self.events.len() {
            let instance = &self.instances[self.events[number].instance];
            let mut others = self.events.iter().filter(|other| {
                let other = &self.instances[other.instance];
                other.id != instance.id && ec2_id(&other.id) == ec2_id(&instance.id)
            });
            if let Some(id) = others.next().map(|other| other.id.clone())
                && instance.account != ACCOUNT
                && rng.bool()
                && self.has_no_event(instance, &id)
            {
                self.events[number].id = id;
            }
        }
    }

    fn has_no_event(&self, instance: &Instance, id: &str) -> bool {
        let mut events = self.events.iter().filter(|event| event.id == id);
        events.all(|event| self.instances[event.instance].id != instance.id)
    }

    /// Sets what the daemon is told of its members. In most worlds the inbox is so large that no
    /// account has its share of it.
    fn fits_its_members(&mut self, rng: &mut Rng) {
        let members = self.members.as_ref().unwrap();
        let listed = members.accounts.iter().filter(|member| member.counts);
        let listed: Vec<_> = listed.map(|member| member.account.clone()).collect();
        let ids = if members.any { "any".to_owned() } else { listed.join(",") };
        self.settings.retain(|(key, _)| *key != "ENFORCER_SCOPE__REGIONS");
        self.settings.push(("ENFORCER_SCOPE__REGIONS", members.regions.join(",")));
        self.settings.push(("ENFORCER_ACCOUNTS__IDS", ids));
        // By these the record tells notices about instances of one id apart.
        self.settings.push(("ENFORCER_NOTICE__ATTRIBUTES", "true".to_owned()));
        if let Some(id) = members.external_id {
            self.settings.push(("ENFORCER_ACCOUNTS__EXTERNAL_ID", id.to_owned()));
        }
        if members.any {
            let is_foreign =
                |one: &Happening| matches!(one, Happening::Noise(Noise::ForeignAccount, _));
            self.story.retain(|(_, one)| !is_foreign(one));
        }
        if rng.f64() < 0.8 {
            let sends = self.story.iter().filter(|(_, one)| matches!(one, Happening::Send(_)));
            let places = 4 * sends.count() + 40;
            self.room += 2 * (places - self.inbox);
            self.inbox = places;
            let inbox = self.settings.iter_mut().filter(|(key, _)| *key == "ENFORCER_SIZES__INBOX");
            inbox.for_each(|(_, value)| *value = places.to_string());
        }
        let ends = self.story.last().map_or(Duration::ZERO, |(at, _)| *at);
        if ends + self.lingers > LONG {
            self.waits_long();
        }
    }
}

impl Draw {
    /// Plans what happens in a world with these members.
    fn member_worlds(&mut self, members: &Members) {
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
        let hours = Duration::from_mins(self.pick(&[0, 0, 0, 0, 0, 0, 40, 220]));
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
            id = ec2_id(&self.instances[other].id).to_owned();
        }
        if self.has(account, &id) {
            id = drawn.id.clone();
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

    fn broken_role(&mut self, account: &str) {
        for _ in 0..self.pick(&[1, 1, 2]) {
            let (least, most) = self.pick(&BROKEN);
            let breaks = self.pick(&[AccountChange::BreakRole, AccountChange::DeleteRole]);
            let (at, lasts) = (self.moment(), self.secs(least, most));
            self.happens(at, Happening::Account(breaks, account.to_owned()));
            self.happens(at + lasts, Happening::Account(AccountChange::HealRole, account.to_owned()));
        }
    }

    /// A region is switched off, from the begin and to the end, or for a while.
    fn opted_out(&mut self, account: &str, regions: &[&'static str]) {
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
    fn sts_in_trouble(&mut self, members: &Members) {
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
