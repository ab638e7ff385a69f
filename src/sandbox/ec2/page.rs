//! The pages of an answer that is too long for one, as `DescribeTags` and `DescribeInstances` have.

use serde_json::Value;

use crate::sandbox::answer::Failure;
use crate::sandbox::wire::request::Request;
use crate::sandbox::world::World;

const MAX_RESULTS: usize = 1000;
const TOKEN: &str = "AAMA:";

/// The part of a sorted list that a call asks for.
#[derive(Debug)]
pub(super) struct Page {
    /// The key of the last entry on the page before. A position would skip an entry, or list it
    /// twice, when others are added or removed between two pages.
    after: Option<String>,
    size: usize,
}

impl Page {
    /// Reads `MaxResults` and `NextToken`. `Options::page_size` can make a page smaller.
    pub(super) fn of(world: &World, request: &Request) -> Result<Self, Failure> {
        let parameters = request.parameters();
        let asked = parameters.number_within("MaxResults", 5, 1000)?;
        let asked = asked.and_then(|asked| usize::try_from(asked).ok()).unwrap_or(MAX_RESULTS);
        let size = world.options.page_size.map_or(asked, |most| most.min(asked)).max(1);
        let after = parameters.optional("NextToken").map(|token| {
            let invalid = || Failure::refused("InvalidNextToken", "The token is invalid.");
            token.strip_prefix(TOKEN).map(str::to_owned).ok_or_else(invalid)
        });
        Ok(Self { after: after.transpose()?, size })
    }

    /// Takes the page out of entries that are sorted by key, and returns it with the token of the
    /// next page, if there is one.
    pub(super) fn cut(
        self,
        entries: impl Iterator<Item = (String, Value)>,
    ) -> (Vec<Value>, Option<String>) {
        let mut rest =
            entries.filter(|(key, _)| self.after.as_ref().is_none_or(|after| key > after));
        let (mut page, mut last) = (Vec::new(), None);
        for (key, entry) in rest.by_ref().take(self.size) {
            page.push(entry);
            last = Some(key);
        }
        let more = rest.next().is_some();
        (page, last.filter(|_| more).map(|key| format!("{TOKEN}{key}")))
    }
}
