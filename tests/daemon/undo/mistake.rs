//! A policy that is wrong: the daemon stops hundreds of instances, and `undo` gives them back.

use std::fs;
use std::time::Duration;

use ec2_policy_enforcer::sandbox::{Launch, Options, State};
use tokio::time::Instant;

use super::{MINUTE, Trail, sorted};
use crate::audit::schema::Schema;
use crate::world::{TAG, World, pass};

/// It was to stop large instances of the sandboxes, and stops all that are not of one type.
const POLICY: &str = "@id(\"types\") @mode(\"enforce\")\n\
    forbid (principal, action == Action::\"run\", resource)\n\
    unless { resource.instanceType == \"t3.nano\" };\n";

/// A world whose daemon has enforced the wrong policy on so many instances. Returns these.
async fn stopped_by_mistake(count: usize) -> (Trail, Vec<String>) {
    let mut trail = Trail::with(Options { token_buckets: true, ..Options::default() });
    let config = format!("[policy]\nbuiltin = false\ninline = '''\n{POLICY}'''\n");
    fs::write(trail.path("config.toml"), config).unwrap();
    let audit = trail.path("audit.jsonl");
    let world = std::mem::replace(&mut trail.world, World::new());
    trail.world = world
        .with_usual_latencies()
        .set("ENFORCER_AUDIT__TO", audit.to_str().unwrap())
        .set("ENFORCER_POLICY__BUILTIN", "false")
        .set("ENFORCER_POLICY__INLINE", POLICY)
        .started();
    let aws = &trail.world.aws;
    let launch = || Launch::default().tagged("Name", "web").usually_tagged();
    let ids: Vec<_> = (0..count).map(|_| aws.launch(launch())).collect();
    trail.world.all_settled_within(30 * MINUTE).await;
    assert!(ids.iter().all(|id| trail.state(id) == State::Stopped));
    pass(MINUTE).await;
    (trail, ids)
}

fn latencies(trail: &Trail) {
    for (operation, ms) in [("StartInstances", 900), ("CreateTags", 300)] {
        trail.world.aws.latency(operation, Duration::from_millis(ms));
    }
}

#[tokio::test(start_paused = true)]
async fn exactly_what_nobody_has_started_since_is_started_and_stays_up() {
    let (trail, ids) = stopped_by_mistake(300).await;
    let aws = &trail.world.aws;
    // Their owners exempt these by themselves, or the daemon would stop them again.
    let (back, rest) = ids.split_at(20);
    for id in back {
        aws.tag(id, TAG, "mine");
        aws.start(id);
    }
    let (down, rest) = rest.split_at(10);
    for id in down {
        aws.tag(id, TAG, "mine");
        aws.start(id);
    }
    pass(MINUTE).await;
    for id in down {
        aws.stop(id);
    }
    latencies(&trail);
    let config = trail.path("config.toml");
    let stops = trail.world.calls("StopInstances");
    let began = Instant::now();
    let shown = trail.undo(&["--config", config.to_str().unwrap(), "--policy", "types"]).await;
    eprintln!("270 instances were back after {:?}", began.elapsed());
    assert_eq!(shown.code, 0, "{}", shown.output);
    assert!(shown.output.ends_with("270 instances were started.\n"), "{}", shown.output);
    assert_eq!(trail.starts(), sorted(rest));
    assert_eq!(trail.tagged().into_iter().collect::<Vec<_>>(), sorted(rest));
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    // The daemon hears of each start, and leaves all of them alone.
    pass(20 * MINUTE).await;
    assert_eq!(trail.world.calls("StopInstances"), stops);
    assert!(rest.iter().chain(back).all(|id| trail.state(id) == State::Running));
    assert!(down.iter().all(|id| trail.state(id) == State::Stopped));
    assert!(back.iter().chain(down).all(|id| trail.tag(id).as_deref() == Some("mine")));
    assert_eq!(trail.world.aws.depth(), 0);
    let schema = Schema::read();
    for line in trail.read().lines() {
        let mistakes = schema.mistakes(&serde_json::from_str(line).unwrap());
        assert_eq!(mistakes, [""; 0], "{line}");
    }
    assert_eq!((trail.lines("tag").len(), trail.lines("start").len()), (270, 270));
}

#[tokio::test(start_paused = true)]
async fn no_instance_is_started_before_its_exemption_shows() {
    let (trail, ids) = stopped_by_mistake(120).await;
    let config = trail.path("config.toml");
    let slow = ids[7].clone();
    trail.world.aws.hide_tags(&slow, "DescribeTags");
    let aws = trail.world.aws.clone();
    let shows = Instant::now() + Duration::from_secs(20);
    tokio::spawn({
        let slow = slow.clone();
        async move {
            tokio::time::sleep_until(shows).await;
            aws.show_tags(&slow);
        }
    });
    let run = trail.undo(&["--config", config.to_str().unwrap()]).await;
    assert_eq!(run.code, 0, "{}", run.output);
    assert_eq!(trail.starts(), sorted(&ids));
    let changes = trail.changes();
    let first_start = changes.iter().find(|call| call.operation == "StartInstances").unwrap();
    let last_tag = changes.iter().rfind(|call| call.operation == "CreateTags").unwrap();
    assert!(last_tag.answered.unwrap() <= first_start.at);
    assert!(first_start.at >= shows);
}

#[tokio::test(start_paused = true)]
async fn fifteen_hundred_are_back_in_five_minutes_without_a_throttled_call() {
    let trail = Trail::with(Options { token_buckets: true, ..Options::default() });
    let ids = trail.recorded(1_500).await;
    latencies(&trail);
    let began = Instant::now();
    let shown = trail.undo(&[]).await;
    let took = began.elapsed();
    eprintln!("1,500 instances were back after {took:?}");
    assert_eq!(shown.code, 0);
    assert_eq!(trail.starts(), sorted(&ids));
    assert!((250.0..300.0).contains(&took.as_secs_f64()), "{took:?}");
}
