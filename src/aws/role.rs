//! Another role's credentials, by STS AssumeRole with those that the process has.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use aws_sdk_sts::Client;

use crate::aws::calls::Calls;
use crate::aws::connection::Connection;
use crate::aws::error::{AwsError, Service, table};
use crate::domain::ids::Region;

/// The name of the session, by which `CloudTrail` tells whose calls these are.
const SESSION: &str = "ec2-policy-enforcer";

/// A role that is assumed anew whenever its credentials expire.
#[derive(Clone, Debug)]
struct Role {
    client: Client,
    calls: Calls,
    arn: String,
}

/// The same way to AWS, with the credentials of a role. STS is called in `region`.
///
/// # Errors
/// What STS answered instead of credentials, or why it did not answer.
pub(crate) async fn assume(
    connection: &Connection,
    region: &Region,
    arn: &str,
) -> Result<Connection, AwsError> {
    let client = Client::new(&connection.sdk_in(region));
    let calls = Calls::new(connection, Service::Sts, region);
    let role = Role { client, calls, arn: arn.to_owned() };
    // What is wrong with the role is told now, and not by the first call that needs it.
    role.credentials().await?;
    let mut sdk = connection.sdk.to_builder();
    sdk.set_credentials_provider(Some(SharedCredentialsProvider::new(role)));
    // The cache that is shared keeps the credentials that the role was assumed with.
    sdk.set_identity_cache(None);
    Ok(Connection { sdk: sdk.build(), renewal: None, ..connection.clone() })
}

impl Role {
    async fn credentials(&self) -> Result<Credentials, AwsError> {
        let call = self.client.assume_role().role_arn(&self.arn).role_session_name(SESSION);
        let answer = self.calls.attempt("AssumeRole", call.send()).await?;
        let given = answer
            .credentials
            .ok_or_else(|| AwsError::of(&table::UNANSWERED, "the answer has no credentials"))?;
        let secs = u64::try_from(given.expiration.secs()).unwrap_or_default();
        let expiry = SystemTime::UNIX_EPOCH + Duration::from_secs(secs);
        let (key, secret) = (given.access_key_id, given.secret_access_key);
        Ok(Credentials::new(key, secret, Some(given.session_token), Some(expiry), "AssumeRole"))
    }
}

impl ProvideCredentials for Role {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async {
            self.credentials().await.map_err(CredentialsError::provider_error)
        })
    }
}
