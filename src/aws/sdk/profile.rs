//! The operator's profile, from `~/.aws/config` and `~/.aws/credentials`. What the SDK would ignore
//! or panic at is refused, with the place where it stands.

use std::error::Error;
use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

use aws_config::SdkConfig;
use aws_config::profile::ProfileSet;
use aws_runtime::env_config::error::EnvConfigFileLoadError;
use aws_runtime::env_config::file::EnvConfigFiles;
use aws_types::os_shim_internal::{Env, Fs};
use aws_types::service_config::ServiceConfigKey;

use crate::settings::sdk::{Form, KNOWN};
use crate::settings::{SdkVariables, SettingsError};

/// The variables that name the files, and where the files are without them.
const FILES: [(&str, &str); 2] =
    [("AWS_CONFIG_FILE", ".aws/config"), ("AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials")];
/// The services whose endpoints a profile can set, by the SDK's names for them.
const SERVICES: [&str; 4] = ["SQS", "EC2", "SNS", "STS"];
/// No chain of profiles that take their credentials from each other is longer.
const LONGEST_CHAIN: usize = 16;

/// The profile that is selected, and those that it refers to.
#[derive(Debug)]
pub(super) struct Profile {
    sections: ProfileSet,
    /// Where it was looked for, as the operator may read it.
    files: String,
}

impl Profile {
    /// Reads the profile that `AWS_PROFILE` names, or else `default`.
    ///
    /// # Errors
    ///
    /// A file is unreadable or malformed, there is no such profile, or it has what the SDK cannot
    /// use.
    pub(super) async fn load(variables: &SdkVariables) -> Result<Self, SettingsError> {
        FILES.iter().try_for_each(|(variable, _)| check_file(variables, variable))?;
        let env = Env::from(variables.all().clone());
        let sections =
            aws_config::profile::load(&Fs::real(), &env, &EnvConfigFiles::default(), None).await;
        let profile = Self {
            sections: sections.map_err(|error| unreadable(&error))?,
            files: files(variables),
        };
        profile.exists(variables)?;
        for known in KNOWN.iter().filter(|known| !known.key.is_empty()) {
            let value = profile.get(known.key);
            value.map_or(Ok(()), |value| known.check_in_profile(value, &profile.place()))?;
        }
        profile.has_usable_credentials(variables)?;
        Ok(profile)
    }

    /// What the profile has for a key; `None` where that is nothing.
    pub(super) fn get(&self, key: &str) -> Option<&str> {
        self.sections.get(key).filter(|value| !value.is_empty())
    }

    /// The profile's name and its files, for messages.
    pub(super) fn place(&self) -> String {
        format!("\"{}\" in {}", self.sections.selected_profile(), self.files)
    }

    /// Checks the endpoints that the profile sets for single services.
    ///
    /// # Errors
    ///
    /// One of them is no URL.
    pub(super) fn check_services(&self, config: &SdkConfig) -> Result<(), SettingsError> {
        for service in SERVICES {
            let key = ServiceConfigKey::builder().service_id(service);
            let key = key.env("AWS_ENDPOINT_URL").profile("endpoint_url").build();
            let Some((services, key)) = config.service_config().zip(key.ok()) else { continue };
            let Some(endpoint) = services.load_config(key).filter(|one| !one.is_empty()) else {
                continue;
            };
            let name = format!("endpoint_url of {service}, in the services of the profile");
            Form::Url.check(&format!("{name} {}", self.place()), &endpoint)?;
        }
        Ok(())
    }

    fn exists(&self, variables: &SdkVariables) -> Result<(), SettingsError> {
        let Some(name) = variables.get("AWS_PROFILE") else { return Ok(()) };
        if name == "default" || self.sections.get_profile(name).is_some() {
            return Ok(());
        }
        let remedy = format!("there is no such profile in {}", self.files);
        Err(SettingsError::text("AWS_PROFILE", name, remedy))
    }

    /// Refuses a profile that signs in by `aws login`, unless access keys in the environment come
    /// before it.
    fn has_usable_credentials(&self, variables: &SdkVariables) -> Result<(), SettingsError> {
        let keys = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];
        if keys.iter().all(|key| variables.get(key).is_some()) {
            return Ok(());
        }
        let mut name = self.sections.selected_profile();
        for _ in 0..LONGEST_CHAIN {
            let Some(profile) = self.sections.get_profile(name) else { return Ok(()) };
            let has = |key| profile.get(key).is_some_and(|value: &str| !value.is_empty());
            let source = profile.get("source_profile").filter(|source| *source != name);
            if let Some(source) = source.filter(|_| has("role_arn")) {
                name = source;
                continue;
            }
            let comes_before =
                ["credential_source", "web_identity_token_file", "sso_session", "sso_start_url"];
            if has("login_session") && !comes_before.iter().any(|key| has(key)) {
                return Err(SettingsError::Sdk(self.no_login(name)));
            }
            return Ok(());
        }
        Ok(())
    }

    fn no_login(&self, name: &str) -> String {
        format!(
            "the profile \"{name}\" in {} signs in by `aws login` (login_session), which only the AWS \
             CLI can use: give a role or access keys, or make another profile with \
             credential_process = aws configure export-credentials --profile {name} --format \
             process, and name it in AWS_PROFILE",
            self.files
        )
    }
}

/// Refuses a file that the operator names and that is there, but cannot be read. The SDK would take
/// it for empty.
fn check_file(variables: &SdkVariables, variable: &str) -> Result<(), SettingsError> {
    let Some(written) = variables.get(variable) else { return Ok(()) };
    match fs::read_to_string(expanded(variables, written)) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(SettingsError::text(variable, written, format!("cannot read this file: {error}")))
        }
        _ => Ok(()),
    }
}

/// The files that profiles are looked for in, joined by "or".
fn files(variables: &SdkVariables) -> String {
    let path = |(variable, usual): (&str, &str)| match (variables.get(variable), home(variables)) {
        (Some(written), _) => written.to_owned(),
        (None, Some(home)) => home.join(usual).display().to_string(),
        (None, None) => format!("~/{usual}"),
    };
    FILES.map(path).join(" or ")
}

/// A path whose `~` stands for the home directory, as the SDK takes it.
fn expanded(variables: &SdkVariables, written: &str) -> PathBuf {
    match (written.strip_prefix("~/"), home(variables)) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => PathBuf::from(written),
    }
}

fn home(variables: &SdkVariables) -> Option<PathBuf> {
    variables.get("HOME").map(PathBuf::from)
}

fn unreadable(error: &EnvConfigFileLoadError) -> SettingsError {
    // The SDK names the file and the line, and breaks the message in two.
    let cause = error.source().map_or_else(|| error.to_string(), ToString::to_string);
    let words: Vec<_> = cause.split_whitespace().collect();
    SettingsError::Sdk(format!("the AWS profile cannot be read: {}", words.join(" ")))
}
