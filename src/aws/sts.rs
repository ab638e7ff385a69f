//! Whose credentials these are.

use aws_config::SdkConfig;
use aws_sdk_sts::Client;

use crate::aws::error::{Class, Failure, Service};
use crate::aws::{TIMEOUT, attempt, configure};
use crate::event::{Account, Region};

/// Asks STS which account the credentials belong to.
///
/// # Errors
/// What STS or the connection answered instead.
pub async fn account(sdk: &SdkConfig, region: &Region) -> Result<Account, Failure> {
    let client = Client::new(&configure(sdk, region));
    let answer = attempt(Service::Sts, TIMEOUT, client.get_caller_identity().send()).await?;
    answer.account().and_then(Account::parse).ok_or_else(|| Failure {
        class: Class::Invalid,
        code: "NoAccount".into(),
        message: "the answer names no account".into(),
    })
}
