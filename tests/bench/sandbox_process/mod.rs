//! The sandbox process of a trial: it serves the sandbox, sends the events of one scene after the
//! other (`load`), answers notices (`answers`), reports the figures (`measures`), and checks that the
//! contract was fulfilled (`mistakes`), by what notices tell (`told`).
//!
//! It reads commands on stdin, answers with lines of JSON on stdout, and ends when stdin is closed.

mod load;
mod answers;
mod measures;
mod mistakes;
mod told;

use std::io::{self, Write};
use std::net::Ipv4Addr;
use std::process;
use std::thread;
use std::time::Duration;

use anyhow::{Context, bail};
use ec2_policy_enforcer::sandbox::{Options, Sandbox};
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::aws::Access;
use crate::case::Scene;
use crate::evidence::Evidence;
use crate::fleet;
use crate::usage::Cpu;

use load::Load;
use measures::Earlier;

/// The usual latencies of AWS, in milliseconds, for scenes that have them.
const LATENCIES_MS: [(&str, u64); 11] = [
    ("ReceiveMessage", RECEIVE_MS),
    ("DeleteMessage", 5),
    ("DeleteMessageBatch", 5),
    ("ChangeMessageVisibility", 5),
    ("ChangeMessageVisibilityBatch", 5),
    ("DescribeTags", DESCRIBE_MS),
    ("DescribeInstances", DESCRIBE_MS),
    ("StopInstances", STOP_MS),
    ("Publish", PUBLISH_MS),
    ("PublishBatch", PUBLISH_MS),
    ("AssumeRole", 40),
];
pub const RECEIVE_MS: u64 = 5;
pub const DESCRIBE_MS: u64 = 40;
pub const STOP_MS: u64 = 150;
pub const PUBLISH_MS: u64 = 12;
/// How long a contender may take to poll. One that has not polled by then has failed.
const FIRST_POLL_LIMIT: Duration = Duration::from_secs(30);
/// How often the ledger and the queue are read. Reading them this seldom costs hardly any CPU time.
const CHECK_INTERVAL: Duration = Duration::from_millis(20);

/// Runs the sandbox process of a trial's scenes, until stdin is closed.
pub fn run(scenes: &str) -> anyhow::Result<()> {
    let scenes = serde_json::from_str(scenes).context("cannot read the scenes")?;
    Runtime::new()?.block_on(serve_scenes(scenes))
}

async fn serve_scenes(scenes: Vec<Scene>) -> anyhow::Result<()> {
    let aws = behaving_as_in(scenes.first().context("there is no scene")?);
    let access = serve(&aws).await?;
    let members = scenes.iter().map(|scene| scene.members).max().unwrap_or_default();
    fleet::accounts(members).for_each(|account| aws.add_account(&*account));
    let loads = scenes.into_iter().map(|scene| Load::prepare(&aws, scene));
    let mut loads = loads.collect::<anyhow::Result<Vec<_>>>()?.into_iter();
    let (mut commands, mut earlier) = (commands(), Earlier::default());
    say(&access)?;
    while let Some(command) = commands.recv().await {
        match command.as_str() {
            "go" => {
                let mut load = loads.next().context("there is no further scene")?;
                say(&go(&aws, &mut load, &earlier).await?)?;
                earlier = Earlier::until_now(&aws);
            }
            command => bail!("unknown command: {command}"),
        }
    }
    Ok(())
}

/// Makes a sandbox that behaves as AWS does in a scene.
fn behaving_as_in(scene: &Scene) -> Sandbox {
    let aws = Sandbox::new(Options { token_buckets: scene.token_buckets, ..Options::default() });
    for (operation, ms) in LATENCIES_MS.iter().filter(|_| scene.latencies) {
        aws.latency(operation, Duration::from_millis(*ms));
    }
    aws
}

async fn serve(aws: &Sandbox) -> anyhow::Result<Access> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let endpoint = format!("http://{}", listener.local_addr()?);
    let resources = aws.set_up();
    let server = aws.clone();
    tokio::spawn(async move { server.serve(listener, CancellationToken::new()).await });
    Ok(Access {
        queue_url: resources.queue_url_at(&endpoint),
        region: resources.region,
        topic_arn: resources.topic_arn,
        endpoint,
    })
}

/// Reads stdin in a thread. When it is closed, the benchmark has ended, and so does this process.
fn commands() -> UnboundedReceiver<String> {
    let (send, commands) = unbounded_channel();
    thread::spawn(move || {
        io::stdin().lines().map_while(Result::ok).try_for_each(|command| send.send(command)).ok();
        process::exit(0);
    });
    commands
}

/// Sends the events after the first poll, has owners answer, waits until all is settled, and
/// returns the figures. The queue is read at intervals, since reading it after every change would
/// cost more than the changes.
async fn go(aws: &Sandbox, load: &mut Load, earlier: &Earlier) -> anyhow::Result<Evidence> {
    let began = Instant::now();
    let before = Cpu::of(process::id())?;
    let polled = timeout(FIRST_POLL_LIMIT, async {
        while aws.calls("ReceiveMessage").is_empty() {
            sleep(CHECK_INTERVAL).await;
        }
    });
    polled.await.context("the contender does not poll the queue")?;
    load.arrive(aws).await;
    load.answer(aws).await?;
    while aws.depth() > 0 && began.elapsed() < load.scene.time_limit {
        sleep(CHECK_INTERVAL).await;
    }
    let sandbox_cpu = Cpu::of(process::id())?.since(&before);
    measures::evidence(aws, load.events(), (earlier, sandbox_cpu))
}

fn say(answer: &impl Serialize) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    serde_json::to_writer(&mut stdout, answer)?;
    writeln!(stdout)?;
    stdout.flush().context("cannot write to stdout")
}
