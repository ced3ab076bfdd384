//! The operators' pages as a program or a terminal reads them: filters, parts, and what is said of a cause.

use std::sync::Arc;

use axum::{Router, body::Body};
use custom_metrics_adapter::{
    admin::{self, ReadRow, Sources},
    model::{LiveObject, MetricName, ObjectRef, Presence, Quantity, Sample, Subject, Uid},
    scrape::{ErrorClass, Health, LastError, LastScrape, TargetStatus},
    store::{Limits, Store, Write},
    version,
};
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tower::ServiceExt as _;

use crate::{
    browser,
    world::{namespaced, pod},
};

struct Page {
    status: StatusCode,
    link: String,
    body: String,
}

async fn get(router: &Router, path: &str, accept: &str) -> Page {
    let request = Request::get(path).header("accept", accept).body(Body::empty()).unwrap();
    let response = router.clone().oneshot(request).await.unwrap();
    let (head, body) = response.into_parts();
    let link = head.headers.get("link").map(|link| link.to_str().unwrap().to_owned()).unwrap_or_default();
    let body = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
    Page { status: head.status, link, body }
}

async fn json(router: &Router, path: &str) -> Value {
    serde_json::from_str(&get(router, path, "application/json").await.body).unwrap()
}

fn with_targets(targets: Vec<TargetStatus>) -> Router {
    admin::router(Sources { targets: Arc::new(move || targets.clone()), ..browser::pages::sources(0) })
}

#[tokio::test]
async fn the_version_page_says_which_build_answers() {
    let answer = json(&admin::router(browser::pages::sources(0)), "/version").await;
    assert_eq!(
        answer,
        serde_json::json!({
            "version": version::VERSION, "commit": version::COMMIT, "date": *version::DATE,
            "os": std::env::consts::OS, "arch": std::env::consts::ARCH,
        })
    );
}

#[tokio::test]
async fn reads_are_shown_by_whom_and_with_the_reason_those_of_hpas_on_demand() {
    let row = |user: &str, path: &str, error: Option<&str>| ReadRow {
        path: path.to_owned(),
        user: user.to_owned(),
        at: Timestamp::now(),
        times: 3,
        error: error.map(str::to_owned),
    };
    let rows = vec![
        row("ann", "/apis/a?x=<b>", Some("the cluster has no namespace \"shpo\"")),
        row("system:serviceaccount:kube-system:horizontal-pod-autoscaler", "/apis/hpa", None),
        row("bob", "/apis/b", None),
    ];
    let router =
        admin::router(Sources { reads: Arc::new(move || rows.clone()), ..browser::pages::sources(0) });
    let users = async |path: &str| -> Vec<String> {
        let rows = json(&router, path).await;
        rows.as_array().unwrap().iter().map(|row| row["user"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(users("/reads").await, ["ann", "bob"]);
    assert_eq!(users("/reads?by=all").await.len(), 3);
    let html = get(&router, "/reads", "text/html").await.body;
    assert!(html.contains("/apis/a?x=&lt;b&gt;") && html.contains("the cluster has no namespace"), "{html}");
    assert!(!html.contains("<script") && !html.contains("/apis/hpa"), "{html}");
    let text = get(&router, "/reads", "*/*").await.body;
    assert!(text.starts_with("AGO") && text.contains("bob") && text.contains("a value"), "{text}");
}

fn target(pod: &str, health: Health, error: Option<&str>) -> TargetStatus {
    let ip = u32::from(pod.bytes().last().unwrap());
    let url = format!("http://10.0.0.{ip}:9102/metrics");
    let error =
        error.map(|error| LastError { class: ErrorClass::Connect, message: error.replace("URL", &url) });
    let last = LastScrape {
        at: Timestamp::now(),
        duration_seconds: f64::from(ip) / 1_000.0,
        samples: ip as usize,
        series: 1,
        bytes: 10,
        wire_bytes: 10,
        rejected: 0,
        rejected_lines: Vec::new(),
        content_type_fallback: false,
        skipped_families: 0,
        left_out: 0,
        unreadable: 0,
        unreadable_families: Vec::new(),
        notes: Arc::default(),
        error,
    };
    TargetStatus {
        namespace: "shop".into(),
        pod: pod.into(),
        url: Some(url),
        source: None,
        health,
        problems: Vec::new(),
        interval_seconds: 15.0,
        next_scrape: None,
        last_scrape: Some(last),
        last_good: None,
        failures: u32::from(health == Health::Down),
        recent: Vec::new(),
    }
}

fn some_targets() -> Vec<TargetStatus> {
    let refused = |pod| target(pod, Health::Down, Some("nothing listens at URL"));
    vec![
        target("web-667b47974-7d2nk", Health::Up, None),
        refused("api-667b47974-x2x4q"),
        refused("api-667b47974-z6jw9"),
        target("db-0", Health::Down, Some("the status is 404")),
    ]
}

#[tokio::test]
async fn targets_of_one_workload_that_fail_alike_are_one_row_and_the_first() {
    let router = with_targets(some_targets());
    let text = get(&router, "/targets", "*/*").await.body;
    let rows: Vec<&str> = text.lines().collect();
    assert!(rows[0].starts_with("STATE  WORKLOAD  TARGETS  LAST GOOD  REASON"), "{text}");
    assert!(
        rows[1].starts_with(
            "down   shop/api  2        never      nothing listens at http://POD-IP:9102/metrics"
        ),
        "{text}"
    );
    assert!(rows[2].contains("shop/db") && rows[2].ends_with("the status is 404"), "{text}");
    assert!(rows[3].starts_with("up     shop/web  1"), "{text}");
    let page = get(&router, "/targets", "text/html").await.body;
    assert!(page.contains("2 targets") && page.contains("/targets/shop/api-667b47974-z6jw9"), "{page}");
    assert!(page.contains("down 3") && page.contains("up 1"), "{page}");
}

#[tokio::test]
async fn targets_are_filtered_sorted_and_parted_by_the_url() {
    let router = with_targets(some_targets());
    let pods = async |query: &str| {
        let found = json(&router, &format!("/targets?format=json&{query}")).await;
        found
            .as_array()
            .unwrap()
            .iter()
            .map(|found| found["pod"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(pods("state=up").await, ["web-667b47974-7d2nk"]);
    assert_eq!(pods("q=db+404").await, ["db-0"]);
    assert_eq!(pods("q=10.0.0.113").await, ["api-667b47974-x2x4q"], "by its URL");
    assert_eq!(pods("namespace=nowhere").await, [""; 0]);
    assert_eq!(pods("sort=samples&limit=2").await, ["api-667b47974-x2x4q", "web-667b47974-7d2nk"]);
    assert_eq!(pods("sort=name&offset=3").await, ["web-667b47974-7d2nk"]);
    let part = get(&router, "/targets?format=json&state=down&limit=2", "*/*").await;
    assert_eq!(part.link, "</targets?format=json&state=down&offset=2&limit=2>; rel=\"next\"");
}

#[tokio::test]
async fn a_pod_has_a_page_of_its_own_and_a_stranger_has_none() {
    let router = with_targets(some_targets());
    let page = get(&router, "/targets/shop/db-0", "text/html").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(
        page.body.contains("the status is 404") && page.body.contains("prometheus.io/port"),
        "{}",
        page.body
    );
    let stranger = get(&router, "/targets/shop/%3Cscript%3E", "text/html").await;
    assert_eq!(stranger.status, StatusCode::NOT_FOUND);
    assert!(
        !stranger.body.contains("<script>") && stranger.body.contains("is no target"),
        "{}",
        stranger.body
    );
}

/// A store with written values, and the pages over it. The cluster has the pods `web-1` and `web-2` alone.
fn with_values() -> Router {
    let store = Store::new(Limits::default());
    let now = Timestamp::now();
    let live = |object: &ObjectRef| match &*object.name {
        "web-1" | "web-2" => Presence::Live(Arc::new(LiveObject {
            object: object.clone(),
            uid: Uid("u".into()),
            created: Timestamp::UNIX_EPOCH,
            labels: custom_metrics_adapter::model::Labels::default(),
        })),
        _ => Presence::Absent,
    };
    let write = |subject: Subject, metric: &str, value: &str, ttl: Option<i64>| Write {
        subject,
        uid: None,
        metric: MetricName::new(metric).unwrap(),
        labels: custom_metrics_adapter::model::Labels::from_pairs([("queue", value)]),
        sample: Sample { value: Quantity::parse(value).unwrap(), timestamp: now, window_seconds: None },
        ttl: ttl.map(SignedDuration::from_secs),
    };
    let long_ago = now - SignedDuration::from_secs(60);
    store.append(vec![write(pod("web-1").into(), "queue_depth", "10", Some(20))], long_ago).unwrap();
    store.append(vec![write(pod("web-2").into(), "queue_depth", "30", None)], now).unwrap();
    store.append(vec![write(pod("gone").into(), "queue_depth", "50", None)], now).unwrap();
    store.append(vec![write(Subject::external("shop"), "orders", "7", None)], now).unwrap();
    store.append(vec![write(namespaced("services", "checkout").into(), "load", "1", None)], now).unwrap();
    admin::router(Sources { store, presence: Arc::new(live), ..browser::pages::sources(0) })
}

#[tokio::test]
async fn metrics_are_listed_by_the_names_that_hpas_ask_for_with_what_lacks_a_value() {
    let router = with_values();
    let all = json(&router, "/series?tab=metrics&format=json").await;
    assert_eq!((all["total"].as_u64(), all["whole"].as_bool()), (Some(3), Some(true)), "{all}");
    let depth = json(&router, "/series?tab=metrics&format=json&q=queue_depth").await["metrics"][0].clone();
    assert_eq!(
        (depth["objects"].as_u64(), depth["objectsWithValue"].as_u64()),
        (Some(3), Some(2)),
        "{depth}"
    );
    assert_eq!(
        (depth["least"].as_f64(), depth["mean"].as_f64(), depth["greatest"].as_f64()),
        (Some(30.0), Some(40.0), Some(50.0))
    );
    assert!(depth["lack"].as_str().unwrap().starts_with("its ttl ended at"), "{depth}");
    let external = json(&router, "/series?tab=metrics&format=json&q=orders").await["metrics"][0].clone();
    assert_eq!(
        (external["resource"].as_str(), external["namespace"].as_str()),
        (Some("external"), Some("shop"))
    );
    let misspelt = get(&router, "/series?q=queue_dept_h", "text/html").await.body;
    assert!(misspelt.contains("Nearest: ") && misspelt.contains("queue_depth"), "{misspelt}");
}

#[tokio::test]
async fn the_objects_of_one_metric_stand_beside_each_other_those_without_a_value_first() {
    let router = with_values();
    let path = "/series?tab=objects&resource=pods&namespace=default&metric=queue_depth";
    let objects = json(&router, &format!("{path}&format=json")).await["objects"].clone();
    let shown: Vec<(&str, Option<&str>)> = objects
        .as_array()
        .unwrap()
        .iter()
        .map(|object| (object["object"].as_str().unwrap(), object["value"].as_str()))
        .collect();
    assert_eq!(
        shown,
        [("pods default/web-1", None), ("pods default/gone", Some("50")), ("pods default/web-2", Some("30"))]
    );
    let page = get(&router, path, "text/html").await.body;
    assert!(page.contains("data-points=\"3\""), "{page}");
}

#[tokio::test]
async fn a_series_that_no_read_serves_says_so() {
    let router = with_values();
    let found = json(&router, "/series?format=json&q=queue=10").await;
    assert_eq!(found["total"], 1, "by a label's value: {found}");
    let series = &found["series"][0];
    assert_eq!(series["served"], false, "{series}");
    assert!(series["why"].as_str().unwrap().starts_with("its ttl ended at"), "{series}");
    assert_eq!(json(&router, "/series?format=json&q=queue=30").await["series"][0]["served"], true);
    let second = json(&router, "/series?format=json&limit=1&offset=1&metric=queue_depth").await;
    assert_eq!(
        (second["total"].as_u64(), second["series"][0]["name"].as_str()),
        (Some(3), Some("web-1")),
        "{second}"
    );
    let text = get(&router, "/series?tab=raw&q=web-1", "*/*").await.body;
    assert!(text.contains("no: its ttl ended at"), "{text}");
}

#[tokio::test]
async fn the_status_says_in_one_sentence_whether_it_works() {
    let router = admin::router(browser::pages::sources(3));
    let status = json(&router, "/?format=json").await;
    let summary = status["summary"].as_str().unwrap();
    assert!(summary.starts_with("Not ready. kube-apiserver asked 0 s ago. In the last minute "), "{summary}");
    assert!(summary.ends_with("Targets: 0 up, 0 down, 0 refused."), "{summary}");
    let text = get(&router, "/", "*/*").await.body;
    assert!(
        text.starts_with(summary) && text.contains("--max-series") && text.contains("\nto do: kubectl "),
        "{text}"
    );
    assert!(text.contains("HPA n0/"), "an HPA that cannot scale: {text}");
    let page = get(&router, "/", "text/html").await.body;
    assert!(page.contains("<a href=\"/hpas/n0/"), "and the way to it: {page}");
    assert!(
        page.contains("data-points=\"90\"") && page.contains("is external-metrics.yaml applied"),
        "{page}"
    );
}

#[tokio::test]
async fn twenty_thousand_targets_are_a_page_of_a_thousand_rows_and_ways_to_the_others() {
    let each = |number: usize| TargetStatus {
        namespace: format!("n{}", number % 7),
        // Each is a workload of its own, which nothing folds.
        ..target(&format!("w{number:05}"), Health::Up, None)
    };
    let router = with_targets((0..20_000).map(each).collect());
    let page = get(&router, "/targets", "text/html").await.body;
    let (_, list) = page.split_once("class=\"targets\"").unwrap();
    assert_eq!(list.matches("<tr>").count(), 1 + 1_000, "a head and a thousand rows");
    assert!(page.contains("1000 of 20000 rows") && page.contains("offset=1000"), "the way to the others");
    let greedy = json(&router, "/targets?format=json&limit=100000").await;
    assert_eq!(greedy.as_array().unwrap().len(), 1_000, "nobody gets more at once");
    let last = json(&router, "/targets?format=json&sort=name&offset=19999").await;
    assert_eq!(last.as_array().unwrap().len(), 1, "{last}");
    let found = json(&router, "/targets?format=json&q=w19999").await;
    assert_eq!(found[0]["pod"], "w19999", "{found}");
    let beyond = get(&router, "/targets?offset=99999999999", "text/html").await;
    assert_eq!(beyond.status, StatusCode::OK);
}

#[tokio::test]
async fn fifty_thousand_series_are_searched_sorted_and_parted() {
    let store = Store::new(Limits::default());
    let now = Timestamp::now();
    let write = |number: u16| {
        let object = pod(&format!("p{}", number % 50));
        let metric = format!("m{:04}", number / 50);
        let at = now.to_string();
        crate::world::value(&object, &metric, &number.to_string(), "zone=a", &at)
    };
    store.append((0..50_000).map(write).collect(), now).unwrap();
    let router = admin::router(Sources { store, ..browser::pages::sources(0) });
    let first = async |query: &str| {
        let found = json(&router, &format!("/series?tab=metrics&format=json&{query}")).await;
        assert!(found["metrics"].as_array().unwrap().len() <= 1_000, "{query}");
        (found["total"].as_u64().unwrap(), found["metrics"][0]["metric"].as_str().unwrap().to_owned())
    };
    assert_eq!(first("limit=100000").await, (1_000, "m0000".to_owned()));
    assert_eq!(first("sort=value").await, (1_000, "m0999".to_owned()));
    assert_eq!(first("offset=998&limit=1").await, (1_000, "m0998".to_owned()));
    assert_eq!(first("q=m0777").await, (1, "m0777".to_owned()));
    let raw = json(&router, "/series?format=json&limit=100000").await;
    assert_eq!((raw["total"].as_u64(), raw["series"].as_array().unwrap().len()), (Some(50_000), 1_000));
    let second = get(&router, "/series?q=m0777&sort=age&namespace=default", "text/html").await.body;
    assert!(second.contains("<option value=\"age\" selected>") && second.contains("m0777"), "{second}");
    let nowhere = get(&router, "/series?q=m0777&namespace=nowhere", "text/html").await.body;
    assert!(nowhere.contains("No metric is like that"), "{nowhere}");
}

#[tokio::test]
async fn what_a_reader_types_is_text_on_the_page() {
    let router = admin::router(browser::pages::sources(1));
    let typed = "%3Cscript%3Ealert(1)%3C/script%3E%22%27";
    for path in
        ["/targets?q=", "/targets?namespace=", "/series?q=", "/series?namespace=", "/series?tab=raw&q="]
    {
        let page = get(&router, &format!("{path}{typed}"), "text/html").await;
        assert_eq!(page.status, StatusCode::OK, "{path}");
        assert!(!page.body.contains("<script"), "{path}: {}", page.body);
    }
}

#[tokio::test]
async fn a_metric_that_an_hpa_asks_for_has_the_history_of_what_it_got() {
    let router = admin::router(browser::pages::sources(1));
    let metric = "m".repeat(100);
    let path = format!("/series?tab=objects&resource=services&namespace=n0&metric={metric}");
    let page = get(&router, &path, "text/html").await.body;
    assert!(page.contains("data-points=\"180\"") && page.contains("/hpas/n0/"), "{page}");
    let other = get(&router, &path.replace("namespace=n0", "namespace=n1"), "text/html").await.body;
    assert!(!other.contains("data-points=\"180\""), "an HPA of another namespace: {other}");
}

#[tokio::test]
async fn a_pods_targets_are_a_table_in_a_terminal() {
    let router = with_targets(some_targets());
    let text = get(&router, "/targets/shop/db-0", "*/*").await.body;
    assert!(text.starts_with("STATE  URL") && text.contains("the status is 404"), "{text}");
    let stranger = get(&router, "/targets/shop/nobody", "*/*").await;
    assert_eq!(stranger.status, StatusCode::NOT_FOUND);
    assert!(stranger.body.contains("no target"), "{}", stranger.body);
}
