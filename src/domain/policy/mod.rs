//! The policies: which instances must not run, and what is to be done about those that do.
//!
//! - here: all policies together, and the decision by them;
//! - [`mode`], [`rule`]: how far a policy goes, and what else is known of it;
//! - [`facts`], [`attribute`], [`dates`]: what EC2 says about an instance;
//! - [`subject`], [`occasion`]: which instance is judged, when and why;
//! - [`exemption`]: whether an instance carries the exception tag, and until when that counts;
//! - [`reads`]: what policies read of an instance;
//! - `cedar`: the operators' policies, in Cedar;
//! - [`decision`]: which policies an instance violates;
//! - [`digest`]: by which a record says which policies were in effect;
//! - [`verdict`]: what is to be done about an instance, by two readings of its tags;
//! - [`stored`]: facts in files, for trying policies.

pub mod mode;
pub mod rule;
pub mod attribute;
pub mod dates;
pub mod facts;
pub mod subject;
pub mod exemption;
pub mod reads;
pub mod occasion;
mod cedar;
pub mod decision;
pub mod digest;
pub mod verdict;
pub mod stored;

use std::collections::BTreeSet;
use std::sync::Arc;

use time::UtcDateTime;

use attribute::Attribute;
use cedar::CedarPolicies;
use decision::Decision;
use digest::Digest;
use exemption::Exemption;
use facts::{Facts, Tags};
use mode::Mode;
use occasion::{Occasion, Trigger};
use reads::Reads;
use rule::{Grace, Rule, span};
use subject::Subject;

pub use cedar::refusal::{Refusal, Refusals};
pub use cedar::schema::schema;
pub use cedar::source::Source;
pub use cedar::vocabulary::Vocabulary;

/// The stack of threads that evaluate policies, in bytes: the deepest ones that are loaded take up to
/// 6 MB without optimisation, as measured. Memory is used only as far as it is needed.
pub const EVALUATION_STACK: usize = 8 << 20;

/// All policies: the built-in one, which forbids instances without the exception tag, and those
/// that the operator wrote in Cedar.
#[derive(Clone, Debug)]
pub struct Policies {
    /// The key of the exception tag.
    exception_tag: String,
    /// Whether a date in the value of the exception tag ends the exemption.
    exception_expires: bool,
    /// The built-in policy; `None` if it is switched off.
    builtin: Option<Arc<Rule>>,
    /// The others; `None` if there are none, so that Cedar costs nothing.
    cedar: Option<CedarPolicies>,
    /// What all of them mention.
    mentions: Arc<Reads>,
    /// What is read: what they mention, and what notices and records tell beside it.
    reads: Arc<Reads>,
    /// Tells them from other policies.
    digest: Digest,
}

/// What policies are made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sources {
    /// The key of the exception tag.
    pub exception_tag: String,
    /// Whether a date in the value of the exception tag ends the exemption.
    pub exception_expires: bool,
    /// Whether the built-in policy binds.
    pub builtin: bool,
    /// The grace of the built-in policy.
    pub grace: Option<Grace>,
    /// The strongest mode: a policy with a stronger one goes no further than this.
    pub cap: Mode,
    /// The policies in Cedar.
    pub texts: Vec<Source>,
}

impl Sources {
    /// What no policy is made from yet: the built-in one is off, and nothing is changed from the
    /// defaults besides.
    pub fn bare(exception_tag: impl Into<String>) -> Self {
        Self {
            exception_tag: exception_tag.into(),
            exception_expires: false,
            builtin: false,
            grace: None,
            cap: Mode::Enforce,
            texts: Vec::new(),
        }
    }

    /// The digest of the policies that are made from these.
    fn digest(&self, vocabulary: &Vocabulary) -> Digest {
        let Self { exception_tag, exception_expires, builtin, grace, cap, texts } = self;
        let grace = grace.map(|Grace { period, since }| format!("{} {since}", span(period)));
        let mut parts = vec![
            exception_tag.clone(),
            exception_expires.to_string(),
            builtin.to_string(),
            grace.unwrap_or_default(),
            cap.to_string(),
        ];
        parts.extend(texts.iter().map(|source| source.text.clone()));
        for (name, accounts) in &vocabulary.units {
            parts.push(name.clone());
            parts.extend(accounts.iter().map(ToString::to_string));
        }
        Digest::of(parts.iter().map(String::as_bytes))
    }
}

impl Policies {
    /// The built-in policy alone: it exempts every instance with a tag of this key. The tag's value
    /// makes no difference, even if it has a date.
    pub fn builtin(exception_tag: impl Into<String>) -> Self {
        let sources = Sources { builtin: true, ..Sources::bare(exception_tag) };
        Self::of(&sources, &Vocabulary::default(), None)
    }

    /// Reads policies and checks them. They may name what the vocabulary has.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub fn load(sources: &Sources, vocabulary: &Vocabulary) -> Result<Self, Refusals> {
        let cedar = match sources.texts.as_slice() {
            [] => None,
            texts => Some(CedarPolicies::load(texts, vocabulary, &sources.exception_tag)?),
        };
        let cedar = cedar.map(|mut cedar| {
            cedar.cap(sources.cap);
            cedar
        });
        Ok(Self::of(sources, vocabulary, cedar))
    }

    fn of(sources: &Sources, vocabulary: &Vocabulary, cedar: Option<CedarPolicies>) -> Self {
        let digest = sources.digest(vocabulary);
        let exception_tag = sources.exception_tag.clone();
        let builtin = sources.builtin.then(|| Rule::builtin(sources.cap, sources.grace));
        let mut reads = Reads::default();
        reads.tags.insert(exception_tag.clone());
        if let Some(cedar) = &cedar {
            reads.extend(cedar.reads().clone());
        }
        let builtin = builtin.map(Arc::new);
        let rules = builtin.iter().chain(cedar.iter().flat_map(CedarPolicies::rules));
        if rules.into_iter().any(|rule| rule.grace.is_some()) {
            // A grace begins at the launch.
            reads.attributes.insert(Attribute::LaunchTime);
        }
        let reads = Arc::new(reads);
        Self {
            exception_tag,
            exception_expires: sources.exception_expires,
            builtin,
            cedar,
            mentions: Arc::clone(&reads),
            reads,
            digest,
        }
    }

    /// The same policies, with which more is read of an instance than they mention. It changes no
    /// decision.
    #[must_use]
    pub fn also_reading(mut self, more: Reads) -> Self {
        Arc::make_mut(&mut self.reads).extend(more);
        self
    }

    /// The key of the exception tag.
    pub fn exception_tag(&self) -> &str {
        &self.exception_tag
    }

    /// Whether a date in the value of the exception tag ends the exemption.
    pub fn exception_expires(&self) -> bool {
        self.exception_expires
    }

    /// What is read of an instance.
    pub fn reads(&self) -> &Arc<Reads> {
        &self.reads
    }

    /// Tells these policies from others.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// All policies without their conditions: the built-in one first, then the others by their ids.
    pub fn rules(&self) -> impl Iterator<Item = &Arc<Rule>> {
        self.builtin.iter().chain(self.cedar.iter().flat_map(CedarPolicies::rules))
    }

    /// Whether there are policies in Cedar.
    pub fn has_cedar(&self) -> bool {
        self.cedar.is_some()
    }

    /// Whether there is the built-in policy alone, and it stops at once. Then every instance without
    /// the exception tag violates it, and hardly any is found not to be stopped at the second look.
    pub fn is_plain(&self) -> bool {
        let is_plain = |rule: &Arc<Rule>| rule.mode == Mode::Enforce && rule.grace.is_none();
        self.cedar.is_none() && self.builtin.as_ref().is_some_and(is_plain)
    }

    /// The occasion of decisions by these policies.
    pub fn occasion(&self, now: UtcDateTime, trigger: Trigger) -> Occasion {
        let mut occasion = Occasion { now, trigger, context: None };
        occasion.context = self.cedar.as_ref().map(|cedar| cedar.context(&occasion));
        occasion
    }

    /// What the exception tag does at a time for an instance with these tags.
    pub fn exemption(&self, tags: &Tags, now: UtcDateTime) -> Exemption {
        match tags.get(&self.exception_tag) {
            None => Exemption::None,
            Some(value) if self.exception_expires => Exemption::by(value, now),
            Some(_) => Exemption::Endless,
        }
    }

    /// Whether an instance with this exemption is exempt from every policy, so that nothing else
    /// about it has to be known.
    pub fn exempts(&self, exemption: &Exemption) -> bool {
        exemption.holds() && !self.rules().any(|rule| rule.ignores_exception)
    }

    /// Whether any policy mentions one of these tag keys.
    pub fn mention(&self, keys: &BTreeSet<String>) -> bool {
        keys.iter().any(|key| self.mentions.tags.contains(key))
    }

    /// Decides which policies an instance violates, by the tags that its facts have.
    pub fn decide(&self, subject: Subject<'_>, facts: &Facts, occasion: &Occasion) -> Decision {
        let exemption = self.exemption(&facts.tags, occasion.now);
        self.decide_by((subject, facts, &facts.tags), &exemption, occasion)
    }

    /// Decides by a reading of the tags. What the exception tag does is given: another reading may
    /// have shown it.
    fn decide_by(
        &self,
        reading: (Subject<'_>, &Facts, &Tags),
        exemption: &Exemption,
        occasion: &Occasion,
    ) -> Decision {
        let mut decision = Decision::exempted(exemption.clone());
        decision.denials.extend(self.builtin.clone());
        if let (Some(cedar), Some(context)) = (&self.cedar, &occasion.context) {
            cedar.decide(reading, context, &mut decision);
        }
        if exemption.holds() {
            decision.denials.retain(|rule| rule.ignores_exception);
        }
        decision
    }
}

#[cfg(test)]
mod tests {
    use time::UtcDateTime;

    use super::*;
    use crate::domain::event::EventKey;

    fn decide(keys: &[&str]) -> &'static str {
        let tags = keys.iter().map(|key| ((*key).to_owned(), String::new())).collect();
        let policies = Policies::builtin("SPECIAL_EXCEPTION");
        let occasion = policies.occasion(UtcDateTime::UNIX_EPOCH, Trigger::Start);
        let (event, facts) = (EventKey::example("a"), Facts { tags, ..Facts::running() });
        policies.decide(Subject::from(&event), &facts, &occasion).label()
    }

    #[test]
    fn the_exception_tag_exempts_among_others() {
        assert_eq!(decide(&["Name", "SPECIAL_EXCEPTION"]), "allow");
    }

    #[test]
    fn what_is_read_for_notices_alone_is_not_mentioned() {
        let keys = |key: &str| BTreeSet::from([key.to_owned()]);
        let more = Reads { tags: keys("Owner"), ..Reads::default() };
        let policies = Policies::builtin("KEEP").also_reading(more);
        assert!(policies.mention(&keys("KEEP")) && !policies.mention(&keys("Owner")));
        assert_eq!(policies.reads().tags.len(), 2);
    }

    #[test]
    fn no_tags_at_all_are_a_violation() {
        assert_eq!(decide(&[]), "violation");
    }

    #[test]
    fn other_keys_and_other_cases_are_a_violation() {
        assert_eq!(decide(&["Name", "special_exception", "SPECIAL_EXCEPTION2"]), "violation");
    }
}
