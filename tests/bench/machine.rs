//! Describes the machine, the compiler and the build, so that figures can be compared.

use std::fs;
use std::process::Command;
use std::thread;

use crate::arguments::Arguments;

/// Describes the machine, the compiler and the way in which the benchmark is run.
pub fn facts(arguments: &Arguments) -> String {
    let cores = thread::available_parallelism().map_or(0, usize::from);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut facts = vec![format!(
        "{cores} cores, {}, Linux {}, {}",
        model().unwrap_or_default(),
        kernel.trim(),
        rustc().unwrap_or_default(),
    )];
    if cfg!(debug_assertions) {
        facts.push("A build without optimisation: the figures mean nothing.".to_owned());
    }
    if arguments.quick {
        facts.push("A tenth of nearly every size: the targets are for the whole.".to_owned());
    }
    facts.extend(arguments.variables.iter().map(|(name, value)| format!("{name}={value}")));
    facts.join("\n") + "\n"
}

fn model() -> Option<String> {
    let text = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn rustc() -> Option<String> {
    let version = Command::new("rustc").arg("--version").output().ok()?;
    Some(String::from_utf8(version.stdout).ok()?.trim().to_owned())
}
