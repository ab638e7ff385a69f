//! Owners who cannot be told: while notices are not accepted, hardly anything is stopped, and the
//! log names every instance that was.

use std::collections::BTreeSet;
use std::time::Duration;

use ec2_policy_enforcer::sandbox::{Fault, Launch, Rule, Sandbox};
use tokio::time::Instant;

use crate::program::{lines, program, serve, terminate};
use crate::world::{World, notices, pass, violators};

const HOUR: Duration = Duration::from_hours(1);
/// The most instances that a trial stops.
const TRIAL: usize = 10;

fn wrong_topic() -> Rule {
    Rule::on("PublishBatch").fault(Fault::error(404, "NotFound"))
}

fn stopped(aws: &Sandbox) -> Vec<String> {
    aws.calls("StopInstances").into_iter().flat_map(|call| call.stopped).collect()
}

/// Expects all violators to be stopped and announced once, with one receive of each message.
async fn all_are_announced(mut world: World, ids: &[String]) {
    world.all_settled_within(Duration::from_mins(15)).await;
    world.drain().await;
    assert_eq!(world.texts(), notices(ids, None));
    assert_eq!(world.most_receives(), 1);
}

#[tokio::test(start_paused = true)]
async fn with_a_wrong_topic_ten_instances_are_stopped_at_most() {
    let mut world = World::new().with_usual_latencies();
    world.aws.inject(wrong_topic());
    let ids = violators(&world, 500);
    world.start();
    pass(HOUR).await;
    let count = stopped(&world.aws).len();
    assert!((1..=TRIAL).contains(&count), "{count} are stopped");
    world.aws.lift_all();
    all_are_announced(world, &ids).await;
}

#[tokio::test(start_paused = true)]
async fn each_region_tries_by_itself_whether_owners_can_be_told() {
    let mut world =
        World::new().with_usual_latencies().set("ENFORCER_SCOPE__REGIONS", "us-east-1,eu-west-1");
    world.aws.inject(wrong_topic());
    for region in ["us-east-1", "eu-west-1"] {
        (0..50).for_each(|_| drop(world.aws.launch(Launch::default().region(region))));
    }
    world.start();
    pass(HOUR).await;
    assert!(stopped(&world.aws).len() <= 2 * TRIAL);
}

#[tokio::test(start_paused = true)]
async fn no_stop_begins_while_publishing_is_paused() {
    let mut world = World::new().with_usual_latencies();
    let mut ids = violators(&world, 200);
    world.start();
    world.all_settled().await;
    world.aws.inject(wrong_topic());
    ids.extend(violators(&world, 1));
    pass(Duration::from_secs(5)).await;
    let before = stopped(&world.aws).len();
    // They wait in the queue, since receiving stops too: all but what the polls in flight bring.
    ids.extend(violators(&world, 100));
    pass(HOUR).await;
    assert_eq!(stopped(&world.aws).len(), before);
    world.aws.lift_all();
    ids.sort();
    all_are_announced(world, &ids).await;
}

#[tokio::test(start_paused = true)]
async fn few_are_stopped_once_a_notice_fails_although_there_is_no_pause_yet() {
    let mut world = World::new().with_usual_latencies();
    let mut ids = violators(&world, 200);
    world.start();
    world.all_settled().await;
    world.aws.inject(Rule::on("PublishBatch").fault(Fault::error(500, "InternalError")));
    ids.extend(violators(&world, 1));
    world.aws.until("its notice fails", |aws| aws.calls("PublishBatch").len() > 20).await;
    let before = stopped(&world.aws).len();
    ids.extend(violators(&world, 100));
    pass(HOUR).await;
    let count = stopped(&world.aws).len() - before;
    assert!(count <= TRIAL, "{count} are stopped");
    world.aws.lift_all();
    ids.sort();
    all_are_announced(world, &ids).await;
}

#[tokio::test(start_paused = true)]
async fn a_stop_whose_look_was_under_way_when_publishing_was_paused_does_not_begin() {
    let mut world = World::new().set("ENFORCER_SIZES__STOP_BATCH", "1");
    let mut ids = violators(&world, 2);
    world.start();
    world.all_settled().await;
    world.aws.inject(wrong_topic());
    world.aws.latency("DescribeInstances", Duration::from_secs(2));
    ids.push(world.violator());
    pass(Duration::from_secs(1)).await;
    // Its look ends a second after SNS refused the notice of the one before.
    ids.push(world.violator());
    pass(HOUR).await;
    assert_eq!(stopped(&world.aws).len(), 3);
    world.aws.lift_all();
    ids.sort();
    all_are_announced(world, &ids).await;
}

#[tokio::test(start_paused = true)]
async fn a_notice_that_hangs_holds_up_no_stop_once_another_is_accepted() {
    let mut world =
        World::new().with_usual_latencies().set("ENFORCER_SCOPE__REGIONS", "us-east-1,eu-west-1");
    let hanging = world.violator();
    let text = format!("EC2 {hanging} Stopped");
    world.aws.inject(Rule::on("PublishBatch").naming(text).fault(Fault::HangBefore));
    world.start();
    pass(Duration::from_secs(5)).await;
    assert_eq!(stopped(&world.aws), [hanging.as_str()]);
    let mut others = violators(&world, 50);
    pass(Duration::from_secs(2)).await;
    assert_eq!(stopped(&world.aws).len(), 1);
    others.push(world.aws.launch(Launch::default().region("eu-west-1")));
    pass(Duration::from_secs(3)).await;
    assert_eq!(stopped(&world.aws).len(), 1 + others.len());
    world.aws.lift_all();
    others.push(hanging);
    others.sort();
    world.all_settled_within(Duration::from_mins(5)).await;
    assert_eq!(world.texts(), notices(&others, None));
}

#[tokio::test(start_paused = true)]
async fn after_a_quiet_minute_a_burst_is_tried_with_ten_instances_first() {
    let mut world = World::new().with_usual_latencies().started();
    violators(&world, 1);
    world.all_settled().await;
    pass(Duration::from_mins(2)).await;
    let ids = violators(&world, 300);
    let began = Instant::now();
    world.all_settled().await;
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    let sizes: Vec<_> =
        world.aws.calls("StopInstances").iter().map(|call| call.subjects.len()).collect();
    assert!(sizes[1] <= TRIAL, "{sizes:?}");
    assert!(sizes.len() <= 8, "{sizes:?}");
    let accepted = world.aws.calls("PublishBatch")[1].answered.unwrap();
    assert!(world.aws.calls("StopInstances")[2].at >= accepted);
    assert!(ids.iter().all(|id| !world.is_running(id)));
    world.drain().await;
}

#[tokio::test(start_paused = true)]
async fn violators_that_wait_for_notices_are_handed_back_by_a_drain() {
    let mut world = World::new().with_usual_latencies();
    world.aws.inject(wrong_topic());
    violators(&world, 100);
    world.start();
    pass(HOUR).await;
    let (before, began) = (stopped(&world.aws).len(), Instant::now());
    assert!(world.drain().await.complete());
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert_eq!(stopped(&world.aws).len(), before);
    assert_eq!(world.aws.messages().iter().filter(|message| message.is_held()).count(), 0);
    assert_eq!(world.aws.messages().len(), 100);
}

#[tokio::test]
async fn the_log_names_every_stop_at_once_although_no_owner_can_be_told() {
    let served = serve().await;
    served.aws.inject(wrong_topic());
    (0..50).for_each(|_| drop(served.aws.launch(Launch::default())));
    let child = program(&served).spawn().unwrap();
    served.aws.until("SNS was tried", |aws| aws.calls("PublishBatch").len() >= 2).await;
    terminate(&child);
    let output = child.wait_with_output().await.unwrap();
    let lines = lines(&output);
    let stops = lines.iter().filter(|line| line["message"] == "EC2 accepted the stop");
    let named: BTreeSet<_> =
        stops.clone().filter_map(|line| line["instance.id"].as_str().map(str::to_owned)).collect();
    assert_eq!(named, stopped(&served.aws).into_iter().collect());
    assert!((1..=TRIAL).contains(&named.len()), "{named:?}");
    for line in stops {
        assert_eq!(line["previous_state"], "running");
        for field in ["account", "region", "request.id"] {
            assert!(line[field].is_string(), "{field} is missing: {line}");
        }
    }
}
