//! The journal of written values: commits, the file, and what came back at the start.

use std::time::Duration;

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
        Reading::gauge("journal_bytes", "Size of the journal on the disk."),
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
    let is_up = state.as_ref().is_none_or(|state| state.failure.is_none());
    readings.put("journal_durable", f64::from(u8::from(state.is_some())));
    readings.put("journal_up", f64::from(u8::from(is_up)));
    let count = |count: u64| float(usize::try_from(count).unwrap_or(usize::MAX));
    let last = state.as_ref().and_then(|state| state.last);
    let (transactions, bytes) = state.map_or((0, 0), |state| (state.transactions, state.bytes));
    readings.put("journal_transactions_total", count(transactions));
    readings.put(
        "journal_last_commit_timestamp_seconds",
        last.map_or(0.0, |last| last.as_duration().as_secs_f64()),
    );
    readings.put("journal_bytes", count(bytes));
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

label!(CommitResult, "result", { Ok => "ok", Limit => "limit", Full => "full", Away => "away" });

/// From one fsync of a fast disk to a volume that hangs.
const LATENCY: [f64; 12] =
    [0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 10.0];
