//! What is wrong with policies, in words for their author.

use std::fmt;

use miette::Diagnostic;

use super::source::Source;

/// One thing that is wrong with a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// `FILE:LINE:COLUMN`, or the file alone.
    pub place: String,
    /// What is wrong.
    pub wrong: String,
    /// What would be right.
    pub remedy: String,
}

/// Everything that is wrong with policies; at least one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusals(pub Vec<Refusal>);

impl Refusal {
    /// Refuses what stands at a byte of a source.
    pub(super) fn at(
        source: &Source,
        offset: usize,
        wrong: impl Into<String>,
        remedy: &str,
    ) -> Self {
        Self { place: source.place(offset), wrong: wrong.into(), remedy: remedy.to_owned() }
    }

    /// What Cedar says is wrong with a source.
    pub(super) fn told(source: &Source, diagnostic: &dyn Diagnostic, remedy: &str) -> Self {
        let label = diagnostic.labels().and_then(|mut labels| labels.next());
        let offset = label.as_ref().map_or(0, miette::LabeledSpan::offset);
        let expected = label.as_ref().and_then(|label| label.label()).map(str::to_owned);
        let help = diagnostic.help().map(|help| help.to_string());
        let remedy = help.or(expected).unwrap_or_else(|| remedy.to_owned());
        Self {
            place: source.place(offset),
            wrong: plain(&diagnostic.to_string()),
            remedy: plain(&remedy),
        }
    }
}

/// What Cedar cannot know, by a part of what it says: it proposes whatever name is similar.
const REMEDIES: [(&str, &str); 2] = [
    ("unrecognized entity type 'Unit'", "name units of accounts in [policy.units]"),
    ("attribute 'tags' on", "write resource.hasTag(\"k\") && resource.getTag(\"k\") == \"v\""),
];

impl Refusal {
    /// The same refusal with a remedy of ours, where Cedar's would mislead.
    #[must_use]
    pub(super) fn with_our_remedy(self) -> Self {
        let ours = REMEDIES.iter().find(|(said, _)| self.wrong.contains(said));
        match ours {
            Some((_, remedy)) => Self { remedy: (*remedy).to_owned(), ..self },
            None => self,
        }
    }
}

/// What Cedar says, in one line and without the policy's name, which the place tells.
fn plain(said: &str) -> String {
    let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
    let unnamed = said.strip_prefix("for policy `").and_then(|rest| rest.split_once('`'));
    let text = unnamed.map_or(said.as_str(), |(_, rest)| rest.trim_start_matches([',', ':', ' ']));
    text.replace('`', "'")
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}; {}", self.place, self.wrong, self.remedy)
    }
}

impl fmt::Display for Refusals {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<_> = self.0.iter().map(ToString::to_string).collect();
        formatter.write_str(&lines.join("\n"))
    }
}

impl std::error::Error for Refusals {}
