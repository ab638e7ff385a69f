//! Checks policies against the schema, with Cedar's validator.

use cedar_policy::{Policy, PolicySet, Schema, ValidationMode, ValidationResult, Validator};
use serde_json::{Value, json};

use super::refusal::{Refusal, Refusals};
use super::schema::schema;
use super::source::{Source, offset};
use super::vocabulary::Vocabulary;

/// The remedy where Cedar gives none.
const REMEDY: &str = "policy schema shows what policies can read";

/// Checks policies against one schema.
pub(super) struct Validation<'names> {
    validator: Validator,
    vocabulary: &'names Vocabulary,
}

impl<'names> Validation<'names> {
    /// # Errors
    /// A name of the vocabulary cannot stand in a schema.
    pub(super) fn new(vocabulary: &'names Vocabulary) -> Result<Self, Refusals> {
        match Schema::from_cedarschema_str(&schema(vocabulary)) {
            Ok((schema, _)) => Ok(Self { validator: Validator::new(schema), vocabulary }),
            Err(error) => Err(Refusals(vec![Refusal {
                place: "policy.units".to_owned(),
                wrong: error.to_string(),
                remedy: "give units plain names".to_owned(),
            }])),
        }
    }

    /// What policies may name.
    pub(super) fn vocabulary(&self) -> &Vocabulary {
        self.vocabulary
    }

    /// What is wrong with a policy: errors, a condition that no instance can meet, and one that
    /// every instance meets.
    pub(super) fn check(&self, policy: &Policy, source: &Source) -> Vec<Refusal> {
        let result = self.validate(policy);
        let told = |error| Refusal::told(source, error, REMEDY).with_our_remedy();
        let errors: Vec<_> = result.validation_errors().map(|error| told(error)).collect();
        if !errors.is_empty() {
            return errors;
        }
        if self.is_always_met(policy) {
            let remedy = "correct the condition, or leave it out";
            return vec![Refusal::at(
                source,
                offset(policy),
                "its condition is always true",
                remedy,
            )];
        }
        let warnings = result.validation_warnings();
        warnings.map(|warning| Refusal::told(source, warning, REMEDY)).collect()
    }

    fn validate(&self, policy: &Policy) -> ValidationResult {
        let set = PolicySet::from_policies([policy.clone()]).unwrap_or_default();
        self.validator.validate(&set, ValidationMode::Strict)
    }

    /// Whether the conditions hold for every instance: then a policy with the opposite condition
    /// can never apply, which the validator warns of.
    fn is_always_met(&self, policy: &Policy) -> bool {
        let Some(opposite) = opposite(policy) else { return false };
        let result = self.validate(&opposite);
        result.validation_errors().next().is_none()
            && result.validation_warnings().any(|warning| {
                matches!(warning, cedar_policy::ValidationWarning::ImpossiblePolicy(_))
            })
    }
}

/// The policy that applies where the conditions of this one do not hold, whatever its scope;
/// `None` without conditions.
fn opposite(policy: &Policy) -> Option<Policy> {
    let mut json = policy.to_json().ok()?;
    let conditions = json.get("conditions")?.as_array()?.iter();
    let holds = conditions.filter_map(|condition| {
        let body = condition.get("body")?.clone();
        let is_when = condition.get("kind").and_then(Value::as_str) == Some("when");
        Some(if is_when { body } else { json!({ "!": { "arg": body } }) })
    });
    let all = holds.reduce(|left, right| json!({ "&&": { "left": left, "right": right } }))?;
    let object = json.as_object_mut()?;
    object.insert("resource".to_owned(), json!({ "op": "All" }));
    object.insert("principal".to_owned(), json!({ "op": "All" }));
    object.insert("conditions".to_owned(), json!([{ "kind": "unless", "body": all }]));
    Policy::from_json(Some(policy.id().clone()), json).ok()
}
