//! An HPA stays where it is when nothing changes but how its pods are exposed, and moves with the load although some
//! pods are too busy to tell.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{
    API, Adapter, Caller, ControlPlane, ExpositionServer, Hpa, Load, Namespace, SOON, Traffic, eventually,
};

/// Pods whose servers have served this much before anybody asked.
const SERVED: f64 = 1e9;

struct World {
    adapter: &'static Adapter,
    namespace: Namespace<'static>,
    pods: ExpositionServer,
}

#[test]
fn an_hpa_stays_where_it_is_while_the_exporters_of_its_pods_restart() {
    let world = World::new("restarts-exporters", Load { get: 80.0, ..Load::default() });
    world.pods.is_behind_exporters(SERVED);
    let hpa = world.hpa_of_two_pods();

    let rates = world.rates_of_the_next_window(|| {
        world.pods.restart_exporters();
        true
    });
    assert_is_near(80.0, &rates);
    world.never_scaled(&hpa);
}

#[test]
fn an_hpa_stays_where_it_is_through_scrapes_that_lack_its_counter() {
    let world = World::new("lacks-counters", Load { get: 80.0, ..Load::default() });
    world.pods.is_behind_exporters(SERVED);
    let hpa = world.hpa_of_two_pods();

    world.pods.lacks(1);
    let rates = world.rates_of_the_next_window(|| !world.pods.is_lacking());
    assert_is_near(80.0, &rates);
    world.never_scaled(&hpa);
}

#[test]
fn an_hpa_scales_up_although_half_of_its_overloaded_pods_time_out() {
    let world = World::new("times-out", Load { get: 150.0, ..Load::default() });
    let annotations = json!({ "prometheus.io/timeout": "1s" });
    world.deployment(10, &annotations);
    world.eventually_lists(10, |_| true);

    world.pods.silences(5);
    world.eventually_lists(10, |stamps| stamps[stamps.len() - 1] - stamps[0] > TOO_OLD_WITHOUT_A_TIMEOUT);
    let _hpa = Hpa::of("web", &world.namespace).between(1, 15).on_pods(RATE, "100");
    world.namespace.eventually_runs("web", 15);
}

const RATE: &str = "http_requests_per_second";

/// How old the values of a pod get whose scrapes fail otherwise: the interval, the timeout and five seconds.
const TOO_OLD_WITHOUT_A_TIMEOUT: f64 = 7.0;

/// The window of pods whose annotations set one.
const WINDOW: f64 = 10.0;

/// A pod of the list: its value, and when that was true, in seconds.
struct Listed {
    rate: f64,
    stamp: f64,
}

impl World {
    fn new(namespace: &str, load: Load) -> Self {
        let pods = ExpositionServer::start("0.0.0.0:0").expect("a port is free");
        pods.receives(Traffic::Each(load));
        Self { adapter: Adapter::shared(), namespace: ControlPlane::shared().namespace(namespace), pods }
    }

    fn deployment(&self, replicas: u32, annotations: &Value) {
        let mut all = json!({
            "prometheus.io/scrape": "true",
            "prometheus.io/port": self.pods.address().port().to_string(),
            "prometheus.io/interval": "1s",
        });
        let ours = annotations.as_object().expect("annotations are a map");
        all.as_object_mut().expect("annotations are a map").extend(ours.clone());
        self.namespace.annotated_deployment("web", replicas, &all);
    }

    /// An HPA that is content with two pods, and has seen what they count.
    fn hpa_of_two_pods(&self) -> Hpa<'_> {
        self.deployment(2, &json!({ "custom-metrics-adapter/window": format!("{WINDOW}s") }));
        let hpa = Hpa::of("web", &self.namespace).between(2, 10).on_pods(RATE, "100");
        self.eventually_lists(2, |_| true);
        eventually("the HPA sees an average", SOON, || hpa.pod_average().ok_or("none".to_owned()));
        hpa
    }

    /// Waits until so many pods have a rate and `is_right` of the sorted times of these, in seconds.
    fn eventually_lists(&self, pods: usize, is_right: impl Fn(&[f64]) -> bool) {
        eventually(&format!("{pods} pods have a rate"), SOON, || {
            let listed = self.listed();
            let stamps: Vec<f64> = listed.iter().map(|listed| listed.stamp).collect();
            if listed.len() == pods && is_right(&stamps) { Ok(()) } else { Err(format!("{stamps:?}")) }
        });
    }

    /// Every rate that is read from before `has_happened` until two windows have passed since then.
    fn rates_of_the_next_window(&self, has_happened: impl Fn() -> bool) -> Vec<f64> {
        let mut rates = vec![];
        let mut over = None;
        eventually("the window after it has passed", WINDOW_PASSES, || {
            let listed = self.listed();
            rates.extend(listed.iter().map(|listed| listed.rate));
            let newest = listed.last().map_or(0.0, |listed| listed.stamp);
            if over.is_none() && newest > 0.0 && has_happened() {
                over = Some(newest + 2.0 * WINDOW);
            }
            if over.is_some_and(|over| newest > over) {
                Ok(())
            } else {
                Err(format!("{newest}, until {over:?}"))
            }
        });
        rates
    }

    /// All pods' rates as the HPA would read them, the oldest first.
    fn listed(&self) -> Vec<Listed> {
        let path = format!("{API}{}", self.namespace.pod_metric("*", RATE));
        let answer = self.adapter.read(&path, &Caller::AGGREGATOR);
        let rates = answer.numbers();
        let list = if answer.status == 200 { answer.json() } else { Value::Null };
        let stamps = list["items"].as_array().into_iter().flatten().map(|item| seconds(&item["timestamp"]));
        let mut listed: Vec<Listed> =
            rates.iter().zip(stamps).map(|((_, rate), stamp)| Listed { rate: *rate, stamp }).collect();
        listed.sort_by(|one, other| one.stamp.total_cmp(&other.stamp));
        listed
    }

    fn never_scaled(&self, hpa: &Hpa<'_>) {
        let scaled = self.namespace.kubectl("get hpa web --output jsonpath={.status.lastScaleTime}");
        assert_eq!(
            (scaled.as_str(), self.namespace.replicas_of("web").as_str()),
            ("", "2"),
            "{:?}",
            hpa.pod_average()
        );
    }
}

/// Two windows, on a busy machine.
const WINDOW_PASSES: Duration = Duration::from_secs(120);

fn seconds(timestamp: &Value) -> f64 {
    let timestamp: jiff::Timestamp =
        timestamp.as_str().expect("a timestamp is text").parse().expect("a timestamp");
    timestamp.as_millisecond() as f64 / 1000.0
}

/// Of a steady load: two scrapes half an interval apart may be off by much on a busy machine, but a counter that is
/// taken for its increase is off by millions.
fn assert_is_near(truth: f64, rates: &[f64]) {
    assert!(rates.len() > 5, "there were fewer reads than scrapes: {rates:?}");
    let wrong: Vec<f64> =
        rates.iter().copied().filter(|rate| !(0.5 * truth..1.25 * truth).contains(rate)).collect();
    assert!(wrong.is_empty(), "{wrong:?} in {rates:?}");
}
