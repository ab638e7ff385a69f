//! The results of a batch call, entry by entry.

use crate::aws::error::{AwsError, table};

/// The result of each entry of a batch call, in the order in which the entries were given: what
/// AWS says of an accepted one, or why it failed.
pub(crate) type Entries<T = ()> = Vec<Result<T, AwsError>>;

/// Puts the entries of an answer into the order of the call's `count` entries, whose ids are their
/// indices. An entry that the answer does not mention counts as failed.
pub(super) fn in_order<'answer, T: Clone>(
    count: usize,
    accepted: impl Iterator<Item = (&'answer str, T)>,
    failed: impl Iterator<Item = (&'answer str, AwsError)>,
) -> Entries<T> {
    let unmentioned = AwsError::of(&table::UNANSWERED, "the answer does not mention this entry");
    let mut entries = vec![Err(unmentioned); count];
    let index = |id: &str| id.parse::<usize>().ok().filter(|index| *index < count);
    for (id, answer) in accepted {
        if let Some(at) = index(id) {
            entries[at] = Ok(answer);
        }
    }
    for (id, error) in failed {
        if let Some(at) = index(id) {
            entries[at] = Err(error);
        }
    }
    entries
}
