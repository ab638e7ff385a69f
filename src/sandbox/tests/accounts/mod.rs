//! Several accounts: the roles of members, their credentials, and what those act upon.

mod assume;
mod events;
mod ownership;
mod roles;
mod validity;

use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_ec2::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_ec2::types::Reservation;
use aws_sdk_sts::operation::assume_role::builders::AssumeRoleFluentBuilder;
use aws_sdk_sts::operation::assume_role::{AssumeRoleError, AssumeRoleOutput};

use super::{World, world, world_with};
use crate::sandbox::{Launch, Options};

const OWN: &str = "123456789012";
const MEMBER: &str = "210987654321";
const OTHER: &str = "321098765432";
const ROLE: &str = "arn:aws:iam::210987654321:role/ec2-policy-enforcer";

/// A world with two members.
fn members() -> World {
    members_with(Options::default())
}

fn members_with(options: Options) -> World {
    let world = world_with(options);
    world.sandbox.add_account(MEMBER);
    world.sandbox.add_account(OTHER);
    world
}

impl World {
    /// An `AssumeRole` of the sandbox's own account, to be completed and sent.
    fn assuming(&self, role: &str) -> AssumeRoleFluentBuilder {
        let sts = aws_sdk_sts::Client::new(&self.sandbox.sdk_config());
        sts.assume_role().role_arn(role).role_session_name("test")
    }

    async fn session(&self, account: &str) -> AssumeRoleOutput {
        let role = ROLE.replace(MEMBER, account);
        self.assuming(&role).send().await.unwrap()
    }

    /// The way to the sandbox with the credentials of a member's role.
    async fn sdk_of(&self, account: &str) -> SdkConfig {
        let given = self.session(account).await.credentials.unwrap();
        self.sdk(&given.access_key_id, Some(given.session_token))
    }

    fn sdk(&self, key: &str, token: Option<String>) -> SdkConfig {
        let credentials = Credentials::new(key, "secret", token, None, "test");
        let provider = SharedCredentialsProvider::new(credentials);
        self.sandbox.sdk_config().into_builder().credentials_provider(provider).build()
    }

    async fn ec2_of(&self, account: &str) -> aws_sdk_ec2::Client {
        aws_sdk_ec2::Client::new(&self.sdk_of(account).await)
    }
}

/// The ids of the instances that a client is shown, or the error code.
async fn ids(ec2: &aws_sdk_ec2::Client) -> Result<Vec<String>, String> {
    let answer = ec2.describe_instances().send().await;
    let answer = answer.map_err(|error| error.code().unwrap_or("no code").to_owned())?;
    let instances = answer.reservations().iter().flat_map(Reservation::instances);
    Ok(instances.filter_map(|one| one.instance_id().map(str::to_owned)).collect())
}

/// The HTTP status, the code and the message of a refusal.
fn refusal(error: &SdkError<AssumeRoleError>) -> (u16, String, String) {
    let status = error.raw_response().unwrap().status().as_u16();
    let text = |part: Option<&str>| part.unwrap_or_default().to_owned();
    (status, text(error.code()), text(error.message()))
}
