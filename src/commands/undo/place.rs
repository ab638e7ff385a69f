//! The instances of one account in one region, and the way to them.

use std::collections::{BTreeMap, BTreeSet};

use time::UtcDateTime;

use super::failure::told;
use super::plan::{Candidate, Fate, Left};
use super::site::Site;
use super::trail::{Key, Stop, Trail};
use crate::aws::ec2::undo::{Restarts, Seen};
use crate::aws::ec2::{Instances, look_limit};
use crate::aws::error::AwsError;
use crate::domain::ids::{Account, InstanceId, Region};
use crate::domain::policy::facts::Tags;
use crate::rate_limit::starts::Starts;
use crate::retry::patience::Patience;

/// One account in one region.
#[derive(Debug)]
pub(super) struct Place {
    pub account: Account,
    pub region: Region,
    /// `None` for an account that the credentials are not of.
    pub reach: Option<Reach>,
    pub candidates: Vec<Candidate>,
}

/// The way to the instances of a place.
#[derive(Debug)]
pub(super) struct Reach {
    pub account: Account,
    pub region: Region,
    /// Looks, tags and starts.
    pub restarts: Restarts,
    /// Looks at tags as the daemon does.
    pub instances: Instances,
    /// EC2's buckets for starts.
    pub starts: Starts,
    /// The most instances of a look.
    most: usize,
}

impl Place {
    /// The stops of the trail, by the places where they were.
    pub(super) fn all(trail: Trail, site: &Site) -> Vec<Self> {
        let mut places = BTreeMap::<(Account, Region), Self>::new();
        for ((account, region, _), stop) in trail.stops {
            let place = places.entry((account.clone(), region.clone()));
            let place = place.or_insert_with(|| Self::new(account, region, site));
            place.candidates.push(place.candidate(stop));
        }
        places.into_values().collect()
    }

    fn new(account: Account, region: Region, site: &Site) -> Self {
        let reach = (account == site.account).then(|| Reach::new(&account, &region, site));
        Self { account, region, reach, candidates: Vec::new() }
    }

    fn candidate(&self, stop: Stop) -> Candidate {
        let fate = match self.reach {
            None => Fate::Left(Left::OtherAccount),
            // Until it is looked at.
            Some(_) => Fate::Start,
        };
        Candidate { stop, seen: None, fate }
    }

    /// The ids of the instances that this is true of.
    pub(super) fn ids(&self, is_one: impl Fn(&Candidate) -> bool) -> Vec<InstanceId> {
        let ones = self.candidates.iter().filter(|one| is_one(one));
        ones.map(|one| one.id().clone()).collect()
    }

    /// Looks at the instances that are to be started, and leaves those that are not any more. Where
    /// EC2 does not answer, none of them can be started.
    pub(super) async fn look(
        &mut self,
        patience: &mut Patience,
        started: &BTreeMap<Key, UtcDateTime>,
    ) {
        let ids = self.ids(Candidate::is_to_start);
        let Some(reach) = self.reach.as_ref().filter(|_| !ids.is_empty()) else { return };
        match reach.look(&ids, patience).await {
            Ok(mut seen) => {
                for one in &mut self.candidates {
                    let shown = seen.remove(one.id());
                    one.look(shown, started);
                }
            }
            Err(error) => {
                let why = format!("cannot be looked at: {}", told(&error));
                let waiting = self.candidates.iter_mut().filter(|one| one.is_to_start());
                waiting.for_each(|one| one.fate = Fate::Failed(why.clone()));
            }
        }
    }
}

impl Reach {
    fn new(account: &Account, region: &Region, site: &Site) -> Self {
        let reads = site.policies.reads();
        Self {
            account: account.clone(),
            region: region.clone(),
            restarts: Restarts::new(&site.connection, region, &site.all_reads()),
            instances: Instances::new(&site.connection, region, reads),
            starts: Starts::new(),
            most: look_limit(reads),
        }
    }

    /// What DescribeInstances shows of instances.
    ///
    /// # Errors
    /// What EC2 answered instead, again and again.
    pub(super) async fn look(
        &self,
        ids: &[InstanceId],
        patience: &mut Patience,
    ) -> Result<BTreeMap<InstanceId, Seen>, AwsError> {
        let mut seen = BTreeMap::new();
        for ids in ids.chunks(self.most) {
            let ids: BTreeSet<_> = ids.iter().cloned().collect();
            seen.extend(loop {
                match self.restarts.describe(&ids).await {
                    Ok(seen) => break seen,
                    Err(error) if patience.again_after(&error).await => {}
                    Err(error) => return Err(error),
                }
            });
            patience.succeeded();
        }
        Ok(seen)
    }

    /// The tags that DescribeTags shows, those that policies mention.
    ///
    /// # Errors
    /// What EC2 answered instead, again and again.
    pub(super) async fn tags(
        &self,
        ids: &[InstanceId],
        patience: &mut Patience,
    ) -> Result<BTreeMap<InstanceId, Tags>, AwsError> {
        let mut tags = BTreeMap::new();
        for ids in ids.chunks(self.most) {
            let ids: BTreeSet<_> = ids.iter().cloned().collect();
            tags.extend(loop {
                match self.instances.tags(&ids).await {
                    Ok(tags) => break tags,
                    Err(error) if patience.again_after(&error).await => {}
                    Err(error) => return Err(error),
                }
            });
            patience.succeeded();
        }
        Ok(tags)
    }
}
