//! Shares of limits through the store's door, and which targets give way.

use std::{collections::BTreeSet, sync::Arc};

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::super::*;
use crate::model::{Labels, MetricSelector, MetricValue, Presence, Quantity, Sample};

const NOW: Timestamp = Timestamp::constant(1_795_000_000, 0);

fn quarter(mut of: Limits) -> Store {
    of.share = Percent::new(25).unwrap();
    Store::new(of)
}

fn object(namespace: Option<&str>, name: &str) -> ObjectRef {
    let resource = if namespace.is_some() { GroupResource::pods() } else { GroupResource::new("", "nodes") };
    ObjectRef { resource, namespace: namespace.map(Into::into), name: name.into() }
}

fn write(subject: impl Into<Subject>, metric: &str) -> Write {
    let sample = Sample { value: Quantity::parse("1").unwrap(), timestamp: NOW, window_seconds: None };
    Write {
        subject: subject.into(),
        uid: None,
        metric: MetricName::new(metric).unwrap(),
        labels: Labels::default(),
        sample,
        ttl: None,
    }
}

fn append(store: &Store, writes: &[Write]) -> Result<(), String> {
    store.append(writes.to_vec(), NOW).map_err(|error| error.to_string())
}

#[test]
fn a_namespace_that_writes_more_than_its_share_is_refused_by_name_and_the_others_are_not() {
    let store = quarter(Limits { series: 8, ..Limits::default() });
    let shop = |metric| write(object(Some("shop"), "web-0"), metric);
    append(&store, &[shop("a"), shop("b")]).unwrap();
    let refused = append(&store, &[shop("c")]).unwrap_err();
    assert_eq!(
        refused,
        "namespace shop: 2 written series of the 2 that one namespace may have, and 1 more do not fit: expose or write \
         fewer label sets there, or raise --max-series or --namespace-share"
    );
    append(&store, &[shop("a"), shop("b")]).expect("overwriting always fits");
    append(&store, &[write(object(Some("blog"), "web-0"), "a")]).unwrap();
    let [written, ..] = store.budgets().map(Budget::refused);
    assert_eq!((written.share, written.limit), (1, 0));
}

#[test]
fn a_batch_over_the_share_of_one_namespace_stores_nothing_of_any() {
    let store = quarter(Limits { series: 8, ..Limits::default() });
    let batch: Vec<Write> = [("a", "1"), ("shop", "1"), ("shop", "2"), ("shop", "3"), ("z", "1")]
        .map(|(namespace, name)| write(object(Some(namespace), name), "m"))
        .into();
    assert!(append(&store, &batch).unwrap_err().starts_with("namespace shop: 0 written series of the 2"));
    assert_eq!((store.stats().objects, store.stats().written.series), (0, 0));
    append(&store, &batch[..3]).unwrap();
}

#[test]
fn external_metrics_count_with_their_namespace_and_cluster_scoped_objects_with_each_other() {
    let store = quarter(Limits { series: 8, ..Limits::default() });
    append(&store, &[write(object(Some("shop"), "web-0"), "a"), write(Subject::external("shop"), "b")])
        .unwrap();
    assert!(append(&store, &[write(Subject::external("shop"), "c")]).unwrap_err().contains("namespace shop"));
    append(&store, &[write(object(None, "node-1"), "a"), write(ObjectRef::namespace("shop"), "a")]).unwrap();
    let refused = append(&store, &[write(object(None, "node-2"), "a")]).unwrap_err();
    assert!(refused.starts_with("cluster-scoped objects: 2 written series of the 2"), "{refused}");
}

#[test]
fn what_is_removed_is_there_for_its_namespace_again() {
    let store = quarter(Limits { series: 8, ..Limits::default() });
    let shop = |metric| write(object(Some("shop"), "web-0"), metric);
    append(&store, &[shop("a"), shop("b")]).unwrap();
    let removal = Removal { subject: shop("a").subject, metric: shop("a").metric, labels: None };
    assert_eq!(store.remove(&removal), 1);
    append(&store, &[shop("c")]).unwrap();
    store.forget(&object(Some("shop"), "web-0"), &Uid("a".into()));
    append(&store, &[shop("d"), shop("e")]).unwrap();
    assert_eq!(store.budgets()[0].by_tenant(), [(Tenant::Namespace("shop".into()), 2)]);
}

#[test]
fn without_shares_one_namespace_may_have_everything() {
    let store = Store::new(Limits { series: 3, ..Limits::default() });
    let shop = |metric| write(object(Some("shop"), "web-0"), metric);
    append(&store, &[shop("a"), shop("b"), shop("c")]).unwrap();
    assert!(append(&store, &[shop("d")]).unwrap_err().starts_with("the store holds 3 series"));
}

#[test]
fn expired_values_take_no_room_that_their_namespace_needs() {
    let store = quarter(Limits { series: 100, ..Limits::default() });
    let expiring = |metric: String| Write {
        ttl: Some(SignedDuration::from_secs(1)),
        ..write(object(Some("shop"), "web-0"), &metric)
    };
    let later = NOW + SignedDuration::from_secs(2);
    append(&store, &(0..12).map(|n| expiring(format!("m{n}"))).collect::<Vec<_>>()).unwrap();
    store.sweep(later, |_| Presence::Unknown);
    assert_eq!(store.stats().written.series, 12, "there is room");
    append(&store, &[expiring("another".into())]).unwrap();
    store.sweep(later, |_| Presence::Unknown);
    assert_eq!(store.stats().written.series, 0, "more than half of its share is taken");
}

/// A target of a pod that was created so many seconds ago.
fn target(store: &Store, namespace: &str, age: i64) -> Target {
    let seconds = SignedDuration::from_secs;
    store.target(TargetOptions {
        object: object(Some(namespace), &format!("web-{age}")),
        uid: Uid(format!("uid-{age}").into()),
        created: NOW - seconds(age),
        name: "8080/metrics".into(),
        interval: seconds(15),
        window: seconds(60),
        max_age: seconds(45),
        max_age_after_timeout: seconds(0),
        raw_counters: false,
        derived: Arc::default(),
        fold: Fold::Sum,
    })
}

/// Scrapes so many gauges.
fn scrape(target: &Target, series: usize) -> Result<(), AppendError> {
    let mut shape = ShapeBuilder::default();
    (0..series).for_each(|n| _ = shape.add(&format!("g{n}"), SeriesKind::Gauge, []));
    let (shape, values) = (Arc::new(shape.build()), vec![1.0; series]);
    target.append(Scrape::new(NOW, &shape, &values))
}

fn read(store: &Store, namespace: &str, age: i64) -> Result<MetricValue, Absence> {
    let query = Query { presence: &Presence::Unknown, selector: &MetricSelector::default(), now: NOW };
    store.read(&object(Some(namespace), &format!("web-{age}")), &MetricName::new("g0").unwrap(), query)
}

#[test]
fn an_older_pod_displaces_newer_ones_of_its_namespace_which_are_told_why() {
    let store = quarter(Limits { scraped_series: 40, ..Limits::default() });
    let [oldest, old, new] = [30, 20, 10].map(|age| target(&store, "shop", age));
    scrape(&new, 5).unwrap();
    scrape(&old, 5).unwrap();
    scrape(&oldest, 4).unwrap();
    assert_eq!([30, 20, 10].map(|age| read(&store, "shop", age).is_ok()), [true, true, false]);
    let told = read(&store, "shop", 10).unwrap_err().to_string();
    assert!(told.contains("its series gave way to those of an older pod"), "{told}");
    let refused = scrape(&new, 5).unwrap_err();
    assert!(
        refused.is_share() && refused.to_string().starts_with("namespace shop: 9 scraped series of the 10")
    );
    scrape(&new, 1).expect("as much as is left is taken");
    drop((oldest, old, new));
    assert_eq!((store.stats().scraped, store.budget().held()), (Held::default(), 0));
}

#[test]
fn a_target_that_does_not_fit_in_any_case_displaces_nobody() {
    let store = quarter(Limits { scraped_series: 40, ..Limits::default() });
    let [huge, old, new] = [30, 20, 10].map(|age| target(&store, "shop", age));
    scrape(&new, 3).unwrap();
    scrape(&huge, 11).unwrap_err();
    scrape(&old, 6).unwrap();
    scrape(&huge, 11).unwrap_err();
    assert!([20, 10].into_iter().all(|age| read(&store, "shop", age).is_ok()));
    scrape(&old, 8).expect("it grows at the cost of the newer one");
    assert!(read(&store, "shop", 10).is_err());
}

#[test]
fn where_all_is_taken_the_largest_namespaces_give_way_to_smaller_ones() {
    let store = Store::new(Limits { scraped_series: 12, ..Limits::default() });
    let large: Vec<Target> = (1..=3).map(|age| target(&store, "large", age)).collect();
    large.iter().for_each(|target| scrape(target, 3).unwrap());
    let middle = target(&store, "middle", 1);
    scrape(&middle, 3).unwrap();
    let small = target(&store, "small", 1);
    scrape(&small, 2).unwrap();
    assert_eq!([1, 2, 3].map(|age| read(&store, "large", age).is_ok()), [false, true, true]);
    assert!(read(&store, "middle", 1).is_ok() && read(&store, "small", 1).is_ok());
    let back = scrape(&large[0], 3).unwrap_err();
    assert!(matches!(back, AppendError::Full { held: 11, new: 3, limit: 12 }), "{back:?}");
}

#[test]
fn bytes_that_a_target_shares_with_nobody_are_free_when_it_gives_way() {
    let store = quarter(Limits { scraped_bytes: 4 * 10_000, ..Limits::default() });
    let [old, new] = [20, 10].map(|age| target(&store, "shop", age));
    let label_texts = |target: &Target| {
        let charge = target.account().charge(6_000)?;
        scrape(target, 1)?;
        target.keep(Arc::new(charge), 6_000);
        Ok::<_, AppendError>(())
    };
    label_texts(&new).unwrap();
    label_texts(&old).unwrap();
    assert!(read(&store, "shop", 20).is_ok() && read(&store, "shop", 10).is_err());
    let refused = label_texts(&new).unwrap_err();
    assert!(refused.to_string().contains("bytes of scrapes of the 10000 that one namespace may have"));
    assert!(store.budget().held() < 10_000);
    drop((old, new));
    assert_eq!(store.budget().held(), 0);
}

/// What is held of targets with these sizes, oldest first, that are scraped in `order`, again and again.
fn held(sizes: &[usize], order: &[usize]) -> BTreeSet<usize> {
    let store = quarter(Limits { scraped_series: 100, ..Limits::default() });
    let targets: Vec<Target> =
        (0..sizes.len()).map(|n| target(&store, "shop", 1_000 - i64::try_from(n).unwrap())).collect();
    for _ in 0..=sizes.len() {
        order.iter().for_each(|&n| _ = scrape(&targets[n], sizes[n]));
    }
    (0..sizes.len()).filter(|n| read(&store, "shop", 1_000 - i64::try_from(*n).unwrap()).is_ok()).collect()
}

/// One after the other from the oldest, where there is room.
fn oldest_first(sizes: &[usize]) -> BTreeSet<usize> {
    let mut left = 25;
    let fits = |(n, size): (usize, &usize)| {
        let fits = *size <= left;
        left -= if fits { *size } else { 0 };
        fits.then_some(n)
    };
    sizes.iter().enumerate().filter_map(fits).collect()
}

proptest! {
    #[test]
    fn the_same_targets_are_held_whatever_the_order_of_their_scrapes(
        (sizes, order) in prop::collection::vec(1..12_usize, 1..12).prop_flat_map(|sizes| {
            let order = Just((0..sizes.len()).collect::<Vec<_>>()).prop_shuffle();
            (Just(sizes), order)
        })
    ) {
        prop_assert_eq!(held(&sizes, &order), oldest_first(&sizes));
    }
}
