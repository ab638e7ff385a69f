//! Draws the faults of calls, and their latencies.

use std::time::Duration;

use ec2_policy_enforcer::sandbox::{Fault, Rule, Service};

use super::Draw;
use super::setting::AWAY;
use crate::simulation::panicking;
use crate::simulation::plan::{Change, Happening, Instance, Trouble};

const OPERATIONS: [&str; 7] = [
    "ReceiveMessage",
    "ChangeMessageVisibilityBatch",
    "DeleteMessageBatch",
    "DescribeTags",
    "DescribeInstances",
    "StopInstances",
    "PublishBatch",
];
/// Batches of which some entries can fail while others succeed.
const BATCHES: [&str; 4] =
    ["ChangeMessageVisibilityBatch", "DeleteMessageBatch", "StopInstances", "PublishBatch"];

impl Draw {
    /// Draws how long each operation takes. A slow stop takes effect all the same.
    pub(crate) fn latencies(&mut self) {
        for operation in OPERATIONS {
            let most = match operation {
                "StopInstances" => self.pick(&[100, 2_000, 40_000]),
                "DescribeTags" | "DescribeInstances" | "PublishBatch" => {
                    self.pick(&[100, 1_000, 4_000])
                }
                _ => 80,
            };
            if self.chance(0.6) {
                let delay = Duration::from_millis(self.rng.u64(0..=most));
                self.strikes(Duration::ZERO, Trouble::Slow { operation, by: delay });
            }
        }
    }

    /// Draws short faults, outages, refused notices, and changes in the middle of a call.
    pub(crate) fn troubles(&mut self) {
        for _ in 0..self.rng.u32(0..=5) {
            let blip = self.blip();
            let at = self.moment();
            self.strikes(at, blip);
        }
        for _ in 0..self.pick(&[0, 0, 1, 1, 2]) {
            let outage = self.outage();
            let at = self.moment();
            let number = self.strikes(at, Trouble::Fault(outage));
            let lasts = self.secs(3, 120);
            self.happens(at + lasts, Happening::Lift(number));
        }
        self.refused_region();
        if self.chance(0.2) {
            self.throttled_looks();
        }
        for _ in 0..self.pick(&[0, 0, 1, 2]) {
            self.refused_notice();
        }
        for _ in 0..self.pick(&[0, 0, 1, 2]) {
            let race = self.race();
            self.strikes(Duration::ZERO, race);
        }
        for _ in 0..self.pick(&[0, 0, 1, 2]) {
            let (at, lag) = (self.moment(), self.lag());
            self.strikes(at, lag);
        }
    }

    /// Plans the begin of a fault, and returns its number.
    pub(crate) fn strikes(&mut self, at: Duration, trouble: Trouble) -> usize {
        let number = self.story.len();
        self.happens(at, Happening::Strike(number, trouble));
        number
    }

    /// A short fault: up to four calls of one operation fail in one way.
    fn blip(&mut self) -> Trouble {
        let mut operation = self.pick(&OPERATIONS);
        let fault = match self.rng.u32(0..100) {
            0..15 => self.refusal(operation),
            15..25 => Fault::CutBefore,
            25..35 => Fault::CutAfter,
            // SQS's protocol takes an answer of which nothing has come for one that says nothing.
            35..45 => Fault::CutAnswer { bytes: self.rng.usize(1..3_000) },
            45..50 => Fault::HangBefore,
            50..60 => Fault::HangAfter,
            60..70 => Fault::Delay(self.secs(1, 15)),
            _ => {
                operation = self.pick(&BATCHES);
                let code = "InternalError".to_owned();
                Fault::Entries { count: self.pick(&[1, 1, 2, 3]), code, sender_fault: false }
            }
        };
        let (after, times) = (self.pick(&[0, 0, 0, 1, 2, 5]), self.rng.usize(1..=4));
        Trouble::Fault(Rule::on(operation).after(after).times(times).fault(fault))
    }

    /// An outage: all calls of an operation or of a service fail until it is lifted.
    fn outage(&mut self) -> Rule {
        let (operation, rule) = if self.chance(0.6) {
            let operation = self.pick(&OPERATIONS);
            (operation, Rule::on(operation))
        } else {
            let service = self.pick(&[Service::Sqs, Service::Ec2, Service::Sns]);
            ("*", Rule::on_service(service))
        };
        rule.fault(match self.rng.u32(0..100) {
            0..70 => self.refusal(operation),
            70..80 => Fault::CutBefore,
            80..90 => Fault::HangBefore,
            _ => Fault::CutAfter,
        })
    }

    /// An error that the operation can have in AWS. Errors that say something about an instance are
    /// left out, since here they would be untrue.
    fn refusal(&mut self, operation: &str) -> Fault {
        let (throttled, denied) = match operation {
            "DescribeTags" | "DescribeInstances" | "StopInstances" => {
                ("RequestLimitExceeded", "UnauthorizedOperation")
            }
            "PublishBatch" => ("Throttled", "AuthorizationError"),
            _ => ("ThrottlingException", "AccessDenied"),
        };
        match self.rng.u32(0..100) {
            0..30 => Fault::error(500, "InternalError"),
            30..40 => Fault::error(503, "ServiceUnavailable"),
            40..65 => Fault::error(400, throttled),
            65..80 => Fault::error(403, denied),
            80..95 => Fault::error(403, "ExpiredToken"),
            _ if operation == "PublishBatch" => Fault::error(400, "InvalidParameter"),
            _ if operation == "StopInstances" => Fault::error(400, "IncorrectInstanceState"),
            _ => Fault::error(500, ""),
        }
    }

    /// Another tool drains the bucket of EC2's describing calls: most looks are throttled.
    fn throttled_looks(&mut self) {
        let operation = self.pick(&["DescribeTags", "DescribeInstances"]);
        let fault = Fault::error(503, "RequestLimitExceeded");
        let spared = self.rng.usize(3..=15);
        let rule = Rule::on(operation).sparing_every(spared).fault(fault);
        let (at, lasts) = (self.moment(), self.secs(30, 300));
        let number = self.strikes(at, Trouble::Fault(rule));
        self.happens(at + lasts, Happening::Lift(number));
    }

    /// In every second world with two regions, EC2 refuses the credentials in one of them, as where
    /// the account is not opted in to it.
    fn refused_region(&mut self) {
        if !self.instances.iter().any(|instance| instance.region == AWAY) || self.chance(0.5) {
            return;
        }
        let (at, lasts) = (self.moment(), self.secs(60, 600));
        let number = self.strikes(at, Trouble::RefusedRegion(AWAY));
        self.happens(at + lasts, Happening::Lift(number));
    }

    /// Batches panic at a few calls of one operation, before or after their effect.
    pub(crate) fn panics(&mut self) {
        for _ in 0..self.pick(&[1, 1, 2, 3]) {
            let operation =
                self.pick(&["DescribeTags", "DescribeInstances", "StopInstances", "PublishBatch"]);
            let (after, times) = (self.pick(&[0, 0, 1, 2, 5]), self.rng.usize(1..=4));
            let fault = panicking::fault(self.rng.bool());
            let rule = Rule::on(operation).after(after).times(times).fault(fault);
            let at = self.moment();
            self.strikes(at, Trouble::Panic(rule));
        }
    }

    /// SNS fails for minutes.
    pub(crate) fn silenced(&mut self) {
        let fault = match self.refusal("PublishBatch") {
            // SNS calls no notice invalid that is not.
            Fault::Error { code, .. } if code == "InvalidParameter" => Fault::HangBefore,
            fault => fault,
        };
        let (at, lasts) = (self.moment(), self.secs(60, 1_800));
        let number = self.strikes(at, Trouble::Fault(Rule::on("PublishBatch").fault(fault)));
        self.happens(at + lasts, Happening::Lift(number));
    }

    /// SNS refuses the notice of one stop for a while, and the owner changes the instance
    /// meanwhile.
    fn refused_notice(&mut self) {
        let instance = self.rng.usize(..self.instances.len());
        let text = format!("EC2 {} Stopped", self.instances[instance].id);
        let code = self.pick(&["InvalidParameter", "InvalidParameter", "InternalError"]);
        let fault = Fault::error(if code == "InternalError" { 500 } else { 400 }, code);
        let rule = Rule::on("PublishBatch").naming(text).fault(fault);
        let number = self.strikes(Duration::ZERO, Trouble::Fault(rule));
        let (at, lasts) = (self.moment(), self.secs(5, 40));
        let change = self.pick(&[Change::Tag, Change::Tag, Change::Start, Change::Terminate]);
        self.happens(at, Happening::Change(change, instance));
        self.happens(at + lasts, Happening::Lift(number));
    }

    /// Describing calls lag behind. Where DescribeInstances hides tags, only that call lags: no two
    /// answers without the tag can be told from an instance without it. No call lags for a minute,
    /// by which an instance counts as gone.
    fn lag(&mut self) -> Trouble {
        let hides = |one: &Instance| one.unseen_by == Some("DescribeInstances");
        let must_show_tags = self.instances.iter().any(hides);
        let operations = ["DescribeInstances", "DescribeTags"];
        let operation = if must_show_tags { operations[0] } else { self.pick(&operations) };
        Trouble::Lag { operation, by: self.secs(1, 55), times: self.rng.usize(1..=3) }
    }

    /// An instance changes just before or after the effect of a call that names it.
    fn race(&mut self) -> Trouble {
        Trouble::Race {
            operation: self.pick(&["DescribeTags", "DescribeInstances", "StopInstances"]),
            instance: self.rng.usize(..self.instances.len()),
            change: self.pick(&[Change::Tag, Change::Tag, Change::Stop, Change::Terminate]),
            before: self.rng.bool(),
        }
    }
}
