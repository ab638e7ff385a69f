//! Tests of the page of the book that lists what policies can say: it says what the program does.

use std::collections::BTreeSet;

use crate::domain::ids::{Account, Region};
use crate::domain::policy::attribute::Attribute;
use crate::domain::policy::cedar::{CedarPolicies, annotations, complexity, load};
use crate::domain::policy::reads::KEY_LIMIT;
use crate::domain::policy::rule::LONGEST_GRACE;
use crate::domain::policy::{Refusals, Source, Vocabulary};

const PAGE: &str = include_str!("../../../../../docs/src/policy-reference.md");

/// The cells of each row of the table below a head of the page.
fn table(head: &str) -> Vec<Vec<&'static str>> {
    let (_, rows) = PAGE.split_once(head).unwrap();
    let rows = rows.lines().skip(2).take_while(|line| line.starts_with('|'));
    let cells = |row: &'static str| row.trim_matches(['|', ' ']).split(" | ").collect();
    rows.map(cells).collect()
}

/// The parts of a cell between backticks, where Markdown wants `\|` for `|`.
fn code(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(|code| code.replace("\\|", "|")).collect()
}

/// Loads the policy with this condition.
fn loaded(condition: &str) -> Result<CedarPolicies, Refusals> {
    let region = |name: &str| Region::parse(name).unwrap();
    let vocabulary = Vocabulary {
        accounts: None,
        regions: BTreeSet::from([region("eu-west-1"), region("us-east-1")]),
        units: [("sandbox".to_owned(), BTreeSet::from([Account::parse("111111111111").unwrap()]))]
            .into(),
    };
    let text = format!(
        "@id(\"a\") @mode(\"warn\") forbid (principal, action == Action::\"run\", resource)\n\
         when {{ {condition} }};"
    );
    CedarPolicies::load(&[Source { name: "p".to_owned(), text }], &vocabulary, "KEEP")
}

#[test]
fn the_page_lists_every_attribute_with_its_type_and_meaning() {
    let rows = table("| attribute | type | meaning |");
    let attributes = Attribute::all().map(|attribute| {
        let optional = if attribute.is_optional() { "optional " } else { "" };
        let (name, kind) = (attribute.name(), attribute.kind().cedar_type());
        vec![format!("`{name}`"), format!("{optional}`{kind}`"), attribute.meaning().to_owned()]
    });
    assert_eq!(rows, attributes.collect::<Vec<_>>());
}

#[test]
fn the_page_lists_every_annotation_with_its_values() {
    let rows = table("| annotation | value | meaning |");
    assert_eq!(rows.len(), annotations::ANNOTATIONS.len());
    for (row, (name, remedy)) in rows.iter().zip(annotations::ANNOTATIONS) {
        assert_eq!(row[0], format!("`@{name}`"));
        assert!(row[1].ends_with(remedy.strip_prefix("give ").unwrap()), "{row:?}");
    }
}

#[test]
fn what_the_page_says_is_refused_is_refused_in_these_words() {
    let rows = table("| condition | refusal |");
    assert!(rows.len() >= 10);
    for row in rows {
        let (condition, said) = (row[0].trim_matches('`'), row[1].trim_matches('`'));
        let refused = loaded(condition).unwrap_err().0.swap_remove(0);
        assert_eq!(format!("{}; {}", refused.wrong, refused.remedy), said, "{condition}");
    }
}

#[test]
fn every_expression_of_the_page_can_be_written() {
    let rows = table("| of | expressions |");
    let expressions: Vec<_> = rows.iter().flat_map(|row| code(row[1])).collect();
    let expressions: Vec<_> = expressions.into_iter().filter(|code| *code != "*").collect();
    assert!(expressions.len() >= 10, "{expressions:?}");
    for expression in expressions {
        assert!(loaded(&expression).is_ok(), "{expression}: {:?}", loaded(&expression).err());
    }
}

#[test]
fn the_limits_of_the_page_are_those_of_the_program() {
    let limits: Vec<_> = table("| limit | value |").iter().map(|row| row[1].to_owned()).collect();
    let days = format!("{} days", LONGEST_GRACE.whole_days());
    let numbers =
        [load::POLICY_LIMIT, KEY_LIMIT, complexity::OPERATOR_LIMIT, annotations::DESCRIPTION_LIMIT];
    let numbers = numbers.map(|limit| limit.to_string());
    assert_eq!(limits[..4], numbers);
    assert_eq!(limits[4..], [days, "1 MiB".to_owned()]);
}
