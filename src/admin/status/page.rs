//! The page and the lines of `/`.

use jiff::{SignedDuration, Timestamp};
use maud::{Markup, html};

use super::{DiscoveryRow, Glance, JournalRow, LimitRow, Status, WatchRow};
use crate::{
    admin::{
        Trend,
        chart::trend,
        columns::columns,
        numbers::grouped,
        page::{ago, as_of, span},
    },
    hpa::{Report, State},
};

impl Glance {
    /// Whether it works, who asks, and how scrapes go.
    pub(super) fn summary(&self) -> String {
        let Self { status, counts, now, .. } = self;
        let ready = if self.failures().next().is_none() { "Ready." } else { "Not ready." };
        let asked = status.reads.discovery.map_or_else(
            || "kube-apiserver has not asked since the start.".to_owned(),
            |at| format!("kube-apiserver asked {} ago.", ago(at, *now)),
        );
        let (answered, not) = self.last_minute();
        let targets = format!(
            "Targets: {} up, {} down, {} refused.",
            counts.targets_up, counts.targets_down, counts.targets_refused
        );
        format!(
            "{ready} {asked} In the last minute {answered:.0} reads got a value and {not:.0} did not. {targets}"
        )
    }

    pub(super) fn page(&self) -> Markup {
        let Self { status, now, .. } = self;
        html! {
            p.verdict.(self.tone()) { strong { (self.summary()) } }
            @for (name, failure) in self.failures() { p.bad { strong { (name) } ": " (failure) @if let Some(fix) = mend(name, failure) { br; code { (fix) } } } }
            (self.hpas())
            (pictures(&status.trends))
            (limits(&status.limits))
            (apis(self))
            @if let Some(discovery) = &status.discovery { (cluster(discovery, &status.watches, *now)) }
            (contents(self))
            p.quiet { (as_of(*now)) ". As JSON: " code { "?format=json" } }
        }
    }

    fn tone(&self) -> &'static str {
        let is_blind = self.blind().next().is_some();
        let is_asked = self.status.mode != "cluster" || self.status.reads.discovery.is_some();
        match (
            self.failures().next(),
            is_asked && !is_blind && self.counts.targets_down + self.counts.targets_refused == 0,
        ) {
            (Some(_), _) => "bad",
            (None, false) => "warn",
            (None, true) => "good",
        }
    }

    /// HPAs that cannot scale.
    fn blind(&self) -> impl Iterator<Item = &Report> {
        let reports = self.hpas.hpas.iter().map(|listed| &*listed.report);
        reports.filter(|report| crate::admin::hpas::tone(report.state) == "bad")
    }

    /// How many HPAs are in which state, as links.
    fn hpas(&self) -> Markup {
        let listed = &self.hpas.hpas;
        let count = |state: State| listed.iter().filter(|listed| listed.report.state == state).count();
        let present =
            State::ALL.into_iter().map(|state| (state, count(state))).filter(|(_, count)| *count > 0);
        html! {
            h2 { "HPAs" }
            @if let Some(notice) = &self.hpas.notice { p.notice { (notice.text) @if let Some(fix) = &notice.fix { br; code { (fix) } } } }
            p.chips {
                a.chip href="/hpas" { "all " (listed.len()) }
                @for (state, count) in present {
                    a.chip.(crate::admin::hpas::tone(state)) href={ "/hpas?state=" (state.name()) } { (state.words()) " " (count) }
                }
            }
            @if self.blind().next().is_some() {
                ul.blind { @for report in self.blind().take(BLIND) {
                    li { a href={ "/hpas/" (report.namespace) "/" (report.name) } { (report.namespace) "/" (report.name) } ": " (report.reason) }
                } }
            }
        }
    }

    /// The same for a terminal.
    pub(super) fn lines(&self) -> String {
        let Self { status, counts, now, .. } = self;
        let mut lines = vec![self.summary()];
        lines.extend(self.failures().map(|(name, failure)| {
            let fix = mend(name, failure).map(|fix| format!("\nto do: {fix}")).unwrap_or_default();
            format!("{name}: {failure}{fix}")
        }));
        let blind = self.blind().take(BLIND);
        lines.extend(
            blind.map(|report| format!("HPA {}/{}: {}", report.namespace, report.name, report.reason)),
        );
        lines.push(String::new());
        let limits = status.limits.iter().map(|limit| {
            vec![
                limit.name.to_owned(),
                limit.used.to_string(),
                limit.limit.to_string(),
                limit.set_by.to_owned(),
            ]
        });
        lines.push(columns(&["LIMIT", "USED", "OF", "SET BY"], limits));
        let watches = status.watches.iter().map(|watch| {
            let error = watch.last_error.clone().unwrap_or_default();
            vec![
                watch.resource.clone(),
                watch.state.to_owned(),
                ago(watch.since, *now),
                watch.objects.to_string(),
                error,
            ]
        });
        lines.push(columns(&["WATCH", "STATE", "SINCE", "OBJECTS", "ERROR"], watches));
        lines.push(format!(
            "{} series are written and {} scraped.",
            counts.written_series, counts.scraped_series
        ));
        lines.push(format!("Version {}, started {}.", status.version, second(status.started)));
        lines.push(match &status.journal {
            None => format!("{}.", capitalized(GONE)),
            Some(journal) => format!("Journal: {}.", journal.words(*now)),
        });
        lines.join("\n") + "\n"
    }
}

/// What to type where a check fails.
fn mend(name: &str, failure: &str) -> Option<&'static str> {
    match name {
        "shutdown" | "startup" => None,
        _ if failure.contains("forbidden") => {
            Some("kubectl apply -f deploy/k8s/deployment.yaml: its ClusterRoles and their bindings")
        }
        _ => Some("kubectl get --raw '/readyz?verbose': is kube-apiserver well, and may the pod reach it?"),
    }
}

/// HPAs that cannot scale of which the page says why; the others are behind the link.
const BLIND: usize = 5;

/// A picture: its title, what is drawn of each point, and the same of what is bad.
type Picture = (&'static str, fn(&Trend) -> f32, Option<fn(&Trend) -> f32>);

const PICTURES: [Picture; 4] = [
    ("Reads a second", |point| point.answered, Some(|point| point.unanswered)),
    ("Scrapes a second", |point| point.scrapes_good, Some(|point| point.scrapes_failed)),
    ("Memory, MiB", |point| point.memory_mib, None),
    ("Series", |point| point.series, None),
];

fn pictures(points: &[Trend]) -> Markup {
    html! {
        h2 { "The last 15 minutes" }
        @if points.len() < 2 { p.quiet { "The pictures begin half a minute after the start." } } @else {
            div.pictures { @for (title, good, bad) in PICTURES { (trend(title, points, good, bad)) } }
            p.quiet { "Red: reads without a value, scrapes that failed." }
        }
    }
}

fn limits(limits: &[LimitRow]) -> Markup {
    html! {
        h2 { "Limits" }
        table {
            thead { tr { @for head in ["Limit", "Taken", "", "Set by"] { th scope="col" { (head) } } } }
            tbody { @for limit in limits { (limit_row(limit)) } }
        }
    }
}

fn limit_row(limit: &LimitRow) -> Markup {
    let percent = limit.used.saturating_mul(100) / limit.limit.max(1);
    let tone = if percent >= 80 { "bad" } else { "" };
    html! {
        tr {
            td data-label="Limit" { (limit.name) }
            td data-label="Taken" { span.(tone) { (amount(limit, limit.used)) " of " (amount(limit, limit.limit)) } }
            td data-label="Share" { meter min="0" max="100" high="80" value=(percent.min(100)) aria-label=(limit.name) {} " " (percent) " %" }
            td data-label="Set by" { code { (limit.set_by) } }
        }
    }
}

fn amount(limit: &LimitRow, count: u64) -> String {
    let is_bytes = limit.name.contains("memory") || limit.name.contains("bytes");
    if is_bytes { size(count) } else { grouped(count) }
}

fn size(bytes: u64) -> String {
    match bytes {
        0..0x2800 => format!("{} bytes", grouped(bytes)),
        0x2800..0xa0_0000 => format!("{} KiB", grouped(bytes >> 10)),
        _ => format!("{} MiB", grouped(bytes >> 20)),
    }
}

fn apis(glance: &Glance) -> Markup {
    let Status { reads, certificate_ends, mode, started, version, listeners, journal, .. } = &glance.status;
    let asked = |at: Option<Timestamp>, never: &str| {
        at.map_or_else(|| never.to_owned(), |at| format!("{} ago", ago(at, glance.now)))
    };
    html! {
        h2 { "Who asks" }
        table {
            tbody {
                tr { th scope="row" { "Discovery" } td { (asked(reads.discovery, "never: kubectl get apiservices | grep metrics.k8s.io")) } }
                tr { th scope="row" { "Custom metrics" } td { (asked(reads.custom, "never: no HPA reads one")) } }
                tr { th scope="row" { "External metrics" } td { (asked(reads.external, "never: is external-metrics.yaml applied, and does an HPA read one?")) } }
                tr { th scope="row" { "Certificate" } td { "ends " (second(*certificate_ends)) ", in " (span(certificate_ends.duration_since(glance.now))) } }
                tr { th scope="row" { "Started" } td { (second(*started)) @if journal.is_none() { "; " (GONE) } } }
                @if let Some(journal) = journal { tr { th scope="row" { "Journal" } td { span.(journal.tone(glance.now)) { (journal.words(glance.now)) } } } }
                tr { th scope="row" { "Version" } td { (version) ", " (mode) } }
                @for listener in listeners { tr { th scope="row" { (listener.purpose) } td { code { (listener.address) } } } }
            }
        }
    }
}

fn contents(glance: &Glance) -> Markup {
    let counts = &glance.counts;
    html! {
        h2 { "Contents" }
        p {
            (grouped(counts.objects as u64)) " objects with values, " (grouped(counts.metrics as u64)) " metrics in discovery, " (grouped(counts.written_series as u64))
            " series written, " (grouped(counts.scraped_series as u64)) " scraped, " (grouped(counts.bytes as u64)) " bytes for them. More: "
            a href="/targets" { "targets" } ", " a href="/series" { "series" } ", " a href="/metrics" { "metrics" } ", "
            a href="/readyz?verbose" { "readyz" } "."
        }
    }
}

fn cluster(discovery: &DiscoveryRow, watches: &[WatchRow], now: Timestamp) -> Markup {
    html! {
        h2 { "Cluster" }
        table {
            thead { tr { @for head in ["Watch", "State", "Since", "Objects", "Error"] { th scope="col" { (head) } } } }
            tbody {
                tr {
                    td data-label="Watch" { "discovery" }
                    td data-label="State" { (state(discovery.state)) }
                    td data-label="Since" { @if let Some(since) = discovery.since { (ago(since, now)) } }
                    td data-label="Objects" { (discovery.resources) " resources" }
                    td data-label="Error" {
                        @if let Some(error) = &discovery.last_error { (error) }
                        @for group in &discovery.partial_groups { br; "did not wholly answer: " code { (group) } }
                    }
                }
                @for watch in watches { (row(watch, now)) }
            }
        }
    }
}

fn row(watch: &WatchRow, now: Timestamp) -> Markup {
    html! {
        tr {
            td data-label="Watch" { code { (watch.resource) } }
            td data-label="State" { (state(watch.state)) }
            td data-label="Since" { (ago(watch.since, now)) }
            td data-label="Objects" { (watch.objects) }
            td data-label="Error" { @if let Some(error) = &watch.last_error { (error) } }
        }
    }
}

fn state(state: &'static str) -> Markup {
    html! {
        @match state {
            "synced" | "ok" => span.good { (state) },
            "failing" | "refused" => span.bad { (state) },
            _ => (state),
        }
    }
}

impl JournalRow {
    fn tone(&self, now: Timestamp) -> &'static str {
        if self.failure.is_some() || self.behind(now).is_some() { "bad" } else { "good" }
    }

    /// Since when a replica that follows others cannot say that it has all; the record that says so comes each 5 s.
    fn behind(&self, now: Timestamp) -> Option<SignedDuration> {
        let behind = now.duration_since(self.current?);
        (behind > SignedDuration::from_secs(15)).then_some(behind)
    }

    fn words(&self, now: Timestamp) -> String {
        let state = match (&self.failure, self.behind(now)) {
            (Some(failure), _) => failure.clone(),
            (None, Some(behind)) => {
                format!("this replica may lack writes to others of the last {}", span(behind))
            }
            (None, None) => "ok".to_owned(),
        };
        let last = self.last_commit.map_or_else(
            || "not written since the start".to_owned(),
            |at| format!("last commit {} ago", ago(at, now)),
        );
        let (restored, dropped) = (grouped(self.restored as u64), grouped(self.dropped as u64));
        let bytes = size(self.bytes);
        format!("{state}; {last}; {bytes}; at the start {restored} values came back and {dropped} did not")
    }
}

fn capitalized(words: &str) -> String {
    let (first, rest) = words.split_at_checked(1).unwrap_or((words, ""));
    first.to_uppercase() + rest
}

const GONE: &str = "values that were written before are gone";

/// A moment to the second.
fn second(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}
