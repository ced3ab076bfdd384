//! What the pages have to show: every state there is, and names and errors as long as they get.

use std::sync::Arc;

use custom_metrics_adapter::{
    admin::{
        DiscoveryRow, Hpas, LimitRow, Listener, MonitorRow, ReadRow, ReadsRow, Sources, Status, StatusCheck,
        Trend, WatchRow,
    },
    hpa::{
        CONTROLLER_ACCOUNT, Cause, Condition, Detail, Listed, Listing, MetricReport, Outcome, PodReport,
        Point, Replicas, Report, State, Step, StepKind,
    },
    model::Presence,
    scrape::{ErrorClass, Health, LastError, LastScrape, RecentScrape, TargetCounts, TargetStatus},
    store::Store,
};
use futures::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};

use crate::world::{cluster_scoped, namespaced, pod, store, value};

pub(crate) fn sources(hpas: usize) -> Sources {
    let one = |namespace: String, name: String| -> BoxFuture<'static, Option<Detail>> {
        Box::pin(async move {
            Some(Detail { points: vec![points()], report: report(&namespace, &name, State::Unknown) })
        })
    };
    let hpas = Hpas { list: Arc::new(move || listing(hpas)), one: Arc::new(one) };
    Sources {
        monitors: Arc::new(monitors),
        store: values(),
        targets: Arc::new(targets),
        counts: Arc::new(TargetCounts::default),
        presence: Arc::new(|_| Presence::Unknown),
        hpas,
        reads: Arc::new(reads),
        status: Arc::new(status),
    }
}

fn monitors() -> Vec<MonitorRow> {
    let fault = "spec.endpoints[0].basicAuth: credentials of monitors are not read".to_owned();
    let broken =
        MonitorRow { monitor: "ServiceMonitor shop/front".to_owned(), targets: 2, faults: vec![fault] };
    vec![broken, MonitorRow { monitor: "PodMonitor shop/web".to_owned(), targets: 0, faults: Vec::new() }]
}

/// Twenty thousand targets and fifty thousand series.
pub(crate) fn many() -> Sources {
    let name = |number: u32| format!("{}-{number}", "web".repeat(15));
    let target = move |number: u32| TargetStatus {
        pod: name(number),
        namespace: format!("n{}", number % 50),
        url: Some(format!("http://10.0.0.1:9102/{number}")),
        source: None,
        ..target(if number.is_multiple_of(9) { Health::Down } else { Health::Up })
    };
    let all: Vec<TargetStatus> = (0..20_000).map(target).collect();
    let now = Timestamp::now().to_string();
    let written = |number: u32| {
        let metric = format!("requests_of_{}_per_second", number / 50);
        value(&pod(&name(number % 50)), &metric, "41500m", "method=GET,code=200", &now)
    };
    Sources {
        store: store((0..50_000).map(written).collect()),
        targets: Arc::new(move || all.clone()),
        ..sources(1)
    }
}

/// HPAs in every state, with names as long as names get.
fn listing(hpas: usize) -> Listing {
    let listed = |number: usize| {
        let name = if number == 0 { "w".repeat(63) } else { format!("web-{number}") };
        let report = report(&format!("n{}", number % 7), &name, State::ALL[number % State::ALL.len()]);
        Listed { report: Arc::new(report), points: vec![points()] }
    };
    Listing { at: Timestamp::now(), hpas: (0..hpas).map(listed).collect(), notice: None }
}

fn points() -> Vec<Point> {
    let point = |at: i64| {
        let value = (at % 7 != 0).then(|| (at * at % 100) as f32);
        Point { at: 1_795_651_200 + at * 5, value, replicas: 3, with_value: 3, pods: 5 }
    };
    (0..180).map(point).collect()
}

fn report(namespace: &str, name: &str, state: State) -> Report {
    let each = |number: usize| PodReport {
        name: format!("{}-{number}", "w".repeat(58)),
        value: (number > 0).then_some(1234.5),
        at: Some(Timestamp::now()),
        target: Some(format!("down: {}", url('t'))),
        treated: "missing: at the target when fewer replicas are wanted, 0 when more are".to_owned(),
        lack: (number == 0).then(|| format!("{}: the status is 404", url('l'))),
    };
    let metric = MetricReport {
        r#type: "Object".to_owned(),
        name: "m".repeat(100),
        selector: format!("queue={}", "q".repeat(63)),
        object: Some(format!("Service/{}", "s".repeat(63))),
        target_type: "AverageValue".to_owned(),
        target: "100".to_owned(),
        target_number: 100.0,
        value: Some(9_223_372_036_854_775.0),
        ratio: Some(0.97),
        replicas: Some(6),
        oldest: Some(Timestamp::now()),
        pods: 5,
        pods_with_value: 3,
        lack: None,
        each: (0..5).map(each).collect(),
    };
    let step = Step {
        step: StepKind::Targets,
        metric: Some("m".repeat(100)),
        outcome: Outcome::Wrong,
        text: format!("2 of 5 pods do not answer their scrape: {}", url('x')),
        cause: Some(Cause::TargetDown),
        fix: Some(format!("curl {} from within the cluster", url('f'))),
    };
    Report {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        target: "Deployment/web".to_owned(),
        at: Timestamp::now(),
        state,
        reason: step.text.clone(),
        cause: step.cause,
        fix: step.fix.clone(),
        replicas: Replicas { current: 3, desired: 3, computed: Some(6), min: 1, max: 10 },
        steps: vec![step; 4],
        metrics: vec![metric],
        conditions: vec![
            Condition {
                r#type: "ScalingActive".to_owned(),
                status: "False".to_owned(),
                reason: "FailedGetObjectMetric".to_owned(),
                message: url('c'),
                last_transition_time: Some(Timestamp::now()),
            };
            4
        ],
    }
}

fn values() -> Store {
    let written = "2026-11-24T09:00:00Z";
    let unbroken = "x".repeat(253);
    let labels = format!("method=GET,path={},code=200,zone={}", "p".repeat(63), "z".repeat(63));
    store(vec![
        value(&pod("web-7c9d5f6b8-x2x4q"), "requests_per_second", "41500m", "", written),
        value(&pod(&unbroken), &"m".repeat(256), "9223372036854775", &labels, written),
        value(&pod("web-0"), "http_request_duration_seconds_p99", "250m", &labels, written),
        value(&namespaced("services", "checkout"), "queue_depth", "-3", "queue=orders", written),
        value(&cluster_scoped("nodes", "node-1"), "load", "1500m", "", written),
    ])
}

fn status() -> Status {
    let check = |name: &str, failure: Option<&str>| StatusCheck {
        name: name.into(),
        failure: failure.map(Into::into),
    };
    let listener = |purpose, address: &str| Listener { purpose, address: address.parse().unwrap() };
    Status {
        version: "0.1.0",
        mode: "cluster",
        started: Timestamp::now() - SignedDuration::from_hours(70),
        listeners: vec![
            listener("Metrics API (TLS)", "[::]:6443"),
            listener("Writes", "[2001:db8:1111:2222:3333:4444:5555:6666]:8080"),
            listener("This page", "[::]:9090"),
        ],
        checks: vec![
            check("discovery-loaded", None),
            check("pods-synced", Some(&format!("the watch failed: {}: connection refused", url('q')))),
            check("shutdown", None),
        ],
        watches: ["synced", "listing", "failing", "refused"].into_iter().map(watch).collect(),
        discovery: Some(DiscoveryRow {
            state: "failing",
            since: Some(Timestamp::now() - SignedDuration::from_hours(3)),
            resources: 123,
            partial_groups: vec!["g".repeat(60), format!("{}.example.com", "p".repeat(60))],
            last_error: Some(format!("no answer from {}", url('d'))),
        }),
        reads: ReadsRow { discovery: Some(Timestamp::now()), ..ReadsRow::default() },
        limits: vec![
            LimitRow { name: "written series", used: 190_000, limit: 200_000, set_by: "--max-series" },
            LimitRow {
                name: "memory of the container",
                used: 300 << 20,
                limit: 512 << 20,
                set_by: "resources.limits.memory",
            },
        ],
        certificate_ends: Timestamp::now() + SignedDuration::from_hours(8_000),
        journal: None,
        trends: trends(),
    }
}

/// As many as are kept, half of them by the HPA controller.
fn reads() -> Vec<ReadRow> {
    let read = |number: usize| ReadRow {
        path: format!("/apis/custom.metrics.k8s.io/v1beta2/namespaces/{}/pods/*/{number}", "n".repeat(63)),
        user: if number.is_multiple_of(2) { CONTROLLER_ACCOUNT.to_owned() } else { "u".repeat(100) },
        at: Timestamp::now(),
        times: u64::MAX,
        error: number.is_multiple_of(3).then(|| url('r')),
    };
    (0..1_000).map(read).collect()
}

fn watch(state: &'static str) -> WatchRow {
    WatchRow {
        resource: format!("{}.{}", "r".repeat(63), "g".repeat(100)),
        state,
        since: Timestamp::now() - SignedDuration::from_secs(90),
        objects: 50_000,
        last_error: (state != "synced").then(|| format!("cannot list: {}", url('w'))),
    }
}

fn trends() -> Vec<Trend> {
    let point = |at: i16| {
        let wave = f32::from(at % 11);
        Trend {
            at: 1_795_651_200 + i64::from(at) * 10,
            answered: 40.0 + wave,
            unanswered: wave / 10.0,
            scrapes_good: 133.0,
            scrapes_failed: wave,
            memory_mib: 80.0 + wave,
            series: 1_000_000.0,
        }
    };
    (0..90).map(point).collect()
}

fn targets() -> Vec<TargetStatus> {
    let all = [Health::Up, Health::Down, Health::Refused, Health::Unknown, Health::Terminating];
    all.into_iter().map(target).collect()
}

fn target(health: Health) -> TargetStatus {
    let scraped = !matches!(health, Health::Refused | Health::Unknown);
    let problem =
        format!("annotation prometheus.io/port: \"{}\" is neither a port nor its name", "9".repeat(120));
    let now = Timestamp::now();
    TargetStatus {
        namespace: "n".repeat(63),
        pod: format!("{}-{}", "web".repeat(80), "x2x4q"),
        url: scraped.then(|| url('u')),
        source: None,
        health,
        problems: if health == Health::Refused { vec![problem] } else { Vec::new() },
        interval_seconds: 15.0,
        next_scrape: scraped.then(|| now + SignedDuration::from_secs(9)),
        last_scrape: scraped.then(|| last_scrape(health, now)),
        last_good: None,
        failures: u32::from(health == Health::Down) * 1234,
        recent: (0..20)
            .map(|at| RecentScrape {
                at: 1_795_651_200 + at * 15,
                took_ms: at * 7,
                samples: 1_016,
                good: at % 5 != 0,
            })
            .collect(),
    }
}

fn last_scrape(health: Health, now: Timestamp) -> LastScrape {
    let message = format!("connecting to {}: tcp connect error: no route to host (os error 113)", url('e'));
    let error = (health == Health::Down).then_some(LastError { class: ErrorClass::Connect, message });
    LastScrape {
        at: now - SignedDuration::from_secs(6),
        duration_seconds: 0.0123,
        samples: 1_234_567,
        series: 1_234_567,
        bytes: 123_456_789,
        wire_bytes: 12_345_678,
        rejected: 3,
        rejected_lines: vec![format!("line 17: {}: no value", "r".repeat(300))],
        content_type_fallback: true,
        skipped_families: 2,
        left_out: 1_234_567,
        unreadable: 17,
        unreadable_families: vec![format!("{}: line 17: no value", "u".repeat(300))],
        notes: vec![format!("entry {} of custom-metrics-adapter/metrics keeps nothing", "e".repeat(300))]
            .into(),
        error,
    }
}

/// An address that nothing breaks.
fn url(letter: char) -> String {
    format!("http://[2001:db8:1111:2222:3333:4444:5555:6666]:65535/{}", letter.to_string().repeat(200))
}
