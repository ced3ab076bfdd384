//! Targets come, change and go with monitors.

use std::{net::SocketAddr, time::Duration};

use custom_metrics_adapter::{
    cluster::{ContainerPort, Pod, Protocol},
    monitor::{Monitor, MonitorKind},
    scrape::{Health, ScrapeOptions},
};
use serde_json::{Value, json};

use super::{
    target::{Target, text},
    world::{World, options, pod},
};
use crate::support::eventually;

/// A pod without annotations that declares its port as `metrics`.
fn plain(name: &str, address: SocketAddr) -> Pod {
    let mut pod = pod(name, address, &[]);
    pod.annotations.clear();
    let port =
        ContainerPort { name: Some("metrics".into()), number: address.port(), protocol: Protocol::Tcp };
    pod.containers[0].ports.push(port);
    pod
}

fn monitor(endpoint: Value) -> Vec<Monitor> {
    let endpoints = Value::Array(vec![endpoint]);
    let spec = json!({ "selector": {}, "podMetricsEndpoints": endpoints });
    vec![Monitor::read(MonitorKind::Pod, ("default".to_owned(), "mon".to_owned()), spec)]
}

#[tokio::test]
async fn a_pod_that_a_monitor_names_is_scraped_for_as_long_as_it_does() {
    let world = World::start(options());
    let target = Target::start(text("queue_depth{q=\"a\"} 40\nqueue_depth{q=\"b\"} 2\n")).await;
    world.add(plain("web-1", target.address));
    world.add(pod("annotated", target.address, &[]));
    world.reads("annotated", "queue_depth", 42_000).await;
    assert_eq!(world.status("web-1"), None);
    let drops = json!([{ "action": "drop", "sourceLabels": ["q"], "regex": "b" }]);
    world.monitored(monitor(json!({ "port": "metrics", "metricRelabelings": drops })));
    world.reads("web-1", "queue_depth", 40_000).await;
    assert_eq!(world.is("web-1", Health::Up).await.source.as_deref(), Some("PodMonitor default/mon"));
    let annotated = world.is("annotated", Health::Up).await;
    assert_eq!(annotated.source.as_deref(), Some("annotations"));

    world.monitored(monitor(json!({ "port": "metrics" })));
    world.reads("web-1", "queue_depth", 42_000).await;
    world.monitored(Vec::new());
    eventually("no target, no value", async || {
        world.status("web-1").is_none() && world.read("web-1", "queue_depth").is_err()
    })
    .await;
    world.reads("annotated", "queue_depth", 42_000).await;
}

#[tokio::test]
async fn an_annotation_that_comes_and_goes_takes_the_target_over_from_the_monitor_and_gives_it_back() {
    let world = World::start(ScrapeOptions { interval: Duration::from_millis(100), ..options() });
    let target = Target::start(text("a 1\n")).await;
    world.monitored(monitor(json!({ "port": "metrics", "path": "metrics" })));
    world.add(plain("web-1", target.address));
    let by = async |source: &str| {
        eventually(source, async || {
            world.status("web-1").is_some_and(|status| status.source.as_deref() == Some(source))
        })
        .await;
        world.reads("web-1", "a", 1000).await;
    };
    by("PodMonitor default/mon").await;
    let annotated = pod("web-1", target.address, &[]);
    world.add(Pod { annotations: annotated.annotations, ..plain("web-1", target.address) });
    by("annotations").await;
    world.add(plain("web-1", target.address));
    by("PodMonitor default/mon").await;
}
