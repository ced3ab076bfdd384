//! What the annotations of a pod ask for.
//!
//! The names are those that Prometheus users have on their pods (`prometheus.io/scrape`, `…/port`, `…/path`,
//! `…/scheme`, `…/param_<name>`), and `interval` and `timeout`, which have no standard: the spellings in use are all
//! read. What only this adapter knows has its own prefix, `custom-metrics-adapter/`.
//!
//! An annotation that cannot be read is an error that names pod and annotation. Where a default is safe (an interval,
//! a fold) it is used and the pod is scraped; where one would be a guess (a port, a path) the pod is not. An empty one is
//! as good as none: templates of charts write those. One that is like a known one is an error too (`similar`).

use std::{collections::BTreeMap, str::FromStr, sync::Arc, time::Duration};

use http::uri::{PathAndQuery, Scheme};

use super::{
    ScrapeOptions,
    allow::{AllowList, NameList},
};
use crate::{
    cluster::Pod,
    derive::Derivations,
    model::{Fold, parse_duration},
    relabel::SeriesRules,
};

pub(super) use values::path;
use values::{allow, boolean, counters, fold, ports, scheme};

/// What the project's own annotations start with.
pub const OWN_PREFIX: &str = "custom-metrics-adapter/";

/// Whether a pod wants to be scraped.
#[derive(Clone, PartialEq, Debug)]
pub enum Wish {
    /// It does not say so.
    None,
    /// It does, and how.
    Scrape(Box<Settings>, Vec<AnnotationError>),
    /// It does, or seems to, but not in a way that can be followed.
    Unreadable(Vec<AnnotationError>),
}

/// How the targets of a pod are scraped, and how their values count.
#[derive(Clone, PartialEq, Debug)]
pub struct Settings {
    /// The ports; none means that the rule for pods without that annotation chooses.
    pub ports: Vec<PortName>,
    /// `http` or `https`.
    pub scheme: Scheme,
    /// The path, and the query with all parameters.
    pub path: PathAndQuery,
    /// How often.
    pub interval: Duration,
    /// How long one scrape may take.
    pub timeout: Duration,
    /// What rates are computed over.
    pub window: Duration,
    /// How series of one name become one number.
    pub fold: Fold,
    /// Which metrics are kept.
    pub allow: Arc<AllowList>,
    /// Which untyped series and gauges are counters.
    pub counters: Arc<NameList>,
    /// What is computed from the pod's values.
    pub derived: Arc<Derivations>,
    /// Whether a timestamp that a series is exposed with is its time.
    pub honor_timestamps: bool,
    /// Whether a counter has a value by its own name.
    pub raw_counters: bool,
    /// How old the last good scrape may be, if the pod says so.
    pub max_age: Option<Duration>,
    /// One bad line fails the whole body.
    pub strict: bool,
    /// OpenMetrics is asked for, because only it has `_created` series.
    pub openmetrics: bool,
    /// What becomes of the series.
    pub series: Arc<SeriesRules>,
}

/// What is fetched and how, by whatever word asks for it.
pub(super) struct Request {
    pub(super) ports: Vec<PortName>,
    pub(super) scheme: Scheme,
    pub(super) path: PathAndQuery,
    /// How often, and how long one scrape may take.
    pub(super) times: (Duration, Duration),
    pub(super) honor_timestamps: bool,
    pub(super) series: Arc<SeriesRules>,
}

/// A port as an annotation says it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PortName {
    /// By its number; it need not be declared.
    Number(u16),
    /// By the name under which a container declares it.
    Name(String),
}

/// An annotation that cannot be read.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("pod {pod}: annotation {annotation}={value:?}: {rule}")]
pub struct AnnotationError {
    /// `namespace/name`.
    pub pod: String,
    /// The annotation's whole name.
    pub annotation: String,
    /// What it says.
    pub value: String,
    /// What it should say.
    pub rule: String,
}

/// Reads the annotations of `pod`.
#[must_use]
pub fn read(pod: &Pod, options: &ScrapeOptions) -> Wish {
    let mut reader = Reader { pod, prefix: format!("{}/", options.annotation_prefix), errors: Vec::new() };
    match reader.parse(&["scrape"], boolean) {
        Some(true) => {}
        Some(false) => return Wish::None,
        None => return reader.no_wish(),
    }
    let ports = reader.parse(&["port"], ports).unwrap_or_default();
    let scheme = reader.parse(&["scheme"], scheme).unwrap_or(Scheme::HTTP);
    let path = reader.path();
    let is_readable = reader.errors.is_empty();
    reader.refuse_similar();
    if !is_readable {
        return Wish::Unreadable(reader.errors);
    }
    let times = reader.times(options);
    let request = Request { ports, scheme, path, times, honor_timestamps: true, series: Arc::default() };
    let settings = reader.settings(request, options);
    Wish::Scrape(Box::new(settings), reader.errors)
}

/// How a pod's targets are scraped that something else than its annotations asks for. Its own annotations say how its
/// values count all the same.
pub(super) fn requested(
    pod: &Pod,
    request: Request,
    options: &ScrapeOptions,
) -> (Settings, Vec<AnnotationError>) {
    let mut reader = Reader { pod, prefix: OWN_PREFIX.to_owned(), errors: Vec::new() };
    let settings = reader.settings(request, options);
    (settings, reader.errors)
}

struct Reader<'a> {
    pod: &'a Pod,
    prefix: String,
    errors: Vec<AnnotationError>,
}

impl<'a> Reader<'a> {
    /// Reads the first of these annotations that the pod has. `None` if it has none, an empty one, or one that is wrong.
    fn parse<T>(&mut self, names: &[&str], parse: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        for name in names {
            let annotation = format!("{}{name}", self.prefix);
            if let Some(value) = self.pod.annotations.get(&annotation).filter(|value| !is_empty(value)) {
                return parse(value.trim()).map_err(|rule| self.error(annotation, value, rule)).ok();
            }
        }
        None
    }

    /// What is fetched, and what the annotations of our own say of its values.
    fn settings(&mut self, request: Request, options: &ScrapeOptions) -> Settings {
        let Request { ports, scheme, path, times: (interval, timeout), honor_timestamps, series } = request;
        self.prefix = OWN_PREFIX.to_owned();
        self.refuse_unknown();
        let window = self.parse(&["window"], parse_duration);
        Settings {
            ports,
            scheme,
            path,
            interval,
            timeout,
            window: window.map_or(default_window(interval), |window| clamp_window(window, interval)),
            fold: self.parse(&["fold"], fold).unwrap_or_default(),
            allow: self.parse(&["metrics"], allow).unwrap_or_default(),
            counters: self.parse(&["counters"], counters).unwrap_or_default(),
            derived: self.derived(),
            honor_timestamps: self.parse(&["honor-timestamps"], boolean).unwrap_or(honor_timestamps),
            raw_counters: self.parse(&["raw-counters"], boolean).unwrap_or(options.raw_counters),
            max_age: self.parse(&["max-age"], parse_duration).map(|age| age.clamp(interval, LONGEST_AGE)),
            strict: self.parse(&["strict"], boolean).unwrap_or(options.strict),
            openmetrics: self.parse(&["openmetrics"], boolean).unwrap_or_default(),
            series,
        }
    }

    fn times(&mut self, options: &ScrapeOptions) -> (Duration, Duration) {
        let interval = self.parse(&INTERVAL, parse_duration);
        let timeout = self.parse(&TIMEOUT, parse_duration);
        times((interval, timeout), options)
    }

    fn error(&mut self, annotation: String, value: &str, rule: String) {
        let object = &self.pod.live.object;
        let pod = format!("{}/{}", object.namespace.as_deref().unwrap_or_default(), object.name);
        let value = value.chars().take(EXCERPT_CHARS).collect();
        self.errors.push(AnnotationError { pod, annotation, value, rule });
    }

    /// The path with its query; parameters of their own annotations come last, in the order of their names.
    fn path(&mut self) -> PathAndQuery {
        let path = self.parse(&["path"], path).unwrap_or_else(|| PathAndQuery::from_static("/metrics"));
        let mut query = form_urlencoded::Serializer::new(path.query().unwrap_or_default().to_owned());
        let mut parameters = BTreeMap::new();
        for (annotation, value) in &self.pod.annotations {
            let name = annotation.strip_prefix(&self.prefix).and_then(|name| {
                name.strip_prefix("param_")
                    .or_else(|| name.strip_prefix("param-"))
                    .filter(|name| !name.is_empty())
            });
            if let Some(name) = name.filter(|_| !is_empty(value)) {
                parameters.entry(name).or_insert(value);
            }
        }
        if parameters.is_empty() {
            return path;
        }
        let query = query.extend_pairs(parameters).finish();
        let whole = PathAndQuery::from_str(&format!("{}?{query}", path.path()));
        match whole {
            Ok(whole) => whole,
            Err(error) => {
                self.error(format!("{}param_*", self.prefix), &query, error.to_string());
                path
            }
        }
    }

    /// A pod that does not ask to be scraped; or does it, by a word or a name that is nearly right?
    fn no_wish(mut self) -> Wish {
        let known = self.prefix.clone() + "scrape";
        for (name, value) in self.annotations() {
            if boolean(value.trim()) == Ok(true) && similar::to(name, &["scrape"]).is_some() {
                self.error(self.prefix.clone() + name, value, similar::rule(&known));
            }
        }
        if self.errors.is_empty() { Wish::None } else { Wish::Unreadable(self.errors) }
    }

    /// What is computed from the pod's values: an expression in each `derive.NAME`.
    fn derived(&mut self) -> Arc<Derivations> {
        let mut derived = Derivations::default();
        for (name, value) in self.annotations() {
            let added = name.strip_prefix(DERIVE).map(|metric| derived.add(metric, value));
            if let Some(Err(error)) = added {
                self.error(self.prefix.clone() + name, value, error.to_string());
            }
        }
        Arc::new(derived)
    }

    /// The annotations that start with the prefix and say something, without the prefix.
    fn annotations(&self) -> Vec<(&'a str, &'a str)> {
        let pod = self.pod;
        let named = pod.annotations.iter().map(|(name, value)| (name.strip_prefix(&self.prefix), value));
        named
            .filter_map(|(name, value)| Some((name?, value.as_str())))
            .filter(|(_, value)| !is_empty(value))
            .collect()
    }

    /// Nobody owns the prefix of Prometheus, so an unknown name is none of our business, unless it is nearly a known one.
    fn refuse_similar(&mut self) {
        for (name, value) in self.annotations() {
            if let Some(known) = similar::to(name, &KNOWN) {
                self.error(self.prefix.clone() + name, value, similar::rule(&(self.prefix.clone() + known)));
            }
        }
    }

    /// A misspelled annotation of our own would else be silence.
    fn refuse_unknown(&mut self) {
        for (name, value) in self.annotations() {
            if !OWN.contains(&name) && !name.starts_with(DERIVE) {
                let rule = match similar::to(name, &OWN) {
                    Some(known) => similar::rule(&(self.prefix.clone() + known)),
                    None => format!("unknown annotation; known are {}, {DERIVE}NAME", OWN.join(", ")),
                };
                self.error(self.prefix.clone() + name, value, rule);
            }
        }
    }
}

/// Interval and timeout where these are asked for. As soon as one of them is, the timeout is at most the interval.
pub(super) fn times(
    (interval, timeout): (Option<Duration>, Option<Duration>),
    options: &ScrapeOptions,
) -> (Duration, Duration) {
    if interval.is_none() && timeout.is_none() {
        return (options.interval, options.timeout);
    }
    let interval = interval.map_or(options.interval, |interval| interval.clamp(SHORTEST, LONGEST));
    let timeout = timeout.unwrap_or(options.timeout);
    (interval, timeout.min(interval).min(LONGEST_TIMEOUT.max(options.timeout)))
}

fn is_empty(value: &str) -> bool {
    value.trim().is_empty()
}

/// What rates are computed over by default: four scrapes, and at least a minute.
fn default_window(interval: Duration) -> Duration {
    (4 * interval).max(Duration::from_secs(60))
}

/// A rate needs two scrapes; and what is older than some minutes is no basis for scaling.
fn clamp_window(window: Duration, interval: Duration) -> Duration {
    window.min(LONGEST_WINDOW).max(2 * interval)
}

/// However long the interval, a scrape holds its place among those under way no longer.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(30);

const INTERVAL: [&str; 3] = ["interval", "scrape-interval", "scrape_interval"];
const TIMEOUT: [&str; 3] = ["timeout", "scrape-timeout", "scrape_timeout"];
const OWN: [&str; 9] = [
    "metrics",
    "counters",
    "fold",
    "window",
    "max-age",
    "raw-counters",
    "honor-timestamps",
    "strict",
    "openmetrics",
];
/// What the annotations of derived metrics start with.
const DERIVE: &str = "derive.";

/// What is read under the prefix of Prometheus, beside parameters.
const KNOWN: [&str; 10] = [
    "scrape",
    "port",
    "path",
    "scheme",
    "interval",
    "scrape-interval",
    "scrape_interval",
    "timeout",
    "scrape-timeout",
    "scrape_timeout",
];

/// Below, one pod could keep a core busy; above, an HPA would scale on history.
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(300);
const LONGEST_WINDOW: Duration = Duration::from_secs(600);
const LONGEST_AGE: Duration = Duration::from_secs(3600);
const EXCERPT_CHARS: usize = 200;

mod similar;
#[cfg(test)]
mod tests;
mod values;
