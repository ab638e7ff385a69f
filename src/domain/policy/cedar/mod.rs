//! The operators' policies, written in Cedar.
//!
//! - [`source`]: texts of policies, and places in them;
//! - [`vocabulary`]: the accounts, regions and units that policies may name;
//! - [`schema`]: what policies can read, as Cedar's validator wants it;
//! - [`refusal`]: what is wrong with a policy, in words for its author;
//! - [`load`]: reads and checks policies;
//! - [`complexity`], [`annotations`], [`shape`], [`mentions`], [`literals`], [`validation`]: the parts
//!   of that;
//! - [`entities`]: an instance as Cedar sees it;
//! - here: asks Cedar which policies an instance violates.

mod annotations;
mod complexity;
mod entities;
mod literals;
mod load;
mod mentions;
pub(crate) mod refusal;
pub(crate) mod schema;
mod shape;
pub(crate) mod source;
mod validation;
pub(crate) mod vocabulary;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread;

use cedar_policy::{Authorizer, Context, PolicySet, Request};

use super::decision::{Decision, Fault};
use super::facts::{Facts, Tags};
use super::occasion::Occasion;
use super::reads::Reads;
use super::rule::Rule;
use super::subject::Subject;
use refusal::{Refusal, Refusals};
use source::Source;
use vocabulary::Vocabulary;

/// Policies in Cedar, read and checked.
#[derive(Clone, Debug)]
pub(super) struct CedarPolicies {
    policies: PolicySet,
    /// By id.
    rules: BTreeMap<String, Arc<Rule>>,
    /// What they read.
    reads: Reads,
    vocabulary: Vocabulary,
    exception_tag: String,
    authorizer: Authorizer,
}

impl CedarPolicies {
    /// Reads policies, and checks them.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub(super) fn load(
        sources: &[Source],
        vocabulary: &Vocabulary,
        exception_tag: &str,
    ) -> Result<Self, Refusals> {
        let (policies, rules) = with_stack(|| load::load(sources, vocabulary))?;
        let mut reads = Reads::default();
        for policy in policies.policies() {
            reads.extend(mentions::of(policy));
        }
        Ok(Self {
            policies,
            rules,
            reads,
            vocabulary: vocabulary.clone(),
            exception_tag: exception_tag.to_owned(),
            authorizer: Authorizer::new(),
        })
    }

    /// The policies without their conditions, in the order of their ids.
    pub(super) fn rules(&self) -> impl Iterator<Item = &Arc<Rule>> {
        self.rules.values()
    }

    /// Weakens modes that are stronger than `cap`.
    pub(super) fn cap(&mut self, cap: super::mode::Mode) {
        for rule in self.rules.values_mut() {
            let mode = rule.mode.min(cap);
            Arc::make_mut(rule).mode = mode;
        }
    }

    /// What the policies read.
    pub(super) fn reads(&self) -> &Reads {
        &self.reads
    }

    /// What `context` is in policies at an occasion.
    pub(super) fn context(&self, occasion: &Occasion) -> Context {
        entities::context(occasion, &self.exception_tag)
    }

    /// Adds to a decision which policies an instance with these tags violates, and which of them
    /// could not be evaluated.
    pub(super) fn decide(
        &self,
        (subject, facts, tags): (Subject<'_>, &Facts, &Tags),
        context: &Context,
        decision: &mut Decision,
    ) {
        let entities = entities::of((subject, facts, tags), &self.vocabulary, &self.reads);
        let request = request(subject, context);
        let (entities, request) = match (entities, request) {
            (Ok(entities), Some(request)) => (entities, request),
            (Err(error), _) => return self.cannot(&error, decision),
            (_, None) => return self.cannot("the request is not valid", decision),
        };
        let response = self.authorizer.is_authorized(&request, &self.policies, &entities);
        let denying = response.diagnostics().reason();
        let mut denials: Vec<_> =
            denying.filter_map(|id| self.rules.get(AsRef::<str>::as_ref(id)).cloned()).collect();
        denials.sort_by(|one, other| one.id.cmp(&other.id));
        decision.denials.extend(denials);
        for error in response.diagnostics().errors() {
            decision.faults.push(fault(error));
        }
    }

    /// Says of every policy that it could not be evaluated.
    fn cannot(&self, error: &str, decision: &mut Decision) {
        let fault = |rule: &Arc<Rule>| Fault { policy: rule.id.clone(), error: error.to_owned() };
        decision.faults.extend(self.rules.values().map(fault));
    }
}

/// Reads policies on a stack that is large enough for all that [`complexity`] lets pass. That of a
/// thread of the runtime is not.
fn with_stack<T: Send>(read: impl FnOnce() -> Result<T, Refusals> + Send) -> Result<T, Refusals> {
    let failed = |error: String| {
        let remedy = "let the process have more memory, and try again".to_owned();
        Refusals(vec![Refusal { place: "policy.files".to_owned(), wrong: error, remedy }])
    };
    thread::scope(|scope| {
        let reader = thread::Builder::new().stack_size(complexity::READING_STACK);
        match reader.spawn_scoped(scope, read) {
            Ok(reader) => {
                reader.join().unwrap_or_else(|_| Err(failed("the reader panicked".into())))
            }
            Err(error) => Err(failed(format!("cannot start a thread to read policies: {error}"))),
        }
    })
}

/// What Cedar is asked: whether the instance may run.
fn request(subject: Subject<'_>, context: &Context) -> Option<Request> {
    let [principal, resource] =
        [entities::account(subject.account), entities::instance(subject.id)];
    Request::new(principal, entities::run(), resource, context.clone(), None).ok()
}

fn fault(error: &cedar_policy::AuthorizationError) -> Fault {
    let cedar_policy::AuthorizationError::PolicyEvaluationError(error) = error;
    Fault { policy: error.policy_id().to_string(), error: error.inner().to_string() }
}
