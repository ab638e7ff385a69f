//! Another role's credentials, by STS AssumeRole with those that the process has.

use std::time::{Duration, SystemTime};

use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, future};
use aws_sdk_sts::Client;

use crate::aws::calls::Calls;
use crate::aws::connection::{Connection, TimeLimits};
use crate::aws::error::{AwsError, Service, table};
use crate::aws::sdk::credentials::Renewal;
use crate::domain::ids::Region;

/// The name of a session, by which `CloudTrail` tells whose calls these are.
pub(crate) const SESSION: &str = "ec2-policy-enforcer";

/// A role, and what is said to STS when it is assumed.
#[derive(Clone, Debug)]
pub(crate) struct RoleSession {
    /// The ARN of the role.
    pub(crate) arn: String,
    /// What the role wants to hear, if it wants to hear anything.
    pub(crate) external_id: Option<String>,
    /// The name of the session, as `CloudTrail` shows it: 2 to 64 characters.
    pub(crate) name: String,
}

/// A role that is assumed anew whenever its credentials expire.
#[derive(Clone, Debug)]
pub(super) struct Role {
    /// A client is made for each call: it would take 15 kB for the rest of the hour.
    sdk: SdkConfig,
    calls: Calls,
    session: RoleSession,
}

/// The same way to AWS, with the credentials of a role, which is assumed by the first call and then
/// an hour later, when they expire. STS is called in `region`. All clients that are made from the
/// result share the credentials, and no others do: the SDK's shared cache has 64 places.
pub(crate) fn acting_as(
    connection: &Connection,
    region: &Region,
    session: RoleSession,
) -> Connection {
    let renewal = Renewal::assuming(Role::new(connection, region, session));
    let limits = TimeLimits { renewal: connection.limits.role_renewal, ..connection.limits };
    let sdk = renewal.configure(connection.sdk.clone());
    Connection { sdk, renewal: Some(renewal), limits, ..connection.clone() }
}

/// As [`acting_as`], but the role is assumed at once.
///
/// # Errors
/// What STS answered instead of credentials, or why it did not answer.
pub(crate) async fn assume(
    connection: &Connection,
    region: &Region,
    session: RoleSession,
) -> Result<Connection, AwsError> {
    Role::new(connection, region, session.clone()).credentials().await?;
    Ok(acting_as(connection, region, session))
}

impl Role {
    fn new(connection: &Connection, region: &Region, session: RoleSession) -> Self {
        let calls = Calls::new(connection, Service::Sts, region);
        Self { sdk: connection.sdk_in(region), calls, session }
    }

    async fn credentials(&self) -> Result<Credentials, AwsError> {
        let RoleSession { arn, external_id, name } = self.session.clone();
        let call = Client::new(&self.sdk).assume_role().role_arn(arn).role_session_name(name);
        let call = call.set_external_id(external_id);
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
