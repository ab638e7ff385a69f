//! The layers and the refusals, as the operator meets them.

mod accounts;
mod audit;
mod changes;
mod given;
mod kinds;
mod names;
mod policy;
mod properties;
mod table;

use std::fs;
use std::io;
use std::path::PathBuf;
use std::process;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::*;
use crate::domain::ids::Region;
use table::rows;

pub(super) const QUEUE: (&str, &str) =
    ("SQS_QUEUE_URL", "https://sqs.us-east-1.amazonaws.com/123456789012/events");
pub(super) const TOPIC: (&str, &str) =
    ("SNS_TOPIC_ARN", "arn:aws:sns:us-east-1:123456789012:notices");

/// A file that is removed with the test.
pub(super) struct Written(PathBuf);

impl Written {
    pub(super) fn new(toml: &str) -> Self {
        static FILES: AtomicUsize = AtomicUsize::new(0);
        let number = FILES.fetch_add(1, Ordering::Relaxed);
        let path = env::temp_dir().join(format!("settings-{}-{number}.toml", process::id()));
        fs::write(&path, toml).unwrap();
        Self(path)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    pub(super) fn load(&self, variables: &[(&str, &str)]) -> Result<Settings, SettingsError> {
        load(Some(&self.0), variables)
    }

    fn refusal(&self) -> String {
        self.load(&[]).unwrap_err().to_string()
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Loads with the queue and the topic set first, so that `variables` can override them.
pub(super) fn load(
    file: Option<&Path>,
    variables: &[(&str, &str)],
) -> Result<Settings, SettingsError> {
    let variables = [QUEUE, TOPIC].iter().chain(variables);
    let owned = variables.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Settings::from_layers(file, owned)
}

fn settings(variables: &[(&str, &str)]) -> Settings {
    load(None, variables).unwrap()
}

/// Says why a variable is refused.
pub(super) fn refusal(name: &str, value: &str) -> String {
    load(None, &[(name, value)]).unwrap_err().to_string()
}

/// Says why nothing starts without `SQS_QUEUE_URL` or without `SNS_TOPIC_ARN`.
pub(super) fn refusal_without(name: &str) -> String {
    let others = [QUEUE, TOPIC].into_iter().filter(|(other, _)| *other != name);
    let owned = others.map(|(name, value)| (name.to_owned(), value.to_owned()));
    Settings::from_layers(None, owned).unwrap_err().to_string()
}

#[test]
fn queue_and_topic_are_enough() {
    let settings = settings(&[]);
    assert_eq!(settings.policy.exception_tag, "SPECIAL_EXCEPTION");
    assert_eq!(settings.queue.wait, Duration::from_secs(20));
    assert_eq!(settings.queue.visibility_timeout, None);
    assert_eq!(settings.scope.account, None);
    assert!(settings.scope.regions.is_empty());
    assert_eq!((settings.sizes.batch, settings.sizes.stop_batch), (190, 100));
    assert_eq!((settings.sizes.inbox, settings.sizes.stop_queue), (400, 2000));
    assert_eq!((settings.sizes.evaluators, settings.sizes.enforcers), (3, 16));
    assert_eq!(settings.rate_limit.share_percent, 100);
    assert_eq!(settings.retry.first, Duration::from_millis(200));
    assert_eq!(settings.retry.cap, Duration::from_secs(10));
    assert_eq!(settings.policy.denial_timeout, Duration::from_mins(10));
    assert_eq!(settings.drain.timeout, Duration::from_secs(25));
    assert_eq!(settings.admin.listen.unwrap().to_string(), "127.0.0.1:9464");
}

#[test]
fn without_a_queue_or_a_topic_nothing_starts() {
    assert!(
        refusal_without(QUEUE.0).starts_with("queue.url (SQS_QUEUE_URL) is missing: give a URL")
    );
    assert!(
        refusal_without(TOPIC.0).starts_with("topic.arn (SNS_TOPIC_ARN) is missing: give an ARN")
    );
}

#[test]
fn the_example_works() {
    let example = Written::new(include_str!("../../../config/example.toml"));
    let settings = Settings::from_layers(Some(example.path()), []).unwrap();
    assert_eq!(settings.policy.exception_tag, "KeepRunning");
    assert_eq!(settings.scope.regions.len(), 2);
}

#[test]
fn the_file_overrides_what_is_built_in() {
    let file = Written::new("[sizes]\nbatch = 7");
    let sizes = file.load(&[]).unwrap().sizes;
    assert_eq!((sizes.batch, sizes.stop_batch), (7, 100));
}

#[test]
fn the_environment_overrides_the_file() {
    let file = Written::new("[sizes]\nbatch = 7");
    assert_eq!(file.load(&[("ENFORCER_SIZES__BATCH", "8")]).unwrap().sizes.batch, 8);
}

#[test]
fn the_short_names_always_win() {
    let file = Written::new("[policy]\nexception_tag = \"file\"");
    let long = ("ENFORCER_POLICY__EXCEPTION_TAG", "long");
    assert_eq!(file.load(&[long]).unwrap().policy.exception_tag, "long");
    assert_eq!(
        file.load(&[long, ("EXCEPTION_TAG", "short")]).unwrap().policy.exception_tag,
        "short"
    );
}

#[test]
fn lists_and_leading_zeros_survive_the_environment() {
    let scope = settings(&[
        ("ENFORCER_SCOPE__REGIONS", "eu-west-1, us-east-1"),
        ("ENFORCER_SCOPE__ACCOUNT", "012345678901"),
        ("SQS_QUEUE_URL", "events"),
        ("SNS_TOPIC_ARN", "arn:aws:sns:us-east-1:012345678901:notices"),
    ])
    .scope;
    assert_eq!(scope.account.unwrap().as_str(), "012345678901");
    let regions: Vec<_> = scope.regions.iter().map(Region::as_str).collect();
    assert_eq!(regions, ["eu-west-1", "us-east-1"]);
}

#[test]
fn a_sound_tag_can_look_like_a_number() {
    assert_eq!(settings(&[("EXCEPTION_TAG", "007")]).policy.exception_tag, "007");
}

#[test]
fn numbers_out_of_range_are_refused() {
    let numbers = rows().iter().filter_map(|row| Some((row, row.range.as_ref()?)));
    for (row, range) in numbers {
        let (least, most) = (range.start(), range.end());
        let never = [-1, 0, i64::from(u32::MAX) + 1 + least, i64::MIN, i64::MAX];
        let wrong = [least - 1, most + 1].into_iter().chain(never);
        for value in wrong.filter(|value| !range.contains(value)) {
            let message = refusal(&given::variable(&row.key), &value.to_string());
            assert_eq!(message, format!("{} = {value}: give {least} to {most}", row.key));
        }
    }
}

#[test]
fn of_several_wrong_settings_the_first_section_is_always_refused() {
    let file = Written::new(
        "[sizes]\nsettlers = 0\nbatch = 0\n[queue]\nwait_secs = 0\n[drain]\ntimeout_secs = 0",
    );
    for _ in 0..20 {
        assert_eq!(file.refusal(), "queue.wait_secs = 0: give 1 to 20");
    }
}

#[test]
fn an_inbox_without_room_for_every_poller_is_refused() {
    assert_eq!(
        refusal("ENFORCER_SIZES__POLLERS", "41"),
        "sizes.inbox = 400: 41 pollers need an inbox of at least 410"
    );
}

#[test]
fn an_inbox_with_just_enough_room_is_accepted() {
    assert_eq!(settings(&[("ENFORCER_SIZES__POLLERS", "40")]).sizes.pollers, 40);
}

#[test]
fn a_cap_as_long_as_the_first_back_off_is_accepted() {
    let retry = settings(&[("ENFORCER_RETRY__CAP_MS", "200")]).retry;
    assert_eq!(retry.cap, retry.first);
}

#[test]
fn a_cap_below_the_first_back_off_is_refused() {
    assert_eq!(
        refusal("ENFORCER_RETRY__CAP_MS", "150"),
        "retry.cap_ms = 150: give at least retry.first_ms, which is 200"
    );
}

#[test]
fn a_refused_text_is_shown_up_to_200_characters() {
    let message = refusal("EXCEPTION_TAG", &"k".repeat(200));
    assert!(message.contains(&format!(" = \"{}\": ", "k".repeat(200))), "{message}");
    let message = refusal("EXCEPTION_TAG", &"k".repeat(201));
    assert!(message.contains(&format!(" = \"{}\" (shortened): ", "k".repeat(200))), "{message}");
}

#[test]
fn unsound_regions_are_refused() {
    for regions in ["us-east-1.evil.example/", "EU-WEST-1", "eu-west-1,", "*"] {
        let message = refusal("ENFORCER_SCOPE__REGIONS", regions);
        assert!(message.starts_with("scope.regions = \""), "{message}");
        assert!(message.ends_with("give regions such as eu-central-1"), "{message}");
    }
}

#[test]
fn a_region_named_twice_is_refused() {
    assert_eq!(
        refusal("ENFORCER_SCOPE__REGIONS", "eu-west-1,eu-west-1"),
        "scope.regions = \"eu-west-1\": name each region once"
    );
}

#[test]
fn an_unsound_account_is_refused() {
    assert_eq!(
        refusal("ENFORCER_SCOPE__ACCOUNT", "1234-5678-9012"),
        "scope.account = \"1234-5678-9012\": give 12 digits in quotes"
    );
}

#[test]
fn an_account_that_contradicts_queue_or_topic_is_refused() {
    let account = ("ENFORCER_SCOPE__ACCOUNT", "210987654321");
    assert_eq!(
        refusal(account.0, account.1),
        "scope.account = \"210987654321\": \
         the queue belongs to 123456789012; correct one of them"
    );
    let message = load(None, &[account, ("SQS_QUEUE_URL", "events")]).unwrap_err().to_string();
    assert_eq!(
        message,
        "scope.account = \"210987654321\": \
         the topic belongs to 123456789012; correct one of them"
    );
}

#[test]
fn a_missing_file_is_refused_by_name() {
    let message = load(Some(Path::new("nowhere/enforcer.toml")), &[]).unwrap_err().to_string();
    assert!(message.starts_with("cannot read nowhere/enforcer.toml: No such file"), "{message}");
    assert!(message.ends_with("check the path given with --config"), "{message}");
}

#[test]
fn a_file_that_may_not_be_read_is_refused_with_the_modes_that_it_needs() {
    // Root may read everything, so the refusal is made by hand.
    let error = io::Error::from(io::ErrorKind::PermissionDenied);
    let refused = SettingsError::File { path: PathBuf::from("/etc/enforcer.toml"), error };
    assert_eq!(
        refused.to_string(),
        "cannot read /etc/enforcer.toml: permission denied; let the daemon's user read it and \
         enter its directory: with systemd's DynamicUser, mode 644 and 755"
    );
}

#[test]
fn a_file_that_is_not_toml_is_refused_with_the_place() {
    let file = Written::new("[queue]\nurl = ");
    let message = file.refusal();
    let name = file.0.display();
    assert!(message.starts_with(&format!("{name} is not sound TOML: ")), "{message}");
    assert!(message.contains("line 2"), "{message}");
}

#[test]
fn the_admin_port_follows_the_layers() {
    let file = Written::new("[admin]\nlisten = \"127.0.0.1:1\"");
    let listen = |variables: &[_]| file.load(variables).unwrap().admin.listen;
    assert_eq!(listen(&[]).unwrap().port(), 1);
    assert_eq!(listen(&[("ENFORCER_ADMIN__LISTEN", "0.0.0.0:2")]).unwrap().port(), 2);
    assert_eq!(listen(&[("ENFORCER_ADMIN__LISTEN", "off")]), None);
}

#[test]
fn the_sdk_s_own_variable_keeps_the_metadata_service_unasked() {
    assert!(settings(&[]).asks_metadata);
    assert!(!settings(&[("AWS_EC2_METADATA_DISABLED", "TRUE")]).asks_metadata);
    assert!(settings(&[("AWS_EC2_METADATA_DISABLED", "false")]).asks_metadata);
}

#[test]
fn a_log_filter_that_cannot_be_read_is_refused_with_an_example() {
    let message = refusal("ENFORCER_LOG__FILTER", "info=loud");
    assert!(message.starts_with("log.filter = \"info=loud\": "), "{message}");
    assert!(message.ends_with("give a level such as info, or TARGET=LEVEL with commas"));
}
