//! The role for `undo` allows exactly what it calls, and the daemon's role neither starts nor tags.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Trail;

fn listed(role: &str) -> BTreeSet<String> {
    let lists: Value =
        serde_json::from_str(include_str!("../../../deploy/iam/actions.json")).unwrap();
    let actions = lists[role].as_array().unwrap().iter();
    actions.map(|action| action.as_str().unwrap().to_owned()).collect()
}

#[tokio::test(start_paused = true)]
async fn undo_calls_what_its_role_allows_and_nothing_else() {
    let trail = Trail::new();
    trail.recorded(3).await;
    assert_eq!(trail.undo(&[]).await.code, 0);
    let calls = trail.world.ec2_calls().into_iter();
    let called: BTreeSet<_> = calls.map(|call| format!("ec2:{}", call.operation)).collect();
    assert_eq!(called, listed("undo"));
}

#[test]
fn the_daemon_may_neither_start_nor_tag() {
    let daemon: BTreeSet<_> = listed("daemon").union(&listed("preflight")).cloned().collect();
    for action in ["ec2:StartInstances", "ec2:CreateTags"] {
        assert!(listed("undo").contains(action) && !daemon.contains(action), "{action}");
    }
}
