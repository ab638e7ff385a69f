//! The section `[audit]`, and what is read of instances for it.

use super::{load, refusal};
use crate::domain::ids::{Account, Region};
use crate::domain::policy::attribute::Attribute;
use crate::domain::policy::reads::Reads;
use crate::settings::{AuditTo, Place, SettingsError};

const TO: &str = "ENFORCER_AUDIT__TO";

/// What is read of an instance with these variables.
fn reads(variables: &[(&str, &str)]) -> Result<Reads, SettingsError> {
    let default_region = Region::parse("us-east-1").unwrap();
    let place = Place { account: Account::parse("123456789012"), default_region };
    load(None, variables).unwrap().policies(&place).map(|policies| (**policies.reads()).clone())
}

#[test]
fn a_trail_goes_nowhere_or_to_stdout_or_to_a_file() {
    let to = |variables: &[(&str, &str)]| load(None, variables).unwrap().audit.to;
    assert_eq!(to(&[]), AuditTo::Off);
    assert_eq!(to(&[(TO, "stdout")]), AuditTo::Stdout);
    assert_eq!(to(&[(TO, "/var/log/a.jsonl")]), AuditTo::File("/var/log/a.jsonl".into()));
}

#[test]
fn what_is_no_file_is_refused_with_the_remedy() {
    let remedy = "give \"off\", \"stdout\", or the path of a file that begins with /";
    // An empty variable is unset.
    for wrong in ["audit.jsonl", "./audit.jsonl", "/var/log/", "OFF", "/var/log/a\nb"] {
        assert_eq!(refusal(TO, wrong), format!("audit.to = {wrong:?}: {remedy}"));
    }
    assert_eq!(
        refusal("ENFORCER_AUDIT__TAGS", "none"),
        "audit.tags = \"none\": give \"mentioned\" or \"all\""
    );
}

#[test]
fn the_launch_time_is_read_while_there_is_a_trail_and_all_tags_if_they_are_wanted() {
    let of = |variables: &[(&str, &str)]| {
        let reads = reads(variables).unwrap();
        (reads.attributes.contains(&Attribute::LaunchTime), reads.all_tags)
    };
    let all = ("ENFORCER_AUDIT__TAGS", "all");
    assert_eq!(of(&[]), (false, false));
    assert_eq!(of(&[all]), (false, false));
    assert_eq!(of(&[(TO, "stdout")]), (true, false));
    assert_eq!(of(&[(TO, "stdout"), all]), (true, true));
}
