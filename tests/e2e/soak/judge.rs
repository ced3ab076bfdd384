//! The rules, and the report.

use std::{
    collections::BTreeMap,
    fmt, thread,
    time::{Duration, Instant},
};

use super::{
    Fault, Surroundings,
    log::{self, Line},
    watchers::{Failed, Kind, Reads},
};
use crate::harness::Prometheus;

/// What became of one fault.
pub(crate) struct Row {
    name: &'static str,
    /// How long it lasted, and how long until nothing was left of it.
    took: (Duration, Result<Duration, String>),
    reads: Reads,
    lines: Vec<Line>,
    resident: u64,
    wrong: Vec<String>,
}

pub(crate) struct Judge {
    /// MiB at the start.
    quiet: u64,
    rows: Vec<Row>,
    wrong: Vec<String>,
}

impl Row {
    pub(crate) fn new(
        fault: &Fault,
        took: (Duration, Result<Duration, String>),
        lines: Vec<Line>,
        reads: Reads,
        resident: u64,
    ) -> Self {
        let mut wrong = log::faults(&lines);
        if let Some((begin, end)) = fault.logged {
            let said = |words: &str| lines.iter().any(|line| line.message.contains(words));
            wrong.extend(
                [begin, end]
                    .iter()
                    .filter(|words| !said(words))
                    .map(|words| format!("{words:?} is not logged")),
            );
        }
        wrong.extend(took.1.as_ref().err().cloned());
        let unexpected = |failed: &&Failed| !fault.may_fail.contains(&failed.kind);
        wrong.extend(
            reads
                .failed
                .iter()
                .filter(unexpected)
                .take(3)
                .map(|failed| format!("{:?} read: {:?}", failed.kind, failed.answer)),
        );
        Self { name: fault.name, took, reads, lines, resident, wrong }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, took: (lasted, recovered), reads, lines, resident, wrong } = self;
        let recovered = recovered.as_ref().map_or(f64::NAN, Duration::as_secs_f64);
        let failed = |kind| reads.failed.iter().filter(|failed| failed.kind == kind).count();
        let [memory, reviewed, aggregated] = [Kind::Memory, Kind::Reviewed, Kind::Aggregated].map(failed);
        write!(
            f,
            "{name}: lasted {:.0} s, well again after {recovered:.1} s; {} reads, failed: {memory} from memory, \
             {reviewed} reviewed, {aggregated} through kube-apiserver; {} lines; {resident} MiB",
            lasted.as_secs_f64(),
            reads.made,
            lines.len()
        )?;
        wrong.iter().try_for_each(|wrong| write!(f, "\n  WRONG: {wrong}"))
    }
}

/// Waits until nothing is left of a fault; how long that took, or what is left.
pub(crate) fn recovered(around: &Surroundings<'_>) -> Result<Duration, String> {
    let began = Instant::now();
    loop {
        let left = left(around);
        if left.is_empty() {
            return Ok(began.elapsed());
        }
        if began.elapsed() > RECOVERY {
            return Err(format!("after {RECOVERY:?}: {left:?}"));
        }
        thread::sleep(Duration::from_millis(250));
    }
}

fn left(around: &Surroundings<'_>) -> Vec<String> {
    let metrics = around.adapter.admin("/metrics").body;
    let holds = |line: &&&str| !metrics.contains(&format!("\ncustom_metrics_adapter_{line}\n"));
    let mut left: Vec<String> = GAUGES.iter().filter(holds).map(|line| (*line).to_owned()).collect();
    let before = around.readers.mark();
    thread::sleep(Duration::from_secs(3));
    left.extend(around.readers.since(before).failed.iter().map(|failed| format!("{:?} fails", failed.kind)));
    left
}

impl Judge {
    pub(crate) fn new(quiet: u64) -> Self {
        println!("{quiet} MiB at the start");
        Self { quiet, rows: Vec::new(), wrong: Vec::new() }
    }

    pub(crate) fn add(&mut self, row: Row) {
        self.rows.push(row);
    }

    /// After the last fault: memory comes back, and no alert stays.
    pub(crate) fn calm(&mut self, prometheus: &Prometheus<'_>, around: &Surroundings<'_>) {
        let began = Instant::now();
        let mut alerts = prometheus.alerts();
        while !alerts.is_empty() && began.elapsed() < ALERTS_END {
            thread::sleep(Duration::from_secs(5));
            alerts = prometheus.alerts();
        }
        println!("the last alert ended {:.0} s after the last fault", began.elapsed().as_secs_f64());
        self.wrong.extend(alerts.into_iter().map(|alert| format!("the alert {alert} stays")));
        let resident = around.resident.settled();
        println!("{resident} MiB at the end");
        if resident * 10 > self.quiet * 12 {
            self.wrong.push(format!("{resident} MiB at the end, {} MiB at the start", self.quiet));
        }
    }

    /// Prints everything; gives back what broke a rule.
    pub(crate) fn report(self) -> Vec<String> {
        let mut said: BTreeMap<String, usize> = BTreeMap::new();
        for row in &self.rows {
            for (line, times) in log::counted(&row.lines) {
                *said.entry(line).or_default() += times;
            }
        }
        said.iter().for_each(|(line, times)| println!("{times:4} x {line}"));
        let of_rows =
            self.rows.iter().flat_map(|row| row.wrong.iter().map(|wrong| format!("{}: {wrong}", row.name)));
        of_rows.chain(self.wrong).collect()
    }
}

/// A refused watch asks again after half a minute.
const RECOVERY: Duration = Duration::from_secs(90);

/// The longest `for` of a rate over five minutes.
const ALERTS_END: Duration = Duration::from_secs(480);

const GAUGES: &[&str] = &[
    "ready 1",
    "auth_trust_failing 0",
    "cluster_discovery_failing 0",
    "cluster_watches{state=\"failing\"} 0",
    "cluster_watches{state=\"refused\"} 0",
];
