//! Whose credentials the daemon has, by STS.

use aws_sdk_sts::Client;

use crate::aws::calls::Calls;
use crate::aws::connection::Connection;
use crate::aws::error::{AwsError, Service, table};
use crate::domain::ids::{Account, Region};

/// The owner of the credentials.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// The account that the credentials belong to.
    pub account: Account,
    /// The ARN of the user, or of the role and its session.
    pub arn: String,
}

/// Asks STS which account the credentials belong to.
///
/// # Errors
/// What STS answered instead, or why it did not answer.
pub(crate) async fn account(connection: &Connection, region: &Region) -> Result<Account, AwsError> {
    caller(connection, region).await.map(|caller| caller.account)
}

/// Asks STS whose credentials these are.
///
/// # Errors
/// What STS answered instead, or why it did not answer.
pub(crate) async fn caller(connection: &Connection, region: &Region) -> Result<Caller, AwsError> {
    let call = Client::new(&connection.sdk_in(region)).get_caller_identity();
    let calls = Calls::new(connection, Service::Sts, region);
    let answer = calls.attempt("GetCallerIdentity", call.send()).await?;
    let account = answer
        .account()
        .and_then(Account::parse)
        .ok_or_else(|| AwsError::of(&table::NO_ACCOUNT, "the answer names no account"))?;
    Ok(Caller { account, arn: answer.arn().unwrap_or_default().to_owned() })
}
