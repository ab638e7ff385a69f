//! Which settings differ, and which of them can change while the daemon runs.

use super::{Live, Settings};

/// What a running daemon follows; the rest is read once.
const LIVE: [&str; 5] =
    ["log.filter", "rate_limit.share_percent", "retry.first_ms", "retry.cap_ms", "scope.regions"];

impl Settings {
    /// What a running daemon follows of these settings.
    pub fn live(&self) -> Live {
        Live {
            retry: self.retry,
            share_percent: self.share_percent,
            regions: self.scope.regions.clone(),
        }
    }

    /// Whether a change of this key takes effect without a restart.
    pub fn can_change(key: &str) -> bool {
        LIVE.contains(&key)
    }

    /// The keys whose values differ.
    pub fn differences(&self, other: &Self) -> Vec<&'static str> {
        let (sizes, others) = (&self.sizes, &other.sizes);
        let keys = [
            ("policy.exception_tag", self.exception_tag == other.exception_tag),
            ("policy.denial_timeout_secs", self.denial_timeout == other.denial_timeout),
            ("queue.url", self.queue.address == other.queue.address),
            ("queue.wait_secs", self.queue.wait == other.queue.wait),
            (
                "queue.visibility_timeout_secs",
                self.queue.visibility_timeout == other.queue.visibility_timeout,
            ),
            ("topic.arn", self.topic.arn == other.topic.arn),
            ("scope.account", self.scope.account == other.scope.account),
            ("scope.regions", self.scope.regions == other.scope.regions),
            ("sizes.batch", sizes.batch == others.batch),
            ("sizes.stop_batch", sizes.stop_batch == others.stop_batch),
            ("sizes.inbox", sizes.inbox == others.inbox),
            ("sizes.stop_queue", sizes.stop_queue == others.stop_queue),
            ("sizes.pollers", sizes.pollers == others.pollers),
            ("sizes.evaluators", sizes.evaluators == others.evaluators),
            ("sizes.enforcers", sizes.enforcers == others.enforcers),
            ("sizes.notifiers", sizes.notifiers == others.notifiers),
            ("sizes.settlers", sizes.settlers == others.settlers),
            ("rate_limit.share_percent", self.share_percent == other.share_percent),
            ("retry.first_ms", self.retry.first == other.retry.first),
            ("retry.cap_ms", self.retry.cap == other.retry.cap),
            ("log.filter", self.log_filter == other.log_filter),
            ("admin.listen", self.admin_listen == other.admin_listen),
            ("drain.timeout_secs", self.drain_timeout == other.drain_timeout),
        ];
        keys.into_iter().filter(|(_, same)| !same).map(|(key, _)| key).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::tests::load;

    /// One value for every key that is not the default.
    const OTHERS: [(&str, &str); 23] = [
        ("EXCEPTION_TAG", "Other"),
        ("ENFORCER_POLICY__DENIAL_TIMEOUT_SECS", "7"),
        ("SQS_QUEUE_URL", "other"),
        ("ENFORCER_QUEUE__WAIT_SECS", "7"),
        ("ENFORCER_QUEUE__VISIBILITY_TIMEOUT_SECS", "7"),
        ("SNS_TOPIC_ARN", "arn:aws:sns:us-east-1:123456789012:other"),
        ("ENFORCER_SCOPE__ACCOUNT", "123456789012"),
        ("ENFORCER_SCOPE__REGIONS", "eu-west-1"),
        ("ENFORCER_SIZES__BATCH", "7"),
        ("ENFORCER_SIZES__STOP_BATCH", "7"),
        ("ENFORCER_SIZES__INBOX", "88"),
        ("ENFORCER_SIZES__STOP_QUEUE", "7"),
        ("ENFORCER_SIZES__POLLERS", "7"),
        ("ENFORCER_SIZES__EVALUATORS", "7"),
        ("ENFORCER_SIZES__ENFORCERS", "7"),
        ("ENFORCER_SIZES__NOTIFIERS", "7"),
        ("ENFORCER_SIZES__SETTLERS", "7"),
        ("ENFORCER_RATE_LIMIT__SHARE_PERCENT", "7"),
        ("ENFORCER_RETRY__FIRST_MS", "77"),
        ("ENFORCER_RETRY__CAP_MS", "777"),
        ("ENFORCER_LOG__FILTER", "debug"),
        ("ENFORCER_ADMIN__LISTEN", "off"),
        ("ENFORCER_DRAIN__TIMEOUT_SECS", "7"),
    ];

    #[test]
    fn every_setting_that_differs_is_named() {
        let defaults = load(None, &[]).unwrap();
        assert!(defaults.differences(&defaults).is_empty());
        for (name, value) in OTHERS {
            let other = load(None, &[(name, value)]).unwrap();
            assert_eq!(other.differences(&defaults).len(), 1, "{name}");
        }
        assert_eq!(load(None, &OTHERS).unwrap().differences(&defaults).len(), OTHERS.len());
    }

    #[test]
    fn only_regions_the_share_retries_and_the_filter_change_without_a_restart() {
        let defaults = load(None, &[]).unwrap();
        let all = load(None, &OTHERS).unwrap().differences(&defaults);
        let live: Vec<_> = all.into_iter().filter(|key| Settings::can_change(key)).collect();
        let expected = [
            "scope.regions",
            "rate_limit.share_percent",
            "retry.first_ms",
            "retry.cap_ms",
            "log.filter",
        ];
        assert_eq!(live, expected);
    }
}
