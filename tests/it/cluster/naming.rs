//! Names of resources, by discovery.

use std::time::Duration;

use custom_metrics_adapter::{
    api::{Api, Checks, Clues, RecentReads, Sources},
    auth::Auth,
    cluster::Pacing,
    model::{GroupResource, ObjectRef, Presence},
    store::{Limits, Store},
    write::{self, WriteOptions},
};
use http_body_util::BodyExt;
use tower::ServiceExt;

use super::{Followed, PACING};
use crate::{
    support::{
        kube_api::{KubeApi, object},
        seen,
    },
    world::{cluster_scoped, get, path, store, value},
};

#[tokio::test]
async fn a_crd_that_is_new_is_found_by_the_write_that_needs_it() {
    let api = KubeApi::start().await;
    let followed = Followed::ready(&api).await;
    assert_eq!(followed.cluster.resolve_fresh("widget").await.unwrap_err().nearest, None);
    api.serve("example.io", "v1alpha1", "widgets", "Widget");
    api.apply("widgets.example.io", object("a", "w", ""));
    for name in ["widget", "Widget", "widgets.example.io", "widgets.v1alpha1.example.io"] {
        let found = followed.cluster.resolve_fresh(name).await.unwrap();
        assert_eq!(
            (found.resource.to_string().as_str(), &*found.kind),
            ("widgets.example.io", "Widget"),
            "{name}"
        );
    }
    followed.becomes_live("widgets", "a", "w").await;
}

#[tokio::test]
async fn a_read_of_an_unknown_name_makes_it_known_for_the_next() {
    let api = KubeApi::start().await;
    let followed = Followed::ready(&api).await;
    api.serve("example.io", "v1", "widgets", "Widget");
    followed.cluster.resolve("widgets").unwrap_err();
    seen("it is known", || followed.cluster.resolve("widgets").ok()).await;
}

#[tokio::test]
async fn wrong_names_do_not_flood_the_server() {
    let api = KubeApi::start().await;
    let followed = Followed::ready(&api).await;
    for _ in 0..50 {
        followed.cluster.resolve_fresh("podz").await.unwrap_err();
    }
    assert_eq!(api.asked("/apis").len(), 4, "the first one and three for misses");
}

#[tokio::test]
async fn a_batch_of_wrong_names_asks_once_and_is_answered_with_the_nearest() {
    let api = KubeApi::start().await;
    let followed = Followed::ready(&api).await;
    let line = |n: usize| {
        format!(r#"{{"namespace":"a","resource":"deployments{n}","name":"w","metric":"m","value":1}}"#)
    };
    let batch = (0..30).map(|n| line(n) + "\n").collect::<String>();
    let answer = written(&followed, "/write-metrics", batch).await;
    assert!(answer.starts_with("400") && answer.contains("30 of the batch's lines"), "{answer}");
    assert!(
        answer.contains(r#"unknown resource \"deployments7\" (did you mean \"deployments.apps\"?)"#),
        "{answer}"
    );
    assert_eq!(api.asked("/apis").len(), 2, "the first one and one for the batch");
}

#[tokio::test]
async fn a_write_for_a_crd_of_a_moment_ago_waits_for_it() {
    let api = KubeApi::start().await;
    let followed = Followed::ready(&api).await;
    api.serve("example.io", "v1", "widgets", "Widget");
    assert_eq!(written(&followed, "/write-metrics/namespaces/a/widgets/w/m", "1".to_owned()).await, "200 ");
}

#[tokio::test]
async fn a_write_that_no_read_can_see_is_stored_and_says_so() {
    let api = KubeApi::start().await;
    api.apply("pods", object("shop", "web-0", ""));
    api.apply("namespaces", object("", "shop", ""));
    let followed = Followed::ready(&api).await;
    let known =
        || (followed.cluster.presence(&ObjectRef::namespace("shop")) != Presence::Unknown).then_some(());
    seen("the namespaces are listed", known).await;
    let write =
        async |object: &str| written(&followed, &format!("/write-metrics/{object}/m"), "1".to_owned()).await;
    let end = "; it is dropped in ten minutes unless the object is made\n";
    let begin = "200 stored, and no read can see it: the cluster has no";
    assert_eq!(write("namespaces/shop/pods/web-0").await, "200 ");
    assert_eq!(
        write("namespaces/shop/pods/web-1").await,
        format!("{begin} pods \"web-1\" in namespace \"shop\"{end}")
    );
    assert_eq!(write("namespaces/shpo/pods/web-0").await, format!("{begin} namespace \"shpo\"{end}"));
    // The resource was forgotten: this is a metric of a namespace.
    assert_eq!(write("namespaces/web-0").await, format!("{begin} namespaces \"web-0\"{end}"));

    let line = |pod: usize| {
        format!(r#"{{"namespace":"shop","resource":"pods","name":"web-{pod}","metric":"m","value":"1"}}"#)
    };
    let batch: Vec<String> = (0..15).flat_map(|pod| [line(pod), line(pod)]).collect();
    let answer = written(&followed, "/write-metrics", batch.join("\n")).await;
    let lines: Vec<&str> = answer.lines().collect();
    assert_eq!(lines.len(), 11, "{answer}");
    assert!(lines[9].contains("pods \"web-10\""), "{answer}");
    assert_eq!(lines[10], "8 more writes are for objects that the cluster does not have");
}

/// The answer of a write port over this cluster: its status and its body.
async fn written(followed: &Followed, path: &str, body: String) -> String {
    let options =
        WriteOptions { ttl: None, in_flight: 10, deadline: Duration::from_secs(10), self_only: false };
    let router = write::router(Store::new(Limits::default()), followed.cluster.clone(), options);
    let answer =
        router.oneshot(http::Request::post(path).body(axum::body::Body::from(body)).unwrap()).await.unwrap();
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    format!("{status} {}", String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn a_miss_is_paid_for_again_after_a_while() {
    let api = KubeApi::start().await;
    let pacing = Pacing { discovery_gap: Duration::from_millis(20), ..PACING };
    let followed = Followed::begun(&api, pacing).await;
    for _ in 0..10 {
        followed.cluster.resolve_fresh("podz").await.unwrap_err();
    }
    api.serve("example.io", "v1", "widgets", "Widget");
    seen("it is known", || followed.cluster.resolve("widgets").ok()).await;
}

#[tokio::test]
async fn many_writes_that_miss_at_once_share_one_discovery() {
    let api = KubeApi::start().await;
    let followed = Followed::ready(&api).await;
    api.serve("example.io", "v1", "widgets", "Widget");
    let writes = (0..20).map(|_| followed.cluster.resolve_fresh("widgets"));
    let found = futures::future::join_all(writes).await;
    assert!(found.iter().all(Result::is_ok));
    assert_eq!(api.asked("/apis").len(), 2, "the first one and one for all the misses");
}

#[tokio::test]
async fn the_metrics_apis_lend_their_names_to_nobody() {
    let api = KubeApi::start().await;
    api.serve("metrics.k8s.io", "v1beta1", "pods", "PodMetrics");
    api.serve("custom.metrics.k8s.io", "v1beta2", "gadgets", "MetricValueList");
    let followed = Followed::ready(&api).await;
    assert_eq!(followed.cluster.resolve("pods").unwrap().resource, GroupResource::pods());
    for name in ["podmetrics", "pods.metrics.k8s.io", "gadgets"] {
        followed.cluster.resolve(name).unwrap_err();
    }
}

#[tokio::test]
async fn every_name_that_a_client_takes_for_a_resource_is_known_also_of_those_that_cannot_be_watched() {
    for aggregated in [true, false] {
        let api = KubeApi::start().await;
        if !aggregated {
            api.without_aggregated_discovery();
        }
        api.serve("metrics.k8s.io", "v1beta1", "pods", "PodMetrics");
        api.serve("custom.metrics.k8s.io", "v1beta2", "queue", "MetricValueList");
        api.serve("external.metrics.k8s.io", "v1beta1", "orders", "ExternalMetricValueList");
        api.serve("example.io", "v1", "reports", "Report");
        api.shorten("reports.example.io", "rp");
        api.make_unwatchable("reports.example.io");
        let followed = Followed::ready(&api).await;
        for name in ["pods", "pod", "Pod", "PO", "deployments.apps", "podmetrics", "reports", "report", "rp"]
        {
            assert!(followed.cluster.is_resource_name(name), "{name}, {aggregated}");
        }
        for name in ["queue", "orders", "metricvaluelist", "podz", "", "cronjobs"] {
            assert!(!followed.cluster.is_resource_name(name), "{name}, {aggregated}");
        }
        followed.cluster.resolve("reports").unwrap_err();
    }
}

#[tokio::test]
async fn the_names_of_a_crd_are_taken_once_it_is_there_and_stay_so_while_its_group_is_down() {
    let api = KubeApi::start().await;
    let followed = Followed::ready(&api).await;
    let before = followed.cluster.names_generation();
    assert!(!followed.cluster.is_resource_name("wd"));
    api.serve("example.io", "v1", "widgets", "Widget");
    api.shorten("widgets.example.io", "wd");
    followed.cluster.resolve_fresh("widgets").await.unwrap();
    assert!(followed.cluster.is_resource_name("wd"));
    let known = followed.cluster.names_generation();
    assert_ne!(known, before);
    followed.cluster.resolve_fresh("nothing-new").await.unwrap_err();
    assert_eq!(followed.cluster.names_generation(), known, "nothing has changed");
    api.break_group("example.io");
    api.serve("other.io", "v1", "gears", "Gear");
    followed.cluster.resolve_fresh("gears").await.unwrap();
    assert!(followed.cluster.is_resource_name("wd"));
}

#[tokio::test]
async fn metrics_of_resources_that_are_gone_are_not_listed_and_the_list_asks_the_cluster_nothing() {
    let api = KubeApi::start().await;
    let followed = Followed::ready(&api).await;
    let of = |n: usize| ObjectRef {
        resource: GroupResource::new("gone.io", format!("widgets{n}")),
        namespace: Some("a".into()),
        name: "w".into(),
    };
    let written = (0..100).map(of).chain([cluster_scoped("nodes", "node-1")]);
    let written = written.map(|object| value(&object, "load", "1", "", "2026-11-24T08:44:11Z")).collect();
    let sources = Sources {
        store: store(written),
        cluster: std::sync::Arc::new(followed.cluster.clone()),
        auth: Auth::disabled(),
        checks: Checks::new(Vec::new),
        clues: Clues::of_writes_alone(None),
        recent: RecentReads::default(),
    };
    let list = get(&Api::new(sources, Default::default()).router(), &path("")).await.json();
    let listed: Vec<_> = list["resources"].as_array().unwrap().iter().map(|one| &one["name"]).collect();
    assert_eq!(listed, ["nodes/load"]);
    assert_eq!(api.asked("/apis").len(), 1, "that of the start");
}

#[tokio::test]
async fn a_group_that_is_down_keeps_its_names_and_harms_no_other() {
    for aggregated in [true, false] {
        let api = KubeApi::start().await;
        if !aggregated {
            api.without_aggregated_discovery();
        }
        api.serve("example.io", "v1", "widgets", "Widget");
        api.serve("custom.metrics.k8s.io", "v1beta2", "x", "MetricValueList");
        api.break_group("custom.metrics.k8s.io");
        let followed = Followed::ready(&api).await;
        followed.cluster.resolve("widgets").unwrap();
        api.break_group("example.io");
        api.serve("other.io", "v1", "gears", "Gear");
        followed.cluster.resolve_fresh("gears").await.unwrap();
        followed.cluster.resolve("widgets").unwrap();
        assert_eq!(followed.cluster.discovery().unwrap().partial_groups, ["example.io"], "{aggregated}");
    }
}

#[tokio::test]
async fn a_server_without_aggregated_discovery_is_asked_group_by_group() {
    let api = KubeApi::start().await;
    api.without_aggregated_discovery();
    api.serve("example.io", "v1", "widgets", "Widget");
    let followed = Followed::ready(&api).await;
    for (name, resource) in
        [("no", "nodes"), ("deploy", "deployments.apps"), ("Widget", "widgets.example.io")]
    {
        assert_eq!(followed.cluster.resolve(name).unwrap().resource.to_string(), resource);
    }
    // Discovery replaces what was built in: this server has no jobs.
    followed.cluster.resolve("jobs").unwrap_err();
}

#[tokio::test]
async fn a_resource_that_moves_to_another_version_is_followed_there() {
    let api = KubeApi::start().await;
    api.serve("example.io", "v1alpha1", "widgets", "Widget");
    let followed = Followed::ready(&api).await;
    followed.names("widgets", None, "").await;
    api.serve_no_more("widgets.example.io");
    api.serve("example.io", "v1", "widgets", "Widget");
    api.apply("widgets.example.io", object("a", "w", ""));
    followed.becomes_live("widgets", "a", "w").await;
    assert!(!api.asked("/apis/example.io/v1/widgets").is_empty());
}
