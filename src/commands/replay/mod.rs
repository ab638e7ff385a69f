//! `replay`: what would be done now about each of many starts.

mod bench;
mod entry;
mod report;
mod summary;
#[cfg(test)]
mod tests;

use super::ended::Ended;
use super::lines::{BATCH, Lines};
use crate::cli::judging::ReplayArguments;
use crate::cli::output;

use bench::Bench;
use entry::Entry;
use report::Report;
use summary::Summary;

#[cfg(test)]
pub(super) use entry::{Content, Replayed, judged};

/// Judges each line of a file, and prints what becomes of it before it reads much further.
///
/// # Errors
/// Policies or settings that cannot work, and a file or instances that cannot be read.
pub async fn run(arguments: &ReplayArguments) -> Result<u8, Ended> {
    let ReplayArguments { file, config, json } = arguments;
    let mut lines = Lines::open(file)?;
    let mut bench = Bench::new(config.as_deref());
    let mut report = if *json { Report::Json } else { Report::table() };
    let mut summary = Summary::default();
    loop {
        let batch = lines.batch()?;
        let replayed = bench.judge(batch.iter().filter_map(Entry::of).collect()).await?;
        for (_, replayed) in &replayed {
            summary.count(replayed);
        }
        output::print(report.lines(&replayed))?;
        report.complaints(&replayed).iter().for_each(output::complain);
        if batch.len() < BATCH {
            break;
        }
    }
    output::print(report.end(&summary))?;
    Ok(u8::from(summary.unreadable > 0 || summary.faulty > 0))
}
