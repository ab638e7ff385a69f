//! What owners hear of what sweeps find: each launch once, and what goes on once a week.

use std::io;
use std::sync::{Arc, Mutex};

use ec2_policy_enforcer::daemon::Daemon;
use ec2_policy_enforcer::retry::backoff::Jitter;
use ec2_policy_enforcer::runtime::shutdown::Shutdown;
use ec2_policy_enforcer::sandbox::{Fault, Launch, Rule, Service};

use super::{DAY, HOUR, MINUTE, SECOND, metric, sweeping, unheard};
use crate::world::{TAG, World, notices, pass};

/// How many notices there were of each of these instances.
fn times_told(world: &World, ids: &[String]) -> Vec<usize> {
    let texts = world.texts();
    ids.iter().map(|id| texts.iter().filter(|text| text.contains(id)).count()).collect()
}

/// Checks that everybody heard at once, and in the day after about every seventh once more: an
/// instance's own hour of the week comes in one day of seven.
fn is_repeated_once_a_week(times: &[usize]) {
    assert!(times.iter().all(|times| (1..=2).contains(times)), "{times:?}");
    let again = times.iter().filter(|times| **times == 2).count();
    let expected = times.len() / 7;
    assert!((expected / 3..=expected * 2).contains(&again), "{again} of {}", times.len());
}

#[tokio::test(start_paused = true)]
async fn a_warning_is_told_at_once_and_again_once_a_week() {
    let world = sweeping("1h").set("ENFORCER_POLICY__MODE", "warn").started();
    pass(MINUTE).await;
    let ids: Vec<_> = (0..168).map(|_| unheard(&world)).collect();
    pass(DAY + HOUR).await;
    is_repeated_once_a_week(&times_told(&world, &ids));
}

#[tokio::test(start_paused = true)]
async fn an_owner_who_was_warned_after_the_event_is_not_warned_by_the_next_sweep() {
    let world = sweeping("1h").set("ENFORCER_POLICY__MODE", "warn").started();
    let ids: Vec<_> = (0..84).map(|_| world.violator()).collect();
    world.all_settled().await;
    assert_eq!(world.texts().len(), 84);
    pass(DAY).await;
    is_repeated_once_a_week(&times_told(&world, &ids));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_stopped_is_told_and_tried_again_once_a_week() {
    let world = sweeping("1h").started();
    pass(MINUTE).await;
    let protected = || world.aws.launch(Launch::default().stop_protected().quiet());
    let ids: Vec<_> = (0..84).map(|_| protected()).collect();
    pass(DAY + HOUR).await;
    assert!(world.texts().iter().all(|text| text.ends_with("NOT stopped: stop protection")));
    is_repeated_once_a_week(&times_told(&world, &ids));
    let tries: Vec<_> = ids.iter().map(|id| world.stops_of(id)).collect();
    assert_eq!(tries, times_told(&world, &ids));
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_is_shown_once_a_week_and_told_nobody() {
    let world = sweeping("1h").set("ENFORCER_POLICY__MODE", "dry-run").started();
    (0..84).for_each(|_| drop(unheard(&world)));
    pass(DAY + HOUR).await;
    assert!(world.texts().is_empty() && world.calls("StopInstances") == 0);
    let shown = metric(&world, "enforcer_events_total", &["outcome=\"would_stop\""]);
    assert!((84 + 4..=84 + 24).contains(&shown), "{shown}");
}

#[tokio::test(start_paused = true)]
async fn a_restart_warns_nobody_again_before_their_hour() {
    let mut world = sweeping("1h").set("ENFORCER_POLICY__MODE", "warn").started();
    pass(MINUTE).await;
    let ids: Vec<_> = (0..84).map(|_| unheard(&world)).collect();
    // What was launched in the last two hours could not be known to be told.
    pass(3 * HOUR).await;
    for _ in 0..4 {
        assert!(world.drain().await.complete());
        world.start();
        pass(6 * HOUR).await;
    }
    is_repeated_once_a_week(&times_told(&world, &ids));
}

#[tokio::test(start_paused = true)]
async fn a_start_after_the_sweep_is_told_anew() {
    let world = sweeping("15m").set("ENFORCER_POLICY__MODE", "warn").started();
    pass(MINUTE).await;
    let id = unheard(&world);
    pass(HOUR).await;
    world.aws.stop(&id);
    pass(MINUTE).await;
    world.aws.start(&id);
    pass(HOUR).await;
    assert_eq!(
        world.texts(),
        vec![
            format!(
                "EC2 {id} violates builtin\nPolicy builtin: no tag {TAG}\nTo exempt the instance, give it the tag {TAG}."
            );
            2
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn an_event_that_comes_after_the_sweep_tells_nobody_again() {
    let world = sweeping("15m").started();
    pass(MINUTE).await;
    let id = unheard(&world);
    let event = world.aws.event(&id);
    pass(30 * MINUTE).await;
    assert_eq!(world.texts(), notices(std::slice::from_ref(&id), None));
    world.aws.send(&event);
    world.all_settled().await;
    assert_eq!((world.texts().len(), world.stops_of(&id)), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn the_stop_of_what_a_sweep_found_is_told_however_long_sns_fails() {
    let world = sweeping("15m");
    // A notice is accepted before, so that stops need no trial.
    let world = world.started();
    pass(MINUTE).await;
    let id = unheard(&world);
    world.aws.inject(
        Rule::on("StopInstances")
            .fault(Fault::run_after(|aws| {
                let fault = Fault::error(500, "InternalError");
                aws.inject(Rule::on_service(Service::Sns).fault(fault));
            }))
            .times(1),
    );
    pass(30 * MINUTE).await;
    assert!(!world.is_running(&id) && world.texts().is_empty());
    pass(5 * HOUR).await;
    world.aws.lift_all();
    pass(10 * MINUTE).await;
    assert_eq!(world.texts(), notices(&[id], None));
}

#[tokio::test(start_paused = true)]
async fn the_stop_of_what_a_sweep_found_is_told_although_its_notice_fails_while_others_pass() {
    let world = sweeping("15m").started();
    pass(MINUTE).await;
    let id = unheard(&world);
    let text = format!("EC2 {id} Stopped");
    let fault = Rule::on("PublishBatch").naming(&text).fault(Fault::error(500, "InternalError"));
    let fault = world.aws.inject(fault);
    for _ in 0..60 {
        world.violator();
        pass(MINUTE / 2).await;
    }
    assert!(!world.is_running(&id) && !world.texts().contains(&text));
    world.aws.lift(fault);
    pass(10 * MINUTE).await;
    assert_eq!(world.texts().iter().filter(|one| **one == text).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_owner_has_the_grace_after_a_sweep_and_is_told_once() {
    let world = sweeping("15m")
        .set("ENFORCER_POLICY__GRACE", "2h")
        .set("ENFORCER_POLICY__SINCE", "2020-01-01");
    let world = world.started();
    pass(MINUTE).await;
    let (stopped, tagged) = (unheard(&world), unheard(&world));
    pass(HOUR).await;
    assert!(world.is_running(&stopped));
    world.aws.tag(&tagged, TAG, "");
    pass(HOUR + 40 * MINUTE).await;
    assert!(!world.is_running(&stopped) && world.is_running(&tagged));
    let of = |id: &str| {
        let all = world.aws.notices().into_iter().filter(|one| one.message.contains(id));
        all.map(|one| one.message.lines().next().unwrap().split(" at ").next().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        of(&stopped),
        [format!("EC2 {stopped} will be stopped"), format!("EC2 {stopped} Stopped")]
    );
    assert_eq!(
        of(&tagged),
        [
            format!("EC2 {tagged} will be stopped"),
            format!("EC2 {tagged} will NOT be stopped: it has the tag {TAG}")
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn the_message_of_a_late_event_waits_for_the_stop_that_a_sweep_told() {
    let world = sweeping("15m")
        .set("ENFORCER_POLICY__GRACE", "2h")
        .set("ENFORCER_POLICY__SINCE", "2020-01-01");
    let world = world.started();
    pass(MINUTE).await;
    let id = unheard(&world);
    pass(30 * MINUTE).await;
    assert_eq!(world.aws.notices().len(), 1);
    world.aws.send(&world.aws.event(&id));
    pass(MINUTE).await;
    assert_eq!((world.aws.depth(), world.aws.notices().len()), (1, 1));
    pass(2 * HOUR).await;
    assert!(!world.is_running(&id) && world.aws.depth() == 0);
    assert_eq!(world.aws.notices().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_budget_holds_the_stops_of_a_sweep_too() {
    let world = sweeping("15m").set("ENFORCER_BUDGET__STOPS", "20");
    (0..50).for_each(|_| drop(unheard(&world)));
    pass(HOUR).await;
    let world = world.started();
    pass(6 * HOUR).await;
    let running = world.aws.instances().iter().filter(|one| world.is_running(&one.id)).count();
    assert_eq!(running, 30);
    let stopped = world.texts().iter().filter(|text| text.ends_with("Stopped")).count();
    assert_eq!(stopped, 20);
    let held: Vec<_> =
        world.aws.queue_tags().into_keys().filter(|key| key.starts_with("hold/")).collect();
    assert_eq!(held.len(), 1);
    world.aws.untag_queue(&held[0]);
    pass(30 * MINUTE).await;
    let running = world.aws.instances().iter().filter(|one| world.is_running(&one.id)).count();
    assert!(running <= 10, "{running}");
}

#[tokio::test(start_paused = true)]
async fn two_processes_stop_and_tell_no_launch_twice() {
    let world = sweeping("15m").started();
    let daemon = Daemon::new(world.settings(), world.aws.sdk_config());
    let other = Daemon { clock: world.aws.clock(), jitter: Jitter::seeded(2), ..daemon };
    let other = tokio::spawn(other.run(Shutdown::new()));
    pass(MINUTE).await;
    let mut ids: Vec<_> = (0..10).map(|_| unheard(&world)).collect();
    ids.sort();
    pass(HOUR).await;
    assert_eq!(world.texts(), notices(&ids, None));
    other.abort();
}

/// What a future logs.
async fn logged(future: impl Future<Output = ()>) -> String {
    let log = Arc::new(Mutex::new(Vec::new()));
    let writer = Arc::clone(&log);
    let subscriber = tracing_subscriber::fmt().json().with_writer(move || Log(Arc::clone(&writer)));
    let guard = tracing::subscriber::set_default(subscriber.finish());
    future.await;
    drop(guard);
    String::from_utf8(log.lock().unwrap().clone()).unwrap()
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
async fn a_stop_that_is_not_answered_before_the_end_is_an_error_in_the_log() {
    let mut world = sweeping("15m").started();
    let id = unheard(&world);
    world.aws.inject(Rule::on("StopInstances").fault(Fault::HangAfter));
    let log = logged(async {
        while world.calls("StopInstances") == 0 {
            pass(SECOND).await;
        }
        pass(SECOND).await;
        world.drain().await;
    });
    let log = log.await;
    let lines = log.lines().filter(|line| line.contains("its owner could not be told; tell them"));
    let lines: Vec<_> = lines.collect();
    assert_eq!(lines.len(), 1, "{log}");
    assert!(lines[0].contains(&id) && lines[0].contains("ERROR"), "{}", lines[0]);
}

#[tokio::test(start_paused = true)]
async fn what_a_sweep_stopped_and_told_is_no_error() {
    let mut world = sweeping("15m").started();
    let id = unheard(&world);
    let log = logged(async {
        pass(30 * MINUTE).await;
        world.drain().await;
    });
    let log = log.await;
    assert_eq!(world.texts(), notices(&[id], None));
    assert!(!log.contains("could not be told"), "{log}");
}

#[tokio::test(start_paused = true)]
async fn an_event_that_comes_while_a_sweep_works_on_its_instance_tells_nobody_again() {
    let world = sweeping("15m").started();
    let id = unheard(&world);
    let event = world.aws.event(&id);
    pass(10 * MINUTE).await;
    world.aws.latency("DescribeTags", 5 * SECOND);
    while world.calls("DescribeTags") == 0 {
        pass(SECOND).await;
    }
    let message = world.aws.send(&event);
    world.all_settled().await;
    assert!(world.receives_of(&message) >= 2, "the event did not wait");
    assert_eq!((world.texts(), world.stops_of(&id)), (notices(std::slice::from_ref(&id), None), 1));
}
