//! Counts and measures by name, in a recorder of its own: a global one could serve only one run.

use std::sync::atomic::{AtomicUsize, Ordering};

use metrics::{Key, KeyName, Label, Level, Metadata, Recorder as _};
use metrics_exporter_prometheus::{
    Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder,
};

use super::table::{Kind, Metric, TABLE};

const METADATA: Metadata<'static> = Metadata::new(module_path!(), Level::INFO, None);

/// A few dozen kilobytes: in a burst, what is measured in 10 s would take megabytes.
const MOST_UNSORTED: usize = 4096;

/// Names and values of labels.
pub(super) type Labels<'label> = &'label [(&'static str, &'label str)];

/// Where everything is written down.
#[derive(Debug)]
pub(super) struct Recorder {
    prometheus: PrometheusRecorder,
    text: PrometheusHandle,
    /// Measurements that take memory one by one until they are sorted into their bounds.
    unsorted: AtomicUsize,
}

impl Default for Recorder {
    /// Everything at zero.
    fn default() -> Self {
        let prometheus = prometheus();
        let recorder =
            Self { text: prometheus.handle(), prometheus, unsorted: AtomicUsize::new(0) };
        for metric in TABLE {
            recorder.describe(metric);
            recorder.begin(metric);
        }
        recorder
    }
}

fn prometheus() -> PrometheusRecorder {
    let mut builder = PrometheusBuilder::new();
    for Metric { name, kind, .. } in TABLE {
        if let Kind::Histogram(bounds) = kind {
            #[expect(clippy::expect_used, reason = "only an empty list of bounds is refused")]
            let with_bounds = builder
                .set_buckets_for_metric(Matcher::Full(name.to_owned()), bounds)
                .expect("bounds");
            builder = with_bounds;
        }
    }
    builder.build_recorder()
}

impl Recorder {
    /// Everything in the text form that Prometheus scrapes.
    pub(super) fn text(&self) -> String {
        self.text.render()
    }

    /// Sorts what was measured into its bounds, which takes memory until then.
    pub(super) fn sort(&self) {
        self.unsorted.store(0, Ordering::Relaxed);
        self.text.run_upkeep();
    }

    /// Adds to a counter.
    pub(super) fn count(&self, name: &'static str, labels: Labels<'_>, count: u64) {
        self.prometheus.register_counter(&key(name, labels), &METADATA).increment(count);
    }

    /// Sets a gauge.
    pub(super) fn set(&self, name: &'static str, labels: Labels<'_>, value: f64) {
        self.prometheus.register_gauge(&key(name, labels), &METADATA).set(value);
    }

    /// Moves a gauge up or down.
    pub(super) fn change(&self, name: &'static str, by: f64) {
        self.prometheus.register_gauge(&key(name, &[]), &METADATA).increment(by);
    }

    /// Adds a value to a histogram.
    pub(super) fn measure(&self, name: &'static str, labels: Labels<'_>, value: f64) {
        self.prometheus.register_histogram(&key(name, labels), &METADATA).record(value);
        if self.unsorted.fetch_add(1, Ordering::Relaxed) == MOST_UNSORTED {
            self.sort();
        }
    }

    fn describe(&self, Metric { name, kind, meaning, .. }: Metric) {
        let (name, meaning) = (KeyName::from_const_str(name), meaning.into());
        match kind {
            Kind::Counter => self.prometheus.describe_counter(name, None, meaning),
            Kind::Gauge => self.prometheus.describe_gauge(name, None, meaning),
            Kind::Histogram(_) => self.prometheus.describe_histogram(name, None, meaning),
        }
    }

    /// Shows counters whose labels are known at 0, so that the first increase can be seen.
    fn begin(&self, metric: Metric) {
        let Kind::Counter = metric.kind else { return };
        match metric.labels {
            [] => self.count(metric.name, &[], 0),
            [(label, values)] => {
                values.iter().for_each(|value| self.count(metric.name, &[(label, value)], 0));
            }
            _ => {}
        }
    }
}

fn key(name: &'static str, labels: Labels<'_>) -> Key {
    let labels = labels.iter().map(|(label, value)| Label::new(*label, (*value).to_owned()));
    Key::from_parts(name, labels.collect::<Vec<_>>())
}
