//! `docs/metrics.md` is what `/metrics` says, and `/metrics` is what Prometheus understands.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write,
    process::{Command, Stdio},
};

use custom_metrics_adapter::{app::App, config::Config, telemetry::metrics::Described};
use tokio_util::sync::CancellationToken;

/// Name, type, labels.
type Row = (String, String, Vec<String>);

/// An adapter without a cluster that listens on ports of its own.
pub(crate) async fn standalone(flags: &[&str]) -> (App, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let certificates = format!("--cert-dir={}", directory.path().display());
    let own = [
        "--standalone",
        "--secure-listen=127.0.0.1:0",
        "--write-listen=127.0.0.1:0",
        "--admin-listen=127.0.0.1:0",
        "--shutdown-delay=0s",
        &certificates,
    ];
    let config = Config::from_args([&own, flags].concat()).unwrap();
    (App::bind(config, CancellationToken::new()).await.unwrap(), directory)
}

fn documented() -> &'static str {
    include_str!("../../../docs/metrics.md")
}

fn cells(line: &str) -> Vec<&str> {
    line.trim_matches('|').split('|').map(str::trim).collect()
}

fn quoted(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn rows_of_the_page() -> BTreeSet<Row> {
    let names = ["| `custom_metrics_adapter_", "| `process_"];
    let rows = documented().lines().filter(|line| names.iter().any(|name| line.starts_with(name)));
    let row = |line: &str| {
        let cells = cells(line);
        assert!(cells.len() == 4 && !cells[3].is_empty(), "name, type, labels, meaning: {line}");
        (cells[0].trim_matches('`').to_owned(), cells[1].to_owned(), quoted(cells[2]))
    };
    rows.map(row).collect()
}

fn row(metric: &Described) -> Row {
    let labels = metric.labels.iter().map(|label| label.name.to_owned()).collect();
    (metric.name.clone(), metric.kind.as_str().to_owned(), labels)
}

#[tokio::test]
async fn the_page_of_metrics_lists_exactly_the_registry() {
    let (app, _directory) = standalone(&[]).await;
    let registered: BTreeSet<Row> = app.metrics().described().iter().map(row).collect();
    assert_eq!(rows_of_the_page(), registered);
}

#[tokio::test]
async fn the_page_of_metrics_lists_every_value_that_a_label_can_have() {
    let (app, _directory) = standalone(&[]).await;
    let mut listed = BTreeSet::new();
    let section = documented().split("## Label values").nth(1).unwrap().split("What some").next().unwrap();
    for line in section.lines().filter(|line| line.contains("` |")) {
        let cells = cells(line);
        let part = cells[0].split_whitespace().next().unwrap().to_owned();
        listed.insert((part, quoted(cells[0]).remove(0), quoted(cells[1])));
    }
    let metrics = app.metrics();
    let of = |metric: &Described| {
        let part =
            metric.name.trim_start_matches("custom_metrics_adapter_").split('_').next().unwrap().to_owned();
        let labels = metric.labels.clone();
        labels
            .into_iter()
            .filter(|label| !["version", "commit"].contains(&label.name) && !label.values.is_empty())
            .map(move |label| {
                let values = label.values.iter().map(|value| (*value).to_owned()).collect();
                (part.clone(), label.name.to_owned(), values)
            })
    };
    let registered: BTreeSet<(String, String, Vec<String>)> =
        metrics.described().iter().flat_map(of).collect();
    assert_eq!(listed, registered);
}

#[tokio::test]
async fn what_is_exposed_is_what_is_registered() {
    let (app, _directory) = standalone(&[]).await;
    let (metrics, page) = (app.metrics(), app.metrics().page().unwrap());
    let described: BTreeMap<&str, &Described> =
        metrics.described().iter().map(|metric| (metric.name.as_str(), metric)).collect();
    let types: BTreeMap<&str, &str> =
        page.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' ')).collect();
    for (name, kind) in &types {
        assert_eq!(described.get(name).map(|metric| metric.kind.as_str()), Some(*kind), "{name}");
    }
    let only_later = |metric: &&&Described| {
        let several = metric.labels.len() > 1 || metric.kind.as_str() == "histogram";
        !several && !ONLY_WITH_A_CLUSTER.contains(&metric.name.as_str())
    };
    for metric in described.values().filter(|metric| only_later(metric)) {
        assert!(types.contains_key(metric.name.as_str()), "{} is not there", metric.name);
    }
}

#[tokio::test]
async fn the_names_of_the_metrics_are_kept() {
    let (app, _directory) = standalone(&[]).await;
    let mut names: Vec<String> = app
        .metrics()
        .described()
        .iter()
        .map(|metric| {
            let labels: Vec<&str> = metric.labels.iter().map(|label| label.name).collect();
            format!("{} {}{{{}}}", metric.kind.as_str(), metric.name, labels.join(","))
        })
        .collect();
    names.sort();
    insta::assert_snapshot!(names.join("\n"));
}

#[tokio::test]
async fn promtool_has_nothing_to_say_about_the_metrics() {
    let (app, _directory) = standalone(&[]).await;
    let page = app.metrics().page().unwrap();
    let mut command = Command::new("promtool");
    command.args(["check", "metrics"]).stdin(Stdio::piped());
    let started = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut promtool = started.expect("promtool is there: `make setup` installs Debian's package prometheus");
    promtool.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
    let said = promtool.wait_with_output().unwrap();
    let words = String::from_utf8_lossy(&said.stdout).into_owned() + &String::from_utf8_lossy(&said.stderr);
    assert!(said.status.success() && words.is_empty(), "{words}");
}

/// An age that there is none of.
const ONLY_WITH_A_CLUSTER: [&str; 2] = [
    "custom_metrics_adapter_cluster_pods_last_event_age_seconds",
    "custom_metrics_adapter_cluster_discovery_age_seconds",
];
