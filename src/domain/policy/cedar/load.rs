//! Reads policies, and checks each in itself and against the schema.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::Arc;

use cedar_policy::{Policy, PolicyId, PolicySet};
use miette::Diagnostic;

use super::refusal::{Refusal, Refusals};
use super::source::{Source, offset};
use super::validation::Validation;
use super::vocabulary::Vocabulary;
use super::{annotations, complexity, literals, mentions, shape};
use crate::domain::policy::reads::{KEY_LIMIT, Reads};
use crate::domain::policy::rule::Rule;

/// The most policies that are loaded together. Each is evaluated for every instance, and its id is
/// a label of metrics.
pub(super) const POLICY_LIMIT: usize = 100;

/// The remedy for a text that is not Cedar, where Cedar gives none.
fn parse_remedy(error: &dyn Diagnostic) -> &'static str {
    let said = error.to_string();
    if said.contains("has no fields or methods") || said.contains("variable") {
        "the variables are principal, action, resource and context"
    } else if said.contains("is not a valid method") {
        "text is compared with == and like, and sets have contains, containsAll and containsAny"
    } else {
        "the language is described at docs.cedarpolicy.com"
    }
}

/// Policies that have been read so far.
#[derive(Default)]
struct Loaded {
    policies: PolicySet,
    rules: BTreeMap<String, Arc<Rule>>,
    refusals: Vec<Refusal>,
}

/// Reads the policies of all sources; by the id of each, what its annotations say.
///
/// # Errors
/// Everything that is wrong with them.
pub(super) fn load(
    sources: &[Source],
    vocabulary: &Vocabulary,
) -> Result<(PolicySet, BTreeMap<String, Arc<Rule>>), Refusals> {
    let validation = Validation::new(vocabulary)?;
    let mut loaded = Loaded::default();
    for source in sources {
        loaded.add(source, &validation);
    }
    loaded.check_limits();
    let Loaded { policies, rules, refusals } = loaded;
    if refusals.is_empty() { Ok((policies, rules)) } else { Err(Refusals(refusals)) }
}

impl Loaded {
    /// Adds the policies of a source, as far as they are sound.
    fn add(&mut self, source: &Source, validation: &Validation<'_>) {
        let too_deep = complexity::check(source);
        if !too_deep.is_empty() {
            return self.refusals.extend(too_deep);
        }
        let read = match PolicySet::from_str(&source.text) {
            Ok(read) => read,
            Err(errors) => {
                let told = |error| Refusal::told(source, error, parse_remedy(error));
                return self.refusals.extend(errors.iter().map(|error| told(error)));
            }
        };
        if read.is_empty() {
            let remedy = "write a policy into it, or leave it out";
            self.refusals.push(Refusal::at(source, 0, "there is no policy in it", remedy));
        }
        if let Some(template) = read.templates().next() {
            let start = template.as_ref().loc().map_or(0, |loc| loc.span.offset());
            let remedy = "name an account, a region or a unit in place of ?principal and ?resource";
            self.refusals.push(Refusal::at(source, start, "is a template", remedy));
        }
        let mut policies: Vec<_> = read.policies().collect();
        policies.sort_by_key(|policy| offset(policy));
        for policy in policies {
            self.refusals.extend(shape::check(policy, source));
            match annotations::read(policy, source) {
                Ok(rule) => self.add_policy(policy, rule, (source, validation)),
                Err(refusals) => self.refusals.extend(refusals),
            }
        }
    }

    fn add_policy(
        &mut self,
        policy: &Policy,
        rule: Rule,
        (source, validation): (&Source, &Validation<'_>),
    ) {
        if let Some(earlier) = self.rules.get(&rule.id) {
            let wrong = format!("has the id of another policy, {}", earlier.place);
            self.refusals.push(Refusal::at(source, offset(policy), wrong, "give each its own"));
            return;
        }
        let policy = policy.new_id(PolicyId::new(&rule.id));
        self.refusals.extend(validation.check(&policy, source));
        self.refusals.extend(mentions::check(&policy, source));
        self.refusals.extend(literals::check(&policy, source, validation.vocabulary()));
        self.rules.insert(rule.id.clone(), Arc::new(rule));
        if let Err(error) = self.policies.add(policy.clone()) {
            self.refusals.push(Refusal::told(source, &error, "give each policy an id of its own"));
        }
    }

    /// Refuses more policies, or more tag keys, than can be worked with.
    fn check_limits(&mut self) {
        let whole = |wrong, remedy: &str| Refusal {
            place: "policy.files".to_owned(),
            wrong,
            remedy: remedy.to_owned(),
        };
        if self.rules.len() > POLICY_LIMIT {
            let wrong = format!("there are {} policies", self.rules.len());
            self.refusals.push(whole(wrong, &format!("at most {POLICY_LIMIT} are loaded")));
        }
        let mut reads = Reads::default();
        for policy in self.policies.policies() {
            reads.extend(mentions::of(policy));
        }
        if reads.tags.len() > KEY_LIMIT {
            let wrong = format!("the policies mention {} tag keys", reads.tags.len());
            self.refusals.push(whole(wrong, &format!("at most {KEY_LIMIT} can be asked for")));
        }
    }
}
