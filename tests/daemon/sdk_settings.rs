//! What the AWS SDK reads by itself, in the environment and in a profile: what is empty is unset,
//! and what cannot work is refused by its name.

use std::fs;
use std::path::PathBuf;

use ec2_policy_enforcer::sandbox::Launch;
use tokio::process::Command;

use crate::program::{Served, call, lines, program, serve, terminate};

/// A file that is removed at the end of its test.
struct File(PathBuf);

impl File {
    fn holding(name: &str, text: &str) -> Self {
        let path = std::env::temp_dir().join(format!("sdk-settings-{}-{name}", std::process::id()));
        fs::write(&path, text).unwrap();
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for File {
    fn drop(&mut self) {
        fs::remove_file(&self.0).ok();
    }
}

/// Expects the program to stop an untagged instance, and to tell its owner.
async fn works(served: &Served, program: &mut Command) {
    let id = served.aws.launch(Launch::default());
    let child = program.spawn().unwrap();
    served.aws.until("its start is settled", |aws| aws.messages().is_empty()).await;
    terminate(&child);
    assert_eq!(child.wait_with_output().await.unwrap().status.code(), Some(0));
    assert_eq!(served.aws.notices()[0].message, format!("EC2 {id} Stopped"));
}

/// The error with which both `run` and `check` end with 78.
async fn refusal(served: &Served, change: impl Fn(&mut Command)) -> String {
    let mut run = program(served);
    change(&mut run);
    let output = run.output().await.unwrap();
    let lines = lines(&output);
    assert_eq!(output.status.code(), Some(78), "{lines:?}");
    let error = lines.last().unwrap()["error"].as_str().unwrap().to_owned();
    let mut check = call(served, "check");
    change(check.arg("--json"));
    let output = check.output().await.unwrap();
    assert_eq!(output.status.code(), Some(78), "{error}");
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["findings"][0]["found"], *error);
    error
}

#[tokio::test]
async fn variables_of_the_sdk_that_are_empty_are_unset() {
    let served = serve().await;
    let mut program = program(&served);
    for name in [
        "AWS_ENDPOINT_URL_SQS",
        "AWS_ENDPOINT_URL_SNS",
        "AWS_ENDPOINT_URL_EC2",
        "AWS_MAX_ATTEMPTS",
        "AWS_RETRY_MODE",
        "AWS_PROFILE",
        "AWS_CONFIG_FILE",
        "AWS_SHARED_CREDENTIALS_FILE",
        "AWS_CA_BUNDLE",
        "AWS_USE_FIPS_ENDPOINT",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_SESSION_TOKEN",
        "HTTP_PROXY",
    ] {
        program.env(name, "");
    }
    works(&served, &mut program).await;
}

#[tokio::test]
async fn a_region_or_an_endpoint_that_is_empty_leaves_those_of_the_profile() {
    let served = serve().await;
    let (region, origin) = (&served.resources.region, &served.origin);
    let text = format!("[default]\nregion = {region}\nendpoint_url = {origin}\n");
    let file = File::holding("empty-region", &text);
    let mut program = program(&served);
    program.env("AWS_CONFIG_FILE", file.path()).env("SQS_QUEUE_URL", "ec2-state-changes");
    works(&served, program.env("AWS_REGION", "").env("AWS_ENDPOINT_URL", "")).await;
}

#[tokio::test]
async fn keys_of_a_profile_that_are_empty_are_unset() {
    let served = serve().await;
    let text = "[default]\nendpoint_url =\nmax_attempts =\nretry_mode =\nregion =\nca_bundle =\n\
                services = local\n[services local]\nsns =\n  endpoint_url =\n";
    let file = File::holding("empty-keys", text);
    works(&served, program(&served).env("AWS_CONFIG_FILE", file.path())).await;
}

#[tokio::test]
async fn variables_that_the_sdk_cannot_use_end_the_program_with_78() {
    let served = serve().await;
    for (name, value) in [
        ("AWS_ENDPOINT_URL", "127.0.0.1:4566"),
        ("AWS_ENDPOINT_URL_SNS", "nonsense"),
        ("AWS_MAX_ATTEMPTS", "0"),
        ("AWS_RETRY_MODE", "legacy"),
        ("AWS_CA_BUNDLE", "/nowhere/ca.pem"),
        ("AWS_CONFIG_FILE", "/"),
    ] {
        let refusal = refusal(&served, |program| {
            program.env(name, value);
        })
        .await;
        assert!(refusal.starts_with(&format!("{name} = {value:?}: ")), "{refusal}");
    }
}

#[tokio::test]
async fn keys_of_a_profile_that_the_sdk_cannot_use_end_the_program_with_78() {
    let served = serve().await;
    let sns = "services = local\n[services local]\nsns =\n  endpoint_url = nonsense";
    for (key, line) in [
        ("endpoint_url", "endpoint_url = nonsense"),
        ("max_attempts", "max_attempts = 0"),
        ("retry_mode", "retry_mode = legacy"),
        ("ca_bundle", "ca_bundle = /nowhere/ca.pem"),
        ("endpoint_url of SNS, in the services", sns),
    ] {
        let file = File::holding("keys", &format!("[profile one]\n{line}\n"));
        let refusal = refusal(&served, |program| {
            program.env_remove("AWS_ENDPOINT_URL");
            program.env("AWS_CONFIG_FILE", file.path()).env("AWS_PROFILE", "one");
        });
        let refusal = refusal.await;
        let place = format!("{key} of the profile \"one\" in {}", file.path());
        assert!(refusal.starts_with(&place), "{refusal}");
    }
}

#[tokio::test]
async fn a_profile_that_is_not_there_is_named_with_its_files() {
    let served = serve().await;
    let refusal = refusal(&served, |program| {
        program.env("AWS_PROFILE", "nope").env("HOME", "/nowhere");
    });
    assert_eq!(
        refusal.await,
        "AWS_PROFILE = \"nope\": there is no such profile in /nowhere/.aws/config or \
         /nowhere/.aws/credentials"
    );
}

#[tokio::test]
async fn a_malformed_profile_is_named_with_its_line() {
    let served = serve().await;
    let file = File::holding("malformed", "[default]\nregion eu-west-1\n");
    let refusal = refusal(&served, |program| {
        program.env("AWS_CONFIG_FILE", file.path());
    })
    .await;
    let place = format!("the AWS profile cannot be read: error parsing {} on line 2", file.path());
    assert!(refusal.starts_with(&place), "{refusal}");
}

#[tokio::test]
async fn a_profile_that_signs_in_by_aws_login_ends_in_what_to_do() {
    let served = serve().await;
    let login = "[profile console]\nlogin_session = arn:aws:iam::123456789012:user/me\n";
    let role = "[profile role]\nrole_arn = arn:aws:iam::123456789012:role/one\n\
                source_profile = console\n";
    let file = File::holding("login", &format!("{login}{role}"));
    for profile in ["console", "role"] {
        let refusal = refusal(&served, |program| {
            program.env("AWS_CONFIG_FILE", file.path()).env("AWS_PROFILE", profile);
            program.env_remove("AWS_ACCESS_KEY_ID");
        });
        let refusal = refusal.await;
        let remedy = "credential_process = aws configure export-credentials --profile console";
        assert!(refusal.contains(remedy) && !refusal.contains("cargo"), "{refusal}");
    }
    // Access keys come before a profile.
    let mut program = program(&served);
    works(&served, program.env("AWS_CONFIG_FILE", file.path()).env("AWS_PROFILE", "console")).await;
}

#[tokio::test]
async fn a_bundle_without_a_certificate_is_refused() {
    let served = serve().await;
    for text in ["", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        let file = File::holding("bundle", text);
        let refusal = refusal(&served, |program| {
            program.env("AWS_CA_BUNDLE", file.path());
        })
        .await;
        assert!(
            refusal.contains("AWS_CA_BUNDLE") && refusal.contains("no certificate"),
            "{refusal}"
        );
    }
}
