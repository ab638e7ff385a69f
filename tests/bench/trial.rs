//! One trial: a contender and a scene, or several after each other, measured from outside.

use std::fmt;
use std::thread;
use std::time::Duration;

use anyhow::Context;

use crate::audit;
use crate::aws::Aws;
use crate::case::{Name, Scene};
use crate::contender::{Contender, Running, Setup};
use crate::evidence::Evidence;
use crate::figures::{ms, number, short};

#[derive(Debug)]
pub struct Trial {
    pub name: Name,
    pub contender: Contender,
    /// At least one. The same processes go through all of them.
    pub scenes: Vec<Scene>,
    /// How long to measure the contender without work at the end.
    idle: Option<Duration>,
}

/// The result of a scene. CPU time is that of all its daemons together, memory that of the largest
/// until then.
#[derive(Debug)]
pub struct Measurement {
    pub name: Name,
    pub contender: Contender,
    pub evidence: Evidence,
    pub cpu: Duration,
    pub peak_rss_kib: u64,
    /// The time from the start of the process to its first `ReceiveMessage`.
    pub start: Duration,
    /// The part of one CPU that it uses without work.
    pub idle: Option<f64>,
}

impl Trial {
    pub fn new(name: Name, contender: Contender, scene: Scene) -> Self {
        Self { name, contender, scenes: vec![scene], idle: None }
    }

    /// Adds a scene that begins when all events of the one before are settled.
    pub fn then(mut self, scene: Scene) -> Self {
        self.scenes.push(scene);
        self
    }

    pub fn idle_after(self, idle: Duration) -> Self {
        Self { idle: Some(idle), ..self }
    }

    /// Measures each scene.
    pub fn run(&self, setup: &Setup) -> anyhow::Result<Vec<Measurement>> {
        let mut aws = Aws::open(&self.scenes)?;
        let running = self.contender.start(setup, &aws.access)?;
        let mut measured = self.scenes(&mut aws, &running).with_context(|| running[0].hint())?;
        let idle = self.idle.map(|idle| watch_idle(&running, idle)).transpose()?;
        for running in running {
            running.end()?;
        }
        let events = measured.iter().map(|one| one.evidence.events).sum();
        if let Some(last) = measured.last_mut() {
            last.idle = idle;
            if self.contender.is_audited() {
                last.evidence.wrong.extend(audit::mistake(events)?);
            }
        }
        Ok(measured)
    }

    fn scenes(&self, aws: &mut Aws, running: &[Running]) -> anyhow::Result<Vec<Measurement>> {
        let (name, contender) = (self.name, self.contender);
        let (mut measured, mut cpu_before) = (Vec::new(), Duration::ZERO);
        for _ in &self.scenes {
            let evidence = aws.go()?;
            let (cpu_so_far, peak_rss_kib) = usage(running)?;
            let cpu = cpu_so_far.saturating_sub(cpu_before);
            let start = evidence.first_receive.duration_since(running[0].started);
            let start = start.unwrap_or_default();
            measured.push(Measurement {
                name,
                contender,
                evidence,
                cpu,
                peak_rss_kib,
                start,
                idle: None,
            });
            cpu_before = cpu_so_far;
        }
        Ok(measured)
    }
}

fn usage(running: &[Running]) -> anyhow::Result<(Duration, u64)> {
    let (mut cpu, mut peak) = (Duration::ZERO, 0);
    for one in running {
        cpu += one.cpu()?.total().saturating_sub(one.cpu_before_work()?);
        peak = peak.max(one.peak_rss_kib()?);
    }
    Ok((cpu, peak))
}

fn watch_idle(running: &[Running], idle: Duration) -> anyhow::Result<f64> {
    let mut cpu = Duration::ZERO;
    let before: Vec<_> = running.iter().map(Running::cpu).collect::<Result<_, _>>()?;
    thread::sleep(idle);
    for (one, before) in running.iter().zip(before) {
        cpu += one.cpu()?.since(&before);
    }
    Ok(cpu.as_secs_f64() / idle.as_secs_f64())
}

impl Measurement {
    /// Whether it fulfilled the contract: it did all that it had to do, and nothing else.
    pub fn is_sound(&self) -> bool {
        self.evidence.wrong.is_empty()
    }

    /// How many calls of AssumeRole there were.
    pub fn roles_assumed(&self) -> usize {
        self.evidence.calls.get("AssumeRole").copied().unwrap_or_default()
    }

    pub fn events_per_sec(&self) -> f64 {
        number(self.evidence.events) / self.evidence.took.as_secs_f64()
    }

    pub fn cpu_ms_per_event(&self) -> f64 {
        ms(self.cpu) / number(self.evidence.events)
    }

    pub fn calls_per_event(&self) -> f64 {
        number(self.evidence.calls.values().sum()) / number(self.evidence.events)
    }
}

impl fmt::Display for Trial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let events: Vec<_> = self.scenes.iter().map(|scene| scene.events.to_string()).collect();
        write!(f, "{:?}, {}, {} events", self.name, self.contender, events.join(", then "))
    }
}

impl fmt::Display for Measurement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} s", short(self.evidence.took.as_secs_f64()))?;
        self.evidence.wrong.iter().try_for_each(|wrong| write!(f, "; WRONG: {wrong}"))
    }
}
