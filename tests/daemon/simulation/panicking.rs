//! Lets batches panic: the HTTP client of a process panics at the answers that a fault marks. A panic
//! elsewhere would end the process.

use aws_config::SdkConfig;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use ec2_policy_enforcer::sandbox::Fault;

/// The error code at which the client panics. AWS has none like it.
const CODE: &str = "PanicOfTheCaller";

/// The caller panics. The call has had its effect, or not.
pub(super) fn fault(has_effect: bool) -> Fault {
    if has_effect { Fault::CutAnswer { bytes: 0 } } else { Fault::error(400, CODE) }
}

/// Has an HTTP client that panics at these faults.
pub(super) fn panicking(sdk: &SdkConfig) -> SdkConfig {
    let inner = sdk.http_client().unwrap();
    let client = http_client_fn(move |settings, components| {
        SharedHttpConnector::new(Panicking(inner.http_connector(settings, components)))
    });
    sdk.to_builder().http_client(client).build()
}

#[derive(Debug)]
struct Panicking(SharedHttpConnector);

impl HttpConnector for Panicking {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let is_of_a_batch = !is_to_operators(&request);
        let answer = self.0.call(request);
        HttpConnectorFuture::new(async move {
            let answer = answer.await?;
            assert!(!(is_of_a_batch && is_marked(&answer)), "a batch panics");
            Ok(answer)
        })
    }
}

/// Whether a request publishes a notice to operators, which no batch does.
fn is_to_operators(request: &HttpRequest) -> bool {
    let body = request.body().bytes().unwrap_or_default();
    ["More%20instances%20than%20", "Within%20an%20hour%20", "These%20calls%20fail%2C%20"]
        .iter()
        .any(|begin| contains(body, begin))
}

/// No other answer of the sandbox is empty.
fn is_marked(answer: &HttpResponse) -> bool {
    let body = answer.body().bytes().unwrap_or_default();
    body.is_empty() || contains(body, CODE)
}

fn contains(body: &[u8], text: &str) -> bool {
    body.windows(text.len()).any(|part| part == text.as_bytes())
}
