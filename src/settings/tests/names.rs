//! The names of variables: what is read, what is refused, and what is let pass.

use super::given::variable;
use super::table::rows;
use super::{QUEUE, Settings, TOPIC, Written, load, refusal, settings};
use crate::settings::names;

/// What Kubernetes sets for Services called `enforcer`, `enforcer-admin` and `enforcer-queue`.
const OF_KUBERNETES: [(&str, &str); 13] = [
    ("ENFORCER_SERVICE_HOST", "10.96.0.11"),
    ("ENFORCER_SERVICE_PORT", "9464"),
    ("ENFORCER_PORT", "tcp://10.96.0.11:9464"),
    ("ENFORCER_PORT_80_TCP", "x"),
    ("ENFORCER_ADMIN_SERVICE_HOST", "10.96.0.12"),
    ("ENFORCER_ADMIN_SERVICE_PORT", "9464"),
    ("ENFORCER_ADMIN_SERVICE_PORT_URL", "9464"),
    ("ENFORCER_ADMIN_PORT", "tcp://10.96.0.12:9464"),
    ("ENFORCER_ADMIN_PORT_9464_TCP", "tcp://10.96.0.12:9464"),
    ("ENFORCER_ADMIN_PORT_9464_TCP_PROTO", "tcp"),
    ("ENFORCER_ADMIN_PORT_9464_TCP_PORT", "9464"),
    ("ENFORCER_ADMIN_PORT_9464_TCP_ADDR", "10.96.0.12"),
    ("ENFORCER_QUEUE_PORT_53_UDP_ADDR", "10.96.0.13"),
];

fn unread(variables: &[(&str, &str)]) -> Vec<String> {
    let owned = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    names::unread(owned)
}

#[test]
fn a_misspelt_exception_tag_is_refused_with_the_right_names() {
    let slips = [
        "ENFORCER_EXCEPTION_TAG",
        "ENFORCER__EXCEPTION_TAG",
        "ENFORCER___EXCEPTION_TAG",
        "ENFORCER_POLICY_EXCEPTION_TAG",
        "ENFORCER_POLICY___EXCEPTION_TAG",
        "ENFORCER_POLICY.EXCEPTION_TAG",
        "ENFORCER_POLICY__EXCEPTION_TAG_",
        "ENFORCER_POLICY__Exception_Tag",
        "ENFORCER_POLICIES__EXCEPTION_TAG",
        "ENFORCER-POLICY--EXCEPTION-TAG",
        "enforcer_policy__exception_tag",
        "Enforcer_Exception_Tag",
    ];
    for slip in slips {
        assert_eq!(
            refusal(slip, "KEEP"),
            format!(
                "{slip} is no setting: \
                 write EXCEPTION_TAG or ENFORCER_POLICY__EXCEPTION_TAG, or remove it"
            )
        );
    }
}

#[test]
fn a_short_name_in_another_form_is_refused() {
    for slip in ["exception_tag", "Exception_Tag", "EXCEPTION-TAG", "EXCEPTIONTAG"] {
        assert_eq!(
            refusal(slip, "KEEP"),
            format!("{slip} is no setting: write EXCEPTION_TAG, or remove it")
        );
    }
    assert!(refusal("sqs_queue_url", "q").contains("write SQS_QUEUE_URL, or"));
    assert!(refusal("ENFORCER_SQS_QUEUE_URL", "q").contains("write SQS_QUEUE_URL or ENFORCER_Q"));
    assert!(refusal("ENFORCER_SNS_TOPIC_ARN", "t").contains("write SNS_TOPIC_ARN or ENFORCER_T"));
}

#[test]
fn every_key_with_other_separators_or_without_its_section_is_refused() {
    for row in rows() {
        let right = variable(&row.key);
        let key = row.key.split_once('.').unwrap().1.to_ascii_uppercase();
        let slips = [right.replace("__", "_"), right.to_lowercase(), format!("ENFORCER_{key}")];
        for slip in slips {
            let message = refusal(&slip, "5");
            assert!(message.starts_with(&format!("{slip} is no setting: write ")), "{message}");
            assert!(message.contains(&right), "{message}");
        }
    }
}

#[test]
fn an_unknown_key_of_a_section_is_refused_with_the_keys_that_there_are() {
    assert_eq!(
        refusal("ENFORCER_RETRY_TAG", "KEEP"),
        "ENFORCER_RETRY_TAG is no setting: write one of ENFORCER_RETRY__FIRST_MS, \
         ENFORCER_RETRY__CAP_MS, or remove it"
    );
    let message = refusal("ENFORCER_ADMIN_PORT", "9464");
    assert!(message.contains("write ENFORCER_ADMIN__LISTEN, or remove it"), "{message}");
}

#[test]
fn the_value_of_a_variable_that_is_no_setting_is_not_shown() {
    assert!(!refusal("ENFORCER_WEBHOOK_URL", "https://secret").contains("secret"));
}

#[test]
fn what_kubernetes_sets_is_let_pass_in_silence() {
    settings(&OF_KUBERNETES);
    assert_eq!(unread(&OF_KUBERNETES), [""; 0]);
}

#[test]
fn other_variables_of_the_family_are_warned_of() {
    let others = [
        ("ENFORCER_HOME", "x"),
        ("enforcer_pace", "x"),
        ("ENFORCER_LOGGING_X", "x"),
        ("MY_EXCEPTION_TAG", "x"),
        ("EXCEPTION_TAGS", "x"),
    ];
    settings(&others);
    let names = [
        "ENFORCER_HOME",
        "ENFORCER_LOGGING_X",
        "EXCEPTION_TAGS",
        "MY_EXCEPTION_TAG",
        "enforcer_pace",
    ];
    assert_eq!(unread(&others), names);
}

#[test]
fn settings_and_what_is_not_of_the_family_are_not_warned_of() {
    let known: Vec<_> = rows().iter().map(|row| variable(&row.key)).collect();
    let known: Vec<_> = known.iter().map(|name| (&**name, "5")).collect();
    assert_eq!(unread(&known), [""; 0]);
    let foreign = [QUEUE, TOPIC, ("EXCEPTION_TAG", "x"), ("MY_ENFORCER_A__B", "x"), ("PATH", "x")];
    settings(&foreign);
    assert_eq!(unread(&foreign), [""; 0]);
}

#[test]
fn an_empty_variable_is_unset() {
    let defaults = settings(&[]).values();
    for row in rows() {
        let name = variable(&row.key);
        assert_eq!(settings(&[(&name, "")]).values(), defaults, "{name}");
    }
    assert_eq!(settings(&[("EXCEPTION_TAG", "")]).values(), defaults);
    assert_eq!(
        settings(&[("ENFORCER_EXCEPTION_TAG", ""), ("ENFORCER_HOME", "")]).values(),
        defaults
    );
    assert_eq!(unread(&[("ENFORCER_HOME", "")]), [""; 0]);
}

#[test]
fn an_empty_variable_leaves_the_file_in_place() {
    let file = Written::new("policy.exception_tag = \"KEEP\"\nscope.regions = [\"eu-west-1\"]");
    let empty = [
        ("EXCEPTION_TAG", ""),
        ("ENFORCER_POLICY__EXCEPTION_TAG", ""),
        ("ENFORCER_SCOPE__REGIONS", ""),
    ];
    let given: Settings = file.load(&empty).unwrap();
    assert_eq!(given.policy.exception_tag, "KEEP");
    assert_eq!(given.scope.regions.len(), 1);
}

#[test]
fn an_empty_queue_or_topic_is_missing() {
    for (name, key) in [("SQS_QUEUE_URL", "queue.url"), ("SNS_TOPIC_ARN", "topic.arn")] {
        let given = [QUEUE, TOPIC].map(|(one, value)| (one, if one == name { "" } else { value }));
        let owned = given.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let message = Settings::from_layers(None, owned).unwrap_err().to_string();
        assert!(message.starts_with(&format!("{key} ({name}) is missing")), "{message}");
    }
}

#[test]
fn a_blank_filter_is_the_default_and_not_silence() {
    for blank in [" ", ",", " , "] {
        assert_eq!(settings(&[("ENFORCER_LOG__FILTER", blank)]).log.filter, None);
    }
    let file = Written::new("log.filter = \"\"");
    assert_eq!(load(Some(file.path()), &[]).unwrap().log.filter, None);
}

#[test]
fn blanks_around_a_value_are_refused() {
    for (name, value) in [QUEUE, TOPIC, ("EXCEPTION_TAG", "KEEP"), ("ENFORCER_SIZES__BATCH", "5")] {
        for odd in [format!(" {value}"), format!("{value} "), format!("{value}\n")] {
            assert!(load(None, &[(name, &odd)]).is_err(), "{name}={odd:?}");
        }
    }
}
