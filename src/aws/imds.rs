//! Which instance this process runs on.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::imds::Client;
use aws_config::provider_config::ProviderConfig;

use crate::domain::ids::InstanceId;

/// Elsewhere than on EC2 nobody answers, or only the network's silence does.
const PATIENCE: Duration = Duration::from_secs(2);

/// Asks the instance metadata service (IMDSv2) for the id of this machine; nothing comes back
/// where there is no such service.
pub async fn own_instance(sdk: &SdkConfig) -> Option<InstanceId> {
    let mut provider = ProviderConfig::without_region();
    if let Some(client) = sdk.http_client() {
        provider = provider.with_http_client(client);
    }
    let client = Client::builder()
        .configure(&provider)
        .max_attempts(1)
        .connect_timeout(PATIENCE)
        .read_timeout(PATIENCE)
        .build();
    let asked = Box::pin(client.get("/latest/meta-data/instance-id"));
    let answer = tokio::time::timeout(PATIENCE, asked).await.ok()?.ok()?;
    InstanceId::parse(answer.as_ref())
}
