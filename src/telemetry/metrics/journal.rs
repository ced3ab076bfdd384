//! The journal of written values: commits, the file, and what came back at the start.

use std::time::Duration;

use jiff::Timestamp;
use prometheus::Error;

use super::{
    float,
    label::label,
    registration::{Counters, Histograms, Reading, Readings, Registration},
};
use crate::journal::{CommitResult, Journal, JournalState, Observer, Operation, Restored};

/// Counts commits.
pub struct JournalMetrics {
    commits: Counters<(Operation, CommitResult)>,
    durations: Histograms<(Operation,)>,
}

impl JournalMetrics {
    pub(super) fn register(registration: &mut Registration<'_>) -> Result<Self, Error> {
        Ok(Self {
            commits: registration.counters(
                "journal_commits_total",
                "Writes, batches and deletions that were committed or not, by outcome.",
            )?,
            durations: registration.histograms(
                "journal_commit_duration_seconds",
                "How long a request waits for the journal.",
                &LATENCY,
            )?,
        })
    }
}

impl Observer for JournalMetrics {
    fn took(&self, operation: Operation, took: Duration) {
        self.durations.observe((operation,), took.as_secs_f64());
    }

    fn ended(&self, operation: Operation, result: CommitResult) {
        self.commits.add((operation, result), 1);
    }
}

pub(super) fn register(
    registration: &mut Registration<'_>,
    journal: Journal,
    restored: Restored,
) -> Result<(), Error> {
    let what = [
        Reading::gauge("journal_durable", "1 if written values outlive the process."),
        Reading::gauge("journal_up", "1 while writes can be kept."),
        Reading::counter("journal_transactions_total", "Transactions that were made."),
        Reading::gauge("journal_last_commit_timestamp_seconds", "When the last one was made; 0 before it."),
        Reading::gauge("journal_bytes", "Size of the journal's file, or of its stream on each server."),
        Reading::gauge(
            "journal_current_timestamp_seconds",
            "Up to when everything that any replica acknowledged is known to be here; 0 of a journal that is not shared.",
        ),
        Reading::counter("journal_resyncs_total", "Times that the stream was read anew."),
        Reading::counter(
            "journal_torn_batches_total",
            "Batches with a part that was overwritten before it came.",
        ),
        Reading::counter("journal_unreadable_records_total", "Records of the stream that could not be read."),
        Reading::gauge("journal_restored_values", "Values that came back at the start."),
        Reading::gauge("journal_restore_dropped_values", "Values that stayed out at the start.")
            .by::<(Dropped,)>(),
        Reading::gauge("journal_restore_duration_seconds", "How long the journal was read at the start."),
    ];
    registration.readings(&what, move |readings| {
        state(readings, journal.state());
        at_start(readings, &restored);
    })
}

fn state(readings: &mut Readings<'_>, state: Option<JournalState>) {
    readings.put("journal_durable", f64::from(u8::from(state.is_some())));
    let state = state.unwrap_or_default();
    readings.put("journal_up", f64::from(u8::from(state.failure.is_none())));
    let mut count =
        |name, count: u64| readings.put(name, float(usize::try_from(count).unwrap_or(usize::MAX)));
    count("journal_transactions_total", state.transactions);
    count("journal_bytes", state.bytes);
    count("journal_resyncs_total", state.resyncs);
    count("journal_torn_batches_total", state.torn_batches);
    count("journal_unreadable_records_total", state.unreadable);
    let seconds = |at: Option<Timestamp>| at.map_or(0.0, |at| at.as_duration().as_secs_f64());
    readings.put("journal_last_commit_timestamp_seconds", seconds(state.last));
    readings.put("journal_current_timestamp_seconds", seconds(state.current));
}

fn at_start(readings: &mut Readings<'_>, restored: &Restored) {
    readings.put("journal_restored_values", float(restored.values));
    for (why, count) in [
        (Dropped::Expired, restored.expired),
        (Dropped::TooOld, restored.too_old),
        (Dropped::Limit, restored.refused),
        (Dropped::Unreadable, restored.unreadable),
    ] {
        readings.put_by("journal_restore_dropped_values", (why,), float(count));
    }
    readings.put("journal_restore_duration_seconds", restored.took.as_secs_f64());
}

/// Why a value of the journal did not come back.
#[derive(Clone, Copy)]
enum Dropped {
    Expired,
    TooOld,
    Limit,
    Unreadable,
}

label!(Dropped, "reason", {
    Expired => "expired",
    TooOld => "too_old",
    Limit => "limit",
    Unreadable => "unreadable",
});

label!(Operation, "operation", { Write => "write", Delete => "delete" });

label!(CommitResult, "result", {
    Ok => "ok",
    Limit => "limit",
    Full => "full",
    Away => "away",
    Unknown => "unknown",
    TooLarge => "too_large",
});

/// From one fsync of a fast disk to a volume that hangs.
const LATENCY: [f64; 12] =
    [0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 10.0];
