//! A thousand targets, accounts in regions, that have nothing to do: what they cost.

#[path = "../bench/usage.rs"]
mod usage;

use std::collections::BTreeMap;
use std::fs;
use std::process::Stdio;
use std::time::Duration;

use ec2_policy_enforcer::sandbox::{Call, Launch, Sandbox, Service};
use tokio::time::Instant;

use crate::program::{program, serve, terminate};
use crate::world::{World, pass};
use usage::Cpu;

const REGIONS: [&str; 5] = ["us-east-1", "us-east-2", "us-west-2", "eu-central-1", "eu-west-1"];
const FIRST_ACCOUNT: u64 = 400_000_000_000;
const ACCOUNTS: u64 = 200;
const MINUTE: Duration = Duration::from_mins(1);
/// The SDK closes connections that nothing was sent over for 90 s.
const UNTIL_DISCONNECTED: Duration = Duration::from_mins(2);
/// Targets are closed after 15 idle minutes; it is looked for them every minute.
const UNTIL_CLOSED: Duration = Duration::from_mins(17);
const SETTINGS: [(&str, &str); 2] = [
    ("ENFORCER_ACCOUNTS__IDS", "any"),
    ("ENFORCER_SCOPE__REGIONS", "us-east-1,us-east-2,us-west-2,eu-central-1,eu-west-1"),
];

/// Launches a violator in each region of 200 accounts.
fn launch_everywhere(aws: &Sandbox) {
    for account in (FIRST_ACCOUNT..FIRST_ACCOUNT + ACCOUNTS).map(|account| account.to_string()) {
        aws.add_account(&*account);
        for region in REGIONS {
            aws.launch(Launch::default().account(&account).region(region).usually_tagged());
        }
    }
}

/// How often each operation was called since a call.
fn called_since(aws: &Sandbox, call: usize) -> BTreeMap<String, usize> {
    let mut operations = BTreeMap::new();
    for call in aws.ledger().into_iter().skip(call) {
        *operations.entry(call.operation).or_default() += 1;
    }
    operations
}

/// Asserts that nothing was called since a call but the queue and the topic, which belong to no
/// target.
fn assert_no_targets_calls(aws: &Sandbox, call: usize) {
    let calls = aws.ledger().into_iter().skip(call);
    let theirs = |call: &Call| !matches!(call.service, Service::Sqs | Service::Sns);
    let theirs: Vec<_> = calls.filter(theirs).map(|call| call.operation).collect();
    assert_eq!(theirs, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_thousand_targets_at_rest_make_no_calls() {
    let [ids, regions] = SETTINGS;
    let world = World::new().set(ids.0, ids.1).set(regions.0, regions.1).started();
    launch_everywhere(&world.aws);
    world.all_settled().await;
    assert_eq!(world.calls("AssumeRole"), 200);
    let before = world.aws.ledger().len();
    pass(20 * MINUTE).await;
    assert_no_targets_calls(&world.aws, before);
    let again = Launch::default().account(FIRST_ACCOUNT.to_string());
    world.aws.launch(again);
    world.all_settled().await;
    assert_eq!(world.calls("AssumeRole"), 201, "the targets were not closed");
}

/// A process of the daemon that is measured.
struct Measured {
    process: u32,
    aws: Sandbox,
}

/// What a process needed for a while.
#[derive(Debug)]
#[expect(dead_code, reason = "some is printed only")]
struct Seen {
    rss_mib: f64,
    /// Without what is mapped from files.
    anonymous_mib: f64,
    core_percent: f64,
    calls: BTreeMap<String, usize>,
}

impl Measured {
    async fn watch(&self, time: Duration) -> Seen {
        let (began, cpu, calls) = (Instant::now(), self.cpu(), self.aws.ledger().len());
        pass(time).await;
        let core = self.cpu().since(&cpu).as_secs_f64() / began.elapsed().as_secs_f64();
        Seen {
            rss_mib: self.mib("VmRSS:"),
            anonymous_mib: self.mib("RssAnon:"),
            core_percent: 100.0 * core,
            calls: called_since(&self.aws, calls),
        }
    }

    fn cpu(&self) -> Cpu {
        Cpu::of(self.process).unwrap()
    }

    fn mib(&self, field: &str) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process)).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
        line.trim().strip_suffix(" kB").unwrap().parse::<f64>().unwrap() / 1024.0
    }
}

#[tokio::test]
#[ignore = "a measurement, also of memory, which takes 20 minutes with an optimised build"]
async fn a_thousand_targets_at_rest_take_less_than_a_thousandth_of_a_core() {
    let served = serve().await;
    let mut program = program(&served);
    program.envs(SETTINGS).env("ENFORCER_QUEUE__WAIT_SECS", "20").stdout(Stdio::null());
    let mut daemon = program.spawn().unwrap();
    let measured = Measured { process: daemon.id().unwrap(), aws: served.aws.clone() };
    println!("without targets: {:?}", measured.watch(MINUTE).await);
    launch_everywhere(&served.aws);
    served.aws.until("all events are settled", |aws| aws.depth() == 0).await;
    assert_eq!(served.aws.calls("AssumeRole").len(), 200);
    pass(UNTIL_DISCONNECTED).await;
    let open = measured.watch(MINUTE).await;
    println!("a thousand targets: {open:?}");
    pass(UNTIL_CLOSED).await;
    let closed = measured.watch(MINUTE).await;
    println!("after they are closed: {closed:?}");
    println!("at most {} KiB", usage::peak_rss_kib(measured.process).unwrap());
    println!("{:?} of CPU in all", measured.cpu().total());
    terminate(&daemon);
    assert!(daemon.wait().await.unwrap().success());
    for seen in [open, closed] {
        assert!(seen.core_percent < 0.1, "{seen:?}");
    }
}
