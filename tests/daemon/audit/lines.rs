//! What the lines say, for each way in which a message can end.

use std::time::Duration;

use ec2_policy_enforcer::sandbox::{Fault, Launch, Rule};
use serde_json::{Value, json};

use super::Trail;
use super::schema::Schema;
use crate::world::{TAG, World, gathering, violators};

fn launch_time(world: &World, id: &str) -> String {
    let at = world.aws.instance(id).unwrap().details.launched;
    let at = time::UtcDateTime::from(at).truncate_to_second();
    at.format(&time::format_description::well_known::Rfc3339).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_violator_leaves_a_stop_and_an_outcome_that_say_all_about_it() {
    let trail = Trail::new();
    let mut world = trail.of(World::new());
    let id = world.violator();
    let launched = launch_time(&world, &id);
    let message = world.aws.messages()[0].clone();
    world.start();
    world.all_settled().await;
    let notice = world.aws.notices()[0].message_id.clone();
    world.drain().await;
    let event: Value = serde_json::from_str(&message.body).unwrap();
    let [stop, outcome] = &trail.lines()[..] else { panic!("{:?}", trail.lines()) };
    let instance = json!({"instance": id, "previous_state": "running", "launch_time": launched,
        "policies": ["builtin"], "message": message.id});
    assert_eq!((&stop["kind"], &stop["instances"]), (&json!("stop"), &json!([instance])));
    for name in ["account", "region"] {
        assert_eq!((&stop[name], &outcome[name]), (&event[name], &event[name]));
    }
    assert!(stop["request_id"].is_string(), "{stop}");
    for (name, expected) in [
        ("kind", json!("outcome")),
        ("message", json!(message.id)),
        ("event", event["id"].clone()),
        ("trigger", json!("start")),
        ("instance", json!(id)),
        ("tags", json!({})),
        ("attributes", json!({"launchTime": launched})),
        ("denials", json!([{"policy": "builtin", "mode": "enforce"}])),
        ("outcome", json!("stopped")),
        ("notice", json!(notice)),
    ] {
        assert_eq!(outcome[name], expected, "{name} of {outcome}");
    }
    let looks = &outcome["looks"];
    assert!(looks["tags"].is_string() && looks["instance"].is_string(), "{outcome}");
    assert!(outcome["policies_digest"].is_string(), "{outcome}");
}

#[tokio::test(start_paused = true)]
async fn an_exempt_instance_leaves_the_tag_that_exempted_it() {
    let trail = Trail::new();
    let world = trail.of(World::new()).started();
    let id = world.aws.launch(Launch::default().tagged(TAG, "db of Ann").tagged("Name", "db"));
    world.all_settled().await;
    let [line] = &trail.lines()[..] else { panic!("{:?}", trail.lines()) };
    assert_eq!((&line["outcome"], &line["instance"]), (&json!("exempt"), &json!(id)));
    assert_eq!((&line["tags"], &line["denials"]), (&json!({TAG: "db of Ann"}), &json!([])));
    // The first look decided.
    assert!(line["looks"]["tags"].is_string() && line["looks"].get("instance").is_none());
}

#[tokio::test(start_paused = true)]
async fn a_refused_instance_leaves_the_reason_and_no_stop() {
    let trail = Trail::new();
    let world = trail.of(World::new()).started();
    let id = world.aws.launch(Launch::default().stop_protected());
    world.all_settled().await;
    let [line] = &trail.lines()[..] else { panic!("{:?}", trail.lines()) };
    assert_eq!((&line["instance"], &line["outcome"]), (&json!(id), &json!("refused")));
    assert_eq!(line["reason"], "stop_protection");
    assert_eq!(line["notice"], json!(world.aws.notices()[0].message_id));
}

#[tokio::test(start_paused = true)]
async fn a_planned_stop_leaves_its_deadline_before_and_after() {
    let trail = Trail::new();
    let world = trail.of(World::new()).set("ENFORCER_POLICY__GRACE", "30m");
    let world = world.set("ENFORCER_POLICY__SINCE", "2020-01-01").started();
    let id = world.violator();
    world.all_settled_within(Duration::from_hours(1)).await;
    let outcomes = trail.outcomes_of(&id);
    let [planned, stopped] = &outcomes[..] else { panic!("{outcomes:?}") };
    assert_eq!((&planned["outcome"], &stopped["outcome"]), (&json!("planned"), &json!("stopped")));
    assert!(planned["deadline"].is_string(), "{planned}");
    assert_eq!(planned["deadline"], stopped["deadline"]);
    let notices: Vec<_> =
        world.aws.notices().into_iter().map(|notice| Value::from(notice.message_id)).collect();
    assert_eq!([&planned["notice"], &stopped["notice"]], [&notices[0], &notices[1]]);
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_is_refused_and_split_leaves_each_stop_once() {
    let trail = Trail::new();
    let world = gathering(trail.of(World::new())).await;
    let mut others = violators(&world, 20);
    let bad = others.remove(13);
    let refusal = Fault::Error {
        status: 400,
        code: "OperationNotPermitted".to_owned(),
        message: "Modify its 'disableApiStop' instance attribute.".to_owned(),
    };
    world.aws.inject(Rule::on("StopInstances").naming(&bad).fault(refusal));
    world.all_settled().await;
    let stops = trail.of_kind("stop");
    let named = stops.iter().flat_map(|stop| stop["instances"].as_array().unwrap());
    let mut named: Vec<_> = named.map(|one| one["instance"].as_str().unwrap()).collect();
    named.sort_unstable();
    assert_eq!(named, others);
    let answers = world.aws.calls("StopInstances");
    assert_eq!(stops.len(), answers.iter().filter(|call| !call.stopped.is_empty()).count());
    let outcomes = trail.of_kind("outcome");
    let of = |id: &str| outcomes.iter().find(|line| line["instance"] == id).unwrap();
    assert_eq!(of(&bad)["outcome"], "refused");
    assert!(others.iter().all(|id| of(id)["outcome"] == "stopped"));
}

#[tokio::test(start_paused = true)]
async fn what_is_ignored_rejected_or_joined_leaves_a_line_too() {
    let trail = Trail::new();
    let world = trail.of(World::new()).with_usual_latencies();
    let id = world.aws.launch(Launch::default().quiet());
    let event = world.aws.event(&id);
    let first = world.aws.send(&event);
    let joined = world.aws.send(&event);
    let ignored = world.aws.send(&event.replace("\"running\"", "\"stopped\""));
    let rejected = world.aws.send("no event");
    let mut world = world.started();
    world.aws.until("the others are deleted", |aws| aws.depth() == 1).await;
    let late = world.aws.send(&event);
    world.aws.until("it is deleted", |aws| aws.depth() == 1).await;
    world.drain().await;
    let lines = trail.of_kind("outcome");
    let of = |message: &str| lines.iter().find(|line| line["message"] == message).unwrap();
    let outcomes =
        [&first, &joined, &ignored, &rejected, &late].map(|id| of(id)["outcome"].clone());
    assert_eq!(outcomes, ["stopped", "duplicate", "ignored", "rejected", "announced_before"]);
    assert_eq!(of(&rejected)["reason"], "invalid_json");
    assert!(of(&rejected).get("event").is_none() && of(&ignored)["instance"] == id);
    // Nobody judged what was announced before.
    assert!(of(&late).get("denials").is_none() && of(&joined)["denials"][0]["policy"] == "builtin");
}

#[tokio::test(start_paused = true)]
async fn all_tags_are_told_where_all_are_wanted() {
    for (wanted, is_told) in [("mentioned", false), ("all", true)] {
        let trail = Trail::new();
        let world = trail.of(World::new()).set("ENFORCER_AUDIT__TAGS", wanted).started();
        let id = world.aws.launch(Launch::default().tagged("Name", "web"));
        world.all_settled().await;
        let tags = &trail.outcomes_of(&id)[0]["tags"];
        assert_eq!(*tags, if is_told { json!({"Name": "web"}) } else { json!({}) });
    }
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_is_violated_is_named_with_what_it_read() {
    let trail = Trail::new();
    let policy = "@id(\"small-only\") @mode(\"warn\")\n\
        forbid (principal, action == Action::\"run\", resource)\n\
        when { resource.instanceType == \"m5.large\" && !resource.hasTag(\"Team\") };";
    let world = trail.of(World::new()).set("ENFORCER_POLICY__BUILTIN", "false");
    let world = world.set("ENFORCER_POLICY__INLINE", policy).started();
    let id = world.aws.launch(Launch::default().instance_type("m5.large").tagged("Env", "x"));
    world.all_settled().await;
    let line = &trail.outcomes_of(&id)[0];
    assert_eq!(line["denials"], json!([{"policy": "small-only", "mode": "warn"}]));
    assert_eq!(
        (&line["attributes"]["instanceType"], &line["tags"]),
        (&json!("m5.large"), &json!({}))
    );
    assert_eq!(line["outcome"], "warned");
}

/// At each deletion, before SQS carries it out, the file has the lines of what is deleted.
#[tokio::test(start_paused = true)]
async fn the_line_is_in_the_file_before_the_message_is_deleted() {
    let trail = Trail::new();
    let path = trail.path();
    let world = trail.of(World::new()).with_usual_latencies();
    let lineless = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = std::sync::Arc::clone(&lineless);
    let look = move |aws: &ec2_policy_enforcer::sandbox::Sandbox| {
        let text = std::fs::read_to_string(&path).unwrap();
        let left: Vec<_> = aws.messages().into_iter().map(|message| message.id).collect();
        let received = aws.calls("ReceiveMessage").into_iter().flat_map(|call| call.subjects);
        let gone = received.filter(|id| !left.contains(id));
        seen.lock().unwrap().extend(gone.filter(|id| !text.contains(id.as_str())));
    };
    world.aws.inject(Rule::on("DeleteMessageBatch").fault(Fault::run_after(look)));
    let world = world.started();
    violators(&world, 30);
    (0..30).for_each(|_| drop(world.exempt()));
    world.all_settled().await;
    assert_eq!(*lineless.lock().unwrap(), [""; 0]);
    assert_eq!(trail.messages().len(), 60);
}

#[tokio::test(start_paused = true)]
async fn the_last_stops_have_their_line_though_nobody_could_be_told() {
    let trail = Trail::new();
    let mut world = trail.of(World::new());
    let hook = |aws: &ec2_policy_enforcer::sandbox::Sandbox| {
        aws.inject(Rule::on("PublishBatch").fault(Fault::error(500, "InternalError")));
    };
    world.aws.inject(Rule::on("StopInstances").fault(Fault::run_after(hook)).times(1));
    let id = world.violator();
    world.start();
    world.aws.until("it is stopped", |aws| !aws.calls("PublishBatch").is_empty()).await;
    world.drain().await;
    assert_eq!(world.aws.depth(), 1);
    assert_eq!(trail.of_kind("stop")[0]["instances"][0]["instance"], json!(id));
    assert!(trail.messages().is_empty());
}

#[tokio::test(start_paused = true)]
async fn programs_get_the_line_of_the_trail_without_the_id_of_the_notice() {
    let trail = Trail::new();
    let world = trail.of(World::new()).set("ENFORCER_NOTICE__FORMAT", "json").started();
    let id = world.violator();
    world.all_settled().await;
    let notice = world.aws.notices().pop().unwrap();
    let mut told: Value = serde_json::from_str(notice.text_for("sqs")).unwrap();
    assert_eq!(Schema::read().mistakes(&told), [""; 0], "{told}");
    let mut line = trail.outcomes_of(&id).remove(0);
    assert_eq!(line.as_object_mut().unwrap().remove("notice"), Some(json!(notice.message_id)));
    (line["time"], told["time"]) = (Value::Null, Value::Null);
    assert_eq!(told, line);
}
