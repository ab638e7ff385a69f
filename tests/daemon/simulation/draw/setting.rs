//! Draws the options of the sandbox and the settings of the daemon.

use std::time::{Duration, SystemTime};

use ec2_policy_enforcer::sandbox::Options;
use fastrand::Rng;

use crate::simulation::policies::BEGAN;
use crate::world::TAG;

/// Visibility timeouts, in seconds, that no retry has as its delay. So a check can tell the renewal
/// of a lease from a retry of the message.
const VISIBILITIES: [u64; 5] = [5, 14, 14, 30, 55];
/// In seconds. What would make every event look as old as one whose instance EC2 must know.
const AHEAD: i64 = 301;
pub(super) const HOME: &str = "us-east-1";
pub(super) const AWAY: &str = "eu-west-1";

pub(super) struct Setting {
    pub options: Options,
    pub settings: Vec<(&'static str, String)>,
    pub visibility: Duration,
    pub drain_timeout: Duration,
    pub denial_timeout: Duration,
    pub inbox: usize,
    pub room: usize,
    pub share_percent: u32,
    pub fifo: bool,
    pub clock_ahead_secs: i64,
    pub second_region: bool,
}

impl Setting {
    pub(super) fn drawn(seed: u64, rng: &mut Rng) -> Self {
        let visibility = VISIBILITIES[rng.usize(..VISIBILITIES.len())];
        let drain = rng.u64(3..=25);
        let pollers = rng.usize(1..=2);
        let inbox = pollers * 10 + rng.usize(0..=20);
        let stop_queue = rng.usize(1..=30);
        let second_region = rng.f64() < 0.3;
        let share_percent = if rng.f64() < 0.2 { rng.u32(3..=30) } else { 100 };
        let denial = rng.u64(5..=120);
        let mut settings = vec![
            ("ENFORCER_QUEUE__VISIBILITY_TIMEOUT_SECS", visibility.to_string()),
            ("ENFORCER_DRAIN__TIMEOUT_SECS", drain.to_string()),
            ("ENFORCER_POLICY__DENIAL_TIMEOUT_SECS", denial.to_string()),
            ("ENFORCER_SIZES__POLLERS", pollers.to_string()),
            ("ENFORCER_SIZES__INBOX", inbox.to_string()),
            ("ENFORCER_SIZES__STOP_QUEUE", stop_queue.to_string()),
            ("ENFORCER_SIZES__BATCH", rng.u64(1..=40).to_string()),
            ("ENFORCER_SIZES__STOP_BATCH", rng.u64(1..=10).to_string()),
            ("ENFORCER_SIZES__EVALUATORS", rng.u64(1..=3).to_string()),
            ("ENFORCER_SIZES__ENFORCERS", rng.u64(1..=2).to_string()),
            ("ENFORCER_SIZES__NOTIFIERS", rng.u64(1..=3).to_string()),
            ("ENFORCER_SIZES__SETTLERS", rng.u64(1..=3).to_string()),
            ("ENFORCER_RATE_LIMIT__SHARE_PERCENT", share_percent.to_string()),
        ];
        if second_region {
            settings.push(("ENFORCER_SCOPE__REGIONS", format!("{HOME},{AWAY}")));
        }
        Self {
            options: options(seed, rng),
            settings,
            visibility: Duration::from_secs(visibility),
            drain_timeout: Duration::from_secs(drain),
            denial_timeout: Duration::from_secs(denial),
            inbox,
            room: 2 * (inbox + stop_queue),
            share_percent,
            fifo: rng.f64() < 0.2,
            clock_ahead_secs: if rng.f64() < 0.3 { AHEAD } else { 0 },
            second_region,
        }
    }
}

fn options(seed: u64, rng: &mut Rng) -> Options {
    let long_pending = rng.f64() < 0.15;
    let mut secs = |most: u64| Duration::from_millis(rng.u64(0..=most * 1000));
    Options {
        region: HOME.to_owned(),
        began: Some(SystemTime::UNIX_EPOCH + BEGAN),
        seed,
        pending: secs(if long_pending { 400 } else { 15 }),
        stopping: secs(30),
        shutting_down: secs(10),
        token_buckets: rng.bool(),
        page_size: rng.bool().then(|| rng.usize(1..=6)),
        guard_tag: (rng.f64() < 0.3).then(|| TAG.to_owned()),
        date_ahead: Some(Duration::ZERO),
        abandoned_polls: rng.f64() < 0.8,
        ..Options::default()
    }
}
