//! Pages of describing calls.

use serde_json::Value;

use crate::sandbox::answer::Failure;
use crate::sandbox::wire::request::Request;
use crate::sandbox::world::World;

const MAX_RESULTS: usize = 1000;
const TOKEN: &str = "AAMA:";

/// The part of an ordered list that a call asks for.
#[derive(Debug)]
pub(super) struct Page {
    /// The last entry of the page before, so that no entry is skipped or told twice when others
    /// come and go between two pages.
    after: Option<String>,
    size: usize,
}

impl Page {
    /// Reads `MaxResults` and `NextToken`; the sandbox's own page size may make it smaller.
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

    /// Cuts the page out of entries that come in the order of their keys; with it comes the
    /// token of the next one, if there are more.
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
