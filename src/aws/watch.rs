//! Who answers the calls of a connection, and what time it is there: for comparing the machine's
//! clock with AWS's.

use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use aws_smithy_runtime_api::client::http::{HttpConnectorFuture, SharedHttpClient};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;

use crate::aws::headers::is_from_aws;
use crate::aws::layer;
use crate::aws::unreached::host;

/// The same moment by two clocks, apart from the time that the answer travelled.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dated {
    /// When AWS sent an answer, by AWS's clock: its `Date` header, in whole seconds.
    pub sent: SystemTime,
    /// When the answer was read, by the machine's clock.
    pub came: SystemTime,
}

/// What is seen of the calls of a connection. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Watch {
    host: Arc<OnceLock<String>>,
    dated: Arc<OnceLock<Dated>>,
}

impl Watch {
    /// The host that the first call went to; nothing if there was none.
    pub(crate) fn host(&self) -> Option<String> {
        self.host.get().cloned()
    }

    /// The date of the first answer of AWS. An error has one too, even an error about a wrong
    /// clock, but what a proxy answers does not count.
    pub(crate) fn dated(&self) -> Option<Dated> {
        self.dated.get().copied()
    }

    /// The client, with its calls watched.
    pub(super) fn over(&self, client: SharedHttpClient) -> SharedHttpClient {
        let watch = self.clone();
        layer::around(client, move |asked, answer| {
            let watch = watch.clone();
            watch.host.get_or_init(|| host(&asked.url));
            HttpConnectorFuture::new(async move {
                let answer = answer.await?;
                watch.keep_date(&answer);
                Ok(answer)
            })
        })
    }

    fn keep_date(&self, answer: &HttpResponse) {
        if let Some(sent) = date_by_aws(answer) {
            self.dated.get_or_init(|| Dated { sent, came: SystemTime::now() });
        }
    }
}

/// When AWS sent an answer, by its `Date` header; `None` if the answer has none or is not AWS's.
pub(super) fn date_by_aws(answer: &HttpResponse) -> Option<SystemTime> {
    let headers = answer.headers();
    headers.get("date").filter(|_| is_from_aws(headers)).and_then(parse)
}

fn parse(date: &str) -> Option<SystemTime> {
    DateTime::from_str(date, Format::HttpDate).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use aws_smithy_types::body::SdkBody;

    use super::*;

    /// When an answer with these headers was sent, if that counts.
    fn sent(headers: &[(&'static str, &'static str)]) -> Option<SystemTime> {
        let mut answer = HttpResponse::new(407.try_into().unwrap(), SdkBody::empty());
        for (name, value) in headers {
            answer.headers_mut().insert(*name, *value);
        }
        let watch = Watch::default();
        watch.keep_date(&answer);
        watch.dated().map(|dated| dated.sent)
    }

    #[test]
    fn only_an_answer_of_aws_tells_the_time() {
        let date = ("date", "Tue, 05 May 2026 07:12:31 GMT");
        let moment = SystemTime::UNIX_EPOCH + Duration::from_secs(1_777_965_151);
        assert_eq!(sent(&[date, ("x-amzn-requestid", "1")]), Some(moment));
        assert_eq!(sent(&[date, ("content-type", "text/html")]), None);
        assert_eq!(sent(&[("date", "yesterday"), ("x-amzn-requestid", "1")]), None);
    }
}
