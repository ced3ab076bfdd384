//! Requests of the metrics API, and the values that they read.

use std::sync::atomic::{AtomicU64, Ordering};

use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use prometheus::{Error, Histogram, IntGauge};
use tracing::Span;

use super::{
    float,
    label::{Label as _, codes, label},
    pulse::{Pulse, Reads},
    registration::{Counters, Histograms, Reading, Registration},
};
use crate::{
    api::{
        observe::{Ended, Miss, Observer, Place},
        route::{self, ExternalPath, MetricsPath, Objects, Route, Version},
    },
    model::{ExternalValue, MetricValue, Sample},
    telemetry::traces,
};

/// Counts requests of the API, and tells the current span of them.
pub struct ApiMetrics {
    requests: Counters<(Place, GroupVersion, Code)>,
    durations: Histograms<(Place,)>,
    in_flight: IntGauge,
    values: Counters<()>,
    ages: Histograms<()>,
    misses: Counters<(Miss,)>,
    refused: AtomicU64,
    pulse: Pulse,
}

impl ApiMetrics {
    pub(super) fn register(registration: &mut Registration<'_>, limit: usize) -> Result<Self, Error> {
        let what =
            [Reading::gauge("api_requests_in_flight_limit", "API requests that may be under way at once.")];
        registration
            .readings(&what, move |readings| readings.put("api_requests_in_flight_limit", float(limit)))?;
        Ok(Self {
            requests: registration.counters(
                "api_requests_total",
                "API requests by what they asked for and how they were answered.",
            )?,
            durations: registration.histograms(
                "api_request_duration_seconds",
                "From the head of an API request to its finished answer.",
                &LATENCY,
            )?,
            in_flight: registration.gauge("api_requests_in_flight", "API requests under way.")?,
            values: registration.counters("api_values_served_total", "Values in the answers to reads.")?,
            ages: registration.histograms(
                "api_value_age_seconds",
                "How old each served value was when it was read.",
                &AGE,
            )?,
            misses: registration
                .counters("api_reads_without_value_total", "Reads that served no value, by reason.")?,
            refused: AtomicU64::new(0),
            pulse: Pulse::default(),
        })
    }
}

impl Observer for ApiMetrics {
    fn begun(&self) {
        self.in_flight.inc();
    }

    fn routed(&self, route: &Route) {
        traces::tell(|span| describe(span, route));
    }

    fn read(&self, values: &[MetricValue], now: Timestamp) {
        self.served(values.iter().map(|value| &value.sample), now);
    }

    fn read_external(&self, values: &[ExternalValue], now: Timestamp) {
        self.served(values.iter().map(|value| &value.sample), now);
    }

    fn ended(&self, ended: &Ended) {
        self.in_flight.dec();
        self.pulse.ended(ended);
        if ended.status == Some(StatusCode::TOO_MANY_REQUESTS) {
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
        let code = Code::of(ended.status);
        self.requests.add((ended.place, GroupVersion::of(ended.version), code), 1);
        self.durations.observe((ended.place,), ended.took.as_secs_f64());
        if let Some(miss) = ended.miss {
            self.misses.add((miss,), 1);
            let reason = Miss::VALUES.get(miss.index()).copied();
            traces::tell(|span| {
                span.record("custom_metrics.absence", reason);
            });
        }
    }
}

impl ApiMetrics {
    /// How reads go, for the status page.
    #[must_use]
    pub fn reads(&self) -> Reads {
        self.pulse.now()
    }

    /// Requests that were answered 429.
    pub(in crate::telemetry) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    fn served<'a>(&self, samples: impl ExactSizeIterator<Item = &'a Sample>, now: Timestamp) {
        let served = samples.len();
        self.values.add((), served);
        if let Some(ages) = self.ages.of(()) {
            observe(ages, samples.map(|sample| age(sample, now)));
        }
        let objects = i64::try_from(served).unwrap_or(i64::MAX);
        traces::tell(|span| {
            span.record("custom_metrics.objects", objects);
        });
    }
}

/// Many at once touch what all threads share once only; for few that is not worth its allocation.
fn observe(ages: &Histogram, seconds: impl ExactSizeIterator<Item = f64>) {
    if seconds.len() <= FEW {
        return seconds.for_each(|age| ages.observe(age));
    }
    let local = ages.local();
    seconds.for_each(|age| local.observe(age));
    local.flush();
}

/// Seconds from the sample to the read; a sample of the future is new.
fn age(sample: &Sample, now: Timestamp) -> f64 {
    now.duration_since(sample.timestamp).max(SignedDuration::ZERO).as_secs_f64()
}

/// What the path says, as attributes of a server span.
fn describe(span: &Span, route: &Route) {
    let (place, version) = Place::of(route);
    let template = template(place);
    span.record("http.route", template);
    traces::rename(format!("GET {template}"));
    if let Some(version) = version {
        span.record("custom_metrics.group_version", version.as_str());
    }
    match route {
        Route::Metrics(_, path) => describe_objects(span, path),
        Route::External(path) => describe_external(span, path),
        _ => {}
    }
}

fn describe_objects(span: &Span, path: &MetricsPath) {
    let verb = if path.objects == Objects::All { "list" } else { "get" };
    span.record("custom_metrics.verb", verb);
    span.record("custom_metrics.resource", path.resource.as_str());
    span.record("custom_metrics.metric", path.metric.as_deref());
    span.record("k8s.namespace.name", path.namespace.as_deref());
}

fn describe_external(span: &Span, path: &ExternalPath) {
    span.record("custom_metrics.verb", "list");
    span.record("custom_metrics.metric", path.metric.as_str());
    span.record("k8s.namespace.name", path.namespace.as_str());
}

fn template(place: Place) -> &'static str {
    match place {
        Place::Root => "/",
        Place::Health => "/{probe}",
        Place::Version => "/version",
        Place::OpenApi => "/openapi/{version}",
        Place::Groups => "/apis",
        Place::Group => "/apis/{group}",
        Place::Resources => "/apis/{group}/{version}",
        Place::Object => "/apis/{group}/{version}/namespaces/{namespace}/{resource}/{name}",
        Place::Value => "/apis/{group}/{version}/namespaces/{namespace}/{resource}/{name}/{metric}",
        Place::Values => "/apis/{group}/{version}/namespaces/{namespace}/{resource}/*/{metric}",
        Place::External => "/apis/{group}/{version}/namespaces/{namespace}/{metric}",
        Place::Unknown => "/{path}",
    }
}

/// The group versions, and none.
#[derive(Clone, Copy)]
enum GroupVersion {
    None,
    V1Beta1,
    V1Beta2,
    External,
}

impl GroupVersion {
    fn of(version: Option<route::GroupVersion>) -> Self {
        match version {
            None => Self::None,
            Some(route::GroupVersion::Custom(Version::V1Beta1)) => Self::V1Beta1,
            Some(route::GroupVersion::Custom(Version::V1Beta2)) => Self::V1Beta2,
            Some(route::GroupVersion::External) => Self::External,
        }
    }
}

label!(GroupVersion, "group_version", {
    None => "none",
    V1Beta1 => "custom.metrics.k8s.io/v1beta1",
    V1Beta2 => "custom.metrics.k8s.io/v1beta2",
    External => "external.metrics.k8s.io/v1beta1",
});

label!(Place, "route", {
    Root => "root",
    Health => "health",
    Version => "version",
    OpenApi => "openapi",
    Groups => "groups",
    Group => "group",
    Resources => "resources",
    Object => "object",
    Value => "value",
    Values => "values",
    External => "external",
    Unknown => "unknown",
});

label!(Miss, "reason", {
    UnknownMetric => "unknown_metric",
    UnknownResource => "unknown_resource",
    NoObject => "no_object",
    ObjectGone => "object_gone",
    NoSeries => "no_series",
    Expired => "expired",
    Stale => "stale",
    NotScraped => "not_scraped",
    Early => "early",
    NonMonotonic => "non_monotonic",
    NoObservations => "no_observations",
    NotANumber => "not_a_number",
    OutOfRange => "out_of_range",
    Unreadable => "unreadable",
    Lacking => "lacking",
    Unusable => "unusable",
    NotSynced => "not_synced",
    ListForbidden => "list_forbidden",
    Invalid => "invalid",
    Forbidden => "forbidden",
    Unauthorized => "unauthorized",
    ReviewFailed => "review_failed",
    TooManyRequests => "too_many_requests",
    Timeout => "timeout",
    Internal => "internal",
    Canceled => "canceled",
});

codes!(Code, {
    200 => Ok,
    304 => NotModified,
    400 => BadRequest,
    401 => Unauthorized,
    403 => Forbidden,
    404 => NotFound,
    405 => Method,
    406 => NotAcceptable,
    429 => TooManyRequests,
    500 => Internal,
    503 => Unavailable,
    504 => Timeout,
});

/// Values of a read that are observed one by one.
const FEW: usize = 4;

/// From a read in memory to a request that timed out.
const LATENCY: [f64; 16] = [
    0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0,
    10.0, 60.0,
];

/// Around the usual scrape intervals and the minutes after which an HPA acts on the past.
const AGE: [f64; 13] = [1.0, 2.5, 5.0, 10.0, 15.0, 30.0, 45.0, 60.0, 90.0, 120.0, 300.0, 900.0, 3600.0];
