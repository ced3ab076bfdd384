//! How metrics come into the registry: described once, children resolved once.

use std::{marker::PhantomData, sync::OnceLock};

use prometheus::{
    Error, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry,
    core::{Collector, Desc},
    proto::{Counter, Gauge as GaugeValue, LabelPair, Metric, MetricFamily, MetricType},
};

use super::label::{LabelValues, Labels, values_at};

/// A metric as `docs/metrics.md` lists it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Described {
    /// Its whole name.
    pub name: String,
    /// `counter`, `gauge` or `histogram`.
    pub kind: Kind,
    /// Its labels.
    pub labels: Vec<LabelValues>,
    /// What it means.
    pub help: &'static str,
}

/// The types of metrics.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Only goes up.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts by bucket.
    Histogram,
}

impl Kind {
    /// As the exposition has it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// Puts metrics into a registry and notes down what they are.
pub(super) struct Registration<'r> {
    pub(super) registry: &'r Registry,
    pub(super) described: &'r mut Vec<Described>,
}

/// The children of a metric, by their labels.
pub(super) struct Children<M, L> {
    all: Box<[OnceLock<Option<M>>]>,
    resolve: Resolve<M>,
    labels: PhantomData<L>,
}

/// Gives the child of these label values.
type Resolve<M> = Box<dyn Fn(&[&'static str]) -> Option<M> + Send + Sync>;

pub(super) type Counters<L> = Children<IntCounter, L>;
pub(super) type Histograms<L> = Children<Histogram, L>;

impl<M, L: Labels> Children<M, L> {
    fn new(resolve: Resolve<M>) -> Self {
        let all = (0..L::COUNT).map(|_| OnceLock::new()).collect();
        let children = Self { all, resolve, labels: PhantomData };
        if L::COUNT <= FEW {
            for place in 0..L::COUNT {
                let _ = children.at(place);
            }
        }
        children
    }

    /// The child of these labels, resolved the first time.
    pub(super) fn of(&self, labels: L) -> Option<&M> {
        self.at(labels.index())
    }

    fn at(&self, place: usize) -> Option<&M> {
        let resolve = || (self.resolve)(&values_at(&L::described(), place));
        self.all.get(place)?.get_or_init(resolve).as_ref()
    }
}

impl<L: Labels> Counters<L> {
    /// Counts `more`.
    pub(super) fn add(&self, labels: L, more: usize) {
        if let Some(counter) = self.of(labels) {
            counter.inc_by(more as u64);
        }
    }
}

impl<L: Labels> Histograms<L> {
    /// Counts one observation.
    pub(super) fn observe(&self, labels: L, value: f64) {
        if let Some(histogram) = self.of(labels) {
            histogram.observe(value);
        }
    }
}

impl Registration<'_> {
    /// A counter.
    pub(super) fn counters<L: Labels>(
        &mut self,
        name: &str,
        help: &'static str,
    ) -> Result<Counters<L>, Error> {
        let name = self.describe::<L>(name, Kind::Counter, help);
        let vec = IntCounterVec::new(Opts::new(name, help), &names(&L::described()))?;
        self.registry.register(Box::new(vec.clone()))?;
        Ok(Children::new(Box::new(move |values| vec.get_metric_with_label_values(values).ok())))
    }

    /// A histogram with these upper bounds.
    pub(super) fn histograms<L: Labels>(
        &mut self,
        name: &str,
        help: &'static str,
        buckets: &[f64],
    ) -> Result<Histograms<L>, Error> {
        let name = self.describe::<L>(name, Kind::Histogram, help);
        let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
        let vec = HistogramVec::new(options, &names(&L::described()))?;
        self.registry.register(Box::new(vec.clone()))?;
        Ok(Children::new(Box::new(move |values| vec.get_metric_with_label_values(values).ok())))
    }

    /// A gauge that is told of each change.
    pub(super) fn gauge(&mut self, name: &str, help: &'static str) -> Result<IntGauge, Error> {
        let name = self.describe::<()>(name, Kind::Gauge, help);
        let gauge = IntGauge::new(name, help)?;
        self.registry.register(Box::new(gauge.clone()))?;
        Ok(gauge)
    }

    /// Metrics that are read, all of them at once, when somebody asks for the page.
    pub(super) fn readings(
        &mut self,
        what: &[Reading],
        read: impl Fn(&mut Readings<'_>) + Send + Sync + 'static,
    ) -> Result<(), Error> {
        let described: Vec<Described> = what.iter().map(Reading::described).collect();
        let desc = |metric: &Described| {
            let names = names(&metric.labels).into_iter().map(str::to_owned).collect();
            Desc::new(metric.name.clone(), metric.help.to_owned(), names, std::collections::HashMap::new())
        };
        let descs = described.iter().map(desc).collect::<Result<_, _>>()?;
        self.described.extend(described.iter().cloned());
        self.registry.register(Box::new(ReadWhenAsked { described, descs, read: Box::new(read) }))
    }

    fn describe<L: Labels>(&mut self, name: &str, kind: Kind, help: &'static str) -> String {
        let name = whole(name);
        self.described.push(Described { name: name.clone(), kind, labels: L::described(), help });
        name
    }
}

/// One metric of [`Registration::readings`].
pub(super) struct Reading {
    name: &'static str,
    kind: Kind,
    labels: Vec<LabelValues>,
    help: &'static str,
}

impl Reading {
    pub(super) fn gauge(name: &'static str, help: &'static str) -> Self {
        Self { name, kind: Kind::Gauge, labels: Vec::new(), help }
    }

    pub(super) fn counter(name: &'static str, help: &'static str) -> Self {
        Self { name, kind: Kind::Counter, labels: Vec::new(), help }
    }

    /// With labels whose values are names, not of a closed set.
    pub(super) fn named(self, labels: &[&'static str]) -> Self {
        let labels = labels.iter().map(|name| LabelValues { name, values: &[] }).collect();
        Self { labels, ..self }
    }

    pub(super) fn by<L: Labels>(self) -> Self {
        Self { labels: L::described(), ..self }
    }

    fn described(&self) -> Described {
        let Self { name, kind, ref labels, help } = *self;
        Described { name: whole(name), kind, labels: labels.clone(), help }
    }
}

/// What is read for one page.
pub(super) struct Readings<'a> {
    described: &'a [Described],
    families: Vec<Vec<Metric>>,
}

impl Readings<'_> {
    /// A metric without labels.
    pub(super) fn put(&mut self, name: &str, value: f64) {
        self.put_by(name, (), value);
    }

    /// A metric with labels.
    pub(super) fn put_by<L: Labels>(&mut self, name: &str, labels: L, value: f64) {
        self.put_at(name, |described| values_at(&described.labels, labels.index()), value);
    }

    /// A metric with labels whose values are names, in their order.
    pub(super) fn put_named(&mut self, name: &str, values: &[&str], value: f64) {
        self.put_at(name, |_| values.to_vec(), value);
    }

    fn put_at<'v>(&mut self, name: &str, values: impl FnOnce(&Described) -> Vec<&'v str>, value: f64) {
        let is_it = |metric: &Described| metric.name.strip_prefix(PREFIX).unwrap_or(&metric.name) == name;
        let Some(at) = self.described.iter().position(is_it) else { return };
        let (Some(metric), Some(family)) = (self.described.get(at), self.families.get_mut(at)) else {
            return;
        };
        family.push(sample(metric, &values(metric), value));
    }
}

fn sample(described: &Described, values: &[&str], value: f64) -> Metric {
    let pairs = described.labels.iter().zip(values).map(|(label, value)| {
        let mut pair = LabelPair::default();
        pair.set_name(label.name.to_owned());
        pair.set_value((*value).to_owned());
        pair
    });
    let mut metric = Metric::from_label(pairs.collect());
    match described.kind {
        Kind::Counter => {
            let mut counter = Counter::default();
            counter.set_value(value);
            metric.set_counter(counter);
        }
        Kind::Gauge | Kind::Histogram => {
            let mut gauge = GaugeValue::default();
            gauge.set_value(value);
            metric.set_gauge(gauge);
        }
    }
    metric
}

/// Called with a page's readings to fill.
type Read = Box<dyn Fn(&mut Readings<'_>) + Send + Sync>;

struct ReadWhenAsked {
    described: Vec<Described>,
    descs: Vec<Desc>,
    read: Read,
}

impl Collector for ReadWhenAsked {
    fn desc(&self) -> Vec<&Desc> {
        self.descs.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let families = vec![Vec::new(); self.described.len()];
        let mut readings = Readings { described: &self.described, families };
        (self.read)(&mut readings);
        let families = self.described.iter().zip(readings.families);
        families.filter(|(_, samples)| !samples.is_empty()).map(family).collect()
    }
}

fn family((described, samples): (&Described, Vec<Metric>)) -> MetricFamily {
    let mut family = MetricFamily::default();
    family.set_name(described.name.clone());
    family.set_help(described.help.to_owned());
    family.set_field_type(match described.kind {
        Kind::Counter => MetricType::COUNTER,
        Kind::Gauge | Kind::Histogram => MetricType::GAUGE,
    });
    family.set_metric(samples);
    family
}

/// Names of the process's metrics are everybody's; ours say whose they are.
fn whole(name: &str) -> String {
    if name.starts_with("process_") { name.to_owned() } else { format!("{PREFIX}{name}") }
}

fn names(labels: &[LabelValues]) -> Vec<&'static str> {
    labels.iter().map(|label| label.name).collect()
}

const PREFIX: &str = "custom_metrics_adapter_";

/// A metric of so few series has them from the start: a rate over a series that has just appeared misses its first count.
const FEW: usize = 32;
