//! Counters, gauges and histograms by name, in a recorder that each run has for itself: the
//! `metrics` crate's global one would mix the runs of one process.

use std::sync::atomic::{AtomicUsize, Ordering};

use metrics::{Key, KeyName, Label, Level, Metadata, Recorder as _};
use metrics_exporter_prometheus::{
    Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder,
};

use super::table::{Kind, Metric, TABLE};

/// What the `metrics` crate wants to know of the caller; the Prometheus recorder does not use it.
const METADATA: Metadata<'static> = Metadata::new(module_path!(), Level::INFO, None);

/// How many measurements may be kept before they are sorted into buckets: they take a few dozen
/// kilobytes. Without this limit, the measurements of 10 s in a burst would take megabytes.
const MOST_UNSORTED: usize = 4096;

/// Names and values of labels.
pub(super) type Labels<'label> = &'label [(&'static str, &'label str)];

/// The metrics of one run.
#[derive(Debug)]
pub(super) struct Recorder {
    prometheus: PrometheusRecorder,
    /// Renders the metrics, and sorts measurements into buckets.
    handle: PrometheusHandle,
    /// How many measurements have not been sorted into the buckets of their histograms.
    unsorted: AtomicUsize,
}

impl Default for Recorder {
    /// A recorder that describes every metric of the table, with counters at 0.
    fn default() -> Self {
        let prometheus = prometheus();
        let recorder =
            Self { handle: prometheus.handle(), prometheus, unsorted: AtomicUsize::new(0) };
        for metric in TABLE {
            recorder.describe(metric);
            recorder.start_at_zero(metric);
        }
        recorder
    }
}

/// A recorder that knows the buckets of the histograms.
fn prometheus() -> PrometheusRecorder {
    let mut builder = PrometheusBuilder::new();
    for Metric { name, kind, .. } in TABLE {
        if let Kind::Histogram(buckets) = kind {
            #[expect(clippy::expect_used, reason = "only an empty list of buckets is refused")]
            let with_buckets = builder
                .set_buckets_for_metric(Matcher::Full(name.to_owned()), buckets)
                .expect("buckets");
            builder = with_buckets;
        }
    }
    builder.build_recorder()
}

impl Recorder {
    /// All metrics in the text format that Prometheus scrapes.
    pub(super) fn render(&self) -> String {
        self.handle.render()
    }

    /// Sorts measurements into the buckets of their histograms, which frees their memory.
    pub(super) fn upkeep(&self) {
        self.unsorted.store(0, Ordering::Relaxed);
        self.handle.run_upkeep();
    }

    /// Adds to a counter.
    pub(super) fn count(&self, name: &'static str, labels: Labels<'_>, count: u64) {
        self.prometheus.register_counter(&key(name, labels), &METADATA).increment(count);
    }

    /// Sets a counter that is counted elsewhere.
    pub(super) fn set_count(&self, name: &'static str, count: u64) {
        self.prometheus.register_counter(&key(name, &[]), &METADATA).absolute(count);
    }

    /// Sets a gauge.
    pub(super) fn set(&self, name: &'static str, labels: Labels<'_>, value: f64) {
        self.prometheus.register_gauge(&key(name, labels), &METADATA).set(value);
    }

    /// Adds to a gauge, or subtracts from it.
    pub(super) fn change(&self, name: &'static str, by: f64) {
        self.prometheus.register_gauge(&key(name, &[]), &METADATA).increment(by);
    }

    /// Adds a value to a histogram.
    pub(super) fn measure(&self, name: &'static str, labels: Labels<'_>, value: f64) {
        self.prometheus.register_histogram(&key(name, labels), &METADATA).record(value);
        if self.unsorted.fetch_add(1, Ordering::Relaxed) == MOST_UNSORTED {
            self.upkeep();
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

    /// Shows counters whose label values are known at 0. Prometheus sees no increase if a counter
    /// first appears at 1.
    fn start_at_zero(&self, metric: Metric) {
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

/// A metric's name together with its labels, by which the recorder finds it.
fn key(name: &'static str, labels: Labels<'_>) -> Key {
    let labels = labels.iter().map(|(label, value)| Label::new(*label, (*value).to_owned()));
    Key::from_parts(name, labels.collect::<Vec<_>>())
}
