//! Lists that EC2 gives in pages, which it answers here from a script.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_config::{BehaviorVersion, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use tokio::time::Instant;

use super::*;
use crate::aws::connection::TimeLimits;
use crate::aws::error::Class;
use crate::domain::policy::Policies;
use crate::telemetry::metrics::Metrics;

const DELAY: Duration = Duration::from_secs(1);
const LIMIT: Duration = Duration::from_secs(10);

/// Answers calls with pages, one after the other, each a second after its call. A call after the
/// last page hangs.
#[derive(Clone, Debug)]
struct Script(Arc<Mutex<VecDeque<String>>>);

impl HttpConnector for Script {
    fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
        let page = self.0.lock().unwrap().pop_front();
        HttpConnectorFuture::new(async move {
            tokio::time::sleep(DELAY).await;
            let Some(page) = page else { return std::future::pending().await };
            Ok(HttpResponse::new(200.try_into().unwrap(), SdkBody::from(page)))
        })
    }
}

struct World {
    instances: Instances,
    metrics: Arc<Metrics>,
}

impl World {
    fn answering(pages: &[String]) -> Self {
        let script = Script(Arc::new(Mutex::new(pages.iter().cloned().collect())));
        let client = http_client_fn(move |_, _| SharedHttpConnector::new(script.clone()));
        let credentials = Credentials::new("key", "secret", None, None, "test");
        let sdk = SdkConfig::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .http_client(client)
            .build();
        let metrics = Arc::default();
        let limits = TimeLimits::all(LIMIT);
        let connection = Connection::new(sdk, &metrics, limits);
        let region = Region::parse("us-east-1").unwrap();
        Self {
            instances: Instances::new(&connection, &region, Policies::builtin("key").reads()),
            metrics,
        }
    }

    /// How many calls ended with this result.
    fn calls(&self, result: &str) -> usize {
        let result = format!("result=\"{result}\"}} ");
        let text = self.metrics.render();
        let counts = text.lines().filter(|line| line.starts_with("enforcer_aws_calls_total"));
        let counts = counts.filter_map(|line| line.split_once(&result)?.1.parse::<usize>().ok());
        counts.sum()
    }
}

fn id(number: u8) -> InstanceId {
    InstanceId::parse(&format!("i-0000000{number}")).unwrap()
}

fn ids() -> BTreeSet<InstanceId> {
    (1..=3).map(id).collect()
}

/// A page with the tag of one instance.
fn tag_page(number: u8, next: Option<&str>) -> String {
    let id = id(number);
    let next = next.map(|next| format!("<nextToken>{next}</nextToken>")).unwrap_or_default();
    format!(
        "<DescribeTagsResponse><tagSet><item><resourceId>{id}</resourceId>\
         <resourceType>instance</resourceType><key>key</key><value/></item></tagSet>{next}\
         </DescribeTagsResponse>"
    )
}

/// A page with one instance.
fn instance_page(number: u8, next: Option<&str>) -> String {
    let id = id(number);
    let next = next.map(|next| format!("<nextToken>{next}</nextToken>")).unwrap_or_default();
    format!(
        "<DescribeInstancesResponse><reservationSet><item><instancesSet><item>\
         <instanceId>{id}</instanceId></item></instancesSet></item></reservationSet>{next}\
         </DescribeInstancesResponse>"
    )
}

#[tokio::test(start_paused = true)]
async fn every_page_is_read_and_counted() {
    let pages = [tag_page(1, Some("2")), tag_page(2, Some("3")), tag_page(3, None)];
    let world = World::answering(&pages);
    let tags = world.instances.tags(&ids()).await.unwrap();
    assert_eq!(tags.into_keys().collect::<BTreeSet<_>>(), ids());
    assert_eq!(world.calls("ok"), 3);
}

#[tokio::test(start_paused = true)]
async fn a_description_is_as_old_as_the_call_for_its_first_page() {
    let pages = [instance_page(1, Some("2")), instance_page(2, Some("3")), instance_page(3, None)];
    let world = World::answering(&pages);
    let described = world.instances.describe(&ids(), Clock::System).await.unwrap();
    assert_eq!(described.facts.into_keys().collect::<BTreeSet<_>>(), ids());
    assert_eq!((described.at.elapsed(), described.pages), (3 * DELAY, 3));
    assert_eq!(world.calls("ok"), 3);
}

#[tokio::test(start_paused = true)]
async fn a_tag_that_one_of_several_pages_with_an_instance_shows_is_there() {
    let tag = "<tagSet><item><key>key</key><value/></item></tagSet></item></inst";
    let tagged = instance_page(1, Some("2")).replace("</item></inst", tag);
    let world = World::answering(&[tagged, instance_page(1, None)]);
    let facts = world.instances.describe(&ids(), Clock::System).await.unwrap().facts;
    assert_eq!(facts[&id(1)].tags.keys().collect::<Vec<_>>(), ["key"]);
}

#[tokio::test(start_paused = true)]
async fn an_empty_token_ends_a_list() {
    let world = World::answering(&[tag_page(1, Some(""))]);
    assert_eq!(world.instances.tags(&ids()).await.unwrap().len(), 1);
    let world = World::answering(&[instance_page(1, Some(""))]);
    assert_eq!(world.instances.describe(&ids(), Clock::System).await.unwrap().facts.len(), 1);
    assert_eq!(world.calls("ok"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_list_that_repeats_a_token_is_an_error_and_not_taken_for_whole() {
    let world = World::answering(&[tag_page(1, Some("2")), tag_page(2, Some("2"))]);
    let error = world.instances.tags(&ids()).await.unwrap_err();
    assert_eq!((error.class, &*error.code), (Class::Transient, "RepeatedPage"));
    let world = World::answering(&[instance_page(1, Some("2")), instance_page(2, Some("2"))]);
    let error = world.instances.describe(&ids(), Clock::System).await.unwrap_err();
    assert_eq!((error.class, &*error.code), (Class::Transient, "RepeatedPage"));
    assert_eq!(world.calls("ok"), 2);
}

#[tokio::test(start_paused = true)]
async fn a_page_with_a_mistake_is_an_error_and_not_taken_for_whole() {
    for mistake in
        ["\u{1}", "]]>", "<!-- -- -->", "<a b=c/>", "<a b=\"&c;\"/>", "<a></b>", "<a>", "</a>"]
    {
        let page = tag_page(1, None).replace("<tagSet>", &format!("<tagSet>{mistake}"));
        let error = World::answering(&[page]).instances.tags(&ids()).await.unwrap_err();
        assert_eq!((error.class, &*error.code), (Class::Unknown, "ResponseError"), "{mistake}");
        let page = instance_page(1, None).replace("<item><inst", &format!("{mistake}<item><inst"));
        let world = World::answering(&[page]);
        let error = world.instances.describe(&ids(), Clock::System).await.unwrap_err();
        assert_eq!((error.class, &*error.code), (Class::Unknown, "ResponseError"), "{mistake}");
    }
}

#[tokio::test(start_paused = true)]
async fn each_page_has_the_time_limit_of_a_call() {
    let began = Instant::now();
    let world = World::answering(&[tag_page(1, Some("2"))]);
    let error = world.instances.tags(&ids()).await.unwrap_err();
    assert_eq!((error.class, &*error.code), (Class::Unknown, "TimeoutError"));
    assert_eq!(began.elapsed(), DELAY + LIMIT);
    assert_eq!((world.calls("ok"), world.calls("timeout")), (1, 1));
}
