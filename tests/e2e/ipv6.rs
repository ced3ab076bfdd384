//! A cluster without IPv4: kube-apiserver, the adapter and everybody who speaks with them are on [::1].

use crate::harness::{API, Adapter, Caller, ControlPlane, Hpa, Namespace, SOON, eventually_equals};

#[test]
fn an_hpa_scales_in_a_cluster_that_has_ipv6_alone() {
    let plane = ControlPlane::of_ipv6("ipv6");
    let adapter = Adapter::start(&plane, "six", &[]);
    plane.adapter_script(&["register", "six"]);
    for listener in ["SECURE", "WRITE", "ADMIN"] {
        assert!(adapter.address(listener).starts_with("[::1]:"), "{}", adapter.address(listener));
    }
    let namespace = Namespace::create(&plane, "six");
    namespace.deployment("web", 1);
    namespace.eventually_runs("web", 1);
    let pod = namespace.pods_of("web").remove(0);
    let path = namespace.pod_metric(&pod, "load");
    adapter.write(&path, "60");
    let direct = adapter.read(&format!("{API}{path}"), &Caller::AGGREGATOR);
    assert_eq!(direct.values(), [(pod.clone(), "60".to_owned())]);
    let aggregated = || plane.curl(&[], &format!("{API}{path}")).numbers();
    eventually_equals("kube-apiserver reads it", SOON, &vec![(pod.clone(), 60.0)], aggregated);
    let address =
        plane.kubectl(&format!("--namespace six get pod {pod} --output jsonpath={{.status.podIP}}"));
    assert!(address.contains(':'), "{address}");

    let _hpa = Hpa::of("web", &namespace).between(1, 5).on_pods("load", "20");
    namespace.eventually_runs("web", 3);
    let ready = adapter.admin("/readyz?verbose");
    assert_eq!(ready.status, 200, "{ready:?}");
}
