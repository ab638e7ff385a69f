//! What the AWS SDK reads by itself. It ignores some values that it cannot use and panics at
//! others, so they are checked at the start, and refused by their names.

use std::collections::HashMap;
use std::env;
use std::ffi::OsString;

use url::Url;

use super::error::SettingsError;

/// The proxies that the SDK's HTTP client reads.
const PROXIES: [&str; 6] =
    ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
/// Where HOME's files are looked for.
const HOME: &str = "HOME";
/// An endpoint for one service is named by this and the service.
const ENDPOINT_PREFIX: &str = "AWS_ENDPOINT_URL_";

/// A value that the SDK reads from a variable, or from a key of the operator's profile.
#[derive(Debug)]
pub(crate) struct Known {
    variable: &'static str,
    /// The key in the profile; empty if there is none.
    pub(crate) key: &'static str,
    form: Form,
}

/// What a value must be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Form {
    /// The URL of a server.
    Url,
    /// `true` or `false`.
    Switch,
    /// A number from 1.
    Attempts,
    /// `standard` or `adaptive`.
    RetryMode,
    /// `IPv4` or `IPv6`.
    AddressFamily,
}

/// The values that are checked.
pub(crate) const KNOWN: [Known; 9] = [
    known("AWS_ENDPOINT_URL", "endpoint_url", Form::Url),
    known("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "ignore_configured_endpoint_urls", Form::Switch),
    known("AWS_USE_FIPS_ENDPOINT", "use_fips_endpoint", Form::Switch),
    known("AWS_USE_DUALSTACK_ENDPOINT", "use_dualstack_endpoint", Form::Switch),
    known("AWS_MAX_ATTEMPTS", "max_attempts", Form::Attempts),
    known("AWS_RETRY_MODE", "retry_mode", Form::RetryMode),
    known("AWS_EC2_METADATA_SERVICE_ENDPOINT", "ec2_metadata_service_endpoint", Form::Url),
    known(
        "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE",
        "ec2_metadata_service_endpoint_mode",
        Form::AddressFamily,
    ),
    known("AWS_CONTAINER_CREDENTIALS_FULL_URI", "", Form::Url),
];

const fn known(variable: &'static str, key: &'static str, form: Form) -> Known {
    Known { variable, key, form }
}

impl Known {
    /// Checks the value that the profile `named` has for it.
    pub(crate) fn check_in_profile(&self, value: &str, named: &str) -> Result<(), SettingsError> {
        self.form.check(&format!("{} of the profile {named}", self.key), value)
    }
}

impl Form {
    /// Refuses a value that has not this form, by the name of what it was given for.
    pub(crate) fn check(self, name: &str, value: &str) -> Result<(), SettingsError> {
        let is = |words: &[&str]| words.iter().any(|word| value.trim().eq_ignore_ascii_case(word));
        let (is_sound, remedy) = match self {
            Self::Url => (is_url(value), "give a URL such as http://127.0.0.1:4566"),
            Self::Switch => (is(&["true", "false"]), "give true or false"),
            Self::Attempts => {
                (value.parse::<u32>().is_ok_and(|count| count > 0), "give a number from 1")
            }
            Self::RetryMode => (is(&["standard", "adaptive"]), "give standard or adaptive"),
            Self::AddressFamily => (is(&["IPv4", "IPv6"]), "give IPv4 or IPv6"),
        };
        match (is_sound, self) {
            (true, _) => Ok(()),
            // A password may stand in it.
            (false, Self::Url) if value.contains('@') => {
                Err(SettingsError::value(name, "(hidden)", remedy))
            }
            (false, _) => Err(SettingsError::text(name, value, remedy)),
        }
    }
}

fn is_url(value: &str) -> bool {
    let url = Url::parse(value).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    url.is_some_and(|url| url.has_host()) && !value.contains(char::is_whitespace)
}

/// The variables that the SDK reads, without those that are empty.
#[derive(Clone, Debug)]
pub struct SdkVariables(HashMap<String, String>);

impl SdkVariables {
    /// Reads and checks them.
    ///
    /// # Errors
    ///
    /// Names the variable that the SDK cannot use, and says what would be right.
    pub fn read() -> Result<Self, SettingsError> {
        Self::of(super::environment())
    }

    /// Takes them from an environment that is handed in, and checks them.
    pub(crate) fn of(
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, SettingsError> {
        let read =
            environment.into_iter().filter(|(name, value)| is_read(name) && !value.is_empty());
        let variables = Self(read.collect());
        let mut sorted: Vec<_> = variables.0.iter().collect();
        sorted.sort_unstable();
        for (name, value) in sorted {
            let known = KNOWN.iter().find(|known| known.variable == name).map(|known| known.form);
            let endpoint = name.starts_with(ENDPOINT_PREFIX).then_some(Form::Url);
            known.or(endpoint).map_or(Ok(()), |form| form.check(name, value))?;
        }
        Ok(variables)
    }

    /// The value of a variable; `None` where it is unset or empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// All of them, by name.
    pub(crate) fn all(&self) -> &HashMap<String, String> {
        &self.0
    }

    /// Whether a proxy is named.
    pub(crate) fn name_a_proxy(&self) -> bool {
        PROXIES.iter().any(|proxy| self.get(proxy).is_some())
    }
}

fn is_read(name: &str) -> bool {
    name.starts_with("AWS_") || name == HOME || PROXIES.contains(&name)
}

/// The variables of the SDK that are set to nothing, which the SDK takes for a value.
#[must_use]
pub fn empty_sdk_variables() -> Vec<OsString> {
    let empty = env::vars_os().filter(|(name, value)| {
        let name = name.to_string_lossy();
        value.is_empty() && name != HOME && is_read(&name)
    });
    empty.map(|(name, _)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(name: &str, value: &str) -> String {
        SdkVariables::of([(name.to_owned(), value.to_owned())]).unwrap_err().to_string()
    }

    #[test]
    fn what_the_sdk_cannot_use_is_refused_by_its_name() {
        for (name, value) in [
            ("AWS_ENDPOINT_URL", "localhost:4566"),
            ("AWS_ENDPOINT_URL", " "),
            ("AWS_ENDPOINT_URL_SNS", "http://"),
            ("AWS_ENDPOINT_URL_SQS", "ftp://localhost"),
            ("AWS_ENDPOINT_URL_EC2", "http://local host"),
            ("AWS_MAX_ATTEMPTS", "0"),
            ("AWS_MAX_ATTEMPTS", "-1"),
            ("AWS_MAX_ATTEMPTS", "many"),
            ("AWS_RETRY_MODE", "legacy"),
            ("AWS_USE_FIPS_ENDPOINT", "yes"),
            ("AWS_USE_DUALSTACK_ENDPOINT", "1"),
            ("AWS_EC2_METADATA_SERVICE_ENDPOINT", "169.254.169.254"),
            ("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "6"),
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "/role"),
        ] {
            let refusal = refusal(name, value);
            assert!(refusal.starts_with(&format!("{name} = {value:?}: give ")), "{refusal}");
        }
    }

    #[test]
    fn what_the_sdk_can_use_is_taken() {
        let sound = [
            ("AWS_ENDPOINT_URL", "http://127.0.0.1:4566"),
            ("AWS_ENDPOINT_URL_SQS", "https://[::1]/path"),
            ("AWS_MAX_ATTEMPTS", "5"),
            ("AWS_RETRY_MODE", "Adaptive"),
            ("AWS_USE_FIPS_ENDPOINT", "TRUE"),
            ("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "ipv6"),
            ("HTTP_PROXY", "http://proxy.example:3128"),
        ];
        let given = sound.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let variables = SdkVariables::of(given).unwrap();
        assert!(sound.iter().all(|(name, value)| variables.get(name) == Some(*value)));
    }

    #[test]
    fn what_is_empty_is_unset_and_what_the_sdk_does_not_read_is_left_alone() {
        let given = [("AWS_ENDPOINT_URL", ""), ("AWS_MAX_ATTEMPTS", ""), ("ENDPOINT_URL", "?")];
        let given = given.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert!(SdkVariables::of(given).unwrap().all().is_empty());
    }

    #[test]
    fn a_password_in_an_endpoint_is_not_shown() {
        let refusal = refusal("AWS_ENDPOINT_URL", "ftp://me:secret@localhost");
        assert!(refusal.starts_with("AWS_ENDPOINT_URL = (hidden): "), "{refusal}");
    }
}
