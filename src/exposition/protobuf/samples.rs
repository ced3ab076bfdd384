//! The samples of one metric, in the order in which Prometheus makes them.

use super::{
    super::{
        canonical::canonical_float,
        family::Kind,
        lines::{Reading, SampleLine},
        series::{Series, SeriesText},
        visit::{Expected, Summary, Visitor},
    },
    Reason,
    messages::{self, Bucket, Family, Histogram, Metric, Timestamp},
    series_text::SeriesBuffer,
};

/// All series texts of one body together. A histogram repeats its labels for each bucket, so a few kilobytes of
/// protobuf could otherwise be made into gigabytes of text; this is four times the default cap of a text body.
const MAX_TEXT_BYTES: usize = 64 << 20;

/// Tells the samples of metrics to a visitor.
pub(super) struct Teller<'v, V> {
    pub(super) visitor: &'v mut V,
    pub(super) summary: Summary,
    buffer: SeriesBuffer,
    text_bytes: usize,
}

impl<'v, V: Visitor> Teller<'v, V> {
    pub(super) fn new(visitor: &'v mut V) -> Self {
        Self { visitor, summary: Summary::default(), buffer: SeriesBuffer::default(), text_bytes: 0 }
    }

    /// Tells one metric. True if it is a native histogram, of which only count and sum could be told.
    pub(super) fn metric(&mut self, family: &Family, kind: Kind, metric: &Metric) -> Result<bool, Reason> {
        let name = family.name();
        let missing = || format!("a metric of family {:?} lacks the value of its type", super::quoted(name));
        self.buffer.labels(&metric.label);
        // 0 means none, as in Prometheus
        let timestamp_ms = metric.timestamp_ms.filter(|&timestamp| timestamp != 0);
        let mut told = Told { teller: self, name, timestamp_ms };
        match kind {
            Kind::Counter => told.counter(metric.counter.as_ref().ok_or_else(missing)?)?,
            Kind::Gauge => told.sample("", None, metric.gauge.ok_or_else(missing)?.value())?,
            Kind::Summary => told.summary(metric.summary.as_ref().ok_or_else(missing)?)?,
            Kind::Histogram | Kind::GaugeHistogram => {
                return told.histogram(metric.histogram.as_ref().ok_or_else(missing)?);
            }
            Kind::Unknown | Kind::Info | Kind::StateSet => {
                told.sample("", None, metric.untyped.ok_or_else(missing)?.value())?;
            }
        }
        Ok(false)
    }

    fn tell(&mut self, name: &str, suffix: &str, bound: Bound<'_>, reading: Reading) -> Result<(), Reason> {
        let text = self.buffer.write(name, suffix, bound);
        self.text_bytes += text.len();
        if self.text_bytes > MAX_TEXT_BYTES {
            return Err(format!("the series of the body have more than {MAX_TEXT_BYTES} bytes as text"));
        }
        self.summary.samples += 1;
        if self.visitor.expected() == Expected::Series(text.as_bytes()) {
            self.visitor.recognised(Some(reading));
            return Ok(());
        }
        Series::parse(text).map_err(|reason| format!("family {:?}: {reason}", super::quoted(name)))?;
        self.visitor.sample(&SampleLine { series: SeriesText::trusted(text), reading });
        Ok(())
    }
}

type Bound<'a> = Option<(&'a str, &'a str)>;

/// A metric that is being told.
struct Told<'t, 'v, V> {
    teller: &'t mut Teller<'v, V>,
    name: &'t str,
    timestamp_ms: Option<i64>,
}

impl<V: Visitor> Told<'_, '_, V> {
    fn sample(&mut self, suffix: &str, bound: Bound<'_>, value: f64) -> Result<(), Reason> {
        let reading = Reading { value, timestamp_ms: self.timestamp_ms };
        self.teller.tell(self.name, suffix, bound, reading)
    }

    fn counter(&mut self, counter: &messages::Counter) -> Result<(), Reason> {
        self.sample("", None, counter.value())?;
        // OpenMetrics names the start of x_total x_created
        self.name = self.name.strip_suffix("_total").unwrap_or(self.name);
        self.created(counter.start_timestamp)
    }

    fn summary(&mut self, summary: &messages::Summary) -> Result<(), Reason> {
        self.sample("_count", None, summary.sample_count() as f64)?;
        self.sample("_sum", None, summary.sample_sum())?;
        for quantile in &summary.quantile {
            let bound = canonical_float(quantile.quantile());
            self.sample("", Some(("quantile", &bound)), quantile.value())?;
        }
        self.created(summary.start_timestamp)
    }

    fn histogram(&mut self, histogram: &Histogram) -> Result<bool, Reason> {
        let count = overridden(histogram.sample_count(), histogram.sample_count_float());
        self.sample("_count", None, count)?;
        self.sample("_sum", None, histogram.sample_sum())?;
        self.created(histogram.start_timestamp)?;
        if histogram.bucket.is_empty() && is_native(histogram) {
            return Ok(true);
        }
        let mut complete = false;
        for bucket in &histogram.bucket {
            complete |= bucket.upper_bound() == f64::INFINITY;
            self.bucket(bucket)?;
        }
        if !complete {
            self.sample("_bucket", Some(("le", "+Inf")), count)?;
        }
        Ok(false)
    }

    fn bucket(&mut self, bucket: &Bucket) -> Result<(), Reason> {
        let bound = canonical_float(bucket.upper_bound());
        let count = overridden(bucket.cumulative_count(), bucket.cumulative_count_float());
        self.sample("_bucket", Some(("le", &bound)), count)
    }

    fn created(&mut self, start: Option<Timestamp>) -> Result<(), Reason> {
        let seconds = start.map_or(0.0, |start| start.seconds as f64 + f64::from(start.nanos) / 1e9);
        if seconds == 0.0 { Ok(()) } else { self.sample("_created", None, seconds) }
    }
}

fn is_native(histogram: &Histogram) -> bool {
    histogram.schema.is_some()
        || histogram.zero_threshold.is_some()
        || !histogram.positive_span.is_empty()
        || !histogram.negative_span.is_empty()
}

/// Histograms of floats leave the integer fields at 0.
fn overridden(count: u64, float_count: f64) -> f64 {
    if float_count > 0.0 { float_count } else { count as f64 }
}
