use super::*;
use crate::scrape::testing::{container, pod};

fn scraped(ports: &[(&str, u16, Protocol)], annotations: &[(&str, &str)]) -> Pod {
    let scrape = [("prometheus.io/scrape", "true")];
    let mut pod = pod("web-1", &[&scrape, annotations].concat());
    pod.containers = vec![container("main", ports)];
    pod
}

fn planned(pod: &Pod) -> (Vec<String>, Vec<String>) {
    let plan = plan(pod, &ScrapeOptions::default()).unwrap();
    let urls = plan.targets.iter().map(|target| target.url()).collect();
    (urls, plan.refusals.iter().map(ToString::to_string).collect())
}

fn urls(pod: &Pod) -> Vec<String> {
    let (urls, refusals) = planned(pod);
    assert_eq!(refusals, [] as [String; 0]);
    urls
}

fn refusal(pod: &Pod) -> String {
    let (urls, refusals) = planned(pod);
    assert_eq!((urls.len(), refusals.len()), (0, 1), "{refusals:?}");
    refusals.concat()
}

const TCP: Protocol = Protocol::Tcp;

#[test]
fn a_pod_that_does_not_ask_is_not_planned() {
    assert_eq!(plan(&pod("web-1", &[]), &ScrapeOptions::default()), None);
}

#[test]
fn the_port_annotation_goes_before_what_is_declared() {
    let ports = [("http", 80, TCP), ("admin", 9000, TCP)];
    assert_eq!(urls(&scraped(&ports, &[("prometheus.io/port", "7070")])), ["http://10.1.2.3:7070/metrics"]);
    assert_eq!(urls(&scraped(&ports, &[("prometheus.io/port", "admin")])), ["http://10.1.2.3:9000/metrics"]);
    let both = scraped(&ports, &[("prometheus.io/port", "admin,80,9000")]);
    assert_eq!(urls(&both), ["http://10.1.2.3:9000/metrics", "http://10.1.2.3:80/metrics"]);
}

#[test]
fn without_the_annotation_a_port_for_metrics_or_the_only_one_is_taken() {
    for (ports, port) in [
        (&[("http", 80, TCP), ("metrics", 9000, TCP)][..], 9000),
        (&[("http", 80, TCP), ("http-metrics", 9001, TCP)], 9001),
        (&[("http", 80, TCP), ("prom", 9002, TCP)], 9002),
        (&[("prometheus", 9003, TCP), ("metrics", 9000, TCP)], 9000),
        (&[("web", 80, TCP)], 80),
        (&[("", 80, TCP), ("dns", 53, Protocol::Udp)], 80),
    ] {
        assert_eq!(urls(&scraped(ports, &[])), [format!("http://10.1.2.3:{port}/metrics")], "{ports:?}");
    }
}

#[test]
fn without_a_port_that_could_be_meant_there_is_no_target_but_a_reason() {
    for (ports, reason) in [
        (&[][..], "annotation prometheus.io/port is missing, and no container declares a TCP port"),
        (&[("dns", 53, Protocol::Udp)], "no container declares a TCP port"),
        (
            &[("a", 1, TCP), ("b", 2, TCP)],
            "several TCP ports, none of them named metrics, http-metrics or prom*",
        ),
    ] {
        assert!(refusal(&scraped(ports, &[])).contains(reason), "{ports:?}");
    }
    let unknown = scraped(&[("web", 80, TCP)], &[("prometheus.io/port", "metrics")]);
    assert_eq!(refusal(&unknown), "no container declares a TCP port named \"metrics\"");
}

#[test]
fn one_bad_port_name_does_not_stop_the_others() {
    let (urls, refusals) = planned(&scraped(&[("web", 80, TCP)], &[("prometheus.io/port", "web,nope")]));
    assert_eq!((urls.len(), refusals.len()), (1, 1));
}

#[test]
fn only_running_pods_with_an_ip_are_targets() {
    for (phase, reason) in [
        (PodPhase::Pending, "the pod is pending, not running"),
        (PodPhase::Succeeded, "the pod is succeeded, not running"),
        (PodPhase::Failed, "the pod is failed, not running"),
        (PodPhase::Unknown, "the pod is in an unknown phase, not running"),
    ] {
        let mut pod = scraped(&[("web", 80, TCP)], &[]);
        pod.phase = phase;
        assert_eq!(refusal(&pod), reason);
    }
    let mut pod = scraped(&[("web", 80, TCP)], &[]);
    pod.ips.clear();
    assert_eq!(refusal(&pod), "the pod has no IP yet");
}

#[test]
fn ipv6_addresses_stand_in_brackets() {
    let mut pod = scraped(&[("web", 80, TCP)], &[("prometheus.io/scheme", "https")]);
    pod.ips = vec!["fd00::1:2".parse().unwrap()];
    assert_eq!(urls(&pod), ["https://[fd00::1:2]:80/metrics"]);
}

#[test]
fn addresses_that_no_pod_has_are_refused_in_any_spelling() {
    for ip in
        ["127.0.0.1", "::1", "::ffff:127.0.0.1", "169.254.169.254", "fe80::1", "0.0.0.0", "::", "224.0.0.1"]
    {
        let mut pod = scraped(&[("web", 80, TCP)], &[]);
        pod.ips = vec![ip.parse().unwrap()];
        assert!(refusal(&pod).contains("is not scraped: it is"), "{ip}");
    }
    let mut pod = scraped(&[("web", 80, TCP)], &[]);
    pod.ips = vec!["127.1.0.1".parse().unwrap()];
    let options = ScrapeOptions { allow_loopback: true, ..ScrapeOptions::default() };
    assert_eq!(plan(&pod, &options).unwrap().targets.len(), 1);
    let options = ScrapeOptions {
        allow_loopback: true,
        refused_addresses: vec!["127.1.0.1:80".parse().unwrap()],
        ..ScrapeOptions::default()
    };
    assert_eq!(plan(&pod, &options).unwrap().targets.len(), 0);
}

#[test]
fn on_a_nodes_network_only_ports_that_the_pod_declares_are_scraped() {
    let mut pod = scraped(
        &[("web", 9100, TCP), ("dns", 53, Protocol::Udp)],
        &[("prometheus.io/port", "9100,10250,53")],
    );
    assert_eq!(urls(&pod).len(), 3, "a pod with an IP of its own may say what it likes");
    pod.host_network = true;
    let (urls, refusals) = planned(&pod);
    assert_eq!(urls, ["http://10.1.2.3:9100/metrics"]);
    let reason = |port| {
        format!(
            "port {port} is not scraped: the pod is on its node's network, and no container declares it as a TCP port"
        )
    };
    assert_eq!(refusals, [reason(10250), reason(53)]);
}

#[test]
fn two_pods_on_one_host_network_are_two_targets() {
    let one = plan(&scraped(&[("web", 80, TCP)], &[]), &ScrapeOptions::default()).unwrap();
    let mut other = pod("web-2", &[("prometheus.io/scrape", "true")]);
    other.containers = vec![container("main", &[("web", 80, TCP)])];
    let other = plan(&other, &ScrapeOptions::default()).unwrap();
    assert_eq!(one.targets[0].url(), other.targets[0].url());
    assert_ne!(one.targets[0].key, other.targets[0].key);
}

#[test]
fn the_last_start_of_a_container_may_explain_a_reset() {
    let moment = |seconds| Some(Timestamp::from_second(seconds).unwrap());
    let mut pod = scraped(&[("web", 80, TCP)], &[("prometheus.io/port", "80,90")]);
    pod.containers = vec![container("a", &[("web", 80, TCP)]), container("b", &[])];
    pod.containers[0].started = moment(100);
    pod.containers[1].started = moment(200);
    let started = |pod: &Pod| {
        let plan = plan(pod, &ScrapeOptions::default()).unwrap();
        plan.targets.iter().map(|target| target.started).collect::<Vec<_>>()
    };
    assert_eq!(started(&pod), [moment(200), moment(200)]);
    pod.containers.remove(1);
    assert_eq!(started(&pod), [moment(100), moment(100)]);
}

#[test]
fn a_terminating_pod_keeps_its_targets_but_says_so() {
    let mut pod = scraped(&[("web", 80, TCP)], &[]);
    pod.deletion = Some(Timestamp::UNIX_EPOCH);
    let plan = plan(&pod, &ScrapeOptions::default()).unwrap();
    assert!(plan.is_terminating && plan.targets.len() == 1);
}

#[test]
fn values_outlive_a_failed_scrape_or_two_late_ones() {
    for (interval, timeout, age) in
        [("15s", "5s", 37.5), ("1s", "1s", 7.0), ("60s", "10s", 150.0), ("4s", "4s", 13.0)]
    {
        let pod = scraped(
            &[("web", 80, TCP)],
            &[("prometheus.io/interval", interval), ("prometheus.io/timeout", timeout)],
        );
        let plan = plan(&pod, &ScrapeOptions::default()).unwrap();
        assert_eq!(plan.targets[0].max_age(), Duration::from_secs_f64(age), "{interval}");
    }
}
