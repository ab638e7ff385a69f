//! Tells systemd of the start, the drain and the counts, if systemd has started the daemon.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::health::{Health, Phase};
use crate::retry::delays;

/// Tells systemd of the start, the drain and the counts, and feeds its watchdog while every loop
/// is alive. Without systemd nothing is sent.
pub(crate) async fn tell(health: Arc<Health>, drain: CancellationToken) -> Infallible {
    let watchdog = sd_notify::watchdog_enabled();
    let mut reachable = true;
    speak(&health, &drain, pause(watchdog), |words| {
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

/// The pause between two messages. It feeds the watchdog twice within its limit, so that a delay of
/// one message does not end the daemon.
fn pause(watchdog: Option<Duration>) -> Duration {
    watchdog.map_or(delays::SYSTEMD_STATUS, |limit| {
        (limit / 2).clamp(delays::SHORTEST_WATCHDOG, delays::SYSTEMD_STATUS)
    })
}

async fn speak(
    health: &Health,
    drain: &CancellationToken,
    pause: Duration,
    mut send: impl FnMut(&[NotifyState<'_>]),
) -> Infallible {
    let mut phase = health.phase();
    let mut told = Told::default();
    loop {
        let drains = drain.is_cancelled();
        send(&told.next(health, *phase.borrow_and_update(), drains));
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            Ok(()) = phase.changed() => {}
            () = drain.cancelled(), if !drains => {}
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
    fn next(&mut self, health: &Health, phase: Phase, drains: bool) -> Vec<NotifyState<'_>> {
        let mut words = Vec::new();
        if phase == Phase::Running && !self.ready {
            self.ready = true;
            words.push(NotifyState::Ready);
        }
        if drains && !self.stopping {
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
    async fn heard(health: &Health, drain: &CancellationToken, secs: u64, word: &str) -> Vec<u64> {
        let (began, mut times) = (Instant::now(), Vec::new());
        let spoken = speak(health, drain, FED, |words| {
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
        let (health, drain) = (Health::default(), CancellationToken::new());
        assert_eq!(heard(&health, &drain, 35, "WATCHDOG=1").await, [0, 10, 20, 30]);
        assert!(heard(&health, &drain, 35, "READY=1").await.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_stuck_loop_stops_the_watchdog_and_one_that_goes_on_lets_it_be_fed_again() {
        let (health, drain) = (Health::default(), CancellationToken::new());
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
        let fed = heard(&health, &drain, 95, "WATCHDOG=1").await;
        // 5 s announced and 30 s of grace.
        assert_eq!(fed, [0, 10, 20, 30, 70, 80, 90]);
        task.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn the_drain_is_told_once_and_at_once_and_the_watchdog_is_fed_in_it() {
        let (health, drain) = (Health::default(), CancellationToken::new());
        let signal = drain.clone();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(15)).await;
            signal.cancel();
        });
        assert_eq!(heard(&health, &drain, 40, "STOPPING=1").await, [15]);
        assert_eq!(heard(&health, &drain, 15, "WATCHDOG=1").await, [0, 10]);
    }
}
