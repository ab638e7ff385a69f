//! The invariants: what must hold in every world, whatever goes wrong. One file for each.

mod accounts;
pub(super) mod answers;
pub(super) mod budget;
mod counts;
mod deletions;
mod drains;
mod end;
mod holding;
mod mails;
mod notices;
mod planned;
mod rate_limits;
pub(super) mod released;
mod probes;
mod promptness;
mod retries;
mod scope;
mod stops;
pub(super) mod unreachable;
mod untold;

use super::drive::Record;
use super::evidence::Evidence;

/// Lists the violations of all invariants.
pub(super) fn violations(record: &Record) -> Vec<String> {
    let evidence = Evidence::of(record);
    let mut violations = record.history.problems.clone();
    for check in [
        stops::check,
        accounts::check,
        unreachable::check,
        untold::check,
        deletions::check,
        notices::check,
        planned::check,
        answers::check,
        budget::check,
        released::check,
        mails::check,
        holding::check,
        drains::check,
        counts::check,
        promptness::check,
        retries::check,
        probes::check,
        rate_limits::check,
        end::check,
    ] {
        check(&evidence, &mut violations);
    }
    violations
}
