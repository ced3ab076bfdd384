//! Pods that expose metrics are scraped, and HPAs scale on what they show.

use std::{
    ops::Range,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use serde_json::{Value, json};

use crate::harness::{
    API, Adapter, Caller, ControlPlane, ExpositionServer, Hpa, Load, Namespace, SOON, Traffic, eventually,
    eventually_equals,
};

/// What the project promises for the time between a pod's end and its values' end.
const PROMISED: Duration = Duration::from_secs(1);

/// What is shown of 100 a second, when scrapes on a busy machine are early or late.
const ABOUT_100: Range<f64> = 80.0..120.0;

/// Pods with an exposition, in a namespace of their own.
struct World {
    adapter: &'static Adapter,
    namespace: Namespace<'static>,
    pods: ExpositionServer,
}

#[test]
fn an_hpa_on_a_rate_scales_up_when_counters_move_faster_and_down_when_they_slow() {
    let world = World::new("scales-on-a-rate");
    world.pods.receives(Traffic::Shared(Load { get: 15.0, post: 15.0, ..Load::default() }));
    world.deployment("web");
    let hpa = Hpa::of("web", &world.namespace).on_pods("http_requests_per_second", "100");
    hpa.eventually_averages(20.0..40.0);

    world.pods.receives(Traffic::Shared(Load { get: 200.0, post: 100.0, ..Load::default() }));
    world.namespace.eventually_runs("web", 3);
    hpa.eventually_averages(ABOUT_100);
    world.pods.receives(Traffic::Shared(Load { get: 20.0, ..Load::default() }));
    world.namespace.eventually_runs("web", 1);
}

#[test]
fn an_hpa_on_a_99th_percentile_follows_the_slowest_requests() {
    let world = World::new("scales-on-a-quantile");
    let (quick, slow) = (Load { quick: 50.0, ..Load::default() }, Load { slow: 50.0, ..Load::default() });
    world.pods.receives(Traffic::Each(quick));
    world.deployment("web");
    let hpa = Hpa::of("web", &world.namespace).between(1, 2).on_pods("latency_seconds_p99", "500m");
    hpa.eventually_averages(0.05..0.1);

    world.pods.receives(Traffic::Each(slow));
    world.namespace.eventually_runs("web", 2);
    world.pods.receives(Traffic::Each(quick));
    world.namespace.eventually_runs("web", 1);
}

#[test]
fn an_hpa_with_a_metric_selector_counts_only_the_series_that_it_selects() {
    let world = World::new("scales-on-get-alone");
    world.pods.receives(Traffic::Shared(Load { get: 50.0, post: 2000.0, ..Load::default() }));
    world.deployment("web");
    let get = json!({ "method": "GET" });
    let hpa = Hpa::of("web", &world.namespace).on_pods_where("http_requests_per_second", &get, "100");
    hpa.eventually_averages(40.0..60.0);
    assert_eq!(world.namespace.replicas_of("web"), "1", "POST has no part in it");

    world.pods.receives(Traffic::Shared(Load { get: 300.0, post: 2000.0, ..Load::default() }));
    world.namespace.eventually_runs("web", 3);
    hpa.eventually_averages(ABOUT_100);
}

#[test]
fn an_hpa_follows_a_scraped_gauge() {
    let world = World::new("scales-on-a-gauge");
    world.pods.receives(Traffic::Shared(Load { queue: 90.0, ..Load::default() }));
    world.deployment("web");
    let _hpa = Hpa::of("web", &world.namespace).on_pods("queue_depth", "30");

    world.namespace.eventually_runs("web", 3);
    world.pods.receives(Traffic::Shared(Load { queue: 10.0, ..Load::default() }));
    world.namespace.eventually_runs("web", 1);
}

#[test]
fn a_deleted_pod_leaves_the_list_and_the_average_within_a_second_of_the_event() {
    let world = World::new("loses-a-scraped-pod");
    let busy = ExpositionServer::start("0.0.0.0:0").unwrap();
    world.pods.receives(Traffic::Each(Load { get: 100.0, ..Load::default() }));
    busy.receives(Traffic::Each(Load { get: 300.0, ..Load::default() }));
    world.deployment("web");
    world.namespace.annotated_pod("busy", "web", &scraped(&busy));
    let hpa = Hpa::of("web", &world.namespace).between(1, 1).on_pods("http_requests_per_second", "100");
    hpa.eventually_averages(160.0..240.0);

    world.namespace.delete_pod("busy");
    eventually("the list and its average are the other's", PROMISED, || {
        let rates = world.rates();
        let average = rates.iter().map(|(_, rate)| rate).sum::<f64>() / rates.len() as f64;
        let is_alone = rates.len() == 1 && ABOUT_100.contains(&average);
        if is_alone { Ok(()) } else { Err(format!("{rates:?}")) }
    });
    eventually_equals("its target is gone too", PROMISED, &1, || world.targets().len());
    hpa.eventually_averages(ABOUT_100);
}

#[test]
fn a_pod_that_comes_back_under_its_name_shows_no_rate_that_never_was() {
    let world = World::new("restarts-a-scraped-pod");
    world.pods.receives(Traffic::Each(Load { get: 100.0, ..Load::default() }));
    let annotations = scraped(&world.pods);
    world.namespace.annotated_pod("web-0", "web", &annotations);
    world.eventually_counts(600.0);
    world.eventually_has_a_rate_about_100();

    let before = world.namespace.uid_of("web-0");
    let rates = world.rates_during(|| {
        world.namespace.delete_pod("web-0");
        eventually_equals("its rate is gone", PROMISED, &vec![], || world.rates());
        world.pods.restart();
        world.namespace.annotated_pod("web-0", "web", &annotations);
        world.eventually_counts(600.0);
    });
    assert_ne!(world.namespace.uid_of("web-0"), before);
    world.eventually_has_a_rate_about_100();
    assert_all_plausible(&rates);
}

#[test]
fn a_counter_that_is_reset_in_place_keeps_a_plausible_rate_at_every_read() {
    let world = World::new("resets-a-counter");
    world.pods.receives(Traffic::Each(Load { get: 100.0, ..Load::default() }));
    world.namespace.annotated_pod("web-0", "web", &scraped(&world.pods));
    world.eventually_counts(600.0);
    world.eventually_has_a_rate_about_100();

    let rates = world.rates_during(|| {
        world.pods.restart();
        eventually("the counter fell", SOON, || {
            let count = world.count();
            if count.is_some_and(|count| count < 600.0) { Ok(()) } else { Err(format!("{count:?}")) }
        });
        world.eventually_counts(600.0);
    });
    world.eventually_has_a_rate_about_100();
    assert_all_plausible(&rates);
    assert!(!rates.contains(&None), "a reset took the rate away: {rates:?}");
}

#[test]
fn of_a_counter_the_rate_is_discovered_and_its_exact_name_answers_with_that() {
    let world = World::new("discovers-rates");
    world.namespace.annotated_pod("web-0", "web", &scraped(&world.pods));
    eventually("the counter is found", SOON, || world.count().ok_or("nothing".to_owned()));

    let discovery = world.adapter.read(API, &Caller::AGGREGATOR).body;
    for found in ["queue_depth", "http_requests_per_second", "latency_seconds_p99"] {
        assert!(discovery.contains(&format!(r#""pods/{found}""#)), "{found} in {discovery}");
    }
    assert!(!discovery.contains("http_requests_total"), "{discovery}");
    let path = format!("{API}{}", world.namespace.pod_metric("web-0", "http_requests_total"));
    let answer = world.adapter.read(&path, &Caller::AGGREGATOR);
    assert_eq!(answer.status, 404, "{}", answer.body);
    assert!(answer.body.contains("a total only grows: ask for http_requests_per_second"), "{}", answer.body);
}

#[test]
fn the_pages_show_what_is_scraped_and_what_cannot_be() {
    let world = World::new("shows-targets");
    let port = world.pods.address().port();
    world.namespace.annotated_pod("good", "web", &scraped(&world.pods));
    let mut unnamed = scraped(&world.pods);
    unnamed["prometheus.io/port"] = json!("no-such-port");
    world.namespace.annotated_pod("lost", "web", &unnamed);

    let (good, lost) = eventually("both are shown", SOON, || {
        let targets = world.targets();
        match targets.as_slice() {
            [good, lost] if good["health"] == "up" => Ok((good.clone(), lost.clone())),
            _ => Err(format!("{targets:?}")),
        }
    });
    let address = world.namespace.kubectl("get pod good --output jsonpath={.status.podIP}");
    assert_eq!(good["pod"], "good");
    assert_eq!(good["url"], format!("http://{address}:{port}/metrics"));
    assert_eq!(good["lastScrape"]["samples"], 9, "{good}");
    assert_eq!(
        (&lost["pod"], &lost["health"], &lost["url"]),
        (&json!("lost"), &json!("refused"), &Value::Null)
    );
    assert_eq!(lost["problems"], json!([r#"no container declares a TCP port named "no-such-port""#]));
    let page = world.adapter.admin("/targets").body;
    assert!(page.contains("shows-targets/good") && page.contains("no-such-port"), "{page}");

    let series = world.series("http_requests_total");
    let labels: Vec<&Value> = series.iter().map(|row| &row["labels"]).collect();
    assert_eq!(labels, [&json!({ "method": "GET" }), &json!({ "method": "POST" })]);
    for row in &series {
        assert_eq!(
            (&row["name"], &row["source"]),
            (&json!("good"), &json!(format!("scraped from {port}/metrics")))
        );
    }
}

#[test]
fn no_pod_on_its_nodes_network_can_have_others_scraped() {
    let world = World::new("directs-scrapes");
    let port_of =
        |address: &str| address.rsplit_once(':').expect("a port").1.parse::<u16>().expect("a number");
    let server =
        world.namespace.kubectl("config view --minify --output jsonpath={.clusters[0].cluster.server}");
    let [kubernetes, api, writes] =
        [&*server, world.adapter.address("SECURE"), world.adapter.address("WRITE")].map(port_of);
    let declared = [kubernetes, api, writes].map(|port| json!({ "containerPort": port }));
    world.namespace.apply(json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": { "name": "hostile", "annotations": {
            "prometheus.io/scrape": "true", "prometheus.io/port": format!("{kubernetes},{api},{writes},10250"),
        }},
        "spec": {
            "hostNetwork": true,
            "containers": [{ "name": "main", "image": "example.invalid/main", "ports": declared }],
        },
    }));
    let refused = eventually("it is refused", SOON, || match world.targets().as_slice() {
        [only] if only["problems"][0].to_string().contains("is not scraped") => Ok(only.clone()),
        targets => Err(format!("{targets:?}")),
    });
    assert_eq!(refused["health"], "refused");
    let never = |port| format!("127.0.0.1:{port} is not scraped: it is an address that is never scraped");
    let foreign = "port 10250 is not scraped: the pod is on its node's network, and no container declares it as a TCP port";
    assert_eq!(refused["problems"], json!([never(kubernetes), never(api), never(writes), foreign]));
}

impl World {
    fn new(namespace: &str) -> Self {
        let pods = ExpositionServer::start("0.0.0.0:0").expect("a port is free");
        Self { adapter: Adapter::shared(), namespace: ControlPlane::shared().namespace(namespace), pods }
    }

    /// A Deployment of one pod for an HPA to scale.
    fn deployment(&self, name: &str) {
        self.namespace.annotated_deployment(name, 1, &scraped(&self.pods));
    }

    /// `(pod, value)` of one metric of all pods, as the HPA would read it.
    fn listed(&self, metric: &str) -> Vec<(String, f64)> {
        let path = format!("{API}{}", self.namespace.pod_metric("*", metric));
        self.adapter.read(&path, &Caller::AGGREGATOR).numbers()
    }

    fn rates(&self) -> Vec<(String, f64)> {
        self.listed("http_requests_per_second")
    }

    /// What the counters of the only pod stand at together: `/series` shows them, the API has their rates.
    fn count(&self) -> Option<f64> {
        let counters = self.series("http_requests_total");
        let count = |row: &Value| row["value"].as_str()?.parse::<f64>().ok();
        (!counters.is_empty()).then(|| counters.iter().filter_map(count).sum())
    }

    /// With 600 at 100 a second the whole window is behind a start at zero.
    fn eventually_counts(&self, least: f64) {
        eventually("the counter is there", SOON, || {
            let count = self.count();
            if count.is_some_and(|count| count >= least) { Ok(()) } else { Err(format!("{count:?}")) }
        });
    }

    fn eventually_has_a_rate_about_100(&self) {
        eventually("the rate is about 100", SOON, || {
            let rates = self.rates();
            let is_right = rates.len() == 1 && rates.iter().all(|(_, rate)| ABOUT_100.contains(rate));
            if is_right { Ok(()) } else { Err(format!("{rates:?}")) }
        });
    }

    /// The only pod's rate at each of many reads while something happens.
    fn rates_during(&self, something: impl FnOnce()) -> Vec<Option<f64>> {
        let is_over = AtomicBool::new(false);
        thread::scope(|scope| {
            let reader = scope.spawn(|| self.rates_until(&is_over));
            // Also when it panics, or the reader would go on for ever.
            let over = Flag(&is_over);
            something();
            drop(over);
            reader.join().expect("reads are answered")
        })
    }

    fn rates_until(&self, is_over: &AtomicBool) -> Vec<Option<f64>> {
        let mut rates = vec![];
        while !is_over.load(Ordering::Relaxed) {
            rates.push(self.rates().first().map(|(_, rate)| *rate));
        }
        rates
    }

    /// What `/targets` says of this namespace's pods, by name.
    fn targets(&self) -> Vec<Value> {
        let all = self.adapter.admin("/targets?format=json").json();
        let mut ours = all.as_array().expect("a list of targets").clone();
        ours.retain(|target| target["namespace"] == *self.namespace.name);
        ours.sort_by_key(|target| target["pod"].to_string());
        ours
    }

    /// What `/series` says of a metric of this namespace's pods.
    fn series(&self, metric: &str) -> Vec<Value> {
        let search = format!("/series?object={}/&metric={metric}&format=json", self.namespace.name);
        self.adapter.admin(&search).json()["series"].as_array().expect("a list of series").clone()
    }
}

impl Hpa<'_> {
    fn eventually_averages(&self, expected: Range<f64>) {
        eventually("the HPA sees an average", SOON, || {
            let seen = self.pod_average();
            let is_right = seen.is_some_and(|average| expected.contains(&average));
            if is_right { Ok(()) } else { Err(format!("{seen:?}, not within {expected:?}")) }
        });
    }
}

/// Set when it goes.
struct Flag<'a>(&'a AtomicBool);

impl Drop for Flag<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The annotations of a pod that is behind `server`; quick, so that tests are.
fn scraped(server: &ExpositionServer) -> Value {
    json!({
        "prometheus.io/scrape": "true",
        "prometheus.io/port": server.address().port().to_string(),
        "prometheus.io/interval": "1s",
        "custom-metrics-adapter/window": "5s",
    })
}

/// Of about 100 a second: two scrapes half an interval apart may be off by much on a busy machine, but what was
/// counted before a restart would be ten times as much.
fn assert_all_plausible(rates: &[Option<f64>]) {
    assert!(rates.len() > 5, "there were fewer reads than scrapes: {rates:?}");
    let wrong: Vec<f64> =
        rates.iter().flatten().copied().filter(|rate| !(0.0..300.0).contains(rate)).collect();
    assert!(wrong.is_empty(), "{wrong:?} in {rates:?}");
}
