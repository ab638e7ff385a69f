//! Draws member accounts for some worlds: up to 30 in up to four regions, with credentials that
//! expire. It has a generator of its own, so that the other worlds stay the same.

use std::time::Duration;

use fastrand::Rng;

use super::Draw;
use super::setting::{AWAY, HOME};
use crate::simulation::members::{Member, Members, Role};
use crate::simulation::names::ec2_id;
use crate::simulation::plan::{Happening, Instance, Noise, Plan};
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
const MINUTE: u64 = 60;

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
        let mut plan = Self { instances, events, story, lingers, members: Some(members), ..self };
        plan.fits_its_members(&mut rng);
        plan.share_event_ids(&mut rng);
        plan.with_lasting_credentials()
    }

    /// The same plan, with credentials that last as long as in AWS at least where the clocks of
    /// hosts are off.
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
        let used = REGIONS
            .iter()
            .rposition(|region| self.instances.iter().any(|instance| instance.region == *region));
        let regions = rng.usize(1..=4).max(used.map_or(1, |last| last + 1));
        let external_id = (rng.f64() < 0.3).then_some("o-4711/simulation");
        Members { any, accounts, regions: REGIONS[..regions].to_vec(), external_id }
    }

    /// Gives events of members the ids of events in other accounts whose instances have equal ids,
    /// as whoever forges events can.
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
        // What is put off waits for hours.
        self.waits_long();
    }
}
