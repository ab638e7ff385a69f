//! The section `[accounts]`.

use super::{load, refusal};
use crate::domain::ids::{Account, Region};
use crate::domain::members::Members;
use crate::settings::{AccountsSettings, Place};

const IDS: &str = "ENFORCER_ACCOUNTS__IDS";
const ROLE: &str = "ENFORCER_ACCOUNTS__ROLE";

fn accounts(variables: &[(&str, &str)]) -> AccountsSettings {
    load(None, variables).unwrap().accounts
}

fn account(id: &str) -> Account {
    Account::parse(id).unwrap()
}

#[test]
fn no_other_account_counts_unless_it_is_listed() {
    assert!(accounts(&[]).members.are_none());
    let listed = accounts(&[(IDS, "210987654321, 012345678901")]).members;
    assert!(listed.has(&account("210987654321")) && listed.has(&account("012345678901")));
    assert!(!listed.has(&account("111111111111")));
    let any = accounts(&[(IDS, "any")]).members;
    assert_eq!(any, Members::Any);
    assert!(any.has(&account("111111111111")));
}

#[test]
fn accounts_that_cannot_work_are_refused() {
    let remedy = "give accounts of 12 digits in quotes, each once, or \"any\" alone";
    let twice = "210987654321,210987654321";
    for (ids, wrong) in [
        ("2109-8765-4321", "2109-8765-4321"),
        (twice, "210987654321"),
        ("any,210987654321", "any"),
        ("all", "all"),
    ] {
        assert_eq!(refusal(IDS, ids), format!("accounts.ids = {wrong:?}: {remedy}"));
    }
}

#[test]
fn a_role_is_named_for_each_partition_and_account() {
    let in_china =
        |role: &AccountsSettings| role.role.in_account("aws-cn", &account("210987654321"));
    assert_eq!(in_china(&accounts(&[])), "arn:aws-cn:iam::210987654321:role/ec2-policy-enforcer");
    let own = accounts(&[(ROLE, "arn:aws-cn:iam::{account}:role/audit/stops-{account}")]);
    assert_eq!(in_china(&own), "arn:aws-cn:iam::210987654321:role/audit/stops-210987654321");
}

#[test]
fn a_role_that_is_not_one_in_each_account_is_refused() {
    for wrong in [
        "ec2-policy-enforcer",
        "arn:aws:iam::210987654321:role/ec2-policy-enforcer",
        "arn:aws:iam::{account}:user/ec2-policy-enforcer",
        "arn:aws:iam::{account}:role/",
        "arn:aws:iam::{account}:role/audit/",
        "arn:aws:sts::{account}:role/ec2-policy-enforcer",
        "arn:{partition}:iam:us-east-1:{account}:role/ec2-policy-enforcer",
        "arn:{partition}:iam::{account}:role/{name}",
    ] {
        let message = refusal(ROLE, wrong);
        assert!(
            message.starts_with(&format!("accounts.role = {wrong:?}: give an ARN")),
            "{message}"
        );
    }
}

#[test]
fn what_sts_would_refuse_is_refused_at_the_start() {
    let long = "s".repeat(65);
    for (name, wrong) in [
        ("ENFORCER_ACCOUNTS__SESSION_NAME", "a b"),
        ("ENFORCER_ACCOUNTS__SESSION_NAME", "a"),
        ("ENFORCER_ACCOUNTS__SESSION_NAME", &*long),
        ("ENFORCER_ACCOUNTS__EXTERNAL_ID", "x"),
        ("ENFORCER_ACCOUNTS__EXTERNAL_ID", "with blanks"),
    ] {
        let message = refusal(name, wrong);
        assert!(message.contains(": give 2 to "), "{message}");
    }
    let said = accounts(&[("ENFORCER_ACCOUNTS__EXTERNAL_ID", "o-1234:a/b")]).external_id;
    assert_eq!(said.as_deref(), Some("o-1234:a/b"));
    assert_eq!(accounts(&[]).external_id, None);
}

#[test]
fn policies_may_name_the_accounts_that_count() {
    let policy = "@id(\"p\") @mode(\"enforce\") forbid (principal, action == Action::\"run\", \
                  resource in Account::\"210987654321\");";
    let default_region = Region::parse("us-east-1").unwrap();
    let place = Place { account: Account::parse("123456789012"), default_region };
    let loads = |variables: &[(&str, &str)]| {
        let inline = [("ENFORCER_POLICY__INLINE", policy)];
        let all: Vec<_> = inline.iter().chain(variables).copied().collect();
        load(None, &all).unwrap().policies(&place).is_ok()
    };
    assert!(!loads(&[]));
    assert!(loads(&[(IDS, "210987654321")]));
    assert!(loads(&[(IDS, "any")]));
}
