//! Metrics that a pod's annotations compute from its others.

use custom_metrics_adapter::scrape::Health;

use super::{
    target::{Target, text},
    world::{World, options, pod},
};

const PAGE: &str =
    "# TYPE active gauge\nactive{pool=\"web\"} 3\nactive{pool=\"jobs\"} 1\n# TYPE total gauge\ntotal 8\n";

#[tokio::test]
async fn a_derived_metric_is_read_as_any_other_and_follows_its_annotation() {
    let world = World::start(options());
    let target = Target::start(text(PAGE)).await;
    let derive = |expression| [("custom-metrics-adapter/derive.busy_ratio", expression)];
    world.add(pod("web-1", target.address, &derive("active / total")));
    world.reads("web-1", "busy_ratio", 500).await;
    world.add(pod("web-1", target.address, &derive(r#"active{pool=~"w.*"} / total"#)));
    world.reads("web-1", "busy_ratio", 375).await;
    world.add(pod("web-1", target.address, &[]));
    world.lacks("web-1", "busy_ratio").await;
}

#[tokio::test]
async fn a_wrong_expression_is_an_error_of_the_pod_and_the_pod_is_scraped_all_the_same() {
    let world = World::start(options());
    let target = Target::start(text(PAGE)).await;
    let annotations = [
        ("custom-metrics-adapter/derive.wrong", "active / rate(total)"),
        ("custom-metrics-adapter/derive.right", "100 * active / total"),
    ];
    world.add(pod("web-1", target.address, &annotations));
    world.reads("web-1", "right", 50_000).await;
    let status = world.is("web-1", Health::Up).await;
    world.lacks("web-1", "wrong").await;
    let [error] = status.problems.as_slice() else { panic!("{:?}", status.problems) };
    assert!(error.contains("at character 10: expected sum, avg, max or min"), "{error}");
}
