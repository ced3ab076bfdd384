//! A pod of a store, scraped by hand.

use std::sync::Arc;

use custom_metrics_adapter::{
    model::{GroupResource, MetricName, MetricSelector, ObjectRef, Presence, Uid},
    store::{
        Absence, Failure, Fold, Limits, Query, Scrape, SeriesKind, Shape, ShapeBuilder, Store, Target,
        TargetOptions,
    },
};
use jiff::{SignedDuration, Timestamp};

use crate::judge::Answer;

/// How often a pod is scraped, what rates are computed over, and how old a value may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    pub(crate) interval: f64,
    pub(crate) window: f64,
}

impl Pace {
    /// How old the newest good scrape may be.
    pub(crate) fn max_age(self) -> f64 {
        (2.5 * self.interval).max(self.interval + 10.0)
    }
}

/// One line of an exposition.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) name: &'static str,
    pub(crate) kind: SeriesKind,
    pub(crate) labels: Vec<(&'static str, String)>,
    pub(crate) value: f64,
    /// When the series began to count, where `NAME_created` says so.
    pub(crate) created: Option<f64>,
}

impl Line {
    pub(crate) fn new(name: &'static str, kind: SeriesKind, value: f64) -> Self {
        Self { name, kind, labels: Vec::new(), value, created: None }
    }

    fn key(&self) -> String {
        format!("{}{:?}{:?}", self.name, self.kind, self.labels)
    }
}

/// A store with one pod.
pub(crate) struct Pod {
    store: Store,
    pace: Pace,
}

/// One port of the pod.
pub(crate) struct Port {
    target: Target,
    last: Vec<String>,
    shape: Arc<Shape>,
}

impl Pod {
    pub(crate) fn new(pace: Pace) -> Self {
        Self { store: Store::new(Limits::default()), pace }
    }

    pub(crate) fn port(&self, name: &str) -> Port {
        let options = TargetOptions {
            object: pod(),
            uid: Uid("a".into()),
            created: Timestamp::UNIX_EPOCH,
            name: name.into(),
            interval: duration(self.pace.interval),
            window: duration(self.pace.window),
            max_age: duration(self.pace.max_age()),
            fold: Fold::Sum,
            max_age_after_timeout: duration(self.pace.max_age()),
            raw_counters: false,
            derived: Arc::default(),
        };
        Port { target: self.store.target(options), last: Vec::new(), shape: Arc::default() }
    }

    /// What the HPA is told at a moment.
    pub(crate) fn ask(&self, metric: &str, selector: &str, now: f64) -> Result<Answer, Absence> {
        let selector = MetricSelector::parse(selector).unwrap();
        let query = Query { presence: &Presence::Unknown, selector: &selector, now: moment(now) };
        let sample = self.store.read(&pod(), &MetricName::new(metric).unwrap(), query)?.sample;
        let at = (sample.timestamp - START).total(jiff::Unit::Second).unwrap();
        let window = f64::from(sample.window_seconds.unwrap_or_default());
        Ok(Answer { value: sample.value.to_f64(), at, window })
    }
}

impl Port {
    /// A good scrape: what the page had at that moment.
    pub(crate) fn scrape(&mut self, at: f64, started: Option<f64>, lines: &[Line]) {
        let (keys, values) = self.parse(lines);
        let moved = (keys != self.last).then(|| {
            self.shape = Arc::new(shape(lines));
            let place = |key| self.last.iter().position(|last| last == key).map(|place| place as u32);
            keys.iter().map(place).collect::<Vec<_>>()
        });
        let moved = moved.filter(|_| !self.last.is_empty());
        let scrape = Scrape {
            process_started: started.map(moment),
            moved: moved.as_deref(),
            ..Scrape::new(moment(at), &self.shape, &values)
        };
        self.target.append(scrape).unwrap();
        self.last = keys;
    }

    /// A scrape that failed.
    pub(crate) fn fails(&self) {
        self.target.failed(&Failure { error: "it took longer than 5 s".into(), timed_out: true });
    }

    fn parse(&self, lines: &[Line]) -> (Vec<String>, Vec<f64>) {
        let created = lines.iter().filter_map(|line| Some((line, line.created?)));
        let keys = lines.iter().map(Line::key);
        let created_keys = created.clone().map(|(line, _)| format!("created {}", line.key()));
        let values = lines.iter().map(|line| line.value);
        let created_values = created.map(|(_, created)| EPOCH as f64 + created);
        (keys.chain(created_keys).collect(), values.chain(created_values).collect())
    }
}

fn shape(lines: &[Line]) -> Shape {
    let mut builder = ShapeBuilder::default();
    let labels = |line: &Line| line.labels.clone();
    let mut add = |name: &str, kind, line: &Line| {
        let labels = labels(line);
        builder.add(name, kind, labels.iter().map(|(name, value)| (*name, value.as_str())))
    };
    let places: Vec<u32> = lines.iter().map(|line| add(line.name, line.kind, line)).collect();
    let dated: Vec<(u32, u32)> = lines
        .iter()
        .zip(places)
        .filter(|(line, _)| line.created.is_some())
        .map(|(line, place)| (place, add("created", SeriesKind::Created, line)))
        .collect();
    for (series, created) in dated {
        builder.created(series, created);
    }
    builder.build()
}

fn pod() -> ObjectRef {
    ObjectRef { resource: GroupResource::pods(), namespace: Some("default".into()), name: "web-0".into() }
}

const EPOCH: i64 = 1_795_000_000;
const START: Timestamp = Timestamp::constant(EPOCH, 0);

/// Times are whole milliseconds, as in the store.
fn moment(seconds: f64) -> Timestamp {
    START + duration(seconds)
}

fn duration(seconds: f64) -> SignedDuration {
    SignedDuration::from_millis((seconds * 1000.0).round() as i64)
}
