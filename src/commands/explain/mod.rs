//! `explain`: what the daemon would do with an instance, and why.

mod report;
mod rows;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use anyhow::{Context, anyhow};

use super::ended::Ended;
use super::judging::{judge, now};
use super::lines;
use super::live::Live;
use super::loading::Loading;
use crate::cli::judging::ExplainArguments;
use crate::cli::output;
use crate::domain::ids::{InstanceId, Region};
use crate::domain::policy::Policies;
use crate::domain::policy::stored::Stored;
use crate::domain::policy::verdict::Judgement;
use crate::settings::Settings;

/// What is known of an instance, and the verdict on it.
#[derive(Clone, Debug)]
pub(super) struct Explanation<'p> {
    policies: &'p Policies,
    stored: Stored,
    pub(super) judgement: Judgement,
}

impl<'p> Explanation<'p> {
    /// Judges an instance.
    pub(super) fn of(policies: &'p Policies, stored: Stored) -> Self {
        let judgement = judge(policies, &stored);
        Self { policies, stored, judgement }
    }
}

/// Explains an instance, live or by stored facts.
///
/// # Errors
/// Policies or settings that cannot work, and an instance or facts that cannot be read.
pub async fn run(arguments: &ExplainArguments) -> Result<u8, Ended> {
    let ExplainArguments { instance, config, facts, region, json } = arguments;
    let (policies, stored) = match (instance, facts) {
        (Some(id), _) => {
            let settings = Settings::load(config.as_deref())?;
            let live = Live::connect(&settings).await?;
            let stored = find(&live, id, region.as_ref()).await?;
            (live.policies, stored)
        }
        (None, file) => {
            let text = lines::text_of(file.as_deref().unwrap_or("-".as_ref()))?;
            let policies = Loading::of_settings(config.as_deref(), None)?.policies()?;
            let stored = stored(&text, &policies)?;
            (policies, stored)
        }
    };
    let explanation = Explanation::of(&policies, stored);
    output::print(if *json { explanation.json()? } else { explanation.to_string() })?;
    Ok(0)
}

/// Reads stored facts.
fn stored(text: &str, policies: &Policies) -> anyhow::Result<Stored> {
    let json = serde_json::from_str(text).context("the facts are no JSON")?;
    let stored = Stored::read(&json, now());
    let stored = stored.and_then(|stored| stored.has_all_of(policies.reads()).map(|()| stored));
    stored.map_err(|wrong| anyhow!("cannot read the facts: {wrong}"))
}

/// Looks for an instance in a region, or in all of those whose instances count.
async fn find(live: &Live, id: &InstanceId, region: Option<&Region>) -> anyhow::Result<Stored> {
    let regions = region.map_or(live.scope.regions.as_slice(), std::slice::from_ref);
    let ids = BTreeSet::from([id.clone()]);
    for region in regions {
        if let Some(stored) = live.look(region, &ids).await?.remove(id) {
            return Ok(stored);
        }
    }
    let regions: Vec<_> = regions.iter().map(Region::as_str).collect();
    let (account, regions) = (&live.scope.account, regions.join(", "));
    Err(anyhow!("EC2 does not know {id} in account {account}, in {regions}; give its --region"))
}
