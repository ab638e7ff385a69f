//! What goes wrong with calls.

use std::time::Duration;

use ec2_policy_enforcer::sandbox::{Fault, Rule, Service};

use super::Draw;
use crate::simulation::plan::{Change, Happening, Trouble};

const OPERATIONS: [&str; 7] = [
    "ReceiveMessage",
    "ChangeMessageVisibilityBatch",
    "DeleteMessageBatch",
    "DescribeTags",
    "DescribeInstances",
    "StopInstances",
    "PublishBatch",
];
/// Batches whose entries can fail alone.
const BATCHES: [&str; 4] =
    ["ChangeMessageVisibilityBatch", "DeleteMessageBatch", "StopInstances", "PublishBatch"];

impl Draw {
    /// What calls take in this world; a stop can be slow, and still take effect.
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
        for _ in 0..self.pick(&[0, 0, 1, 2]) {
            self.silence();
        }
        for _ in 0..self.pick(&[0, 0, 1, 2]) {
            let race = self.race();
            self.strikes(Duration::ZERO, race);
        }
    }

    pub(crate) fn strikes(&mut self, at: Duration, trouble: Trouble) -> usize {
        let number = self.story.len();
        self.happens(at, Happening::Strike(number, trouble));
        number
    }

    /// Some calls of one operation fail in one way.
    fn blip(&mut self) -> Trouble {
        let mut operation = self.pick(&OPERATIONS);
        let fault = match self.rng.u32(0..100) {
            0..15 => self.refusal(operation),
            15..25 => Fault::CutBefore,
            25..45 => Fault::CutAfter,
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

    /// All calls of an operation, of a service or of everybody fail for a while.
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

    /// An error that the operation can answer, and that says nothing false of an instance.
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

    /// SNS takes no notice of one stop for a while, and its owner does something meanwhile.
    fn silence(&mut self) {
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

    /// An instance changes at the worst moment.
    fn race(&mut self) -> Trouble {
        Trouble::Race {
            operation: self.pick(&["DescribeTags", "DescribeInstances", "StopInstances"]),
            instance: self.rng.usize(..self.instances.len()),
            change: self.pick(&[Change::Tag, Change::Tag, Change::Stop, Change::Terminate]),
            before: self.rng.bool(),
        }
    }
}
