//! Hands arbitrary bodies to the reader and asks for a second opinion on each.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;

use domain::event::Scope;
use domain::ids::{Account, Region};
use domain::members::Members;

#[path = "../../src/domain/event/mod.rs"]
#[expect(dead_code, reason = "the audit trail reads more of it than its tests")]
mod event;
#[path = "../../src/domain/ids.rs"]
mod ids;
#[path = "../../src/domain/members.rs"]
#[expect(dead_code, reason = "settings read more of it than events")]
mod members;
#[path = "../../src/domain/event/oracle.rs"]
mod oracle;

#[path = "../../src/domain/trigger.rs"]
#[expect(dead_code, reason = "policies read more of it than events")]
mod trigger;

/// The paths by which the included files know each other.
mod domain {
    pub(crate) use crate::{event, ids, members, trigger};
}

static SCOPE: LazyLock<Scope> = LazyLock::new(|| Scope {
    account: Account::parse("123456789012").unwrap(),
    members: Members::default(),
    regions: ["us-east-1", "eu-central-1"].into_iter().filter_map(Region::parse).collect(),
    tag_changes: true,
});

fuzz_target!(|body: &[u8]| {
    let body = String::from_utf8_lossy(body);
    oracle::read(&SCOPE, &body, "5fea7756-0ea4-451a-a703-a558b933e274");
});
