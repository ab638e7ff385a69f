//! StopInstances: many instances in one call, calls that are refused, throttled or cut off; and no
//! stop upon a look that is older than 5 s.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use ec2_policy_enforcer::sandbox::{Call, Fault, Launch, Options, Rule};

use crate::world::{TAG, World, gathering, notices, pass, tagging, violators};

const FRESHNESS: Duration = Duration::from_secs(5);
/// What a look may not take, if a stop is to follow.
const LONG_LOOK: Duration = Duration::from_secs(9);
/// The visibility timeout that renewals ask for, in seconds. A retry asks for another one.
const RENEWAL: i64 = 30;

/// How many instances each stop named.
fn stop_sizes(world: &World) -> Vec<usize> {
    world.aws.calls("StopInstances").iter().map(|call| call.subjects.len()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_hundred_violators_share_two_stops_the_first_of_which_is_a_trial() {
    let world = gathering(World::new()).await;
    let ids = violators(&world, 100);
    world.all_settled().await;
    assert_eq!(stop_sizes(&world), [10, 90]);
    assert_eq!(world.texts(), notices(&ids, None));
}

#[tokio::test(start_paused = true)]
async fn a_protected_instance_does_not_keep_the_others_running() {
    let world = gathering(World::new()).await;
    let others = violators(&world, 9);
    let bad = world.aws.launch(Launch::default().stop_protected());
    world.all_settled().await;
    assert_eq!(stop_sizes(&world)[0], 10);
    assert_eq!(world.calls("StopInstances"), 3);
    assert_eq!(world.texts(), notices(&others, Some((&bad, "stop protection"))));
    assert!(world.is_running(&bad));
}

/// 20 violators in one batch. EC2 refuses every stop that has one of them, and does not name it.
async fn refused_for_one() -> (World, Vec<String>, String) {
    let world = gathering(World::new()).await;
    let mut others = violators(&world, 20);
    let bad = others.remove(13);
    let message =
        "The instance may not be stopped. Modify its 'disableApiStop' instance attribute.";
    let code = "OperationNotPermitted".to_owned();
    let refusal = Fault::Error { status: 400, code, message: message.to_owned() };
    world.aws.inject(Rule::on("StopInstances").naming(&bad).fault(refusal));
    (world, others, bad)
}

#[tokio::test(start_paused = true)]
async fn a_refused_batch_is_halved_until_the_instance_at_fault_is_alone() {
    let (world, others, bad) = refused_for_one().await;
    world.all_settled().await;
    let sizes = stop_sizes(&world);
    assert_eq!(sizes[..2], [10, 10]);
    assert!(sizes.contains(&5), "{sizes:?}");
    assert!(sizes.len() <= 11, "{sizes:?}");
    assert_eq!(world.texts(), notices(&others, Some((&bad, "stop protection"))));
}

#[tokio::test(start_paused = true)]
async fn a_tag_that_arrives_between_look_up_and_look_exempts() {
    let mut world = World::new();
    let id = world.violator();
    world.aws.inject(Rule::on("DescribeInstances").fault(Fault::run(tagging(&id))).times(1));
    world.start();
    world.all_settled().await;
    world.drain().await;
    assert!(world.is_running(&id));
    assert_eq!(world.calls("StopInstances"), 0);
    assert!(world.aws.notices().is_empty());
}

fn throttled(times: usize) -> Rule {
    Rule::on("StopInstances").fault(Fault::error(503, "RequestLimitExceeded")).times(times)
}

#[tokio::test(start_paused = true)]
async fn throttled_stops_cost_no_receive() {
    let mut world = World::new();
    world.aws.inject(throttled(30));
    let ids = violators(&world, 50);
    world.start();
    world.all_settled_within(Duration::from_mins(10)).await;
    assert_eq!(world.most_receives(), 1);
    assert!(world.timeouts().iter().all(|secs| *secs == RENEWAL), "{:?}", world.timeouts());
    assert_eq!(world.texts(), notices(&ids, None));
}

/// The operations that were called in EC2 after the first stop.
fn after_the_first_stop(world: &World) -> Vec<String> {
    let calls = world.ec2_calls().into_iter().map(|call| call.operation);
    calls.skip_while(|operation| operation != "StopInstances").skip(1).collect()
}

/// Lets the first stop of many instances fail, and returns the operations that were called after
/// it.
async fn unknown(fault: Fault) -> Vec<String> {
    let world = gathering(World::new()).await;
    world.aws.inject(Rule::on("StopInstances").fault(fault).times(1));
    let ids = violators(&world, 10);
    world.all_settled_within(Duration::from_mins(3)).await;
    assert_eq!(world.texts(), notices(&ids, None));
    assert_eq!(world.most_receives(), 1);
    after_the_first_stop(&world)
}

#[tokio::test(start_paused = true)]
async fn a_stop_whose_answer_is_lost_is_looked_at_and_confirmed_and_announced_once() {
    assert_eq!(unknown(Fault::CutAfter).await, ["DescribeInstances", "StopInstances"]);
}

#[tokio::test(start_paused = true)]
async fn a_stop_that_hangs_after_its_effect_is_looked_at_and_confirmed_and_announced_once() {
    // The first look is over a minute old by then.
    let after = ["DescribeInstances", "DescribeTags", "StopInstances"];
    assert_eq!(unknown(Fault::HangAfter).await, after);
}

#[tokio::test(start_paused = true)]
async fn a_stop_that_was_cut_off_before_its_effect_is_looked_at_before_the_next() {
    assert_eq!(unknown(Fault::CutBefore).await, ["DescribeInstances", "StopInstances"]);
}

#[tokio::test(start_paused = true)]
async fn a_stop_that_hangs_before_its_effect_is_looked_at_before_the_next() {
    // The first look is over a minute old by then.
    let after = ["DescribeInstances", "DescribeTags", "StopInstances"];
    assert_eq!(unknown(Fault::HangBefore).await, after);
}

#[tokio::test(start_paused = true)]
async fn ids_that_the_answer_lacks_are_looked_at_again() {
    let world = gathering(World::new()).await;
    let code = "InternalError".to_owned();
    let lacking = Fault::Entries { count: 3, code, sender_fault: false };
    world.aws.inject(Rule::on("StopInstances").fault(lacking).times(1));
    let ids = violators(&world, 10);
    world.all_settled().await;
    let subjects = |call: Call| call.subjects.into_iter().collect::<BTreeSet<_>>();
    let lacked: BTreeSet<_> = ids[..3].iter().cloned().collect();
    let mut looks = world.aws.calls("DescribeInstances").into_iter().map(subjects);
    let mut stops = world.aws.calls("StopInstances").into_iter().map(subjects);
    assert_eq!(looks.next_back().unwrap(), lacked);
    assert_eq!(stops.next_back().unwrap(), lacked);
    assert_eq!(world.texts(), notices(&ids, None));
}

/// Expects every stop to be sent at most 5 s after the look that showed the instance was.
fn no_stop_was_upon_an_old_look(world: &World) {
    let looks = world.aws.calls("DescribeInstances");
    for stop in world.aws.calls("StopInstances") {
        for id in &stop.subjects {
            let looks = looks.iter().filter(|look| look.seen_tags.contains_key(id));
            let looks = looks.filter(|look| look.answered.is_some_and(|at| at <= stop.at));
            let last = looks.map(|look| look.at).max().unwrap();
            assert!(stop.at - last <= FRESHNESS, "{id}: {:?} after its look", stop.at - last);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn no_throttled_stop_starts_upon_an_old_look() {
    let mut world = World::new();
    world.aws.latency("DescribeInstances", Duration::from_secs(3));
    world.aws.latency("StopInstances", Duration::from_secs(2));
    world.aws.inject(throttled(20));
    let ids = violators(&world, 40);
    world.start();
    world.all_settled_within(Duration::from_mins(10)).await;
    no_stop_was_upon_an_old_look(&world);
    assert_eq!(world.texts(), notices(&ids, None));
}

#[tokio::test(start_paused = true)]
async fn no_half_of_a_refused_stop_starts_upon_an_old_look() {
    let (world, others, bad) = refused_for_one().await;
    world.aws.latency("StopInstances", Duration::from_secs(3));
    world.all_settled_within(Duration::from_mins(5)).await;
    no_stop_was_upon_an_old_look(&world);
    assert_eq!(world.texts(), notices(&others, Some((&bad, "stop protection"))));
}

#[tokio::test(start_paused = true)]
async fn nothing_that_a_slow_refusal_left_over_is_stopped_upon_an_old_look() {
    let world = gathering(World::new()).await;
    world.aws.latency("StopInstances", Duration::from_secs(6));
    let others = violators(&world, 19);
    let bad = world.aws.launch(Launch::default().stop_protected());
    world.all_settled().await;
    no_stop_was_upon_an_old_look(&world);
    assert_eq!(world.texts(), notices(&others, Some((&bad, "stop protection"))));
}

#[tokio::test(start_paused = true)]
async fn a_look_of_many_slow_pages_is_repeated_with_fewer() {
    let world = World::with(Options { page_size: Some(5), ..Options::default() });
    world.aws.latency("DescribeInstances", Duration::from_secs(2));
    let world = gathering(world).await;
    let ids = violators(&world, 40);
    world.all_settled_within(Duration::from_mins(5)).await;
    no_stop_was_upon_an_old_look(&world);
    assert!(stop_sizes(&world).iter().all(|size| *size <= 15), "{:?}", stop_sizes(&world));
    assert_eq!(world.texts(), notices(&ids, None));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_stopped_upon_a_look_that_took_too_long() {
    let mut world = World::new();
    world.aws.inject(Rule::on("DescribeInstances").fault(Fault::Delay(LONG_LOOK)).times(1));
    let (stopped, tagged) = (world.violator(), world.violator());
    world.start();
    pass(LONG_LOOK / 2).await;
    world.aws.tag(&tagged, TAG, "");
    world.all_settled().await;
    no_stop_was_upon_an_old_look(&world);
    assert!(world.is_running(&tagged));
    assert_eq!(world.texts(), notices(&[stopped], None));
}

#[tokio::test(start_paused = true)]
async fn looks_that_always_take_too_long_pause_and_stop_nothing() {
    let mut world = World::new();
    let slow = world.aws.latency("DescribeInstances", LONG_LOOK);
    let ids = violators(&world, 3);
    world.start();
    pass(Duration::from_mins(10)).await;
    assert_eq!(world.calls("StopInstances"), 0);
    assert!(world.calls("DescribeInstances") <= 70, "{}", world.calls("DescribeInstances"));
    let troubles = world.health.troubles();
    assert!(troubles.iter().any(|one| one.contains("DescribeInstances")), "{troubles:?}");
    world.aws.lift(slow);
    world.all_settled().await;
    assert_eq!(world.texts(), notices(&ids, None));
    assert_eq!(world.most_receives(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_needs_no_stop_is_settled_upon_a_look_that_took_too_long() {
    let mut world = World::new();
    world.aws.latency("DescribeInstances", LONG_LOOK);
    let id = world.exempt();
    world.aws.hide_tags(&id, "DescribeTags");
    world.aws.launch(Launch::default().managed());
    world.start();
    world.all_settled().await;
    assert_eq!(world.aws.notices().len(), 1);
}

/// Expects tags on the last of many pages to exempt, although only one operation shows them.
async fn paged_tags_are_read(shown_by: &str, hidden_from: &str) {
    let world = World::with(Options { page_size: Some(5), ..Options::default() });
    let world = gathering(world).await;
    let launch = || Launch::default().tagged("Name", "db").tagged("Owner", "me");
    let mut exempt = Vec::new();
    let mut stopped = Vec::new();
    for _ in 0..20 {
        stopped.push(world.aws.launch(launch()));
        exempt.push(world.aws.launch(launch().tagged(TAG, "")));
    }
    for id in &exempt {
        world.aws.hide_tags(id, hidden_from);
    }
    world.all_settled().await;
    let pages = world.aws.calls(shown_by).into_iter().filter(|call| call.turns_page).count();
    assert!(pages >= 3, "{pages} further pages");
    assert!(exempt.iter().all(|id| world.is_running(id) && world.stops_of(id) == 0));
    assert_eq!(world.texts(), notices(&stopped, None));
}

#[tokio::test(start_paused = true)]
async fn every_page_of_a_look_up_is_read() {
    paged_tags_are_read("DescribeTags", "DescribeInstances").await;
}

#[tokio::test(start_paused = true)]
async fn every_page_of_a_look_is_read() {
    paged_tags_are_read("DescribeInstances", "DescribeTags").await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_always_lacks_an_instance_is_not_asked_for_again_and_again() {
    let mut world = World::new();
    world.aws.latency("StopInstances", Duration::from_millis(50));
    let code = "InternalError".to_owned();
    let lacking = Fault::Entries { count: 1, code, sender_fault: false };
    world.aws.inject(Rule::on("StopInstances").fault(lacking));
    world.violator();
    world.start();
    pass(Duration::from_mins(1)).await;
    assert!(world.calls("StopInstances") <= 20, "{} stops", world.calls("StopInstances"));
}

/// Slow credentials that are always about to expire, so that each call loads them anew.
#[derive(Debug)]
struct Slow(Duration);

impl ProvideCredentials for Slow {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async {
            pass(self.0).await;
            let expiry = SystemTime::now() + Duration::from_secs(1);
            Ok(Credentials::new("SLOW", "sandbox", None, Some(expiry), "slow"))
        })
    }
}

#[tokio::test(start_paused = true)]
async fn no_stop_is_sent_upon_a_look_that_grew_old_while_credentials_were_loaded() {
    for secs in [2, 4] {
        let credentials = SharedCredentialsProvider::new(Slow(Duration::from_secs(secs)));
        let slow = |sdk: SdkConfig| sdk.into_builder().credentials_provider(credentials).build();
        let world = World::new().with_sdk(slow).started();
        let failing = Fault::error(500, "InternalError");
        world.aws.inject(Rule::on("StopInstances").fault(failing).times(3));
        let ids = violators(&world, 3);
        world.all_settled_within(Duration::from_mins(5)).await;
        assert_eq!(world.texts(), notices(&ids, None));
        for stop in world.aws.calls("StopInstances") {
            let looks = world.aws.calls("DescribeInstances").into_iter();
            let look = looks.filter(|look| look.answered.is_some_and(|at| at <= stop.at));
            let age = stop.at - look.map(|look| look.at).max().unwrap();
            assert!(age <= FRESHNESS, "{secs} s: a stop {age:?} after its look");
        }
    }
}
