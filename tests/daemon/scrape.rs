//! Scrapes of the built program's metrics, compared with what AWS sees at the same moment.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use ec2_policy_enforcer::sandbox::{Fault, Launch, Message, Outcome, Rule, Sandbox, State};
use ec2_policy_enforcer::telemetry::metrics::TABLE;
use tokio::process::Child;
use tokio::time::{sleep, timeout};

use crate::program::{Served, ask, free_address, program, serve};

/// How long the scrape and AWS may take to agree.
const TIME_LIMIT: Duration = Duration::from_secs(30);
/// The `result` label of a call that AWS never answered.
const UNANSWERED: &str = "timeout";

/// The samples of a scrape by their name and labels.
#[derive(Debug)]
pub(crate) struct Scrape(BTreeMap<String, f64>);

impl Scrape {
    pub(crate) fn read(text: &str) -> Self {
        let samples = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        let samples = samples.map(|line| line.rsplit_once(' ').unwrap());
        Self(samples.map(|(name, value)| (name.to_owned(), value.parse().unwrap())).collect())
    }

    /// The sum of the samples of a metric that have these labels.
    pub(crate) fn sum(&self, name: &str, labels: &[&str]) -> usize {
        let has = |sample: &str| {
            let (own, rest) = sample.split_once('{').unwrap_or((sample, ""));
            own == name && labels.iter().all(|label| rest.contains(label))
        };
        let samples = self.0.iter().filter(|(sample, _)| has(sample));
        let sum: f64 = samples.map(|(_, value)| value).sum();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
        return sum as usize;
    }

    pub(crate) fn events(&self, outcome: &str) -> usize {
        self.sum("enforcer_events_total", &[&format!("outcome=\"{outcome}\"")])
    }
}

/// What both a scrape and the sandbox's ledger show.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    /// Messages that are held, which only this program can hold.
    held: usize,
    /// Messages about instances for which no DescribeTags was made yet.
    inbox: usize,
    deleted: usize,
    notices: usize,
    /// Calls that were answered, by operation and result.
    calls: BTreeMap<(String, String), usize>,
}

impl Seen {
    /// Reads it from the sandbox. Each message must be about an instance of its own.
    fn by(aws: &Sandbox) -> Self {
        let subjects = |operation| aws.calls(operation).into_iter().flat_map(|call| call.subjects);
        let received = subjects("ReceiveMessage").collect::<BTreeSet<_>>().len();
        let named = subjects("DescribeTags").collect::<BTreeSet<_>>().len();
        let mut seen = Self {
            held: aws.messages().iter().filter(|message| message.is_held()).count(),
            inbox: received - named,
            deleted: aws.instances().len() - aws.messages().len(),
            notices: aws.notices().len(),
            ..Self::default()
        };
        for call in aws.ledger() {
            if let Some(result) = result(call.result) {
                *seen.calls.entry((call.operation, result)).or_default() += 1;
            }
        }
        seen
    }

    fn told(scrape: &Scrape) -> Self {
        let calls =
            scrape.0.iter().filter(|(name, _)| name.starts_with("enforcer_aws_calls_total"));
        let calls = calls.map(|(name, _)| (label(name, "operation"), label(name, "result")));
        let calls = calls.filter(|(_, result)| result != UNANSWERED).map(|(operation, result)| {
            let labels = [operation.as_str(), result.as_str()].map(|value| format!("\"{value}\""));
            let count = scrape.sum("enforcer_aws_calls_total", &[&labels[0], &labels[1]]);
            ((operation, result), count)
        });
        Self {
            held: scrape.sum("enforcer_leases_held", &[]),
            inbox: scrape.sum("enforcer_inbox_messages", &[]),
            deleted: scrape.sum("enforcer_dispositions_total", &["\"delete\""]),
            notices: scrape.sum("enforcer_notices_total", &[]),
            calls: calls.collect(),
        }
    }
}

/// The `result` label that an answered call should have.
fn result(outcome: Outcome) -> Option<String> {
    match outcome {
        Outcome::Answered => Some("ok".to_owned()),
        Outcome::Failed { code } => Some(snake_case(&code)),
        _ => None,
    }
}

/// Writes `AuthorizationError` as `authorization_error`.
fn snake_case(code: &str) -> String {
    let mut label = String::new();
    for letter in code.chars() {
        if letter.is_uppercase() && !label.is_empty() {
            label.push('_');
        }
        label.push(letter.to_ascii_lowercase());
    }
    label
}

fn label(sample: &str, name: &str) -> String {
    let (_, value) = sample.split_once(&format!("{name}=\"")).unwrap();
    value.split('"').next().unwrap().to_owned()
}

/// The program with its admin port and a single evaluator.
struct Scraped {
    served: Served,
    address: SocketAddr,
    _child: Child,
}

impl Scraped {
    async fn start(served: Served) -> Self {
        let address = free_address().await;
        let mut program = program(&served);
        program
            .env("ENFORCER_ADMIN__LISTEN", address.to_string())
            .env("ENFORCER_SIZES__EVALUATORS", "1")
            .stdout(Stdio::null());
        let child = program.spawn().unwrap();
        Self { served, address, _child: child }
    }

    /// Scrapes until a scrape agrees with what AWS saw just before it. An answer may be in flight.
    async fn agrees(&self) -> Scrape {
        let mut last = (Seen::default(), Seen::default());
        let agreed = timeout(TIME_LIMIT, async {
            loop {
                let seen = Seen::by(&self.served.aws);
                let scrape = Scrape::read(&ask(self.address, "/metrics").await.1);
                let told = Seen::told(&scrape);
                if seen == told {
                    return scrape;
                }
                last = (seen, told);
                sleep(Duration::from_millis(20)).await;
            }
        });
        let agreed = agreed.await;
        agreed.unwrap_or_else(|_| panic!("AWS saw {:#?}, the scrape says {:#?}", last.0, last.1))
    }
}

#[tokio::test]
async fn scrapes_say_what_aws_sees_while_calls_hang_while_they_fail_and_after_that() {
    let daemon = Scraped::start(serve().await).await;
    let aws = &daemon.served.aws;
    let hang = aws.inject(Rule::on("DescribeTags").fault(Fault::HangBefore));
    aws.launch(Launch::default());
    aws.until("it is looked up", |aws| !aws.calls("DescribeTags").is_empty()).await;
    (0..5).for_each(|_| drop(aws.launch(Launch::default())));
    aws.until("all are held", |aws| aws.messages().iter().all(Message::is_held)).await;
    let scrape = daemon.agrees().await;
    let gauges = ["enforcer_leases_held", "enforcer_inbox_messages", "enforcer_ready"];
    assert_eq!(gauges.map(|gauge| scrape.sum(gauge, &[])), [6, 5, 1]);

    aws.inject(Rule::on("PublishBatch").fault(Fault::error(403, "AuthorizationError")));
    aws.lift(hang);
    let stopped = |aws: &Sandbox| aws.instances().iter().any(|one| one.state == State::Stopped);
    aws.until("one is stopped", stopped).await;
    aws.until("SNS is probed", |aws| aws.calls("PublishBatch").len() > 2).await;
    let scrape = daemon.agrees().await;
    assert_eq!(gauges.map(|gauge| scrape.sum(gauge, &[])), [6, 0, 0]);
    assert_eq!(scrape.sum("enforcer_paused", &["operation=\"PublishBatch\""]), 1);
    assert_eq!(scrape.events("stopped"), 0);

    aws.lift_all();
    aws.until("all are announced", |aws| aws.messages().is_empty()).await;
    let scrape = daemon.agrees().await;
    assert_eq!(gauges.map(|gauge| scrape.sum(gauge, &[])), [0, 0, 1]);
    assert_eq!(scrape.sum("enforcer_paused", &[]), 0);
    assert_eq!(scrape.events("stopped"), 6);
}

#[tokio::test]
async fn a_scrape_has_every_metric_with_its_description() {
    let daemon = Scraped::start(serve().await).await;
    (0..3).for_each(|_| drop(daemon.served.aws.launch(Launch::default())));
    daemon.served.aws.until("all are settled", |aws| aws.messages().is_empty()).await;
    let (status, text) = ask(daemon.address, "/metrics").await;
    assert_eq!(status, 200);
    for metric in &TABLE {
        let shown = text.contains(&format!("# HELP {} {}", metric.name, metric.meaning));
        let unused = [
            "throttles",
            "retries",
            "pause",
            "denied",
            "faults",
            "failures",
            "notices_waiting",
            "in_flight",
            "operator",
            "enforcer_held",
            "loops",
            "sweeps",
            "missed_starts",
            "fleet",
        ];
        assert!(shown || unused.iter().any(|part| metric.name.contains(part)), "{}", metric.name);
    }
}
