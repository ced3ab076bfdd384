//! What a page says in ways of its own, and what its owner sees of it.

use std::sync::Arc;

use custom_metrics_adapter::{
    scrape::{Health, LastScrape},
    store::Absence,
};

use super::{
    target::{Behaviour, Target, answer, status, text},
    world::{World, options, pod},
};

async fn scraped(behaviour: Behaviour, annotations: &[(&str, &str)]) -> (World, Target, LastScrape) {
    let world = World::start(options());
    let target = Target::start(behaviour).await;
    world.add(pod("web-1", target.address, annotations));
    let last = world.is("web-1", Health::Up).await.last_scrape.unwrap();
    (world, target, last)
}

#[tokio::test]
async fn exemplars_in_text_cost_no_line_and_no_series_when_they_come_and_go() {
    let page = |number: usize| {
        let exemplar = if number.is_multiple_of(2) { "" } else { " # {trace_id=\"6c10\"} 0.006" };
        answer(
            "text/plain; version=0.0.4",
            &[],
            format!("q 1{exemplar}\nreqs_total 7{exemplar}\n").as_bytes(),
        )
    };
    let (world, target, last) = scraped(Behaviour::Count(Arc::new(page)), &[]).await;
    crate::support::eventually("it was scraped both ways", async || target.requests().len() > 3).await;
    assert_eq!((last.rejected, last.series), (0, 2));
    assert_eq!(world.read("web-1", "q"), Ok(1000));
}

#[tokio::test]
async fn a_family_with_a_line_that_cannot_be_read_is_shown_with_the_line() {
    let page = "# TYPE queue_depth gauge\nqueue_depth{q=\"a\"} undefined\nqueue_depth{q=\"b\"} 5\nother 7\n";
    let (world, _target, last) = scraped(text(page), &[]).await;
    assert_eq!((last.rejected, last.unreadable), (1, 1));
    assert!(last.unreadable_families[0].starts_with("queue_depth: line 2: the value is not"), "{last:?}");
    assert_eq!(world.read("web-1", "other"), Ok(7000));
    let Err(Absence::Unreadable { fault, .. }) = world.read("web-1", "queue_depth") else {
        panic!("a value")
    };
    assert!(fault.starts_with("line 2: "), "{fault}");
}

#[tokio::test]
async fn a_raw_counter_has_a_value_only_if_the_pod_says_so() {
    let (world, target, _) = scraped(text("# TYPE jobs_total counter\njobs_total 5\n"), &[]).await;
    assert!(matches!(world.read("web-1", "jobs_total"), Err(Absence::RawCounter { .. })));
    world.add(pod("raw", target.address, &[("custom-metrics-adapter/raw-counters", "true")]));
    world.reads("raw", "jobs_total", 5000).await;
}

#[tokio::test]
async fn a_gauge_that_the_pod_calls_a_counter_has_a_rate() {
    let page = |number: usize| {
        answer("text/plain", &[], format!("# TYPE in_bytes gauge\nin_bytes {}\n", 1000 * number).as_bytes())
    };
    let counters = [("custom-metrics-adapter/counters", "in_bytes")];
    let (world, target, _) = scraped(Behaviour::Count(Arc::new(page)), &counters).await;
    let rate =
        crate::support::seen("it has a rate", || world.read("web-1", "in_bytes_per_second").ok()).await;
    assert!(rate > 0, "{rate}");
    world.add(pod("plain", target.address, &[]));
    world.is("plain", Health::Up).await;
    assert!(matches!(world.read("plain", "in_bytes_per_second"), Err(Absence::NoCounter { .. })));
}

#[tokio::test]
async fn a_timestamp_of_long_ago_makes_a_value_stale_unless_it_is_not_to_be_honoured() {
    let (world, target, _) = scraped(text("q 7 1000\nother 1\n"), &[]).await;
    assert!(world.read("web-1", "q").is_err());
    assert_eq!(world.read("web-1", "other"), Ok(1000));
    world.add(pod("now", target.address, &[("custom-metrics-adapter/honor-timestamps", "false")]));
    world.reads("now", "q", 7000).await;
}

#[tokio::test]
async fn a_list_keeps_what_is_wanted_of_a_page_that_is_over_every_limit_without_it() {
    let noise: String = (0..60_000).map(|n| format!("noise{{i=\"{n}\"}} 1\n")).collect();
    let labels: String = (0..80).map(|n| format!("l{n}=\"{n}\",")).collect();
    let long = "x".repeat(5845);
    let page = format!(
        "target_info{{command=\"{long}\"}} 1\nkube_pod_labels{{{labels}}} 1\n{noise}queue_depth 42\n"
    );
    let list = [("custom-metrics-adapter/metrics", "queue_depth, lat_seconds_p99")];
    let (world, _target, last) = scraped(text(&page), &list).await;
    assert_eq!(world.read("web-1", "queue_depth"), Ok(42_000));
    assert_eq!((last.series, last.left_out), (1, 60_002));
    assert_eq!(
        *last.notes,
        ["entry lat_seconds_p99 of custom-metrics-adapter/metrics keeps nothing".to_owned()]
    );
    world.add(pod("all", _target.address, &[]));
    let message = world.fails("all", "limit").await;
    assert!(message.contains("keep less with custom-metrics-adapter/metrics"), "{message}");
}

#[tokio::test]
async fn a_text_without_its_last_newline_is_whole_only_if_a_length_says_so() {
    let world = World::start(options());
    let target = Target::start(text("a 1\nb 2")).await;
    world.add(pod("web-1", target.address, &[]));
    world.reads("web-1", "b", 2000).await;
    let head = "HTTP/1.0 200 OK\r\ncontent-type: text/plain\r\n\r\n";
    target.set(Behaviour::AnswerAndClose(format!("{head}a 3\nb 4\n").into_bytes()));
    world.reads("web-1", "b", 4000).await;
    target.set(Behaviour::AnswerAndClose(format!("{head}a 5\nb 6").into_bytes()));
    let message = world.fails("web-1", "protocol").await;
    assert!(message.starts_with("the body may be cut short: "), "{message}");
    assert_eq!(world.read("web-1", "a"), Ok(3000));
}

#[tokio::test]
async fn a_content_encoding_that_is_none_changes_nothing() {
    for coding in ["none", "utf-8"] {
        let header = format!("content-encoding: {coding}");
        let page = Behaviour::Answer(answer("text/plain", &[&header], b"a 1\n"));
        let (world, _target, _) = scraped(page, &[]).await;
        assert_eq!(world.read("web-1", "a"), Ok(1000), "{coding}");
    }
}

#[tokio::test]
async fn a_framework_that_does_not_know_the_host_is_named_as_the_cause() {
    let world = World::start(options());
    let target = Target::start(status("400 Bad Request", &[])).await;
    world.add(pod("web-1", target.address, &[]));
    let message = world.fails("web-1", "status").await;
    let cause =
        "the status is 400 Bad Request, not 200: many frameworks answer so to a Host that they do not know";
    assert!(message.starts_with(cause), "{message}");
}

#[tokio::test]
async fn annotations_that_are_nearly_known_are_named_beside_the_target() {
    let nearly = [
        ("prometheus.io/schema", "http"),
        ("prometheus.io/probe", "true"),
        ("custom-metrics-adapter/metric", "a"),
    ];
    let (world, _target, _) = scraped(text("a 1\n"), &nearly).await;
    let problems = world.status("web-1").unwrap().problems;
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(
        problems[0].contains(
            "prometheus.io/schema=\"http\": unknown annotation; did you mean prometheus.io/scheme?"
        )
    );
    assert!(problems[1].contains("did you mean custom-metrics-adapter/metrics?"), "{problems:?}");
}
