//! How targets are: what the page `/targets` shows.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use serde::Serialize;

use super::{
    error::{ErrorClass, ScrapeError},
    targets::TargetSpec,
};
use crate::{
    exposition::{BadLine, Rejected},
    model::ObjectRef,
    store::Unreadable,
};

/// A target, or a pod that wants to be scraped and has none.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TargetStatus {
    /// The pod's namespace.
    pub namespace: String,
    /// The pod's name.
    pub pod: String,
    /// What is fetched; `None` if there is no target.
    pub url: Option<String>,
    /// Who asks for it: `annotations`, or a monitor by its kind, namespace and name; `None` if there is no target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// How it is.
    pub health: Health,
    /// What is wrong with what is asked, or why it has no target.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
    /// Seconds between scrapes.
    pub interval_seconds: f64,
    /// When the next scrape is due.
    pub next_scrape: Option<Timestamp>,
    /// The last scrape.
    pub last_scrape: Option<LastScrape>,
    /// When the last good scrape began, whose values are served until they are too old.
    pub last_good: Option<Timestamp>,
    /// How many scrapes have failed one after the other.
    pub failures: u32,
    /// The last scrapes, the oldest first; for pictures.
    #[serde(skip)]
    pub recent: Vec<RecentScrape>,
}

/// A scrape of the last few.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct RecentScrape {
    /// When it began, in seconds since 1970.
    pub at: u32,
    /// How long it took, in milliseconds.
    pub took_ms: u32,
    /// Samples in the body.
    pub samples: u32,
    /// Whether it was good.
    pub good: bool,
}

/// How a target is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// The last scrape failed.
    Down,
    /// The pod wants to be scraped, but there is nothing to scrape.
    Refused,
    /// Not scraped yet.
    Unknown,
    /// The pod is terminating: its last values stay until they are too old or it is gone.
    Terminating,
    /// The last scrape was good.
    Up,
}

/// One scrape.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LastScrape {
    /// When it began.
    pub at: Timestamp,
    /// How long it took.
    pub duration_seconds: f64,
    /// Samples in the body.
    pub samples: usize,
    /// Series that are kept.
    pub series: usize,
    /// Bytes of the body, unpacked.
    pub bytes: usize,
    /// Bytes of it on the wire.
    pub wire_bytes: usize,
    /// Bad lines.
    pub rejected: usize,
    /// The first of them, with their numbers and what is wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rejected_lines: Vec<String>,
    /// The Content-Type was missing or none of ours, and the body was read as text.
    pub content_type_fallback: bool,
    /// Protobuf families that could not be used: native histograms.
    pub skipped_families: usize,
    /// Series that `custom-metrics-adapter/metrics` or a monitor's rules leave out.
    pub left_out: usize,
    /// Families that have no value, because something of them cannot be read.
    pub unreadable: usize,
    /// The first of them, with the fault.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unreadable_families: Vec<String>,
    /// Entries of the pod's lists that meet nothing, and what is exposed and not read; as of this scrape, or the last good
    /// one.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub notes: Arc<[String]>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<LastError>,
}

/// Why a scrape failed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LastError {
    /// Its kind.
    pub class: ErrorClass,
    /// The whole story.
    pub message: String,
}

/// What a scrape found, whether it was good or not.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Measured {
    pub(super) wire_bytes: usize,
    pub(super) body_bytes: usize,
    pub(super) samples: usize,
    pub(super) series: usize,
    pub(super) rejected: Rejected,
    pub(super) content_type_fallback: bool,
    pub(super) skipped_families: usize,
    pub(super) left_out: usize,
    pub(super) unreadable: Vec<Unreadable>,
    pub(super) notes: Arc<[String]>,
    pub(super) steady: bool,
}

/// The changing part of a target's status, shared with its task.
#[derive(Debug, Default)]
pub(super) struct TargetState(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    last: Option<Last>,
    last_good: Option<Timestamp>,
    next: Option<Timestamp>,
    failures: u32,
    said: Said,
    recent: VecDeque<RecentScrape>,
}

/// What the log says of a target.
#[derive(Debug, Default)]
struct Said {
    /// The kind of failure that was said last, if nothing was said of a recovery since.
    failing: Option<ErrorClass>,
    /// When each kind was said, within the last [`QUIET`].
    at: Vec<(ErrorClass, Timestamp)>,
}

/// What is kept of the last scrape, in few bytes: there are thousands of targets.
#[derive(Debug)]
struct Last {
    at: Timestamp,
    duration: Duration,
    samples: u32,
    series: u32,
    bytes: u32,
    wire_bytes: u32,
    rejected: u32,
    skipped_families: u32,
    left_out: u32,
    unreadable: u32,
    content_type_fallback: bool,
    trouble: Option<Box<Trouble>>,
}

#[derive(Debug)]
struct Trouble {
    lines: Vec<BadLine>,
    unreadable: Vec<String>,
    notes: Arc<[String]>,
    error: Option<LastError>,
}

/// What a scrape has changed, for the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Turn {
    /// It failed in a way that the log does not say yet, nor did for a while.
    Failing,
    /// It was good, and the log says that it fails.
    Recovered,
}

impl TargetState {
    pub(super) fn set_next(&self, next: Option<Timestamp>) {
        self.0.lock().next = next;
    }

    /// Notes a scrape. Says what the log should be told, if anything.
    pub(super) fn note(
        &self,
        at: Timestamp,
        duration: Duration,
        measured: &Measured,
        error: Option<&ScrapeError>,
    ) -> Option<Turn> {
        let last = Last::new((at, duration), measured, error);
        let mut inner = self.0.lock();
        inner.remember(&last);
        inner.last = Some(last);
        match error {
            Some(error) => {
                inner.failures = inner.failures.saturating_add(1);
                let says = error.share().is_none() && inner.said.fails(error.class(), at);
                says.then_some(Turn::Failing)
            }
            None => {
                inner.failures = 0;
                inner.last_good = Some(at);
                inner.said.failing.take().map(|_| Turn::Recovered)
            }
        }
    }

    /// Whether it was scraped too seldom for a rate, and its scrapes do not fail.
    pub(super) fn is_cold(&self) -> bool {
        let inner = self.0.lock();
        inner.failures == 0 && inner.recent.len() < RATED
    }

    pub(super) fn status(
        &self,
        spec: &TargetSpec,
        is_terminating: bool,
        problems: Vec<String>,
    ) -> TargetStatus {
        let inner = self.0.lock();
        let health = match &inner.last {
            _ if is_terminating => Health::Terminating,
            None => Health::Unknown,
            Some(last) if last.error().is_some() => Health::Down,
            Some(_) => Health::Up,
        };
        TargetStatus {
            url: Some(spec.url()),
            source: Some(spec.source.to_string()),
            health,
            problems,
            interval_seconds: spec.settings.interval.as_secs_f64(),
            next_scrape: inner.next.filter(|_| !is_terminating),
            last_scrape: inner.last.as_ref().map(Last::show),
            last_good: inner.last_good,
            failures: inner.failures,
            recent: inner.recent.iter().copied().collect(),
            ..TargetStatus::nothing(&spec.object)
        }
    }
}

impl Said {
    /// Whether the log should be told of a failure. A target that fails in turns, or every other time, would else write
    /// a line with each scrape. What is still so when the quiet is over is told then.
    fn fails(&mut self, class: ErrorClass, at: Timestamp) -> bool {
        self.at.retain(|(_, said)| at.duration_since(*said) < QUIET);
        if self.failing == Some(class) || self.at.iter().any(|(said, _)| *said == class) {
            return false;
        }
        self.failing = Some(class);
        self.at.push((class, at));
        true
    }
}

impl TargetStatus {
    /// A pod that wants to be scraped and has no target.
    pub(super) fn refused(object: &ObjectRef, problems: Vec<String>) -> Self {
        Self { problems, ..Self::nothing(object) }
    }

    fn nothing(object: &ObjectRef) -> Self {
        Self {
            namespace: object.namespace.as_deref().unwrap_or_default().to_owned(),
            pod: object.name.to_string(),
            url: None,
            source: None,
            health: Health::Refused,
            problems: Vec::new(),
            interval_seconds: 0.0,
            next_scrape: None,
            last_scrape: None,
            last_good: None,
            failures: 0,
            recent: Vec::new(),
        }
    }
}

impl Inner {
    fn remember(&mut self, last: &Last) {
        self.recent.reserve_exact(RECENT.saturating_sub(self.recent.len()));
        if self.recent.len() >= RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(RecentScrape {
            at: u32::try_from(last.at.as_second()).unwrap_or_default(),
            took_ms: u32::try_from(last.duration.as_millis()).unwrap_or(u32::MAX),
            samples: last.samples,
            good: last.error().is_none(),
        });
    }
}

impl Last {
    fn new((at, duration): (Timestamp, Duration), measured: &Measured, error: Option<&ScrapeError>) -> Self {
        let Measured { unreadable, notes, .. } = measured;
        let lines = &measured.rejected.first;
        let is_well = error.is_none() && lines.is_empty() && unreadable.is_empty() && notes.is_empty();
        let trouble = (!is_well).then(|| {
            let error = error.map(|error| LastError { class: error.class(), message: error.story() });
            let told = |one: &Unreadable| format!("{}: {}", one.family, one.fault);
            let unreadable = unreadable.iter().take(SHOWN).map(told).collect();
            Box::new(Trouble { lines: lines.clone(), unreadable, notes: notes.clone(), error })
        });
        let narrow = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Self {
            at,
            duration,
            samples: narrow(measured.samples),
            series: narrow(measured.series),
            bytes: narrow(measured.body_bytes),
            wire_bytes: narrow(measured.wire_bytes),
            rejected: narrow(measured.rejected.count),
            skipped_families: narrow(measured.skipped_families),
            left_out: narrow(measured.left_out),
            unreadable: narrow(unreadable.len()),
            content_type_fallback: measured.content_type_fallback,
            trouble,
        }
    }

    fn error(&self) -> Option<&LastError> {
        self.trouble.as_ref()?.error.as_ref()
    }

    fn show(&self) -> LastScrape {
        let trouble = self.trouble.as_deref();
        let lines = trouble.iter().flat_map(|trouble| &trouble.lines);
        LastScrape {
            at: self.at,
            duration_seconds: self.duration.as_secs_f64(),
            samples: self.samples as usize,
            series: self.series as usize,
            bytes: self.bytes as usize,
            wire_bytes: self.wire_bytes as usize,
            rejected: self.rejected as usize,
            rejected_lines: lines.map(ToString::to_string).collect(),
            content_type_fallback: self.content_type_fallback,
            skipped_families: self.skipped_families as usize,
            left_out: self.left_out as usize,
            unreadable: self.unreadable as usize,
            unreadable_families: trouble.map(|trouble| trouble.unreadable.clone()).unwrap_or_default(),
            notes: trouble.map(|trouble| trouble.notes.clone()).unwrap_or_default(),
            error: self.error().cloned(),
        }
    }
}

/// Shared by a target's task and the pages.
pub(super) type SharedState = Arc<TargetState>;

/// Families that a page shows of a target.
const SHOWN: usize = 10;

/// Scrapes that a rate needs.
const RATED: usize = 2;

/// Scrapes that are remembered of each target: 16 bytes each, 6.4 MB for 20,000 targets.
const RECENT: usize = 20;

/// How long one kind of failure of one target is not logged again.
const QUIET: SignedDuration = SignedDuration::from_mins(5);

#[cfg(test)]
mod tests;
