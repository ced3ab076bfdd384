//! What is sent to a target, and over which connection.

use std::{sync::Arc, time::Duration};

use custom_metrics_adapter::scrape::{Compression, Health, ScrapeOptions};

use super::{
    target::{Behaviour, Target, answer, gzip, text},
    world::{World, options, pod},
};
use crate::support::eventually;

#[tokio::test]
async fn a_request_says_what_prometheus_says() {
    let options = ScrapeOptions {
        interval: Duration::from_secs(20),
        timeout: Duration::from_millis(7500),
        ..options()
    };
    let world = World::start(options);
    let target = Target::start(text("a 1\n")).await;
    let annotations =
        [("prometheus.io/path", "/stats?format=prometheus"), ("prometheus.io/param_name[]", "x y")];
    world.add(pod("web-1", target.address, &annotations));
    world.reads("web-1", "a", 1000).await;
    let request = target.requests().remove(0);
    let lines: Vec<&str> = request.lines().collect();
    assert_eq!(lines[0], "get /stats?format=prometheus&name%5b%5d=x+y http/1.1");
    for line in [
        &format!("host: {}", target.address),
        "x-prometheus-scrape-timeout-seconds: 7.5",
        "accept: text/plain;version=1.0.0;escaping=allow-utf-8;q=0.5,text/plain;version=0.0.4;q=0.4,*/*;q=0.1",
        "accept-encoding: identity",
        concat!("user-agent: custom-metrics-adapter/", env!("CARGO_PKG_VERSION")),
    ] {
        assert!(lines.contains(&line), "{line} is not in {request}");
    }
}

#[tokio::test]
async fn a_pod_of_ipv6_is_scraped() {
    let world = World::start(options());
    let target = Target::listen("[::1]:0".parse().unwrap(), text("a 1\n"), None).await;
    world.add(pod("web-1", target.address, &[]));
    world.reads("web-1", "a", 1000).await;
    let host = format!("host: [::1]:{}", target.address.port());
    assert!(target.requests()[0].lines().any(|line| line == host), "{:?}", target.requests());
    assert_eq!(world.status("web-1").unwrap().url.unwrap(), format!("http://{}/metrics", target.address));
}

#[tokio::test]
async fn openmetrics_is_asked_for_by_annotation() {
    let world = World::start(options());
    let body = b"# TYPE a gauge\na 1\n# EOF\n";
    let target = Target::start(Behaviour::Answer(answer("application/openmetrics-text", &[], body))).await;
    world.add(pod("web-1", target.address, &[("custom-metrics-adapter/openmetrics", "true")]));
    world.reads("web-1", "a", 1000).await;
    assert!(target.requests()[0].contains("accept: application/openmetrics-text;"));
}

#[tokio::test]
async fn a_connection_is_used_again() {
    let world = World::start(options());
    let target = Target::start(text("a 1\n")).await;
    world.add(pod("web-1", target.address, &[]));
    eventually("ten scrapes", async || target.requests().len() >= 10).await;
    assert_eq!(target.connections(), 1);
}

#[tokio::test]
async fn chunked_bodies_are_read_and_their_connections_used_again() {
    let world = World::start(options());
    let chunked =
        b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n2\r\na \r\n2\r\n1\n\r\n0\r\n\r\n";
    let target = Target::start(Behaviour::Answer(chunked.to_vec())).await;
    world.add(pod("web-1", target.address, &[]));
    world.reads("web-1", "a", 1000).await;
    eventually("ten scrapes", async || target.requests().len() >= 10).await;
    assert_eq!(target.connections(), 1);
}

#[tokio::test]
async fn a_server_that_closes_after_each_answer_is_connected_to_anew_without_a_failure() {
    let world = World::start(options());
    let bare = b"HTTP/1.1 200 OK\r\n\r\na 1\n".to_vec();
    let closing = answer("text/plain", &["connection: close"], b"a 1\n");
    let silent = answer("text/plain", &[], b"a 1\n");
    let mut targets = Vec::new();
    for (number, bytes) in [bare, closing, silent].into_iter().enumerate() {
        let target = Target::start(Behaviour::AnswerAndClose(bytes)).await;
        world.add(pod(&format!("web-{number}"), target.address, &[]));
        targets.push(target);
    }
    eventually("ten scrapes each", async || targets.iter().all(|target| target.requests().len() >= 10)).await;
    assert!(world.scraper.stats().failed().all(|(_, count)| count == 0), "{:?}", world.scraper.stats());
}

#[tokio::test]
async fn gzip_is_asked_for_once_a_body_was_large_and_is_unpacked() {
    let world = World::start(options());
    let large = format!("a 1\n# {}\n", "x".repeat(300 << 10));
    let page = move |number: usize| match number {
        1 => answer("text/plain", &[], large.as_bytes()),
        _ => answer("text/plain", &["content-encoding: gzip"], &gzip(large.replace("a 1", "a 2").as_bytes())),
    };
    let target = Target::start(Behaviour::Count(Arc::new(page))).await;
    world.add(pod("web-1", target.address, &[]));
    world.reads("web-1", "a", 2000).await;
    let requests = target.requests();
    assert!(requests[0].contains("accept-encoding: identity"));
    assert!(requests[1].contains("accept-encoding: gzip"));
    let last = world.is("web-1", Health::Up).await.last_scrape.unwrap();
    assert!(last.bytes > 300 << 10 && last.wire_bytes < 10 << 10, "{last:?}");
}

#[tokio::test]
async fn gzip_can_be_asked_for_always() {
    let world = World::start(ScrapeOptions { compression: Compression::Gzip, ..options() });
    let body = answer("text/plain", &["content-encoding: gzip"], &gzip(b"a 7\n"));
    let target = Target::start(Behaviour::Answer(body)).await;
    world.add(pod("web-1", target.address, &[]));
    world.reads("web-1", "a", 7000).await;
    assert!(target.requests()[0].contains("accept-encoding: gzip"));
}

#[tokio::test]
async fn ipv6_pods_are_scraped() {
    let world = World::start(options());
    let target = Target::listen("[::1]:0".parse().unwrap(), text("a 1\n"), None).await;
    world.add(pod("web-1", target.address, &[]));
    world.reads("web-1", "a", 1000).await;
    let host = format!("host: [::1]:{}", target.address.port());
    assert!(target.requests()[0].contains(&host));
    assert_eq!(world.status("web-1").unwrap().url, Some(format!("http://{}/metrics", target.address)));
}

#[tokio::test]
async fn headers_can_be_added_to_each_request() {
    let add = |headers: &mut http::HeaderMap| {
        headers.insert("traceparent", http::HeaderValue::from_static("00-1-2-01"));
    };
    let world = World::start(ScrapeOptions { request_headers: Some(Arc::new(add)), ..options() });
    let target = Target::start(text("a 1\n")).await;
    world.add(pod("web-1", target.address, &[]));
    world.reads("web-1", "a", 1000).await;
    assert!(target.requests()[0].contains("traceparent: 00-1-2-01"));
}
