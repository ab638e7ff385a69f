//! Tells systemd of the start, the drain and the counts, if systemd has started the daemon.
//!
//! It is told READY as soon as the settings are sound and the admin port is open: units that wait
//! for this one, and with them the boot, must not wait for AWS. The status tells the rest.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::health::Health;
use crate::retry::delays;

/// Tells systemd of the start, the drain and the counts, and feeds its watchdog while every loop
/// is alive. Without systemd nothing is sent.
pub(crate) async fn tell(health: Arc<Health>, milestones: Milestones) -> Infallible {
    let watchdog = sd_notify::watchdog_enabled();
    let mut reachable = true;
    speak(&health, &milestones, pause(watchdog), |words| {
        let sent = sd_notify::notify(words);
        if let Err(error) = &sent
            && reachable
        {
            warn!(%error, "cannot tell systemd how the daemon is");
        }
        reachable = sent.is_ok();
    })
    .await
}

/// What happens once, and is told at once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Milestones {
    /// Cancelled when the admin port is open, or known to be off.
    pub(crate) open: CancellationToken,
    /// Cancelled when the drain begins.
    pub(crate) drain: CancellationToken,
}

impl Milestones {
    /// Waits for the next one that has not been told.
    async fn next(&self, told: &Told) {
        tokio::select! {
            () = self.open.cancelled(), if !told.ready => {}
            () = self.drain.cancelled(), if !told.stopping => {}
            else => std::future::pending().await,
        }
    }
}

/// The pause between two messages. It feeds the watchdog twice within its limit, so that a delay of
/// one message does not end the daemon.
fn pause(watchdog: Option<Duration>) -> Duration {
    watchdog.map_or(delays::SYSTEMD_STATUS, |limit| {
        (limit / 2).clamp(delays::SHORTEST_WATCHDOG, delays::SYSTEMD_STATUS)
    })
}

async fn speak(
    health: &Health,
    milestones: &Milestones,
    pause: Duration,
    mut send: impl FnMut(&[NotifyState<'_>]),
) -> Infallible {
    let mut phase = health.phase();
    let mut told = Told::default();
    loop {
        phase.mark_unchanged();
        send(&told.next(health, milestones));
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            Ok(()) = phase.changed() => {}
            () = milestones.next(&told) => {}
        }
    }
}

/// What systemd has been told so far.
#[derive(Debug, Default)]
struct Told {
    ready: bool,
    stopping: bool,
    status: String,
}

impl Told {
    /// What to send next: READY and STOPPING once each, the watchdog while no loop is stuck, and
    /// the status always.
    fn next(&mut self, health: &Health, milestones: &Milestones) -> Vec<NotifyState<'_>> {
        let mut words = Vec::new();
        if milestones.open.is_cancelled() && !self.ready {
            self.ready = true;
            words.push(NotifyState::Ready);
        }
        if milestones.drain.is_cancelled() && !self.stopping {
            self.stopping = true;
            words.push(NotifyState::Stopping);
        }
        if health.stuck().is_none() {
            words.push(NotifyState::Watchdog);
        }
        self.status = health.to_string();
        words.push(NotifyState::Status(&self.status));
        words
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    const FED: Duration = Duration::from_secs(10);

    /// Listens for so long, and says when each of these words came, in seconds.
    async fn heard(health: &Health, milestones: &Milestones, secs: u64, word: &str) -> Vec<u64> {
        let (began, mut times) = (Instant::now(), Vec::new());
        let spoken = speak(health, milestones, FED, |words| {
            let count = words.iter().filter(|one| one.to_string() == word).count();
            times.extend(vec![began.elapsed().as_secs(); count]);
        });
        assert!(tokio::time::timeout(Duration::from_secs(secs), spoken).await.is_err());
        times
    }

    #[test]
    fn the_watchdog_is_fed_twice_in_its_time_or_more_often() {
        assert_eq!(pause(Some(Duration::from_secs(6))), Duration::from_secs(3));
        assert_eq!(pause(Some(Duration::from_mins(1))), Duration::from_secs(10));
        assert_eq!(pause(None), Duration::from_secs(10));
        assert_eq!(pause(Some(Duration::ZERO)), Duration::from_millis(10));
    }

    #[tokio::test(start_paused = true)]
    async fn the_watchdog_is_fed_while_the_daemon_starts() {
        let (health, milestones) = (Health::default(), Milestones::default());
        assert_eq!(heard(&health, &milestones, 35, "WATCHDOG=1").await, [0, 10, 20, 30]);
    }

    #[tokio::test(start_paused = true)]
    async fn ready_is_told_once_and_at_once_when_the_port_is_open() {
        let (health, milestones) = (Health::default(), Milestones::default());
        let opened = milestones.open.clone();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(15)).await;
            opened.cancel();
        });
        assert_eq!(heard(&health, &milestones, 60, "READY=1").await, [15]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stuck_loop_stops_the_watchdog_and_one_that_goes_on_lets_it_be_fed_again() {
        let (health, milestones) = (Health::default(), Milestones::default());
        let (stuck_for, goes_on) = (Duration::from_secs(65), async {
            crate::runtime::liveness::idle();
            std::future::pending::<()>().await;
        });
        let task = async move {
            crate::runtime::liveness::within(Duration::from_secs(5));
            tokio::time::sleep(stuck_for).await;
            goes_on.await;
        };
        let task = tokio::spawn(Arc::clone(&health.liveness).watch("poller", task));
        let fed = heard(&health, &milestones, 95, "WATCHDOG=1").await;
        // 5 s announced and 30 s of grace.
        assert_eq!(fed, [0, 10, 20, 30, 70, 80, 90]);
        task.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn the_drain_is_told_once_and_at_once_and_the_watchdog_is_fed_in_it() {
        let (health, milestones) = (Health::default(), Milestones::default());
        let signal = milestones.drain.clone();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(15)).await;
            signal.cancel();
        });
        assert_eq!(heard(&health, &milestones, 40, "STOPPING=1").await, [15]);
        assert_eq!(heard(&health, &milestones, 15, "WATCHDOG=1").await, [0, 10]);
    }
}
