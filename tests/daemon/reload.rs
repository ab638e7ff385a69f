//! SIGHUP: the settings that can change while the daemon runs do, and the log names the others.

use std::fs;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use ec2_policy_enforcer::domain::ids::Region;
use ec2_policy_enforcer::sandbox::{Fault, Launch, Rule, Service};
use ec2_policy_enforcer::settings::{Live, RetrySettings};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::sync::watch;

use crate::program::{Served, call, serve, signal, terminate};
use crate::world::{World, pass};

const MINUTE: Duration = Duration::from_mins(1);
const SECOND: Duration = Duration::from_secs(1);

/// How many publishes there are in one minute of an outage.
async fn probes_in_a_minute(world: &World) -> usize {
    let before = world.calls("PublishBatch");
    pass(MINUTE).await;
    world.calls("PublishBatch") - before
}

fn live(cap_ms: u64, regions: &[&str]) -> Live {
    let retry =
        RetrySettings { first: Duration::from_millis(200), cap: Duration::from_millis(cap_ms) };
    Live {
        retry,
        share_percent: 100,
        regions: regions.iter().filter_map(|region| Region::parse(region)).collect(),
        policies: None,
    }
}

#[tokio::test(start_paused = true)]
async fn a_longer_cap_makes_the_probes_of_the_next_pause_rarer() {
    let (change, followed) = watch::channel(live(2_000, &[]));
    let mut world = World::new().following(followed);
    let outage = world.aws.inject(Rule::on_service(Service::Sns));
    world.violator();
    world.start();
    pass(MINUTE).await;
    let often = probes_in_a_minute(&world).await;
    change.send_replace(live(30_000, &[]));
    world.aws.lift(outage);
    world.all_settled().await;
    world.aws.inject(Rule::on_service(Service::Sns));
    world.violator();
    pass(2 * MINUTE).await;
    let rarely = probes_in_a_minute(&world).await;
    assert!(often >= 28 && rarely <= 3, "{often} probes before, {rarely} after");
}

#[tokio::test(start_paused = true)]
async fn a_longer_cap_makes_the_probes_of_a_running_pause_rarer() {
    let (change, followed) = watch::channel(live(2_000, &[]));
    let mut world = World::new().following(followed);
    world.aws.inject(Rule::on_service(Service::Sns));
    world.violator();
    world.start();
    pass(MINUTE).await;
    change.send_replace(live(30_000, &[]));
    pass(MINUTE).await;
    let rarely = probes_in_a_minute(&world).await;
    assert!((1..=3).contains(&rarely), "{rarely} probes");
}

#[tokio::test(start_paused = true)]
async fn a_back_off_whose_cap_is_raised_during_a_call_uses_the_new_cap() {
    let (change, followed) = watch::channel(live(300, &[]));
    let mut world = World::new().following(followed);
    let raise = Fault::run(move |_| drop(change.send_replace(live(10_000, &[]))));
    world.aws.inject(Rule::on("DescribeTags").fault(raise).after(1).times(1));
    world.aws.inject(Rule::on("DescribeTags"));
    world.violator();
    world.start();
    pass(MINUTE).await;
    // With the old cap there would be several hundred.
    let looks = world.calls("DescribeTags");
    assert!((2..=20).contains(&looks), "{looks} look-ups");
}

#[tokio::test(start_paused = true)]
async fn regions_are_added_and_removed_while_the_daemon_runs() {
    let (change, followed) = watch::channel(live(10_000, &[]));
    let mut world = World::new().following(followed).started();
    let launch = |world: &World| world.aws.launch(Launch::default().region("eu-west-1"));
    world.aws.until("it polls", |aws| !aws.calls("ReceiveMessage").is_empty()).await;
    let before = launch(&world);
    pass(SECOND).await;
    change.send_replace(live(10_000, &["us-east-1", "eu-west-1"]));
    pass(SECOND).await;
    let within = [world.violator(), launch(&world)];
    world.notices(2).await;
    change.send_replace(live(10_000, &["us-east-1"]));
    pass(SECOND).await;
    let after = launch(&world);
    let last = world.violator();
    world.notices(3).await;
    assert!([&before, &after].iter().all(|id| world.is_running(id)));
    assert!(![&within[0], &within[1], &last].iter().any(|id| world.is_running(id)));
    assert_eq!(world.drain().await.counts.rejected, 2);
}

/// A daemon with a settings file, and its log.
struct Reloading {
    _served: Served,
    file: PathBuf,
    child: Child,
    log: Lines<BufReader<ChildStdout>>,
}

impl Drop for Reloading {
    fn drop(&mut self) {
        drop(fs::remove_file(&self.file));
    }
}

impl Reloading {
    async fn with(settings: &str) -> Self {
        Self::under(settings, None).await
    }

    async fn under(settings: &str, rust_log: Option<&str>) -> Self {
        let served = serve().await;
        let name = format!("reload-{}-{:p}.toml", std::process::id(), &raw const served);
        let file = std::env::temp_dir().join(name);
        fs::write(&file, settings).unwrap();
        let mut program: Command = call(&served, "run");
        program.arg("--config").arg(&file).stdout(Stdio::piped());
        program.envs(rust_log.map(|filter| ("RUST_LOG", filter)));
        let mut child = program.spawn().unwrap();
        let log = BufReader::new(child.stdout.take().unwrap()).lines();
        served.aws.until("it polls", |aws| !aws.calls("ReceiveMessage").is_empty()).await;
        Self { _served: served, file, child, log }
    }

    /// Changes the settings file and sends SIGHUP.
    fn change(&self, settings: &str) {
        fs::write(&self.file, settings).unwrap();
        signal(&self.child, "HUP");
    }

    /// Waits for the log line with this message.
    async fn line(&mut self, message: &str) -> Value {
        loop {
            let line = self.log.next_line().await.unwrap().unwrap();
            let line: Value = serde_json::from_str(&line).unwrap();
            // Some lines of the SDK have no message.
            if line["message"].as_str().is_some_and(|text| text.starts_with(message)) {
                return line;
            }
        }
    }

    async fn ends_well(mut self) {
        terminate(&self.child);
        self.line("drained").await;
        assert_eq!(self.child.wait().await.unwrap().code(), Some(0));
    }
}

#[tokio::test]
async fn sighup_applies_what_can_change_and_names_what_cannot() {
    let mut daemon = Reloading::with("retry.cap_ms = 5000").await;
    daemon.change("retry.cap_ms = 7000\nlog.filter = \"debug\"\nsizes.batch = 7\nscope.regions = [\"eu-west-1\"]\nrate_limit.share_percent = 50");
    let read = daemon.line("re-read the settings").await;
    assert_eq!(
        read["changed"],
        "log.filter, rate_limit.share_percent, retry.cap_ms, scope.regions"
    );
    let left = daemon.line("these settings changed too; restart").await;
    assert_eq!(left["keys"], "sizes.batch");
    let same = "retry.cap_ms = 7000\nlog.filter = \"debug\"\nscope.regions = [\"eu-west-1\"]\nrate_limit.share_percent = 50";
    daemon.change(same);
    assert_eq!(daemon.line("re-read the settings").await["changed"], "");
    daemon.ends_well().await;
}

#[tokio::test]
async fn a_reload_is_confirmed_if_the_old_or_the_new_filter_lets_it_through() {
    let mut daemon = Reloading::with("log.filter = \"warn\"").await;
    daemon.change("log.filter = \"info\"");
    assert_eq!(daemon.line("re-read the settings").await["changed"], "log.filter");
    daemon.change("log.filter = \"warn\"");
    assert_eq!(daemon.line("re-read the settings").await["changed"], "log.filter");
    daemon.change("retry.cap_ms = 1");
    daemon.line("refused the changed settings").await;
    terminate(&daemon.child);
    assert_eq!(daemon.child.wait().await.unwrap().code(), Some(0));
}

#[tokio::test]
async fn a_file_that_cannot_work_leaves_the_running_settings_in_place() {
    let mut daemon = Reloading::with("").await;
    for bad in ["retry.cap_ms = 1", "retry.cap_ms ="] {
        daemon.change(bad);
        let refused = daemon.line("refused the changed settings").await;
        assert_eq!(refused["level"], "ERROR");
        assert!(refused["error"].as_str().unwrap().contains("retry.cap_ms"), "{refused}");
    }
    daemon.ends_well().await;
}

#[tokio::test]
async fn a_filter_that_rust_log_overrides_is_not_reported_as_changed() {
    let mut daemon = Reloading::under("", Some("info")).await;
    daemon.change("retry.cap_ms = 7000\nlog.filter = \"error\"");
    assert_eq!(daemon.line("re-read the settings").await["changed"], "retry.cap_ms");
    let overruled = daemon.line("log.filter changed too").await["message"].to_string();
    assert!(overruled.contains("RUST_LOG is set and wins"), "{overruled}");
    daemon.ends_well().await;
}
