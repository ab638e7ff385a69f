//! What a process may have judged about an instance, by what its looks showed.

use std::time::{Duration, SystemTime};

use ec2_policy_enforcer::sandbox::Call;
use tokio::time::Instant;

use super::oracle::{Subject, Tags, has_exception};
use super::verdict::Judgement;
use super::{Policies, Set};
use crate::simulation::evidence::Evidence;
use crate::simulation::look::Look;
use crate::simulation::plan::{Instance, Kind};

/// How long after a look its instances are judged at the latest: DescribeTags may be asked once
/// more in between.
const LATEST: Duration = Duration::from_millis(2500);
/// How far the time of day may be behind, since SQS says it in whole seconds.
const BEHIND: Duration = Duration::from_secs(2);
/// How much older than the newest one the look at the tags may be that counts: messages of several
/// events of an instance each have a look of their own.
const OLDER: Duration = Duration::from_mins(2);

/// Why instances are looked at; at changes of tags only where these are followed.
const TRIGGERS: [&str; 2] = ["start", "tag"];

impl<'r> Evidence<'r> {
    pub(in crate::simulation) fn policies(&self) -> Option<&'r Policies> {
        self.record.plan.policies.as_ref()
    }

    /// Everything that a process may have judged about an instance by a look that ended between
    /// these moments. Nothing in a world without policies.
    pub(in crate::simulation) fn judged(
        &self,
        id: &str,
        process: &str,
        (since, until): (Instant, Instant),
    ) -> Vec<Judgement> {
        let mut judged = Vec::new();
        let Some(instance) = self.record.plan.instances.iter().find(|one| one.id == id) else {
            return judged;
        };
        let looks = self.looks_at(id).filter(|look| look.caller() == process);
        for look in looks.filter(|look| (since..=until).contains(&look.ended())) {
            for set in self.in_effect(look.at()) {
                judged.extend(self.judgements(instance, look, set));
            }
        }
        judged
    }

    /// Whether a look at the tags, between these moments, was enough to end the work on the
    /// instance: it showed the exception tag, and no policy ignores that.
    pub(in crate::simulation) fn was_exempt(
        &self,
        id: &str,
        process: &str,
        (since, until): (Instant, Instant),
    ) -> bool {
        let mut looks = self.tag_looks_at(id).filter(|look| {
            look.caller() == process && look.ended() >= since && look.ended() <= until
        });
        looks.any(|look| {
            let mut sets = self.in_effect(look.at());
            has_exception(&tags(look, id)) && sets.any(Set::honours_the_tag)
        })
    }

    /// The policies that may be in effect at a moment.
    fn in_effect(&self, at: Instant) -> impl Iterator<Item = &'r Set> + use<'r> {
        let reloaded = self.record.history.reloaded;
        let is_first = reloaded.is_none_or(|reloaded| at <= reloaded);
        let is_later = reloaded.is_some_and(|reloaded| at >= reloaded);
        let policies = self.policies();
        let first = policies.filter(|_| is_first).map(|policies| &policies.first);
        let later = policies.filter(|_| is_later).and_then(|policies| policies.later.as_ref());
        first.into_iter().chain(later.map(|(_, set)| set))
    }

    /// What a look says by a set of policies, with each look at the tags that may count.
    fn judgements(&self, instance: &Instance, look: &Look<'r>, set: &Set) -> Vec<Judgement> {
        let Some(page) = look.page(&instance.id) else { return Vec::new() };
        let shown = &page.shown[&instance.id];
        let mut judgements = Vec::new();
        for (first, shows_all) in self.first_tags(instance, (look, page), set) {
            let times = self.times_of_day(look).into_iter();
            let triggers =
                if self.record.plan.tag_events.is_empty() { &TRIGGERS[..1] } else { &TRIGGERS };
            for (now, trigger) in times.flat_map(|now| triggers.iter().map(move |one| (now, *one)))
            {
                let subject = Subject {
                    account: &instance.account,
                    region: instance.region,
                    tags: &shown.tags,
                    details: shown.details.as_deref().unwrap(),
                    now,
                    began: self.record.plan.options.began.unwrap(),
                    trigger,
                };
                let judgement = set.judge(&page.seen_states[&instance.id], subject, &first);
                if (shows_all || judgement.is_sure()) && !judgements.contains(&judgement) {
                    judgements.push(judgement);
                }
            }
        }
        judgements
    }

    /// The tags that the process may have known from DescribeTags, and whether it had asked for all
    /// that the policies mention. Of a managed instance DescribeTags shows none.
    fn first_tags(
        &self,
        instance: &Instance,
        (look, page): (&Look<'r>, &Call),
        set: &Set,
    ) -> Vec<(Tags, bool)> {
        let is_known =
            |one: &&Look<'r>| one.caller() == look.caller() && one.ended() <= look.ended() + LATEST;
        let looks: Vec<_> = self.tag_looks_at(&instance.id).filter(is_known).collect();
        let Some(newest) = looks.iter().map(|one| one.ended()).max() else { return Vec::new() };
        let recent = looks.into_iter().filter(|one| one.ended() + OLDER >= newest);
        recent
            .map(|one| {
                let is_managed = instance.kind == Kind::Managed;
                let shows_all =
                    self.in_effect(one.at()).any(|read| set.keys().is_subset(&read.keys()));
                let second = || page.shown[&instance.id].tags.clone();
                (if is_managed { second() } else { tags(one, &instance.id) }, shows_all)
            })
            .collect()
    }

    /// The times by which the instances of a look may be judged. The daemon goes by SQS's clock,
    /// whatever that of its host shows.
    fn times_of_day(&self, look: &Look<'_>) -> [SystemTime; 3] {
        let since = look.ended() - self.record.began;
        let times = [since.saturating_sub(BEHIND), since, since + LATEST];
        times.map(|since| self.record.plan.options.began.unwrap() + since)
    }

    fn tag_looks_at(&self, id: &str) -> impl Iterator<Item = &Look<'r>> {
        let looks = self.tag_looks.get(id).into_iter().flatten();
        looks.filter(|look| look.is_complete())
    }
}

/// The tags that all pages of a look show of an instance.
fn tags(look: &Look<'_>, id: &str) -> Tags {
    let pages = look.pages.iter().filter_map(|page| page.shown.get(id));
    pages.flat_map(|shown| shown.tags.clone()).collect()
}
