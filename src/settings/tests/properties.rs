//! What holds of all settings, whatever the file and the environment say.

use proptest::strategy::{Just, Strategy};
use proptest::test_runner::Config;
use proptest::{prop_assert, prop_assert_eq, prop_oneof, proptest};

use super::super::{QueueAddress, Settings, SettingsError, tag};
use super::given::Numbers;
use super::table::rows;
use super::{QUEUE, TOPIC, Written, given, load};

/// Finds are turned into tests by hand; no file is written beside the source.
fn config() -> Config {
    Config { failure_persistence: None, ..Config::default() }
}

/// Loads with `file` in the file and `environment` in the environment.
fn load_numbers(file: &Numbers, environment: &Numbers) -> Result<Settings, SettingsError> {
    let file: Vec<_> = file.iter().map(|(key, value)| format!("{key} = {value}\n")).collect();
    let owned = environment.iter().map(|(key, value)| (given::variable(key), value.to_string()));
    let owned: Vec<_> = owned.collect();
    let variables: Vec<_> = owned.iter().map(|(name, value)| (&**name, &**value)).collect();
    Written::new(&file.concat()).load(&variables)
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn no_file_and_no_environment_can_make_it_panic_or_run_on_nonsense(
        file in given::file(), environment in given::environment()
    ) {
        let file = Written::new(&file);
        let needed = [QUEUE, TOPIC].map(|(name, value)| (name.to_owned(), value.to_owned()));
        let environment = needed.into_iter().chain(environment);
        match Settings::from_layers(Some(file.path()), environment) {
            Ok(settings) => prop_assert!(given::is_sound(&settings), "{:?}", settings),
            Err(refused) => prop_assert!(!refused.to_string().is_empty()),
        }
    }

    #[test]
    fn the_environment_beats_the_file_and_only_what_can_work_is_accepted(
        file in given::numbers(), environment in given::numbers()
    ) {
        let given: Numbers = file.clone().into_iter().chain(environment.clone()).collect();
        let all = given::with_defaults(&given);
        let settings = load_numbers(&file, &environment);
        prop_assert_eq!(settings.is_ok(), given::can_work(&all), "{:?}", settings);
        if let Ok(settings) = settings {
            prop_assert_eq!(given::numbers_of(&settings), all);
        }
    }

    #[test]
    fn a_refusal_names_the_key_that_was_given(key in given::key(), value in given::toml_value()) {
        let refused = |message: String| match key {
            // Too many for the inbox, whose key the refusal names then.
            "sizes.pollers" => message.contains(key) || message.contains("sizes.inbox"),
            key => message.contains(key),
        };
        if let Err(error) = Written::new(&format!("{key} = {value}")).load(&[]) {
            prop_assert!(refused(error.to_string()), "{}", error);
        }
        if let Err(error) = load(None, &[(&given::variable(key), &value)]) {
            prop_assert!(refused(error.to_string()), "{}", error);
        }
    }

    #[test]
    fn a_variable_for_no_key_is_refused_by_its_name(
        section in "[A-Z]{2,8}|SIZES|QUEUE", name in "[A-Z]{2,8}"
    ) {
        let named = format!("{section}.{name}").to_ascii_lowercase();
        if rows().iter().all(|row| row.key != named) {
            let variable = format!("ENFORCER_{section}__{name}");
            let message = load(None, &[(&variable, "1")]).unwrap_err().to_string();
            let (section, _) = named.split_once('.').unwrap();
            let unknown = [section, &named].map(|key| format!("{key}: no such setting"));
            // Or it is close to another name.
            let slip = format!("{variable} is no setting: write ");
            let is_told = unknown.iter().chain([&slip]).any(|text| message.starts_with(text));
            prop_assert!(is_told, "{}", message);
        }
    }

    #[test]
    fn the_short_names_win_wherever_the_others_stand(
        (tags, queues, topics) in (
            ["[a-z]{1,9}", "[a-z]{1,9}", "[a-z]{1,9}"],
            ["[a-z]{1,9}", "[a-z]{1,9}", "[a-z]{1,9}"],
            ["[a-z]{1,9}", "[a-z]{1,9}", "[a-z]{1,9}"],
        ),
        order in Just([0, 1, 2, 3, 4, 5]).prop_shuffle(),
    ) {
        let arn = |name: &str| format!("arn:aws:sns:us-east-1:123456789012:{name}");
        let file = format!(
            "policy.exception_tag = {:?}\nqueue.url = {:?}\ntopic.arn = {:?}",
            tags[0], queues[0], arn(&topics[0]),
        );
        let variables = [
            ("ENFORCER_POLICY__EXCEPTION_TAG", tags[1].clone()),
            ("ENFORCER_QUEUE__URL", queues[1].clone()),
            ("ENFORCER_TOPIC__ARN", arn(&topics[1])),
            ("EXCEPTION_TAG", tags[2].clone()),
            ("SQS_QUEUE_URL", queues[2].clone()),
            ("SNS_TOPIC_ARN", arn(&topics[2])),
        ];
        let environment = order.map(|at| (variables[at].0.to_owned(), variables[at].1.clone()));
        let file = Written::new(&file);
        let settings = Settings::from_layers(Some(file.path()), environment).unwrap();
        prop_assert_eq!(&settings.policy.exception_tag, &tags[2]);
        prop_assert_eq!(&settings.queue.address, &QueueAddress::Name(queues[2].clone()));
        prop_assert_eq!(settings.topic.owners.arn, arn(&topics[2]));
    }

    #[test]
    fn every_tag_key_of_ec2_is_accepted_as_it_is(
        key in "[\\p{L}\\p{N}+=._/@-]([\\p{L}\\p{N} +=._:/@-]{0,126}[\\p{L}\\p{N}+=._:/@-])?"
    ) {
        prop_assert_eq!(tag::checked::<SettingsError>(key.clone()).unwrap(), key);
    }

    #[test]
    fn an_accepted_tag_is_one_that_an_instance_can_carry(
        key in prop_oneof![
            ".*", "[aA][wW][sS]:?[a-z]{0,3}", "[a-zé]{126,130}", " ?[a-z]{0,3}[ *?,]?",
        ]
    ) {
        if let Ok(key) = tag::checked::<SettingsError>(key) {
            prop_assert!((1..=128).contains(&key.chars().count()), "{:?}", key);
            prop_assert!(!key.to_lowercase().starts_with("aws:"), "{:?}", key);
            prop_assert!(!key.starts_with(' ') && !key.ends_with(' '), "{:?}", key);
            let odd = |character: char| character.is_control() || "*?,;\"'\\<>".contains(character);
            prop_assert!(!key.contains(odd), "{:?}", key);
        }
    }

    #[test]
    fn an_accepted_queue_has_a_name_that_sqs_takes(
        written in prop_oneof![
            ".{0,12}",
            "[a-z.]{0,6}[a-zA-Z0-9_-]{70,82}",
            "(https?|ftp)://(sqs\\.)?[a-z.-]{0,9}(:[0-9]{0,5})?/[0-9]{11,13}/.{0,8}",
            "https://sqs\\.us-east-1\\.amazonaws\\.com/123456789012/[a-z/.%?#@ -]{0,6}",
            "arn:aws:sqs:us-east-1:[0-9]{11,13}:[a-z:.*-]{0,6}(\\.fifo)?",
        ]
    ) {
        let Ok(address) = QueueAddress::read::<SettingsError>(&written) else { return Ok(()) };
        let name = match &address {
            QueueAddress::Url { name, .. }
            | QueueAddress::Arn { name, .. }
            | QueueAddress::Name(name) => name,
        };
        prop_assert!((1..=80).contains(&name.len()), "{:?}", address);
        let sound = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        prop_assert!(name.bytes().all(sound), "{:?}", address);
        prop_assert!(written.ends_with(name.as_str()), "{:?}", address);
        if let QueueAddress::Url { url, .. } = &address {
            prop_assert!(url.starts_with("http"), "{}", url);
            prop_assert!(!url.contains(['@', '?', '#', ' ']), "{}", url);
        }
    }
}
