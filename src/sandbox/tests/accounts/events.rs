//! Events of members: they reach the one queue with the account and the region that they are from.

use serde_json::Value;

use super::{Launch, MEMBER, OTHER, OWN, World, members};

/// The events in the queue: account, region and resource.
fn events(world: &World) -> Vec<[String; 3]> {
    let bodies = world.sandbox.messages().into_iter().map(|message| message.body);
    let fields = |body: String| {
        let event: Value = serde_json::from_str(&body).unwrap();
        ["/account", "/region", "/resources/0"]
            .map(|field| event.pointer(field).unwrap().as_str().unwrap().to_owned())
    };
    bodies.map(fields).collect()
}

fn of(account: &str, region: &str, id: &str) -> [String; 3] {
    let arn = format!("arn:aws:ec2:{region}:{account}:instance/{id}");
    [account.to_owned(), region.to_owned(), arn]
}

#[tokio::test(start_paused = true)]
async fn a_start_in_any_account_reaches_the_queue() {
    let world = members();
    let own = world.sandbox.launch(Launch::default());
    let there = world.sandbox.in_account(MEMBER).launch(Launch::default().region("eu-west-1"));
    let given = world.sandbox.launch(Launch::default().account(OTHER));
    let expected = [
        of(OWN, "us-east-1", &own),
        of(MEMBER, "eu-west-1", &there),
        of(OTHER, "us-east-1", &given),
    ];
    assert_eq!(events(&world), expected);
}

#[tokio::test(start_paused = true)]
async fn a_change_of_tags_in_any_account_reaches_the_queue() {
    let world = members();
    world.sandbox.send_tag_events();
    let member = world.sandbox.in_account(MEMBER);
    let id = member.launch(Launch::default().quiet());
    member.tag(&id, "Owner", "web");
    assert_eq!(events(&world), [of(MEMBER, "us-east-1", &id)]);
}

#[tokio::test(start_paused = true)]
async fn a_test_can_write_the_events_of_a_member() {
    let world = members();
    let member = world.sandbox.in_account(MEMBER);
    let id = member.launch(Launch::default().quiet().region("eu-west-1").tagged("Name", "web"));
    for body in [member.event(&id), member.tag_event(&id, &["Name"])] {
        member.send(&body);
    }
    let expected = of(MEMBER, "eu-west-1", &id);
    assert_eq!(events(&world), [expected.clone(), expected]);
}

#[tokio::test(start_paused = true)]
async fn what_is_planned_for_a_member_happens_there() {
    let world = members();
    let id = "i-0123456789abcdef0";
    for account in [OWN, MEMBER] {
        world.sandbox.launch(Launch::default().account(account).id(id));
    }
    let member = world.sandbox.in_account(MEMBER);
    let at = tokio::time::Instant::now() + std::time::Duration::from_mins(1);
    member.stop_at(id, at);
    tokio::time::advance(std::time::Duration::from_mins(2)).await;
    let states = [&world.sandbox, &member].map(|handle| handle.instance(id).unwrap().state.name());
    assert_eq!(states, ["running", "stopped"]);
}
