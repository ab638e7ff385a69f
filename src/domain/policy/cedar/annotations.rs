//! What the annotations of a policy say, such as `@mode("warn")`.

use std::collections::BTreeMap;

use cedar_policy::Policy;

use super::refusal::Refusal;
use super::source::{Source, offset};
use crate::domain::policy::dates;
use crate::domain::policy::mode::Mode;
use crate::domain::policy::rule::{self, BUILTIN, Grace, Rule};

/// Every annotation, and what its value must be.
pub(super) const ANNOTATIONS: [(&str, &str); 6] = [
    ("id", "give 1 to 64 of a-z, 0-9 and -, such as @id(\"sandbox-types\")"),
    ("mode", "give @mode(\"dry-run\"), @mode(\"warn\") or @mode(\"enforce\")"),
    ("grace", "give a number and s, m, h or d, at most 7d, such as @grace(\"4h\")"),
    ("since", "give the day on which the policy began to bind, such as @since(\"2026-12-01\")"),
    ("exception", "give @exception(\"ignored\"), or leave it out"),
    ("description", "give one line of 1 to 200 characters"),
];

/// The most characters of a description: a notice has a line for each policy.
pub(super) const DESCRIPTION_LIMIT: usize = 200;
const ID_LIMIT: usize = 64;

/// The annotations of one policy, while they are read.
struct Annotations<'p> {
    source: &'p Source,
    /// Where the policy begins.
    offset: usize,
    /// The value of each, and where it stands.
    given: BTreeMap<String, (String, usize)>,
    refusals: Vec<Refusal>,
}

/// Reads the annotations of a policy.
///
/// # Errors
/// Everything that is wrong with them.
pub(super) fn read(policy: &Policy, source: &Source) -> Result<Rule, Vec<Refusal>> {
    let mut annotations = Annotations::of(policy, source);
    annotations.refuse_unknown();
    let id = annotations.required("id", |text| is_id(text).then(|| text.to_owned()));
    let mode = annotations.required("mode", Mode::parse);
    let grace = annotations.grace();
    let exception = annotations.optional("exception", |text| (text == "ignored").then_some(()));
    let description = annotations.optional("description", description);
    match (id, mode, annotations.refusals) {
        (Some(id), Some(mode), refusals) if refusals.is_empty() => Ok(Rule {
            id,
            mode,
            grace,
            ignores_exception: exception.is_some(),
            description,
            place: source.place(offset(policy)),
        }),
        (_, _, refusals) => Err(refusals),
    }
}

impl<'p> Annotations<'p> {
    fn of(policy: &Policy, source: &'p Source) -> Self {
        let offset = offset(policy);
        let mut given = BTreeMap::new();
        for (name, annotation) in policy.as_ref().annotations() {
            let at = annotation.loc.as_ref().map_or(offset, |loc| loc.span.offset());
            given.insert(name.to_string(), (annotation.val.to_string(), at));
        }
        Self { source, offset, given, refusals: Vec::new() }
    }

    fn refuse(&mut self, offset: usize, wrong: impl Into<String>, remedy: &str) {
        self.refusals.push(Refusal::at(self.source, offset, wrong, remedy));
    }

    fn refuse_unknown(&mut self) {
        let is_known = |name: &str| ANNOTATIONS.iter().any(|(known, _)| *known == name);
        let unknown: Vec<_> = self.given.iter().filter(|(name, _)| !is_known(name)).collect();
        let unknown: Vec<_> =
            unknown.into_iter().map(|(name, (_, at))| (name.clone(), *at)).collect();
        let known: Vec<_> = ANNOTATIONS.iter().map(|(name, _)| format!("@{name}")).collect();
        let remedy = format!("there are {}", known.join(", "));
        for (name, at) in unknown {
            self.refuse(at, format!("there is no annotation @{name}"), &remedy);
        }
    }

    /// Reads an annotation that every policy has.
    fn required<T>(&mut self, name: &str, read: impl Fn(&str) -> Option<T>) -> Option<T> {
        if !self.given.contains_key(name) {
            self.refuse(self.offset, format!("has no @{name}"), remedy(name));
            return None;
        }
        self.optional(name, read)
    }

    /// Reads an annotation; `None` without it, or if its value is refused.
    fn optional<T>(&mut self, name: &str, read: impl Fn(&str) -> Option<T>) -> Option<T> {
        let (text, at) = self.given.get(name)?.clone();
        let value = read(&text);
        if value.is_none() {
            let shown: String = text.chars().take(SHOWN_CHARACTERS).collect();
            self.refuse(at, format!("@{name}({shown:?}) cannot work"), remedy(name));
        }
        value
    }

    /// Reads `@grace` and `@since`, of which none makes sense without the other.
    fn grace(&mut self) -> Option<Grace> {
        let period = self.optional("grace", rule::grace);
        let since = self.optional("since", dates::beginning);
        let at = |name: &str| self.given.get(name).map(|(_, at)| *at);
        match (at("grace"), at("since")) {
            (Some(at), None) => self.refuse(at, "has @grace without @since", remedy("since")),
            (None, Some(at)) => self.refuse(at, "has @since without @grace", remedy("grace")),
            _ => {}
        }
        Some(Grace { period: period?, since: since? })
    }
}

/// How much of a refused value is shown, in characters.
const SHOWN_CHARACTERS: usize = 60;

fn remedy(name: &str) -> &'static str {
    ANNOTATIONS.iter().find(|(known, _)| *known == name).map_or("", |(_, remedy)| remedy)
}

fn is_id(text: &str) -> bool {
    let is_valid = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
    (1..=ID_LIMIT).contains(&text.len()) && text.bytes().all(is_valid) && text != BUILTIN
}

/// Reads a description: it goes into notices, where a line break or a control character has no
/// place.
fn description(text: &str) -> Option<String> {
    let length = text.chars().count();
    let is_line = (1..=DESCRIPTION_LIMIT).contains(&length) && !text.chars().any(char::is_control);
    (is_line && !text.trim().is_empty()).then(|| text.trim().to_owned())
}
