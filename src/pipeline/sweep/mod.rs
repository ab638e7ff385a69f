//! A sweep: looks at all running instances of an account and region, and has those worked on that
//! events missed, or that became violators without an event. Nothing is done about what has just
//! started: its event is on its way. What is found is left alone for five minutes, and then looked at
//! again: tools remove tags and set them again in two calls.
//!
//! - here: one sweep;
//! - [`begun`]: what it looks at, and what it knows;
//! - [`findings`]: how the instances stand with the policies, and which are to be worked on;
//! - [`nominate`]: has them worked on, one at a time;
//! - [`unread`]: tells operators which accounts and regions cannot be read.

pub(crate) mod begun;
mod findings;
mod nominate;
pub(crate) mod unread;

use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;
use tokio::task::coop::consume_budget;
use tokio::time::Instant;
use tracing::{info, warn};

use crate::aws::ec2::Instances;
use crate::aws::ec2::list::Page;
use crate::aws::error::AwsError;
use crate::retry::delays;
use crate::retry::patience::Patience;
use crate::runtime::liveness;
use crate::telemetry::logs::ms;
use crate::telemetry::metrics::SweepEnd;

use begun::Sweep;
use findings::{Criteria, Findings, Standing};

/// How far a sweep came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Swept {
    /// Not all instances could be read.
    Nothing,
    /// All were read, and some of those that go on running were not worked on.
    Read,
    /// Those that go on running were all worked on.
    All,
}

impl Sweep {
    /// Looks at all running instances, and has those worked on that need it. `place` is that of those
    /// which read. Where a page fails, nothing is concluded from the others. Says whether all could be
    /// read, and whether their owners were told: if not, the next sweep tells them.
    pub(crate) async fn run(self, place: OwnedSemaphorePermit) -> Swept {
        let began = Instant::now();
        let drain = self.context().drain.clone();
        let Some(read) = drain.run_until_cancelled(self.read()).await else {
            return Swept::Nothing;
        };
        drop(place);
        match read {
            Ok(findings) => {
                self.memory.unread.read(&self.target().key);
                self.report(&findings, began);
                self.nominate(findings.candidates).await
            }
            Err(error) => {
                let key = &self.target().key;
                let (account, region) = (&key.account, &key.region);
                warn!(%account, %region, %error, "cannot sweep an account and region; the next sweep tries again");
                self.context().metrics.count_sweep(SweepEnd::Failed);
                self.memory.unread.failed(key, &error, &self.evaluator.exits.operators);
                Swept::Nothing
            }
        }
    }

    /// Reads all pages, and judges each as it comes.
    async fn read(&self) -> Result<Findings, AwsError> {
        let policies = self.context().policies();
        let instances = self.target().instances.reading(policies.reads());
        let criteria = Criteria::new(self, &policies);
        let mut patience = Patience::new(Arc::clone(&self.context().jitter));
        let tries_until = Instant::now() + delays::SWEEP_TRIES;
        let (mut findings, mut token) = (Findings::default(), None::<String>);
        loop {
            match self.page(&instances, token.as_deref()).await {
                Ok(page) => {
                    patience.succeeded();
                    for (instance, facts) in page.instances {
                        findings.add(instance, &facts, &criteria);
                        // Events need not wait for a thousand judgements.
                        consume_budget().await;
                    }
                    token = page.next;
                    if token.is_none() {
                        return Ok(findings);
                    }
                }
                Err(error) => {
                    liveness::idle();
                    if Instant::now() >= tries_until || !patience.again_after(&error).await {
                        return Err(error);
                    }
                }
            }
        }
    }

    /// Reads a page at the pace of sweeps.
    async fn page(&self, instances: &Instances, token: Option<&str>) -> Result<Page, AwsError> {
        let limits = &self.target().rate_limits;
        let _ = limits.sweep(1).await;
        let permit = limits.look().await.ok();
        let page = instances.running(token).await;
        if let Some(permit) = permit {
            limits.looked(permit, page.as_ref().err());
        }
        page
    }

    /// Says what was found.
    fn report(&self, findings: &Findings, began: Instant) {
        let (key, metrics) = (&self.target().key, &self.context().metrics);
        metrics.count_sweep(SweepEnd::Complete);
        for standing in Standing::ALL {
            let count = findings.counts.get(&standing).copied().unwrap_or_default();
            metrics.set_fleet(key, standing.label(), count);
        }
        metrics.count_missed_starts(key, findings.missed);
        info!(
            account = %key.account,
            region = %key.region,
            running = findings.running(),
            violators = findings.violators(),
            candidates = findings.candidates.len(),
            missed_starts = findings.missed,
            duration_ms = ms(began.elapsed()),
            "swept an account and region"
        );
    }
}
