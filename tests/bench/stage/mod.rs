//! The sandbox's side of a trial: serve AWS, let the events come, tell what was seen.
//!
//! It is told what to do on stdin, answers with lines of JSON on stdout, and ends with its stdin.

mod load;
mod account;
mod verdict;

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
use crate::usage::Cpu;

use load::Load;

/// What AWS takes, in milliseconds, where a scene has it take its usual time.
const LATENCIES_MS: [(&str, u64); 10] = [
    ("ReceiveMessage", 5),
    ("DeleteMessage", 5),
    ("DeleteMessageBatch", 5),
    ("ChangeMessageVisibility", 5),
    ("ChangeMessageVisibilityBatch", 5),
    ("DescribeTags", DESCRIBE_MS),
    ("DescribeInstances", DESCRIBE_MS),
    ("StopInstances", STOP_MS),
    ("Publish", 12),
    ("PublishBatch", 12),
];
pub const DESCRIBE_MS: u64 = 40;
pub const STOP_MS: u64 = 150;
/// Ample for a start; who has not polled by then has ended.
const FIRST_POLL_LIMIT: Duration = Duration::from_secs(30);
/// Often enough for a first poll to be seen, seldom enough to cost nothing.
const LOOK: Duration = Duration::from_millis(20);

/// Plays a scene until stdin ends.
pub fn play(scene: &str) -> anyhow::Result<()> {
    let scene = serde_json::from_str(scene).context("cannot read the scene")?;
    Runtime::new()?.block_on(perform(scene))
}

async fn perform(scene: Scene) -> anyhow::Result<()> {
    let aws = Sandbox::new(Options { token_buckets: scene.token_buckets, ..Options::default() });
    for (operation, ms) in LATENCIES_MS.iter().filter(|_| scene.latencies) {
        aws.latency(operation, Duration::from_millis(*ms));
    }
    let access = serve(&aws).await?;
    let mut load = Load::prepare(&aws, &scene);
    let mut orders = orders();
    say(&access)?;
    while let Some(order) = orders.recv().await {
        match order.as_str() {
            "go" => say(&go(&aws, &scene, &mut load).await?)?,
            order => bail!("unknown order: {order}"),
        }
    }
    Ok(())
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

/// Reads stdin in a thread: when it ends, nobody waits for an answer any more.
fn orders() -> UnboundedReceiver<String> {
    let (send, orders) = unbounded_channel();
    thread::spawn(move || {
        io::stdin().lines().map_while(Result::ok).try_for_each(|order| send.send(order)).ok();
        process::exit(0);
    });
    orders
}

/// Looks now and then, for a look after every change would cost more than the changes.
async fn go(aws: &Sandbox, scene: &Scene, load: &mut Load) -> anyhow::Result<Evidence> {
    let began = Instant::now();
    let before = Cpu::of(process::id())?;
    let polled = timeout(FIRST_POLL_LIMIT, async {
        while aws.calls("ReceiveMessage").is_empty() {
            sleep(LOOK).await;
        }
    });
    polled.await.context("nobody polls the queue")?;
    load.arrive(aws, scene).await;
    while aws.depth() > 0 && began.elapsed() < scene.time_limit {
        sleep(LOOK).await;
    }
    let sandbox_cpu = Cpu::of(process::id())?.since(&before);
    account::evidence(aws, load.events(), sandbox_cpu)
}

fn say(answer: &impl Serialize) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    serde_json::to_writer(&mut stdout, answer)?;
    writeln!(stdout)?;
    stdout.flush().context("cannot write to stdout")
}
