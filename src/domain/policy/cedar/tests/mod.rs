//! Tests of what authors get wrong: each mistake is refused with a text that says what is wrong,
//! where, and what would be right.

mod evaluation;
mod reference;

use std::collections::BTreeSet;

use super::*;
use crate::domain::ids::{Account, Region};

fn vocabulary() -> Vocabulary {
    let account = |id| Account::parse(id).unwrap();
    Vocabulary {
        accounts: Some([account("111111111111"), account("222222222222")].into()),
        regions: ["eu-west-1", "us-east-1"].into_iter().filter_map(Region::parse).collect(),
        units: [("sandbox".to_owned(), BTreeSet::from([account("222222222222")]))].into(),
    }
}

fn loaded(text: &str) -> Result<CedarPolicies, Refusals> {
    let source = Source { name: "p.cedar".to_owned(), text: text.to_owned() };
    CedarPolicies::load(&[source], &vocabulary(), "KEEP")
}

/// The policy with this condition, which stands in the second line from column 8 on.
fn with(condition: &str) -> String {
    format!(
        "@id(\"a\") @mode(\"warn\") forbid (principal, action == Action::\"run\", resource)\n\
         when {{ {condition} }};"
    )
}

fn refusal(text: &str) -> String {
    loaded(text).unwrap_err().to_string()
}

/// The refusal of a policy with this condition.
fn refused(condition: &str) -> String {
    refusal(&with(condition))
}

#[test]
fn a_mistake_of_syntax_is_refused() {
    assert_eq!(
        refusal("@id(\"a\") @mode(\"warn\")\nforbid (principal, action, resource) when { true ;"),
        "p.cedar:2:50: unexpected token ';'; expected '!=', '&&', '(', '*', '+', '-', '.', '::', \
         '<', '<=', '==', '>', '>=', '[', '||', '}', 'has', 'in', 'is', or 'like'"
    );
}

#[test]
fn an_unknown_attribute_is_refused_also_where_it_is_negated() {
    let text = "attribute 'instanceTyp' on entity type 'Instance' not found; \
                did you mean 'instanceType'?";
    assert_eq!(refused("resource.instanceTyp == \"a\""), format!("p.cedar:2:8: {text}"));
    assert_eq!(refused("!(resource.instanceTyp == \"a\")"), format!("p.cedar:2:10: {text}"));
}

#[test]
fn values_of_two_kinds_are_not_compared() {
    let remedy = "both operands to a '==' expression must have compatible types. \
                  Types must be exactly equal to be compatible";
    assert_eq!(
        refused("resource.imdsv2Required == \"true\""),
        format!("p.cedar:2:8: the types Bool and String are not compatible; {remedy}")
    );
    assert_eq!(
        refused("resource.instanceType == 3"),
        format!("p.cedar:2:8: the types Long and String are not compatible; {remedy}")
    );
}

#[test]
fn a_misspelt_function_is_refused() {
    assert_eq!(
        refused("datetim(\"2026-01-01\") < context.now"),
        "p.cedar:2:8: 'datetim' is not a valid function; did you mean 'datetime'?"
    );
}

#[test]
fn a_tag_that_is_read_without_asking_for_it_is_refused() {
    assert_eq!(
        refused("resource.getTag(\"Owner\") == \"x\""),
        "p.cedar:2:8: unable to guarantee safety of access to tag '\"Owner\"' on entity type \
         'Instance'; try testing for the tag's presence with '.hasTag(\"Owner\") && ..'"
    );
}

#[test]
fn an_optional_attribute_that_is_read_without_asking_for_it_is_refused() {
    assert_eq!(
        refused("resource.keyName == \"x\""),
        "p.cedar:2:8: unable to guarantee safety of access to optional attribute 'keyName' on \
         entity type 'Instance'; try testing for the attribute's presence with \
         'e has keyName && ..'"
    );
}

#[test]
fn an_unknown_variable_is_refused() {
    assert_eq!(
        refused("resorce.keyName == \"x\""),
        "p.cedar:2:8: invalid member access 'resorce.keyName', 'resorce' has no fields or \
         methods; the variables are principal, action, resource and context"
    );
}

#[test]
fn a_misspelt_action_is_refused() {
    let text = "@id(\"a\") @mode(\"warn\") forbid (principal, action == Action::\"rum\", resource) \
                when { resource.imdsv2Required };";
    let said = refusal(text);
    assert!(
        said.contains(
            "p.cedar:1:1: is not about the action \"run\", or not about it alone; \
                           write action == Action::\"run\""
        ),
        "{said}"
    );
}

#[test]
fn an_unknown_region_account_or_unit_is_refused_with_those_that_there_are() {
    for (name, known) in [
        ("Region::\"eu-wst-1\"", "\"eu-west-1\", \"us-east-1\""),
        ("Account::\"333333333333\"", "\"111111111111\", \"222222222222\""),
        ("Unit::\"sandbax\"", "\"sandbox\""),
    ] {
        let (kind, id) = name.split_once("::").unwrap();
        let said = format!(
            "p.cedar:2:20: entity '{name}' is of an enumerated entity type, but '{id}' is not \
             declared as a valid eid; valid entity eids: {known}"
        );
        assert_eq!(refused(&format!("resource in {name}")), said, "{kind}");
    }
}

#[test]
fn a_date_that_is_none_is_refused() {
    assert_eq!(
        refused("context.now > datetime(\"2026-13-01\")"),
        "p.cedar:2:22: error during extension function argument validation: failed to parse as a \
         datetime value: '\"2026-13-01\"'; valid datetime strings start with 'YYYY-MM-DD' and may \
         optionally include 'THH:MM:SS' plus 'Z', '.SSSZ', or an offset like '+0700'"
    );
}

#[test]
fn a_computed_tag_key_is_refused() {
    let condition = "resource.hasTag(\"a\") && resource.hasTag(resource.getTag(\"a\"))";
    assert_eq!(
        refused(condition),
        "p.cedar:1:1: computes the key of a tag; write the key in quotes, since only that tag is \
         read"
    );
}

#[test]
fn a_tag_key_that_no_instance_can_have_is_refused() {
    for key in ["Own*r", "", "a\\\\b"] {
        let said = refused(&format!("resource.hasTag(\"{key}\")"));
        assert!(said.contains("which no instance can have; use 1 to 128 letters"), "{said}");
    }
}

#[test]
fn a_policy_that_can_never_or_always_apply_is_refused() {
    assert_eq!(
        refused("false"),
        "p.cedar:1:1: policy is impossible: the policy expression evaluates to false for all valid \
         requests; policy schema shows what policies can read"
    );
    for always in ["true", "resource.imdsv2Required || true"] {
        assert_eq!(
            refused(always),
            "p.cedar:1:1: its condition is always true; correct the condition, or leave it out"
        );
    }
    let bare =
        "@id(\"a\") @mode(\"warn\") forbid (principal, action == Action::\"run\", resource);";
    assert_eq!(
        refusal(bare),
        "p.cedar:1:1: applies to every instance; say which: a condition behind when or unless, or \
         resource in …"
    );
    assert!(loaded(&bare.replace("resource)", "resource in Region::\"eu-west-1\")")).is_ok());
}

/// A policy with these annotations.
fn annotated(annotations: &str) -> String {
    format!(
        "{annotations}\nforbid (principal, action == Action::\"run\", resource) when {{ \
         resource.imdsv2Required }};"
    )
}

#[test]
fn an_unknown_annotation_or_mode_is_refused() {
    assert_eq!(
        refusal(&annotated("@id(\"a\")\n@mode(\"enforced\")")),
        "p.cedar:2:1: @mode(\"enforced\") cannot work; give @mode(\"dry-run\"), @mode(\"warn\") or \
         @mode(\"enforce\")"
    );
    assert_eq!(
        refusal(&annotated("@id(\"a\")\n@mode(\"warn\") @owner(\"me\")")),
        "p.cedar:2:15: there is no annotation @owner; there are @id, @mode, @grace, @since, \
         @exception, @description"
    );
}

#[test]
fn every_policy_needs_an_id_and_a_mode_of_its_own() {
    let said = refusal(&annotated(""));
    assert!(said.contains("has no @id; give 1 to 64 of a-z, 0-9 and -"), "{said}");
    assert!(said.contains("has no @mode; give @mode(\"dry-run\")"), "{said}");
    let policy = annotated("@id(\"a\") @mode(\"warn\")");
    assert_eq!(
        refusal(&format!("{policy}\n{policy}")),
        "p.cedar:3:1: has the id of another policy, p.cedar:1:1; give each its own"
    );
    for id in ["", "A", "a b", "builtin", &"a".repeat(65)] {
        let said = refusal(&annotated(&format!("@id(\"{id}\") @mode(\"warn\")")));
        assert!(said.contains("cannot work; give 1 to 64"), "{said}");
    }
}

#[test]
fn a_grace_needs_a_day_since_when_the_policy_binds() {
    let with = |more: &str| annotated(&format!("@id(\"a\") @mode(\"enforce\") {more}"));
    assert!(loaded(&with("@grace(\"4h\") @since(\"2026-12-01\")")).is_ok());
    for (more, said) in [
        ("@grace(\"4h\")", "has @grace without @since; give the day"),
        ("@since(\"2026-12-01\")", "has @since without @grace; give a number"),
        ("@grace(\"8d\") @since(\"2026-12-01\")", "@grace(\"8d\") cannot work; give a number"),
        ("@grace(\"4h\") @since(\"soon\")", "@since(\"soon\") cannot work; give the day"),
        ("@exception(\"no\")", "@exception(\"no\") cannot work"),
        ("@description(\"a\\nb\")", "cannot work; give one line of 1 to 200"),
    ] {
        let refused = refusal(&with(more));
        assert!(refused.contains(said), "{refused}");
    }
}

#[test]
fn what_is_no_policy_of_ours_is_refused() {
    let policy = annotated("@id(\"a\") @mode(\"warn\")");
    for (text, said) in [
        (String::new(), "p.cedar:1:1: there is no policy in it"),
        ("// nothing".to_owned(), "p.cedar:1:1: there is no policy in it"),
        (policy.replace("forbid", "permit"), "p.cedar:1:1: permits what no policy forbids anyway"),
        (policy.replace("== Action::\"run\"", ""), "is not about the action \"run\""),
        (policy.replace("resource)", "resource == ?resource)"), "p.cedar:1:1: is a template"),
    ] {
        let refused = refusal(&text);
        assert!(refused.contains(said), "{refused}");
    }
}

#[test]
fn what_policies_mention_is_collected() {
    let condition = "resource.hasTag(\"Owner\") && resource.getTag(\"Owner\") like \"*@*\" && \
                     resource has publicIpAddress && resource.dates.hasTag(\"end\") && \
                     resource in AutoScalingGroup::\"111111111111/eu-west-1/web\"";
    let loaded = loaded(&with(condition)).unwrap();
    let keys: Vec<_> = loaded.reads().tags.iter().map(String::as_str).collect();
    assert_eq!(keys, ["Owner", "aws:autoscaling:groupName", "end"]);
    let attributes: Vec<_> = loaded.reads().attributes.iter().map(|one| one.name()).collect();
    assert_eq!(attributes, ["publicIpAddress"]);
    assert!(loaded.reads().dates);
}

#[test]
fn an_entity_of_which_nothing_is_known_is_not_read() {
    for condition in [
        "Instance::\"i-0abcd1234abcd1234\".hasTag(\"Owner\")",
        "Instance::\"i-0abcd1234abcd1234\".instanceType == \"t3.micro\"",
        "Instance::\"i-0abcd1234abcd1234\" in Region::\"eu-west-1\"",
        "(if resource.imdsv2Required then resource else Instance::\"i-0abcd1234abcd1234\")\
         .hasTag(\"Owner\")",
    ] {
        let said = refused(condition);
        assert!(
            said.contains(
                "reads something of another entity than the instance that is judged; write resource"
            ),
            "{said}"
        );
    }
    for condition in [
        "resource == Instance::\"i-0abcd1234abcd1234\"",
        "[Instance::\"i-0abcd1234abcd1234\"].contains(resource)",
        "resource in [Region::\"eu-west-1\", Region::\"us-east-1\"]",
        "resource.dates.hasTag(\"end\") && resource.dates.getTag(\"end\") < context.now",
    ] {
        loaded(&with(condition)).unwrap();
    }
}

#[test]
fn entities_that_there_cannot_be_are_refused() {
    for (named, remedy) in [
        ("Instance::\"i-0123456789abcdef\"", "give an instance id such as i-0123456789abcdef0"),
        ("Instance::\"I-0123456789abcdef0\"", "give an instance id such as i-0123456789abcdef0"),
        ("AutoScalingGroup::\"web\"", "give <account>/<region>/<name>"),
        ("AutoScalingGroup::\"333333333333/eu-west-1/web\"", "give <account>/<region>/<name>"),
        ("AutoScalingGroup::\"111111111111/eu-west-3/web\"", "give <account>/<region>/<name>"),
        ("AutoScalingGroup::\"111111111111/eu-west-1/\"", "give <account>/<region>/<name>"),
    ] {
        let said = refused(&format!("resource in {named}"));
        assert!(said.contains(&format!("there can be no {named}; {remedy}")), "{said}");
    }
    let anywhere = Vocabulary::default();
    for (named, remedy) in [
        ("Account::\"1234\"", "give an account of 12 digits"),
        ("Region::\"EU-WEST-1\"", "give a region such as eu-central-1"),
    ] {
        let (name, text) = ("p.cedar".to_owned(), with(&format!("resource in {named}")));
        let refused = CedarPolicies::load(&[Source { name, text }], &anywhere, "KEEP");
        let said = refused.unwrap_err().to_string();
        assert!(said.contains(&format!("there can be no {named}; {remedy}")), "{said}");
    }
}

#[test]
fn a_similar_name_is_not_proposed_where_it_would_mislead() {
    let names = Vocabulary { units: BTreeMap::new(), ..vocabulary() };
    let (name, text) = ("p.cedar".to_owned(), with("resource in Unit::\"sandbox\""));
    let refused_unit = CedarPolicies::load(&[Source { name, text }], &names, "KEEP").unwrap_err();
    assert_eq!(
        refused_unit.to_string(),
        "p.cedar:2:20: unrecognized entity type 'Unit'; name units of accounts in [policy.units]"
    );
    let said = refused("resource.tags.Owner == \"web\"");
    assert!(said.contains("; write resource.hasTag(\"k\") && resource.getTag(\"k\")"), "{said}");
    let said = refused("resource.imageId.startsWith(\"ami\")");
    assert!(said.contains("; text is compared with == and like"), "{said}");
}

#[test]
fn a_policy_that_is_nested_too_deep_is_refused() {
    // Two operators a term, and the brackets of annotations, scope and condition.
    let terms = vec!["resource.instanceType == \"x\""; 100];
    let said = refused(&terms.join(" || "));
    assert!(
        said.starts_with("p.cedar:1:1: has more than 200 operators and brackets; make"),
        "{said}"
    );
}
