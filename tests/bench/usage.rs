//! The CPU time and memory that a process has used, read from `/proc`.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use anyhow::Context;

/// `USER_HZ`, which is 100 on every architecture that the daemon is built for.
const TICK: Duration = Duration::from_millis(10);

/// The CPU time of a process. `/proc/PID/schedstat` would be that of its first thread only.
#[derive(Debug)]
pub struct Cpu {
    /// Of all threads, with those that have ended, in whole ticks.
    ticked: Duration,
    /// Of each running thread, in nanoseconds.
    threads: BTreeMap<String, Duration>,
}

impl Cpu {
    pub fn of(process: u32) -> anyhow::Result<Self> {
        let stat = read(process, "stat")?;
        Ok(Self { ticked: ticked(&stat).context("strange stat")?, threads: threads(process)? })
    }

    /// The CPU time in all. Neither figure is ever too high, so the higher one is more exact.
    pub fn total(&self) -> Duration {
        self.ticked.max(self.threads.values().sum())
    }

    /// The CPU time since an earlier reading, without threads that have ended meanwhile.
    pub fn since(&self, earlier: &Self) -> Duration {
        let before = |id| earlier.threads.get(id).copied().unwrap_or_default();
        self.threads.iter().map(|(id, time)| time.saturating_sub(before(id))).sum()
    }
}

/// Reads the most memory that was resident at any time.
pub fn peak_rss_kib(process: u32) -> anyhow::Result<u64> {
    let status = read(process, "status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok());
    kib.context("no VmHWM in the status")
}

/// Adds user and system time, fields 14 and 15. Fields are counted from the last bracket, since the
/// second field, the program's name in brackets, can contain spaces.
fn ticked(stat: &str) -> Option<Duration> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let user: u32 = fields.next()?.parse().ok()?;
    let system: u32 = fields.next()?.parse().ok()?;
    Some(TICK * (user + system))
}

fn threads(process: u32) -> anyhow::Result<BTreeMap<String, Duration>> {
    let mut threads = BTreeMap::new();
    for entry in fs::read_dir(format!("/proc/{process}/task")).context("cannot list threads")? {
        let entry = entry.context("cannot list threads")?;
        // A thread that has ended meanwhile has no file any more.
        let Ok(text) = fs::read_to_string(entry.path().join("schedstat")) else { continue };
        let nanos = text.split_whitespace().next().and_then(|nanos| nanos.parse().ok());
        let time = Duration::from_nanos(nanos.context("strange schedstat")?);
        threads.insert(entry.file_name().to_string_lossy().into_owned(), time);
    }
    Ok(threads)
}

fn read(process: u32, file: &str) -> anyhow::Result<String> {
    let path = format!("/proc/{process}/{file}");
    fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))
}
