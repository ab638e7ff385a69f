//! Which instance this process runs on.

use aws_config::imds::Client;
use aws_config::provider_config::ProviderConfig;

use crate::aws::connection::Connection;
use crate::domain::ids::InstanceId;

/// Asks the instance metadata service (IMDSv2) for the id of this machine; nothing comes back
/// where there is no such service.
pub async fn own_instance(connection: &Connection) -> Option<InstanceId> {
    let limit = connection.limits.metadata;
    let mut provider = ProviderConfig::without_region();
    if let Some(client) = connection.sdk.http_client() {
        provider = provider.with_http_client(client);
    }
    let client = Client::builder()
        .configure(&provider)
        .max_attempts(1)
        .connect_timeout(limit)
        .read_timeout(limit)
        .build();
    let asked = Box::pin(client.get("/latest/meta-data/instance-id"));
    let answer = tokio::time::timeout(limit, asked).await.ok()?.ok()?;
    InstanceId::parse(answer.as_ref())
}
