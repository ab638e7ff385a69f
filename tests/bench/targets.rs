//! The performance targets, and whether this run met them.

use ec2_policy_enforcer::cli::table::Table;

use crate::case::{MEMBERS, Name};
use crate::contender::Contender;
use crate::figures::{mib, ms, number, short};
use crate::percentiles::Spread;
use crate::sandbox_process::{DESCRIBE_MS, PUBLISH_MS, RECEIVE_MS, STOP_MS};
use crate::trial::Measurement;

const DAEMON: Contender = Contender::Daemons(1);
const LOOP: Contender = Contender::Loop { threads: 1 };
const THREADED_LOOP: Contender = Contender::Loop { threads: 32 };

/// How many times the CPU of the plain daemon others may take per event.
const COSTS: [(Contender, &str, f64); 2] = [
    (Contender::WithAudit, "with the audit trail", 1.15),
    (Contender::WithAll, "with all on", 1.5),
];
/// How many times the events of the threaded loop are wanted.
const RATIOS: [(Name, f64, &str); 3] =
    [(Name::Burst, 40.0, ""), (Name::Burst, 50.0, ", stretch"), (Name::Realistic, 25.0, "")];

/// Lists the targets of the cases that were run.
pub fn judged(measured: &[Measurement]) -> Table {
    let run = Run { measured, columns: Table::headed(["TARGET", "WANTED", "SEEN", ""]) };
    run.burst().ratios().storms().trickle().answer().fleet().all_cases()
}

struct Run<'run> {
    measured: &'run [Measurement],
    columns: Table,
}

impl<'run> Run<'run> {
    fn burst(mut self) -> Self {
        if let Some(burst) = self.one(Name::Burst, DAEMON) {
            self.at_most("burst: AWS calls per event", burst.calls_per_event(), 0.30);
            self.at_most("burst: CPU ms per event", burst.cpu_ms_per_event(), 0.08);
        }
        for (contender, what, limit) in COSTS {
            if let Some((daemon, other)) = self.pair(Name::Burst, contender) {
                let times = other.cpu_ms_per_event() / daemon.cpu_ms_per_event();
                self.at_most(&format!("burst: times the CPU per event {what}"), times, limit);
            }
        }
        self
    }

    fn ratios(mut self) -> Self {
        if let Some((daemon, peer)) = self.pair(Name::Burst, LOOP) {
            let times = peer.cpu_ms_per_event() / daemon.cpu_ms_per_event();
            self.at_least("burst: times less CPU per event than boto3", times, 40.0);
        }
        for (name, wanted, suffix) in RATIOS {
            if let Some((daemon, peer)) = self.pair(name, THREADED_LOOP) {
                let times = daemon.events_per_sec() / peer.events_per_sec();
                let what = format!("{name:?}: times the events/s of boto3, 32 threads{suffix}");
                self.at_least(&what.to_lowercase(), times, wanted);
            }
        }
        self
    }

    fn storms(mut self) -> Self {
        for storm in self.measured.iter().filter(|one| one.name == Name::Storm) {
            let events = storm.evidence.events;
            let limit_secs = if events > 1_000 { 110.0 } else { 1.0 };
            let secs = storm.evidence.all_stopped_after.as_secs_f64();
            self.at_most(&format!("storm of {events}: all stopped after s"), secs, limit_secs);
            // Per thousand calls or per thousand violators, whichever is higher.
            let all = storm.evidence.calls.values().sum::<usize>().min(events);
            let throttled = number(storm.evidence.throttled) * 1000.0 / number(all);
            self.below(&format!("storm of {events}: throttled per 1,000"), throttled, 5.0);
        }
        self
    }

    fn trickle(mut self) -> Self {
        if let Some(trickle) = self.one(Name::Trickle, DAEMON) {
            // DescribeTags, DescribeInstances and StopInstances.
            let path_ms = figure(2 * DESCRIBE_MS + STOP_MS);
            let p99_ms = ms(trickle.evidence.until.stopped.p99);
            self.at_most("trickle: p99 to stop, ms", p99_ms, 1.15 * path_ms);
            let idle = trickle.idle.unwrap_or_default() * 100.0;
            self.below("trickle: CPU % when idle", idle, 0.05);
        }
        self
    }

    /// The notice is to be accepted within 2 s, beside what AWS takes itself.
    fn answer(mut self) -> Self {
        if let Some(answer) = self.one(Name::Answer, Contender::WithGrace) {
            let spread = &answer.evidence.until.called_off;
            let max_ms = if spread.is_empty() { f64::INFINITY } else { ms(spread.max) };
            let what = format!(
                "answer: max until called off, ms, with {RECEIVE_MS} of ReceiveMessage, \
                 {DESCRIBE_MS} of DescribeTags, {PUBLISH_MS} of PublishBatch"
            );
            let limit_ms = 2_000.0 + figure(RECEIVE_MS + DESCRIBE_MS + PUBLISH_MS);
            self.at_most(&what, max_ms, limit_ms);
        }
        self
    }

    /// The credentials of a role are valid for longer than a trial takes.
    fn fleet(mut self) -> Self {
        if let Some(start) = self.one(Name::Fleet, Contender::WithMembers) {
            let events = start.evidence.events;
            let what = format!("fleet of {events}: peak RSS, MiB");
            self.at_most(&what, mib(start.peak_rss_kib), 30.0);
            let fleet = self.measured.iter().filter(|one| one.name == Name::Fleet);
            let calls = fleet.map(Measurement::roles_assumed).sum();
            let what = format!("fleet: calls of AssumeRole, {MEMBERS} accounts");
            self.at_most(&what, number(calls), number(MEMBERS));
        }
        self
    }

    fn all_cases(mut self) -> Table {
        let measured = self.measured;
        let daemons = || measured.iter().filter(|one| !one.contender.is_peer());
        let peak_rss_kib = |is_meant: fn(Contender) -> bool| {
            let meant = daemons().filter(|one| is_meant(one.contender));
            meant.map(|one| one.peak_rss_kib).max()
        };
        // There is no target for the daemon with all on, and another one for many accounts.
        let all = |one| {
            use Contender::{WithAll, WithMembers, WithPolicies};
            !matches!(one, WithPolicies | WithAll | WithMembers)
        };
        if let Some(peak) = peak_rss_kib(all) {
            self.at_most("all cases: peak RSS, MiB", mib(peak), 20.0);
        }
        if let Some(peak) = peak_rss_kib(|one| one == Contender::WithPolicies) {
            self.at_most("with eight policies: peak RSS, MiB", mib(peak), 26.0);
        }
        let (burst, backlog) = (self.one(Name::Burst, DAEMON), self.one(Name::Backlog, DAEMON));
        if let (Some(burst), Some(backlog)) = (burst, backlog) {
            let times = mib(backlog.peak_rss_kib) / mib(burst.peak_rss_kib);
            self.at_most("backlog: times the peak RSS of burst", times, 1.1);
        }
        // The median of all trials, since the machine may delay a single start.
        let starts: Vec<_> = daemons().map(|one| one.start).collect();
        if !starts.is_empty() {
            self.below("all cases: start, p50 ms", ms(Spread::of(starts).p50), 20.0);
        }
        self.columns
    }

    fn one(&self, name: Name, contender: Contender) -> Option<&'run Measurement> {
        self.measured.iter().find(|one| one.name == name && one.contender == contender)
    }

    fn pair(&self, name: Name, peer: Contender) -> Option<(&'run Measurement, &'run Measurement)> {
        Some((self.one(name, DAEMON)?, self.one(name, peer)?))
    }

    fn at_most(&mut self, what: &str, seen: f64, limit: f64) {
        self.add([what, &format!("≤ {limit}")], seen, seen <= limit);
    }

    fn below(&mut self, what: &str, seen: f64, limit: f64) {
        self.add([what, &format!("< {limit}")], seen, seen < limit);
    }

    fn at_least(&mut self, what: &str, seen: f64, limit: f64) {
        self.add([what, &format!("≥ {limit}")], seen, seen >= limit);
    }

    fn add(&mut self, [what, wanted]: [&str; 2], seen: f64, met: bool) {
        self.columns.add([what, wanted, &short(seen), if met { "met" } else { "MISSED" }]);
    }
}

/// Milliseconds as a figure.
fn figure(ms: u64) -> f64 {
    number(usize::try_from(ms).unwrap_or(usize::MAX))
}
