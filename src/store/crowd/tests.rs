//! Values of objects from their pods, through the store's door.

use std::{collections::BTreeMap, sync::Arc};

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::*;
use crate::{
    derive::Derivations,
    model::{Fold, GroupResource, Labels, ObjectRef, Quantity, Uid},
    store::{Failure, Limits, Scrape, SeriesKind, Shape, ShapeBuilder, Target, TargetOptions, Write},
};

const START: Timestamp = Timestamp::constant(1_795_000_000, 0);
const NOW: i64 = 100;

/// A store, pods of it, and the right to append to their targets.
struct World {
    store: Store,
    pods: Vec<Arc<LiveObject>>,
    targets: BTreeMap<String, Target>,
}

fn at(seconds: i64) -> Timestamp {
    START + SignedDuration::from_secs(seconds)
}

fn metric(name: &str) -> MetricName {
    MetricName::new(name).unwrap()
}

fn live(resource: GroupResource, name: &str) -> Arc<LiveObject> {
    let object = ObjectRef { resource, namespace: Some("default".into()), name: name.into() };
    let (uid, labels) = (Uid(format!("uid-{name}").into()), Labels::default());
    Arc::new(LiveObject { object, uid, created: at(-3600), labels })
}

fn deployment() -> Arc<LiveObject> {
    live(GroupResource::new("apps", "deployments"), "web")
}

type Line<'a> = (&'a str, SeriesKind, &'a [(&'a str, &'a str)]);

fn shape(lines: &[Line<'_>]) -> Arc<Shape> {
    let mut builder = ShapeBuilder::default();
    for (name, kind, labels) in lines {
        builder.add(name, *kind, labels.iter().copied());
    }
    Arc::new(builder.build())
}

fn gauge() -> Arc<Shape> {
    shape(&[("depth", SeriesKind::Gauge, &[])])
}

impl World {
    fn new(pods: usize) -> Self {
        let pods = (0..pods).map(|number| live(GroupResource::pods(), &format!("web-{number:02}"))).collect();
        Self { store: Store::new(Limits::default()), pods, targets: BTreeMap::new() }
    }

    fn target(&mut self, pod: usize, options: impl FnOnce(TargetOptions) -> TargetOptions) -> &Target {
        let live = &self.pods[pod];
        let base = TargetOptions {
            object: live.object.clone(),
            uid: live.uid.clone(),
            created: live.created,
            name: "8080/metrics".into(),
            interval: SignedDuration::from_secs(15),
            window: SignedDuration::from_secs(60),
            max_age: SignedDuration::from_secs(45),
            max_age_after_timeout: SignedDuration::from_secs(60),
            fold: Fold::Sum,
            raw_counters: false,
            derived: Arc::default(),
        };
        let target = self.store.target(options(base));
        self.targets.entry(live.object.name.to_string()).or_insert(target)
    }

    /// Scrapes a pod each 15 s up to now; values grow by so much a second.
    fn scrape(&mut self, pod: usize, shape: &Arc<Shape>, rates: &[f64]) {
        let target = self.target(pod, |options| options);
        for seconds in (NOW - 90..=NOW - 5).step_by(15) {
            let values: Vec<f64> =
                rates.iter().map(|rate| 1000.0 + rate * (seconds - NOW + 90) as f64).collect();
            target.append(Scrape::new(at(seconds), shape, &values)).unwrap();
        }
    }

    fn show(&mut self, pod: usize, shape: &Arc<Shape>, values: &[f64]) {
        self.target(pod, |options| options).append(Scrape::new(at(NOW - 5), shape, values)).unwrap();
    }

    fn write(&self, object: &Arc<LiveObject>, name: &str, value: &str, labels: &[(&str, &str)]) {
        let value = Quantity::parse(value).unwrap();
        let write = Write {
            subject: object.object.clone().into(),
            uid: Some(object.uid.clone()),
            metric: metric(name),
            labels: Labels::from_pairs(labels.iter().copied()),
            sample: Sample { value, timestamp: at(NOW - 20), window_seconds: None },
            ttl: None,
        };
        self.store.append(vec![write], at(NOW - 20)).unwrap();
    }

    fn crowd(&self) -> Crowd {
        let member = |live: &Arc<LiveObject>| Member { live: live.clone(), since: live.created };
        Crowd {
            object: Some(deployment()),
            members: self.pods.iter().map(member).collect(),
            are_alike: true,
            least: Percent::new(90).unwrap(),
            interval: SignedDuration::from_secs(15),
        }
    }

    fn read(&self, name: &str, selector: &str) -> Result<Sample, Absence> {
        self.read_as(name, selector, &self.crowd())
    }

    fn read_as(&self, name: &str, selector: &str, crowd: &Crowd) -> Result<Sample, Absence> {
        self.store.read_crowd(&metric(name), (&MetricSelector::parse(selector).unwrap(), at(NOW)), crowd)
    }

    fn text(&self, name: &str, selector: &str) -> String {
        self.read(name, selector)
            .map_or_else(|absence| absence.to_string(), |sample| sample.value.to_string())
    }

    /// The reads of the pods one by one.
    fn each(&self, name: &str, selector: &str) -> Vec<Sample> {
        let selector = MetricSelector::parse(selector).unwrap();
        let read = |live: &Arc<LiveObject>| {
            let presence = Presence::Live(live.clone());
            let query = Query { presence: &presence, selector: &selector, now: at(NOW) };
            self.store.read(&live.object, &metric(name), query).ok().map(|value| value.sample)
        };
        self.pods.iter().filter_map(read).collect()
    }
}

/// What a random pod has: nothing of its own, values that were written, or gauges and counters by label.
#[derive(Clone, Debug)]
enum Has {
    Written(Vec<(u8, i32)>),
    Scraped(Vec<(u8, i32)>),
}

fn has() -> impl Strategy<Value = Has> {
    let series = || prop::collection::btree_map(0..4_u8, -1_000_000..1_000_000, 1..4);
    prop_oneof![
        series().prop_map(|series| Has::Written(series.into_iter().collect())),
        series().prop_map(|series| Has::Scraped(series.into_iter().collect())),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_sum_is_the_sum_of_what_the_pods_answer_at_the_same_moment(
        pods in prop::collection::vec(has(), 1..12),
        wanted in prop::option::of(0..4_u8),
    ) {
        let mut world = World::new(pods.len());
        for (number, has) in pods.iter().enumerate() {
            match has {
                Has::Written(series) => for (label, milli) in series {
                    let live = world.pods[number].clone();
                    world.write(&live, "load", &format!("{milli}m"), &[("l", &label.to_string())]);
                },
                Has::Scraped(series) => {
                    let labels: Vec<String> = series.iter().map(|(label, _)| label.to_string()).collect();
                    let pairs: Vec<[(&str, &str); 1]> = labels.iter().map(|label| [("l", label.as_str())]).collect();
                    let lines: Vec<Line<'_>> = pairs.iter().map(|pair| ("load", SeriesKind::Gauge, &pair[..])).collect();
                    let values: Vec<f64> = series.iter().map(|(_, milli)| f64::from(*milli) / 1000.0).collect();
                    world.show(number, &shape(&lines), &values);
                }
            }
        }
        let selector = wanted.map(|label| format!("l={label}")).unwrap_or_default();
        let each = world.each("load", &selector);
        let sum = Quantity::checked_sum(each.iter().map(|sample| sample.value)).unwrap();
        match (world.read("load", &selector), sum) {
            (Ok(sample), Some(sum)) => {
                prop_assert_eq!(sample.value, sum);
                prop_assert_eq!(sample.timestamp, each.iter().map(|sample| sample.timestamp).min().unwrap());
                prop_assert_eq!(sample.window_seconds, each.iter().map(|sample| sample.window_seconds).max().unwrap());
            }
            (read, sum) => {
                prop_assert_eq!(sum, None);
                prop_assert_eq!(read, Err(Absence::NoSeries));
            }
        }
    }

    #[test]
    fn rates_of_random_pods_add_up_to_the_rate_of_all(rates in prop::collection::vec(0_u32..5_000, 1..12)) {
        let mut world = World::new(rates.len());
        let counter = shape(&[("requests_total", SeriesKind::Counter, &[])]);
        for (number, rate) in rates.iter().enumerate() {
            world.scrape(number, &counter, &[f64::from(*rate)]);
        }
        let sample = world.read("requests_per_second", "").unwrap();
        let sum: u32 = rates.iter().sum();
        prop_assert!((sample.value.to_f64() - f64::from(sum)).abs() < 1e-3, "{} of {}", sample.value, sum);
        prop_assert_eq!(sample.window_seconds, Some(60));
    }
}

#[test]
fn of_pods_without_written_values_gauges_are_added_up_or_folded_as_asked() {
    let mut world = World::new(3);
    for (pod, value) in [7.0, 3.0, 2.0].into_iter().enumerate() {
        world.show(pod, &gauge(), &[value]);
    }
    for (selector, wanted) in [("", "12"), ("sum", "12"), ("avg", "4"), ("max", "7"), ("min", "2")] {
        let fold = format!("custom-metrics-adapter/fold={selector}");
        assert_eq!(world.text("depth", if selector.is_empty() { "" } else { &fold }), wanted, "{selector}");
    }
    assert_eq!(
        world.text("depth", "custom-metrics-adapter/fold=max,custom-metrics-adapter/scale=100"),
        "700"
    );
}

#[test]
fn a_pods_own_fold_counts_within_the_pod_and_its_numbers_are_added_up() {
    let mut world = World::new(2);
    let two =
        shape(&[("depth", SeriesKind::Gauge, &[("q", "a")]), ("depth", SeriesKind::Gauge, &[("q", "b")])]);
    for pod in 0..2 {
        let target = world.target(pod, |options| TargetOptions { fold: Fold::Max, ..options });
        target.append(Scrape::new(at(NOW - 5), &two, &[5.0, 9.0])).unwrap();
    }
    assert_eq!(world.text("depth", ""), "18");
    assert_eq!(world.text("depth", "custom-metrics-adapter/fold=sum"), "28");
}

#[test]
fn a_quantile_is_of_all_observations_and_not_the_mean_of_the_pods() {
    let mut world = World::new(10);
    let fast = histogram(&["0.1", "1"]);
    for pod in 0..9 {
        world.scrape(pod, &fast, &[100.0, 100.0, 100.0, 5.0]);
    }
    world.scrape(9, &histogram(&["0.5", "2"]), &[0.0, 100.0, 100.0, 150.0]);
    let p99 = world.read("latency_p99", "").unwrap().value.to_f64();
    assert!((p99 - 1.85).abs() < 0.002, "{p99}: 90 of the slow pod's 100 lie below, spread from 0.5 to 2");
    let each = world.each("latency_p99", "");
    let mean = each.iter().map(|sample| sample.value.to_f64()).sum::<f64>() / each.len() as f64;
    assert!((p99 - mean).abs() > 1.0, "the mean is {mean}");
    let average = world.read("latency_avg", "").unwrap().value.to_f64();
    assert!((average - (9.0 * 5.0 + 150.0) / 1000.0).abs() < 0.001, "{average}");
    assert_eq!(world.read("latency_p99", "custom-metrics-adapter/fold=max"), Err(Absence::NotFolded));
}

fn histogram(bounds: &[&str]) -> Arc<Shape> {
    let pairs: Vec<[(&str, &str); 1]> = bounds.iter().map(|bound| [("le", *bound)]).collect();
    let bound = |text: &str| SeriesKind::Bucket(text.parse().unwrap());
    let mut lines: Vec<Line<'_>> =
        pairs.iter().map(|pair| ("latency_bucket", bound(pair[0].1), &pair[..])).collect();
    lines.push(("latency_count", SeriesKind::Count, &[]));
    lines.push(("latency_sum", SeriesKind::Sum, &[]));
    shape(&lines)
}

#[test]
fn of_quantiles_that_the_pods_computed_the_highest_counts() {
    let mut world = World::new(3);
    let summary = shape(&[("rpc", SeriesKind::Quantile(0.99), &[("quantile", "0.99")])]);
    for (pod, value) in [0.25, 0.75, 0.5].into_iter().enumerate() {
        world.show(pod, &summary, &[value]);
    }
    assert_eq!(world.text("rpc_p99", ""), "750m");
}

#[test]
fn below_the_coverage_there_is_no_value_and_the_reason_names_the_first_pod() {
    let mut world = World::new(10);
    for pod in 0..9 {
        world.show(pod, &gauge(), &[1.0]);
    }
    let failure = Failure { error: "connection refused".into(), timed_out: false };
    world.target(9, |options| options).failed(&failure);
    assert_eq!(world.text("depth", ""), "9", "nine of ten are enough");
    world.pods.push(live(GroupResource::pods(), "web-10"));
    assert_eq!(
        world.text("depth", ""),
        "9 of 11 pods have it, and 90 % of them have to; web-09: its target was not scraped yet; it fails with: \
         connection refused"
    );
    let crowd = world.crowd();
    let lenient = Crowd { least: Percent::new(80).unwrap(), ..crowd };
    assert_eq!(world.read_as("depth", "", &lenient).unwrap().value.to_string(), "9");
    assert_eq!(
        world.text("other", ""),
        "none of 11 pods has it; web-00: it is scraped and does not expose it"
    );
}

#[test]
fn a_pod_counts_from_two_intervals_on() {
    let mut world = World::new(2);
    world.show(0, &gauge(), &[4.0]);
    let mut crowd = world.crowd();
    crowd.members[1].since = at(NOW - 29);
    assert_eq!(world.read_as("depth", "", &crowd).unwrap().value.to_string(), "4");
    crowd.members[1].since = at(NOW - 31);
    assert!(matches!(world.read_as("depth", "", &crowd), Err(Absence::Coverage(_))));
    crowd.members.iter_mut().for_each(|member| member.since = at(NOW - 1));
    let young = world.read_as("queue", "", &crowd).unwrap_err().to_string();
    assert_eq!(young, "its 2 pods are younger than two scrape intervals, and none has it yet");
}

#[test]
fn a_pod_that_is_scraped_and_has_no_series_that_is_selected_contributes_nothing() {
    let mut world = World::new(2);
    world.show(0, &shape(&[("depth", SeriesKind::Gauge, &[("q", "a")])]), &[4.0]);
    world.show(1, &shape(&[("depth", SeriesKind::Gauge, &[("q", "b")])]), &[5.0]);
    assert_eq!(world.text("depth", "q=a"), "4");
    assert_eq!(world.read("depth", "q=c"), Err(Absence::NoSeries));
}

#[test]
fn of_pods_in_one_place_those_count_that_expose_it_or_may() {
    let mut world = World::new(3);
    world.show(0, &gauge(), &[4.0]);
    world.show(1, &shape(&[("other", SeriesKind::Gauge, &[])]), &[5.0]);
    let place = |world: &World| Crowd { are_alike: false, ..world.crowd() };
    assert_eq!(world.read_as("depth", "", &place(&world)).unwrap().value.to_string(), "4");
    assert_eq!(world.read_as("nothing", "", &place(&world)), Err(Absence::UnknownMetric));
    let failure = Failure { error: "timeout".into(), timed_out: true };
    world.target(2, |options| options).failed(&failure);
    let reason = world.read_as("depth", "", &place(&world)).unwrap_err().to_string();
    assert!(reason.starts_with("1 of 2 pods have it, and 90 % of them have to; web-02: "), "{reason}");
}

#[test]
fn a_ratio_is_that_of_both_sides_of_all_pods_and_what_is_written_for_the_object_is_a_side() {
    let mut world = World::new(2);
    let workers = shape(&[("busy", SeriesKind::Gauge, &[]), ("workers", SeriesKind::Gauge, &[])]);
    let derived = |expression: &str| {
        let mut derivations = Derivations::default();
        derivations.add("busy_ratio", expression).unwrap();
        Arc::new(derivations)
    };
    for (pod, values) in [[1.0, 2.0], [1.0, 6.0]].into_iter().enumerate() {
        let ratio = derived("busy / workers");
        let target = world.target(pod, |options| TargetOptions { derived: ratio, ..options });
        target.append(Scrape::new(at(NOW - 5), &workers, &values)).unwrap();
    }
    assert_eq!(world.text("busy_ratio", ""), "250m", "2 of 8, not the mean of a half and a sixth");
    world.write(&deployment(), "workers", "4", &[]);
    assert_eq!(world.text("busy_ratio", ""), "500m");
    world.pods.push(live(GroupResource::pods(), "web-02"));
    let other = derived("workers / busy");
    world.target(2, |options| TargetOptions { derived: other, ..options });
    let unlike = Absence::DerivedUnlike { pods: "web-00 and web-02".into() };
    assert_eq!(world.read("busy_ratio", ""), Err(unlike));
}

#[test]
fn pods_that_mean_different_things_by_a_name_do_not_add_up() {
    let mut world = World::new(2);
    world.show(0, &shape(&[("latency_avg", SeriesKind::Gauge, &[])]), &[1.0]);
    world.scrape(1, &histogram(&["1"]), &[100.0, 100.0, 50.0]);
    assert_eq!(world.read("latency_avg", ""), Err(Absence::Unlike { pods: "web-00 and web-01".into() }));
}
