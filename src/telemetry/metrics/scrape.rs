//! Targets, and the scrapes of them.

use prometheus::Error;

use super::{
    float,
    label::label,
    registration::{Counters, Histograms, Reading, Readings, Registration},
};
use crate::scrape::{ErrorClass, Finished, Pool, Scraper, TargetCounts};

/// What scraping may take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ScrapeLimits {
    /// Scrapes under way.
    pub in_flight: usize,
    /// Targets.
    pub targets: usize,
    /// Samples of one body.
    pub samples: usize,
    /// Bytes of one body.
    pub body_bytes: usize,
}

/// Counts scrapes.
pub struct ScrapeMetrics {
    pub(super) limits: ScrapeLimits,
    scrapes: Counters<(Outcome,)>,
    durations: Histograms<()>,
    lags: Histograms<()>,
    samples: Counters<(Fate,)>,
    series: Histograms<()>,
    bodies: Histograms<()>,
    received: Counters<()>,
    fallbacks: Counters<()>,
    reshapes: Counters<()>,
}

impl ScrapeMetrics {
    pub(super) fn register(registration: &mut Registration<'_>, limits: ScrapeLimits) -> Result<Self, Error> {
        let r = registration;
        Ok(Self {
            limits,
            scrapes: r.counters("scrape_scrapes_total", "Scrapes by result.")?,
            durations: r.histograms(
                "scrape_duration_seconds",
                "From the start of a scrape to its last value in the store.",
                &DURATION,
            )?,
            lags: r.histograms(
                "scrape_interval_lag_seconds",
                "How much later than planned scrapes start.",
                &LAG,
            )?,
            samples: r.counters("scrape_samples_total", "Samples that were read, by what became of them.")?,
            series: r.histograms(
                "scrape_series",
                "Series that one good scrape put into the store.",
                &SERIES,
            )?,
            bodies: r.histograms("scrape_body_bytes", "Size of one scraped body, unpacked.", &BYTES)?,
            received: r.counters("scrape_received_bytes_total", "Bytes of scraped bodies on the wire.")?,
            fallbacks: r.counters(
                "scrape_content_type_fallbacks_total",
                "Bodies without a known Content-Type, read as text.",
            )?,
            reshapes: r.counters(
                "scrape_reshapes_total",
                "Good scrapes whose lines were not those of the scrape before.",
            )?,
        })
    }

    /// Counts one scrape.
    pub fn finished(&self, finished: &Finished) {
        let good = finished.error.is_none();
        self.scrapes.add((finished.error.into(),), 1);
        self.durations.observe((), finished.duration.as_secs_f64());
        self.lags.observe((), finished.lag.as_secs_f64());
        self.samples.add((Fate::Appended,), finished.appended);
        self.samples.add((Fate::Dropped,), finished.dropped);
        self.samples.add((Fate::Rejected,), finished.rejected);
        self.received.add((), finished.wire_bytes);
        self.fallbacks.add((), usize::from(finished.content_type_fallback));
        self.reshapes.add((), usize::from(good && !finished.steady));
        if good {
            self.series.observe((), float(finished.appended));
            self.bodies.observe((), float(finished.body_bytes));
        }
    }
}

pub(super) fn register(
    registration: &mut Registration<'_>,
    scraper: Option<Scraper>,
    limits: ScrapeLimits,
) -> Result<(), Error> {
    show(registration, limits)?;
    let what = [
        Reading::gauge("scrape_targets", "Targets by state.").by::<(State,)>(),
        Reading::gauge("scrape_target_problems", "Annotations that could not be followed."),
        Reading::counter("scrape_skipped_total", "Scrapes that were due while another was not over."),
        Reading::gauge("scrape_templates", "Different bodies by their lines, values aside."),
        Reading::gauge("scrape_template_bytes", "Estimated heap bytes of the templates."),
        Reading::gauge("scrape_in_flight", "Scrapes under way.").by::<(Pool,)>(),
    ];
    registration.readings(&what, move |readings| {
        let Some(scraper) = &scraper else { return nothing(readings) };
        targets(readings, &scraper.counts());
        let (templates, bytes) = scraper.templates();
        readings.put("scrape_templates", float(templates));
        readings.put("scrape_template_bytes", float(bytes));
        in_flight(readings, |pool| {
            let usage = scraper.in_flight().into_iter().find(|usage| usage.pool == pool);
            usage.map_or(0, |usage| usage.in_flight)
        });
        let skipped = usize::try_from(scraper.stats().skipped_ticks()).unwrap_or(usize::MAX);
        readings.put("scrape_skipped_total", float(skipped));
    })
}

fn show(registration: &mut Registration<'_>, limits: ScrapeLimits) -> Result<(), Error> {
    let what = [
        Reading::gauge("scrape_in_flight_limit", "Scrapes that may be under way at once.").by::<(Pool,)>(),
        Reading::gauge("scrape_targets_limit", "Targets that may be scraped."),
        Reading::gauge("scrape_samples_limit", "Samples that one body may have."),
        Reading::gauge("scrape_body_bytes_limit", "Bytes that one body may have."),
    ];
    registration.readings(&what, move |readings| {
        for pool in Pool::ALL {
            readings.put_by("scrape_in_flight_limit", (pool,), float(pool.limit(limits.in_flight)));
        }
        readings.put("scrape_targets_limit", float(limits.targets));
        readings.put("scrape_samples_limit", float(limits.samples));
        readings.put("scrape_body_bytes_limit", float(limits.body_bytes));
    })
}

fn nothing(readings: &mut Readings<'_>) {
    targets(readings, &TargetCounts::default());
    in_flight(readings, |_| 0);
    let names = ["scrape_templates", "scrape_template_bytes", "scrape_skipped_total"];
    names.into_iter().for_each(|name| readings.put(name, 0.0));
}

fn in_flight(readings: &mut Readings<'_>, of: impl Fn(Pool) -> usize) {
    Pool::ALL.into_iter().for_each(|pool| readings.put_by("scrape_in_flight", (pool,), float(of(pool))));
}

fn targets(readings: &mut Readings<'_>, counts: &TargetCounts) {
    let states = [
        (State::Unknown, counts.unknown),
        (State::Up, counts.up),
        (State::Down, counts.down),
        (State::Terminating, counts.terminating),
        (State::Refused, counts.refused),
    ];
    for (state, count) in states {
        readings.put_by("scrape_targets", (state,), float(count));
    }
    readings.put("scrape_target_problems", float(counts.problems));
}

/// How a scrape ended.
#[derive(Clone, Copy)]
enum Outcome {
    Good,
    Connect,
    Timeout,
    Tls,
    Protocol,
    Status,
    Redirect,
    Size,
    Decode,
    Parse,
    Limit,
}

/// What became of a sample.
#[derive(Clone, Copy)]
enum Fate {
    Appended,
    Dropped,
    Rejected,
}

/// How a target is.
#[derive(Clone, Copy)]
enum State {
    Unknown,
    Up,
    Down,
    Terminating,
    Refused,
}

impl From<Option<ErrorClass>> for Outcome {
    fn from(error: Option<ErrorClass>) -> Self {
        match error {
            None => Self::Good,
            Some(ErrorClass::Connect) => Self::Connect,
            Some(ErrorClass::Timeout) => Self::Timeout,
            Some(ErrorClass::Tls) => Self::Tls,
            Some(ErrorClass::Protocol) => Self::Protocol,
            Some(ErrorClass::Status) => Self::Status,
            Some(ErrorClass::Redirect) => Self::Redirect,
            Some(ErrorClass::Size) => Self::Size,
            Some(ErrorClass::Decode) => Self::Decode,
            Some(ErrorClass::Parse) => Self::Parse,
            Some(ErrorClass::Limit) => Self::Limit,
        }
    }
}

label!(Outcome, "result", {
    Good => "good",
    Connect => "connect",
    Timeout => "timeout",
    Tls => "tls",
    Protocol => "protocol",
    Status => "status",
    Redirect => "redirect",
    Size => "size",
    Decode => "decode",
    Parse => "parse",
    Limit => "limit",
});

label!(Pool, "pool", { Good => "good", New => "new", Failing => "failing" });

label!(Fate, "result", { Appended => "appended", Dropped => "dropped", Rejected => "rejected" });

label!(State, "state", {
    Unknown => "unknown",
    Up => "up",
    Down => "down",
    Terminating => "terminating",
    Refused => "refused",
});

/// From a target on the same node to the longest timeout that is usual.
const DURATION: [f64; 11] = [0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0];

/// From the wheel of the timer to a whole interval.
const LAG: [f64; 8] = [0.001, 0.005, 0.025, 0.1, 0.5, 1.0, 5.0, 15.0];

/// From a sidecar to kube-apiserver.
const SERIES: [f64; 7] = [10.0, 100.0, 500.0, 1_000.0, 5_000.0, 20_000.0, 100_000.0];

/// One KiB to the default cap of 16 MiB.
const BYTES: [f64; 8] =
    [1_024.0, 8_192.0, 32_768.0, 131_072.0, 524_288.0, 2_097_152.0, 8_388_608.0, 16_777_216.0];
