//! kube-apiserver goes away for a while.

use std::time::{Duration, Instant};

use crate::harness::{API, Adapter, Caller, ControlPlane, Namespace, SOON, Subject, eventually_equals};

#[test]
fn reads_go_on_without_kube_apiserver_and_the_watches_recover() {
    let plane = ControlPlane::start("outage");
    // Longer than the outage: what was decided before it holds through it.
    let cached =
        ["--authentication-token-webhook-cache-ttl=5m", "--authorization-webhook-cache-authorized-ttl=5m"];
    let before = streamed_lists(&plane);
    let mut adapter = Adapter::start(&plane, "shared", &cached);
    assert!(streamed_lists(&plane) > before, "its first list of pods is streamed");
    plane.adapter_script(&["register", "shared"]);
    let namespace = Namespace::create(&plane, "outlives");
    for pod in ["a", "b"] {
        namespace.pod(pod, "web");
        adapter.write(&namespace.pod_metric(pod, "load"), "1");
    }
    let (known, unknown) = (token_of_a_reader(&namespace, "known"), token_of_a_reader(&namespace, "unknown"));
    let path = format!("{API}{}?labelSelector=app%3Dweb", namespace.pod_metric("*", "load"));
    let listed = |adapter: &Adapter| adapter.read(&path, &Caller::Token(&known)).values();
    let both = vec![("a".to_owned(), "1".to_owned()), ("b".to_owned(), "1".to_owned())];
    eventually_equals("both are listed", SOON, &both, || listed(&adapter));

    plane.stop_apiserver();
    let stopped = Instant::now();
    while stopped.elapsed() < Duration::from_secs(20) {
        assert_eq!(listed(&adapter), both, "a decision that is cached needs no kube-apiserver");
    }
    let undecided = adapter.read(&path, &Caller::Token(&unknown));
    assert_eq!(undecided.status, 500, "no review, no answer: {undecided:?}");
    assert!(undecided.body.contains("the bearer token could not be reviewed: "), "{undecided:?}");
    for begun in
        [["WARN", "reviews fail", "review=\"TokenReview\""], ["WARN", "watch fails", "resource=pods"]]
    {
        assert_eq!(adapter.log_lines(&begun).len(), 1, "{begun:?}");
    }
    assert!(!adapter.has_exited());
    plane.start_apiserver();

    namespace.pod("c", "web");
    adapter.write(&namespace.pod_metric("c", "load"), "1");
    namespace.delete_pod("a");
    let after = vec![("b".to_owned(), "1".to_owned()), ("c".to_owned(), "1".to_owned())];
    eventually_equals("the watches saw what came after", SOON, &after, || listed(&adapter));
    plane.kubectl("wait --for=condition=Available apiservice/v1beta2.custom.metrics.k8s.io --timeout=60s");
    assert_eq!(adapter.read(&path, &Caller::Token(&unknown)).values(), after);
    let is_over = || {
        let metrics = adapter.admin("/metrics").body;
        ["auth_trust_failing", "cluster_discovery_failing", "cluster_watches{state=\"failing\"}"]
            .map(|gauge| metrics.contains(&format!("\ncustom_metrics_adapter_{gauge} 0\n")))
    };
    eventually_equals("nothing fails any more", SOON, &[true; 3], is_over);
    for ended in [
        ["INFO", "reviews work again", "review=\"TokenReview\""],
        ["INFO", "watch works again", "resource=pods"],
    ] {
        assert_eq!(adapter.log_lines(&ended).len(), 1, "{ended:?}");
    }
}

/// Lists of pods that kube-apiserver has sent as the first events of a watch, whole.
fn streamed_lists(plane: &ControlPlane) -> u64 {
    let metrics = plane.curl(&[], "/metrics").body;
    let of_pods = metrics.lines().filter(|line| {
        line.starts_with("apiserver_watch_list_duration_seconds_count{") && line.contains("resource=\"pods\"")
    });
    of_pods.filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok()).sum()
}

fn token_of_a_reader(namespace: &Namespace<'_>, account: &str) -> String {
    namespace.allow_reading("load", &Subject::ServiceAccount(account));
    namespace.token_of_new_account(account)
}
