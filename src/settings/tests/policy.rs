//! The section `[policy]`: what is refused of it, and the policies that it loads.

use std::fs;
use std::path::PathBuf;

use super::*;
use crate::domain::ids::Account;
use crate::domain::policy::Vocabulary;
use crate::domain::policy::mode::Mode;

/// A policy that is sound.
const POLICY: &str = "@id(\"large\") @mode(\"warn\")\n\
    forbid (principal, action == Action::\"run\", resource)\n\
    when { resource.instanceType == \"m5.large\" };";

/// A folder of policies that is removed with the test.
struct Folder(PathBuf);

impl Folder {
    fn with(files: &[(&str, &str)]) -> Self {
        static FOLDERS: AtomicUsize = AtomicUsize::new(0);
        let number = FOLDERS.fetch_add(1, Ordering::Relaxed);
        let path = env::temp_dir().join(format!("policies-{}-{number}", process::id()));
        fs::create_dir_all(&path).unwrap();
        for (name, text) in files {
            fs::write(path.join(name), text).unwrap();
        }
        Self(path)
    }

    fn pattern(&self, pattern: &str) -> String {
        self.0.join(pattern).display().to_string()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn place() -> Place {
    Place {
        account: Account::parse("123456789012"),
        default_region: Region::parse("us-east-1").unwrap(),
    }
}

#[test]
fn files_are_read_by_patterns_each_once_and_before_the_inline_text() {
    let other = POLICY.replace("large", "huge");
    let folder = Folder::with(&[("b.cedar", POLICY), ("a.cedar", &other), ("c.txt", "")]);
    let patterns = format!("{},{}", folder.pattern("*.cedar"), folder.pattern("a.cedar"));
    let inline = POLICY.replace("large", "inline");
    let settings =
        settings(&[("ENFORCER_POLICY__FILES", &patterns), ("ENFORCER_POLICY__INLINE", &inline)]);
    let names: Vec<_> = settings.policy_texts.iter().map(|text| text.name.clone()).collect();
    let files = ["a.cedar", "b.cedar"].map(|name| folder.pattern(name));
    assert_eq!(names, [&files[0], &files[1], "policy.inline"]);
    let policies = settings.policies(&place()).unwrap();
    let ids: Vec<_> = policies.rules().map(|rule| rule.id.as_str()).collect();
    assert_eq!(ids, ["builtin", "huge", "inline", "large"]);
}

#[test]
fn a_pattern_that_matches_no_file_is_refused() {
    let folder = Folder::with(&[("a.cedar", POLICY)]);
    for (pattern, remedy) in [
        (folder.pattern("*.cedra"), "no file matches it; correct it, or remove it"),
        (folder.pattern("b.cedar"), "no file matches it; correct it, or remove it"),
        (folder.pattern("[a"), "it is no pattern: "),
    ] {
        let message = refusal("ENFORCER_POLICY__FILES", &pattern);
        assert!(message.starts_with("policy.files[0] = "), "{message}");
        assert!(message.contains(remedy), "{message}");
    }
}

#[test]
fn without_any_policy_nothing_starts() {
    assert_eq!(
        refusal("ENFORCER_POLICY__BUILTIN", "false"),
        "policy.builtin = false: there is no other policy; name files in policy.files, or leave it \
         true"
    );
    let settings =
        settings(&[("ENFORCER_POLICY__BUILTIN", "false"), ("ENFORCER_POLICY__INLINE", POLICY)]);
    assert_eq!(settings.policies(&place()).unwrap().rules().count(), 1);
}

#[test]
fn modes_graces_and_names_that_cannot_work_are_refused() {
    for (name, value, message) in [
        ("MODE", "stop", "policy.mode = \"stop\": give \"enforce\", \"warn\" or \"dry-run\""),
        (
            "MIN_NOTICE",
            "30s",
            "policy.min_notice = \"30s\": give a number and s, m, h or d, from 1m",
        ),
        ("MIN_NOTICE", "2d", "policy.min_notice = \"2d\": give a number and s, m, h or d, from 1m"),
        ("TAG_CHANGES", "yes", "policy.tag_changes = \"yes\": give true or false"),
        ("GRACE", "4x", "policy.grace = \"4x\": give a number and s, m, h or d, at most 7d"),
        ("GRACE", "4h", "policy.since is missing: give the day"),
        ("SINCE", "soon", "policy.since = \"soon\": give a day such as \"2026-12-01\""),
        ("SINCE", "2026-12-01", "give policy.grace too, or leave it out"),
        ("BUILTIN", "yes", "policy.builtin = \"yes\": give true or false"),
        ("KNOWN", "eu", "policy.known = \"eu\": give regions such as eu-central-1"),
        ("UNITS__SANDBOX", "1", "policy.units.sandbox = \"1\": give accounts of 12 digits"),
    ] {
        let refused = refusal(&format!("ENFORCER_POLICY__{name}"), value);
        assert!(refused.contains(message), "{refused}");
    }
    let file = Written::new("[policy.units]\nsandbox = []");
    assert_eq!(file.refusal(), "policy.units.sandbox = […]: give at least one account");
}

#[test]
fn policies_may_name_what_counts_what_is_known_and_units() {
    let text = "@id(\"a\") @mode(\"warn\") forbid (principal, action == Action::\"run\", resource) \
                when { resource in [NAMES] };";
    let load = |names: &str| {
        let inline = text.replace("NAMES", names);
        let settings = settings(&[
            ("ENFORCER_POLICY__INLINE", &*inline),
            ("ENFORCER_POLICY__KNOWN", "eu-west-1,333333333333"),
            ("ENFORCER_POLICY__UNITS__SANDBOX", "222222222222, 444444444444"),
        ]);
        settings.policies(&place()).map_err(|refused| refused.to_string())
    };
    for known in [
        "Region::\"us-east-1\", Region::\"eu-west-1\"",
        "Account::\"123456789012\", Account::\"333333333333\", Account::\"222222222222\"",
        "Unit::\"sandbox\"",
    ] {
        load(known).unwrap();
    }
    for unknown in ["Region::\"eu-west-2\"", "Account::\"555555555555\"", "Unit::\"prod\""] {
        let refused = load(unknown).unwrap_err();
        assert!(refused.starts_with("policy.inline:1:98: "), "{refused}");
    }
}

#[test]
fn the_mode_of_the_settings_caps_that_of_every_policy() {
    let inline = POLICY.replace("warn", "enforce");
    let modes = |mode| {
        let settings =
            settings(&[("ENFORCER_POLICY__INLINE", &*inline), ("ENFORCER_POLICY__MODE", mode)]);
        settings.policies(&place()).unwrap().rules().map(|rule| rule.mode).collect::<Vec<_>>()
    };
    assert_eq!(modes("enforce"), [Mode::Enforce; 2]);
    assert_eq!(modes("warn"), [Mode::Warn; 2]);
    assert_eq!(modes("dry-run"), [Mode::DryRun; 2]);
}

/// What policies may name by these settings alone.
fn vocabulary(given: &[(&str, &str)]) -> Vocabulary {
    let given = given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let sections: PolicySections = layers::read(None, given.collect()).unwrap();
    sections.vocabulary(None)
}

#[test]
fn without_a_queue_policies_may_name_any_region_and_any_account() {
    let known = ("ENFORCER_POLICY__KNOWN", "eu-west-1,222222222222");
    assert_eq!(vocabulary(&[known]), Vocabulary::default());
    let queue = ("SQS_QUEUE_URL", "arn:aws:sqs:us-east-1:123456789012:events");
    let regions = |given: &[(&str, &str)]| {
        let regions = vocabulary(given).regions;
        regions.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
    };
    assert_eq!(regions(&[known, queue]), "eu-west-1,us-east-1");
    let scope = ("ENFORCER_SCOPE__REGIONS", "eu-north-1");
    assert_eq!(regions(&[known, queue, scope]), "eu-north-1,eu-west-1");
    let account = ("ENFORCER_SCOPE__ACCOUNT", "111111111111");
    assert_eq!(vocabulary(&[known, account]).accounts.unwrap().len(), 2);
}
