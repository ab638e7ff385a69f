//! Series of attempts and their pauses, on a paused clock.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::aws::error::{AwsError, Class};
use crate::aws::operation::Operation;
use crate::retry::attempts::{Attempts, GaveUp, Next};
use crate::retry::backoff::Jitter;
use crate::retry::breaker::Breakers;
use crate::settings::{Live, RetrySettings};

const CAP: Duration = Duration::from_secs(10);

struct World {
    breakers: Arc<Breakers>,
    live: watch::Sender<Live>,
    drain: CancellationToken,
}

fn world() -> World {
    let retry = RetrySettings { first: Duration::from_millis(200), cap: CAP };
    let (live, followed) =
        watch::channel(Live { retry, share_percent: 100, regions: Vec::new(), policies: None });
    let drain = CancellationToken::new();
    let jitter = Arc::new(Jitter::seeded(1));
    let breakers = Breakers::new(followed, jitter, Arc::default(), drain.clone());
    World { breakers: Arc::new(breakers), live, drain }
}

impl World {
    fn step(&self) -> Attempts {
        self.breakers.step(Operation::Publish)
    }

    /// A series whose operation is paused because it was denied.
    async fn paused(&self) -> Attempts {
        let mut attempts = self.step();
        fail(&mut attempts, Class::Denied).await;
        attempts
    }

    /// Lets another series succeed.
    async fn others_succeed(&self) {
        self.step().ready().await.unwrap().succeeded();
    }
}

fn failure(class: Class) -> AwsError {
    AwsError { class, code: "Code".into(), message: String::new() }
}

async fn fail(attempts: &mut Attempts, class: Class) -> Next {
    attempts.ready().await.unwrap().failed(&failure(class))
}

/// Lets an attempt for so many instances fail.
async fn fail_for(attempts: &mut Attempts, class: Class, instances: usize) -> Next {
    attempts.ready().await.unwrap().failed_for(&failure(class), instances)
}

/// How long the next attempt, which fails, was waited for, in seconds.
async fn secs_until_failure(attempts: &mut Attempts) -> u64 {
    let began = Instant::now();
    fail(attempts, Class::Denied).await;
    began.elapsed().as_secs()
}

/// Waits in a task of its own for an attempt, and says when it was ready or why it never is.
fn waiting(mut attempts: Attempts) -> JoinHandle<Result<Instant, GaveUp>> {
    tokio::spawn(async move {
        let attempt = attempts.ready().await?;
        attempt.succeeded();
        Ok(Instant::now())
    })
}

#[tokio::test(start_paused = true)]
async fn the_first_attempt_is_made_at_once() {
    let began = Instant::now();
    world().step().ready().await.unwrap();
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn attempts_back_off_by_up_to_a_doubling_interval() {
    let world = world();
    world.others_succeed().await;
    let mut attempts = world.step();
    fail(&mut attempts, Class::Transient).await;
    for ms in [200, 400, 800, 1600, 3200] {
        let began = Instant::now();
        fail(&mut attempts, Class::Transient).await;
        assert!(began.elapsed() <= Duration::from_millis(ms + 1), "{:?}", began.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn a_pause_is_probed_after_1_s_and_less_often_up_to_the_cap() {
    let mut attempts = world().paused().await;
    let mut waits = Vec::new();
    for _ in 0..6 {
        waits.push(secs_until_failure(&mut attempts).await);
    }
    assert_eq!(waits, [1, 2, 4, 8, 10, 10]);
}

/// How many lines with this sentence a future logs.
async fn lines_logged(sentence: &str, future: impl Future<Output = ()>) -> usize {
    let log = Arc::new(Mutex::new(Vec::new()));
    let writer = Arc::clone(&log);
    let subscriber = tracing_subscriber::fmt().json().with_writer(move || Log(Arc::clone(&writer)));
    let _guard = tracing::subscriber::set_default(subscriber.finish());
    future.await;
    let written = String::from_utf8(log.lock().unwrap().clone()).unwrap();
    written.lines().filter(|line| line.contains(sentence)).count()
}

struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_lasts_is_logged_once_a_minute() {
    let mut attempts = world().paused().await;
    let ten_minutes = async {
        let began = Instant::now();
        while began.elapsed() < Duration::from_mins(10) {
            fail(&mut attempts, Class::Denied).await;
        }
    };
    let lines = lines_logged("still pausing: this keeps failing", ten_minutes).await;
    assert!((8..=10).contains(&lines), "{lines} lines");
}

#[tokio::test(start_paused = true)]
async fn a_short_pause_is_not_logged_again() {
    let mut attempts = world().paused().await;
    let half_a_minute = async {
        for _ in 0..6 {
            fail(&mut attempts, Class::Denied).await;
        }
    };
    assert_eq!(lines_logged("still pausing", half_a_minute).await, 0);
}

#[tokio::test(start_paused = true)]
async fn probes_follow_another_cap_during_a_pause() {
    let world = world();
    let mut attempts = world.paused().await;
    world.live.send_modify(|live| live.retry.cap = Duration::from_secs(3));
    let mut waits = Vec::new();
    for _ in 0..4 {
        waits.push(secs_until_failure(&mut attempts).await);
    }
    assert_eq!(waits, [1, 2, 3, 3]);
}

#[tokio::test(start_paused = true)]
async fn series_probe_in_turn_and_one_that_comes_later_goes_to_the_end_of_the_line() {
    let world = world();
    let log = Arc::new(Mutex::new(Vec::new()));
    let probe = |name: char| {
        let (mut attempts, log) = (world.step(), Arc::clone(&log));
        tokio::spawn(async move {
            loop {
                let attempt = attempts.ready().await.unwrap();
                log.lock().unwrap().push(name);
                attempt.failed(&failure(Class::Denied));
            }
        })
    };
    let _first = world.paused().await;
    let [_a, _b] = ['a', 'b'].map(probe);
    // Probes at 1, 3, 7, 15 s, and then every 10 s.
    sleep(Duration::from_secs(8)).await;
    let _c = probe('c');
    sleep(5 * CAP).await;
    let order: String = log.lock().unwrap().iter().collect();
    assert_eq!(order, "ababacba");
}

#[tokio::test(start_paused = true)]
async fn an_unused_probe_goes_to_the_next_series_at_once() {
    let world = world();
    let (mut first, mut second) = (world.paused().await, world.step());
    let probe = first.ready().await.unwrap();
    let began = Instant::now();
    let (ready, ()) = tokio::join!(second.ready(), async {
        sleep(Duration::from_millis(300)).await;
        drop(probe);
    });
    assert_eq!(began.elapsed(), Duration::from_millis(300));
    ready.unwrap().failed(&failure(Class::Denied));
    assert_eq!(secs_until_failure(&mut first).await, 2);
}

#[tokio::test(start_paused = true)]
async fn an_unused_probe_is_not_waited_for_twice() {
    let mut attempts = world().paused().await;
    for _ in 0..2 {
        assert_eq!(secs_until_failure(&mut attempts).await.min(1), 1);
        drop(attempts.ready().await);
        let began = Instant::now();
        drop(attempts.ready().await);
        assert_eq!(began.elapsed(), Duration::ZERO);
        fail(&mut attempts, Class::Denied).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_is_given_up_keeps_no_place_in_the_line() {
    let world = world();
    let (mut first, mut second) = (world.paused().await, world.step());
    assert!(timeout(Duration::from_millis(500), first.ready()).await.is_err());
    assert_eq!(secs_until_failure(&mut second).await, 0);
    assert_eq!(secs_until_failure(&mut first).await, 2);
}

#[tokio::test(start_paused = true)]
async fn an_answer_ends_a_pause_for_all_that_wait() {
    let world = world();
    let mut first = world.paused().await;
    let probe = first.ready().await.unwrap();
    let waiting = [world.step(), world.step(), world.step()].map(waiting);
    sleep(Duration::from_millis(500)).await;
    let ended = Instant::now();
    probe.answered();
    for ready in waiting {
        assert_eq!(ready.await.unwrap(), Ok(ended));
    }
    assert!(world.breakers.pauses().is_empty());
}

#[tokio::test(start_paused = true)]
async fn calls_that_began_before_a_pause_neither_end_it_nor_begin_another() {
    let world = world();
    let mut early: [_; 4] = std::array::from_fn(|_| world.step());
    let mut in_flight = Vec::new();
    for attempts in &mut early {
        in_flight.push(attempts.ready().await.unwrap());
    }
    let pausing = async {
        let mut paused = world.paused().await;
        for attempt in in_flight.drain(..2) {
            attempt.succeeded();
            assert_eq!(world.breakers.pauses().len(), 1);
        }
        in_flight.pop().unwrap().failed(&failure(Class::Denied));
        paused.ready().await.unwrap().succeeded();
        in_flight.pop().unwrap().failed(&failure(Class::Denied));
        assert!(world.breakers.pauses().is_empty());
    };
    assert_eq!(lines_logged("pausing", pausing).await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_pause_ends_when_nobody_is_left_to_probe() {
    let world = world();
    let first = world.paused().await;
    let mut second = world.step();
    fail(&mut second, Class::Denied).await;
    drop(first);
    assert!(second.are_paused());
    drop(second);
    assert!(!world.step().are_paused());
}

#[tokio::test(start_paused = true)]
async fn a_series_of_an_earlier_pause_does_not_end_the_next_one() {
    let world = world();
    let earlier = world.paused().await;
    let mut probe = world.step();
    probe.ready().await.unwrap().answered();
    fail(&mut probe, Class::Denied).await;
    drop(earlier);
    assert!(probe.are_paused());
}

#[tokio::test(start_paused = true)]
async fn others_probe_while_a_series_is_put_off() {
    let world = world();
    let (mut first, mut second) = (world.paused().await, world.step());
    first.put_off(Duration::from_mins(5));
    assert_eq!(secs_until_failure(&mut second).await, 1);
    assert_eq!(secs_until_failure(&mut second).await, 2);
    assert!(secs_until_failure(&mut first).await >= 296);
}

#[tokio::test(start_paused = true)]
async fn the_drain_ends_back_offs_and_waits_in_a_pause() {
    let world = world();
    let mut failed = world.breakers.step(Operation::Delete);
    fail(&mut failed, Class::Transient).await;
    failed.put_off(CAP);
    let waiting = [failed, world.paused().await, world.step()].map(waiting);
    sleep(Duration::from_millis(500)).await;
    world.drain.cancel();
    for ready in waiting {
        assert_eq!(ready.await.unwrap(), Err(GaveUp::HandBack));
    }
}

#[tokio::test(start_paused = true)]
async fn an_attempt_with_nothing_in_its_way_is_made_during_the_drain() {
    let world = world();
    world.drain.cancel();
    let mut attempts = world.step();
    assert_eq!(fail(&mut attempts, Class::Transient).await, Next::Again);
    assert_eq!(attempts.ready().await.err(), Some(GaveUp::HandBack));
}

#[tokio::test(start_paused = true)]
async fn a_step_gives_up_past_its_limit_while_others_succeed() {
    let world = world();
    let mut attempts = world.step();
    for _ in 0..2 {
        for _ in 0..5 {
            assert_eq!(fail(&mut attempts, Class::Transient).await, Next::Again);
        }
        world.others_succeed().await;
        assert_eq!(fail(&mut attempts, Class::Transient).await, Next::GiveUp);
        assert!(!attempts.are_paused());
    }
}

#[tokio::test(start_paused = true)]
async fn what_must_succeed_never_gives_up() {
    let world = world();
    let mut attempts = world.breakers.persist(Operation::Publish);
    for _ in 0..20 {
        world.others_succeed().await;
        assert_eq!(fail(&mut attempts, Class::Transient).await, Next::Again);
    }
    assert!(!attempts.are_paused());
}

#[tokio::test(start_paused = true)]
async fn a_step_that_fails_past_its_limit_while_nobody_succeeds_is_a_pause() {
    let world = world();
    let mut attempts = world.step();
    for _ in 0..5 {
        fail(&mut attempts, Class::Transient).await;
        assert!(!attempts.are_paused());
    }
    assert_eq!(fail(&mut attempts, Class::Transient).await, Next::Again);
    assert!(attempts.are_paused());
}

#[tokio::test(start_paused = true)]
async fn a_minute_of_nothing_but_failures_of_short_series_is_a_pause() {
    let world = world();
    for _ in 0..7 {
        fail(&mut world.step(), Class::Transient).await;
        assert!(!world.step().are_paused());
        sleep(Duration::from_secs(9)).await;
    }
    let mut attempts = world.step();
    fail(&mut attempts, Class::Transient).await;
    assert!(attempts.are_paused());
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_is_too_large_is_halved_and_no_failure_of_the_operation() {
    let mut attempts = world().paused().await;
    assert_eq!(fail_for(&mut attempts, Class::TooLarge, 2).await, Next::Halve);
    assert!(!attempts.are_paused());
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_keeps_failing_is_halved_down_to_one() {
    let world = world();
    for (instances, last) in [(2, Next::Halve), (1, Next::GiveUp)] {
        let mut attempts = world.step();
        for _ in 0..5 {
            assert_eq!(fail_for(&mut attempts, Class::Unknown, instances).await, Next::Again);
        }
        world.others_succeed().await;
        assert_eq!(fail_for(&mut attempts, Class::Unknown, instances).await, last);
    }
    let mut paused = world.paused().await;
    assert_eq!(fail_for(&mut paused, Class::Transient, 2).await, Next::Halve);
    assert_eq!(fail_for(&mut paused, Class::Transient, 1).await, Next::Again);
    assert_eq!(fail_for(&mut paused, Class::Denied, 2).await, Next::Again);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_is_outdated_once_a_pause_began_that_another_series_probes() {
    let world = world();
    let mut attempts = world.step();
    let attempt = attempts.ready().await.unwrap();
    assert!(!attempt.is_outdated() && !attempt.is_probe());
    let _paused = world.paused().await;
    assert!(attempt.is_outdated() && !attempt.is_probe());
    drop(attempt);
    let probe = attempts.ready().await.unwrap();
    assert!(!probe.is_outdated() && probe.is_probe());
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_succeeds_in_part_ends_a_pause() {
    let mut attempts = world().paused().await;
    let next = attempts.ready().await.unwrap().failed_in_part(&failure(Class::Transient));
    assert_eq!(next, Next::Again);
    assert!(!attempts.are_paused());
}
