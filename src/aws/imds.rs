//! The EC2 instance that this process runs on, so that the daemon never stops its own host.

use aws_config::imds::Client;
use aws_config::provider_config::ProviderConfig;

use crate::aws::connection::Connection;
use crate::domain::ids::InstanceId;

/// Asks the instance metadata service (IMDSv2) for the id of this machine. Elsewhere than on EC2
/// there is no such service, and no id.
pub(crate) async fn own_instance(connection: &Connection) -> Option<InstanceId> {
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
