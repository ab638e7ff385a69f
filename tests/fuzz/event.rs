//! Hands arbitrary bodies to the reader and asks for a second opinion on each.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;

use event::{Account, Region, Scope};

#[path = "../../src/event.rs"]
mod event;
#[path = "../../src/event_invariants.rs"]
mod invariants;

static SCOPE: LazyLock<Scope> = LazyLock::new(|| Scope {
    account: Account::parse("123456789012").unwrap(),
    regions: ["us-east-1", "eu-central-1"].into_iter().filter_map(Region::parse).collect(),
});

fuzz_target!(|body: &[u8]| {
    let body = String::from_utf8_lossy(body);
    invariants::read(&SCOPE, &body, "5fea7756-0ea4-451a-a703-a558b933e274");
});
