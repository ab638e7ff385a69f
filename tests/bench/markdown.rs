//! The figures as the table in docs/src/performance.md, and what stands in no column of it.

use crate::case::Name;
use crate::figures::{mib, short};
use crate::report::{called_off, spread};
use crate::trial::Measurement;

const HEAD: &str = "
| case | contender | events | events/s | CPU ms per event | peak MiB | AWS calls per event | \
throttled | to stop, p50/p95/p99 ms | to delete, p50/p95/p99 ms |
|---|---|---|---|---|---|---|---|---|---|
";

/// Writes a row for each trial. A case is named in its first row.
pub fn table(measured: &[Measurement]) -> String {
    let mut named = None;
    let rows = measured.iter().map(|one| {
        let is_first = named.replace(one.name) != Some(one.name);
        row(one, is_first.then_some(one.name))
    });
    let answers = measured.iter().filter_map(answer);
    HEAD.to_owned() + &rows.chain(answers).chain(fleet(measured)).collect::<String>()
}

/// The sentence about the roles of a fleet's accounts.
fn fleet(measured: &[Measurement]) -> Option<String> {
    let counts = measured.iter().filter(|one| one.name == Name::Fleet);
    let counts: Vec<_> = counts.map(|one| one.roles_assumed().to_string()).collect();
    let counts = counts.join(", then ");
    (!counts.is_empty()).then(|| format!("\n`fleet`: roles were assumed {counts} times.\n"))
}

/// The sentence about a trial in which owners answered.
fn answer(one: &Measurement) -> Option<String> {
    let figures = called_off(&one.evidence.until.called_off);
    let sentence = format!(
        "\n`answer`: from an owner's tag to the notice that calls the stop off, p50/p99/max: \
         {figures} ms.\n"
    );
    (!figures.is_empty()).then_some(sentence)
}

fn row(one: &Measurement, case: Option<Name>) -> String {
    let evidence = &one.evidence;
    let has_buckets = matches!(one.name, Name::Storm | Name::Fleet);
    let cells = [
        case.map(|name| format!("`{}`", format!("{name:?}").to_lowercase())).unwrap_or_default(),
        one.contender.to_string(),
        thousands(&evidence.events.to_string()),
        thousands(&short(one.events_per_sec())),
        short(one.cpu_ms_per_event()),
        short(mib(one.peak_rss_kib)),
        short(one.calls_per_event()),
        if has_buckets { evidence.throttled.to_string() } else { String::new() },
        spread(&evidence.until.stopped),
        spread(&evidence.until.deleted),
    ];
    let cells =
        cells.map(|cell| if cell.is_empty() { " ".to_owned() } else { format!(" {cell} ") });
    format!("|{}|\n", cells.join("|"))
}

/// Puts a comma before the last three digits of a whole number with more.
fn thousands(number: &str) -> String {
    match number.len().checked_sub(3) {
        Some(at) if at > 0 && !number.contains('.') => {
            let (thousands, rest) = number.split_at(at);
            format!("{thousands},{rest}")
        }
        _ => number.to_owned(),
    }
}
