//! The store through its own door; `now` is made up, so nothing here waits.

mod order;

use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::model::{Labels, MetricSelector, Presence, Quantity, Sample};

const NOW: Timestamp = Timestamp::constant(1_795_000_000, 0);

fn store() -> Store {
    Store::new(Limits::default())
}

fn pod(name: &str) -> ObjectRef {
    ObjectRef { resource: GroupResource::pods(), namespace: Some("default".into()), name: name.into() }
}

fn live(name: &str, uid: &str, created: Timestamp) -> Presence {
    Presence::Live(Arc::new(LiveObject {
        object: pod(name),
        uid: Uid(uid.into()),
        created,
        labels: Labels::default(),
    }))
}

fn metric(name: &str) -> MetricName {
    MetricName::new(name).unwrap()
}

fn labels(pairs: &[(&str, &str)]) -> Labels {
    Labels::from_pairs(pairs.iter().copied())
}

fn write(object: &str, name: &str, value: &str) -> Write {
    let sample = Sample { value: Quantity::parse(value).unwrap(), timestamp: NOW, window_seconds: None };
    Write {
        subject: pod(object).into(),
        uid: None,
        metric: metric(name),
        labels: Labels::default(),
        sample,
        ttl: None,
    }
}

fn labelled(value: &str, pairs: &[(&str, &str)]) -> Write {
    Write { labels: labels(pairs), ..write("web-0", "qps", value) }
}

fn bound(uid: &str) -> Write {
    Write { uid: Some(Uid(uid.into())), ..write("web-0", "qps", "7") }
}

fn seconds(seconds: i64) -> SignedDuration {
    SignedDuration::from_secs(seconds)
}

fn read_at(store: &Store, presence: &Presence, selector: &str, now: Timestamp) -> Result<String, Absence> {
    let selector = MetricSelector::parse(selector).unwrap();
    let query = Query { presence, selector: &selector, now };
    store.read(&pod("web-0"), &metric("qps"), query).map(|value| value.sample.value.to_string())
}

fn read(store: &Store, presence: &Presence) -> Result<String, Absence> {
    read_at(store, presence, "", NOW)
}

#[test]
fn the_last_write_wins() {
    let store = store();
    store.append(vec![write("web-0", "qps", "1"), write("web-0", "qps", "2")], NOW).unwrap();
    assert_eq!(read(&store, &Presence::Unknown).unwrap(), "2");
    store.append(vec![write("web-0", "qps", "3")], NOW).unwrap();
    assert_eq!(read(&store, &Presence::Unknown).unwrap(), "3");
    assert_eq!(store.stats().written.series, 1);
}

#[test]
fn label_sets_live_side_by_side_and_a_selector_chooses() {
    let store = store();
    store.append(vec![labelled("1", &[("env", "prod")]), labelled("2", &[("env", "dev")])], NOW).unwrap();
    assert_eq!(read_at(&store, &Presence::Unknown, "env=prod", NOW).unwrap(), "1");
    assert_eq!(read_at(&store, &Presence::Unknown, "env=dev", NOW).unwrap(), "2");
    assert_eq!(read_at(&store, &Presence::Unknown, "env=test", NOW), Err(Absence::NoSeries));
}

#[test]
fn without_a_selector_label_sets_add_up_dated_by_the_oldest() {
    let store = store();
    let mut old = labelled("1", &[("env", "prod")]);
    old.sample.timestamp = NOW - seconds(90);
    old.sample.window_seconds = Some(30);
    store.append(vec![old, labelled("2", &[("env", "dev")])], NOW).unwrap();
    let query = Query { presence: &Presence::Unknown, selector: &MetricSelector::default(), now: NOW };
    let sample = store.read(&pod("web-0"), &metric("qps"), query).unwrap().sample;
    assert_eq!(sample.value.to_string(), "3");
    assert_eq!(sample.timestamp, NOW - seconds(90));
    assert_eq!(sample.window_seconds, Some(30));
}

#[test]
fn a_sum_that_the_hpa_cannot_calculate_with_is_absent() {
    let store = store();
    let most = "9223372036854775";
    store.append(vec![labelled(most, &[("env", "prod")]), labelled(most, &[("env", "dev")])], NOW).unwrap();
    assert_eq!(read(&store, &Presence::Unknown), Err(Absence::OutOfRange));
}

#[test]
fn a_value_of_a_deleted_object_is_not_served_even_before_the_event() {
    let store = store();
    store.append(vec![bound("a")], NOW).unwrap();
    assert_eq!(read(&store, &live("web-0", "a", NOW)).unwrap(), "7");
    assert_eq!(read(&store, &Presence::Absent), Err(Absence::ObjectGone));
}

#[test]
fn a_successor_of_the_same_name_starts_clean() {
    let store = store();
    store.append(vec![bound("a")], NOW).unwrap();
    assert_eq!(read(&store, &live("web-0", "b", NOW + seconds(1))), Err(Absence::ObjectGone));
}

#[test]
fn a_value_written_before_its_object_was_known_becomes_its_own() {
    let store = store();
    store.append(vec![write("web-0", "qps", "7")], NOW).unwrap();
    assert_eq!(read(&store, &Presence::Absent).unwrap(), "7", "served by name, as upstream does");
    let Presence::Live(object) = live("web-0", "a", NOW - seconds(5)) else { unreachable!() };
    store.adopt(&object);
    assert_eq!(read(&store, &Presence::Live(object)).unwrap(), "7");
    assert_eq!(read(&store, &Presence::Absent), Err(Absence::ObjectGone), "it is bound now");
}

#[test]
fn a_value_older_than_its_object_is_not_adopted() {
    let store = store();
    store.append(vec![write("web-0", "qps", "7")], NOW).unwrap();
    let Presence::Live(object) = live("web-0", "a", NOW + seconds(1)) else { unreachable!() };
    assert_eq!(read(&store, &Presence::Live(object.clone())), Err(Absence::ObjectGone));
    store.adopt(&object);
    assert_eq!(store.stats().written.series, 0);
}

#[test]
fn forgetting_an_incarnation_leaves_its_successor_alone() {
    let store = store();
    store.append(vec![bound("b")], NOW).unwrap();
    store.forget(&pod("web-0"), &Uid("a".into()));
    assert_eq!(read(&store, &live("web-0", "b", NOW)).unwrap(), "7");
    store.forget(&pod("web-0"), &Uid("b".into()));
    assert_eq!(store.stats(), Stats { objects: 0, written: Held::default(), scraped: Held::default() });
}

#[test]
fn forgetting_takes_unbound_values_along() {
    let store = store();
    store.append(vec![write("web-0", "qps", "7")], NOW).unwrap();
    store.forget(&pod("web-0"), &Uid("a".into()));
    assert_eq!(read(&store, &Presence::Absent), Err(Absence::UnknownMetric));
}

#[test]
fn a_value_past_its_ttl_is_not_served_and_says_so_for_minutes_before_it_is_swept() {
    let store = store();
    store.append(vec![Write { ttl: Some(seconds(90)), ..write("web-0", "qps", "7") }], NOW).unwrap();
    assert_eq!(read_at(&store, &Presence::Unknown, "", NOW + seconds(89)).unwrap(), "7");
    let late = NOW + seconds(100);
    assert_eq!(
        read_at(&store, &Presence::Unknown, "", late),
        Err(Absence::Expired { at: late - seconds(10) })
    );
    let swept = |at| {
        store.sweep(at, |_| Presence::Unknown);
        read_at(&store, &Presence::Unknown, "", at)
    };
    assert_eq!(swept(NOW + seconds(389)), Err(Absence::Expired { at: NOW + seconds(90) }));
    assert_eq!(swept(NOW + seconds(390)), Err(Absence::UnknownMetric));
    assert_eq!(store.stats(), Stats { objects: 0, written: Held::default(), scraped: Held::default() });
}

#[test]
fn expired_values_take_no_room_that_others_need() {
    for limits in
        [Limits { series: 3, ..Limits::default() }, Limits { series_per_object: 3, ..Limits::default() }]
    {
        let store = Store::new(limits);
        let expiring = |id: &str| Write { ttl: Some(seconds(1)), ..labelled("1", &[("id", id)]) };
        store.append(vec![expiring("1")], NOW).unwrap();
        store.sweep(NOW + seconds(2), |_| Presence::Unknown);
        assert_eq!(store.stats().written.series, 1, "there is room");
        store.append(vec![expiring("2")], NOW).unwrap();
        store.sweep(NOW + seconds(2), |_| Presence::Unknown);
        assert_eq!(store.stats().written.series, 0, "more than half is taken");
    }
}

#[test]
fn an_external_value_of_a_namespace_that_is_not_there_ends_after_a_minute() {
    let store = store();
    let external =
        |namespace: &str| Write { subject: Subject::external(namespace), ..write("", "depth", "7") };
    let there = |object: &ObjectRef| match &*object.name {
        "known" => live("known", "a", NOW),
        "unknown" => Presence::Unknown,
        _ => Presence::Absent,
    };
    let held = |at| {
        store.sweep(at, there);
        store.stats().objects
    };
    store.append(["absent", "unknown", "known"].map(external).into(), NOW).unwrap();
    store.append(vec![write("early", "depth", "7")], NOW).unwrap();
    assert_eq!(held(NOW + seconds(59)), 4, "a namespace may be made in the same moment as the value");
    assert_eq!(held(NOW + seconds(60)), 3);
    let query = Query { presence: &Presence::Absent, selector: &MetricSelector::default(), now: NOW };
    assert_eq!(store.read_external("absent", &metric("depth"), query), Err(Absence::UnknownMetric));
    assert_eq!(store.written(&GroupResource::pods(), None), [pod("early")], "objects are served by name");
}

#[test]
fn a_value_of_an_object_that_is_not_there_ends_ten_minutes_after_its_last_write() {
    for (presence, ends) in
        [(Presence::Absent, true), (Presence::Unknown, false), (live("web-0", "a", NOW), false)]
    {
        let store = store();
        store.append(vec![write("web-0", "old", "7"), write("web-0", "qps", "7")], NOW).unwrap();
        store.append(vec![write("web-0", "qps", "8")], NOW + seconds(300)).unwrap();
        let held = |after| {
            store.sweep(NOW + seconds(after), |_| presence.clone());
            store.metrics_of(&pod("web-0")).len()
        };
        assert_eq!(held(599), 2, "{presence:?}");
        assert_eq!(held(600), if ends { 1 } else { 2 }, "{presence:?}");
        assert_eq!(held(899), if ends { 1 } else { 2 }, "{presence:?}");
        assert_eq!(held(900), if ends { 0 } else { 2 }, "{presence:?}");
        assert_eq!(store.stats().written.series, if ends { 0 } else { 2 });
    }
}

#[test]
fn a_sweep_drops_what_was_written_for_a_gone_object_after_its_event() {
    let store = store();
    store.append(vec![bound("a"), write("web-1", "qps", "1")], NOW).unwrap();
    store.sweep(NOW, |_| Presence::Absent);
    assert_eq!(store.written(&GroupResource::pods(), Some("default")), [pod("web-1")]);
}

#[test]
fn a_batch_past_the_limit_stores_nothing() {
    let store = Store::new(Limits { series: 2, ..Limits::default() });
    store.append(vec![write("web-0", "qps", "1")], NOW).unwrap();
    let batch = vec![write("web-0", "qps", "9"), write("web-1", "a", "1"), write("web-1", "b", "1")];
    assert_eq!(store.append(batch, NOW), Err(AppendError::Full { held: 1, new: 2, limit: 2 }));
    assert_eq!(read(&store, &Presence::Unknown).unwrap(), "1");
    assert_eq!(store.stats().written.series, 1);
}

#[test]
fn a_full_store_still_takes_overwrites() {
    let store = Store::new(Limits { series: 1, series_per_object: 1, ..Limits::default() });
    store.append(vec![write("web-0", "qps", "1")], NOW).unwrap();
    store.append(vec![write("web-0", "qps", "2")], NOW).unwrap();
    assert_eq!(read(&store, &Presence::Unknown).unwrap(), "2");
}

#[test]
fn one_object_cannot_take_every_series() {
    let store = Store::new(Limits { series_per_object: 1, ..Limits::default() });
    store.append(vec![write("web-0", "qps", "1")], NOW).unwrap();
    let refused = store.append(vec![labelled("1", &[("id", "2")])], NOW);
    assert!(matches!(refused, Err(AppendError::ObjectFull { held: 1, limit: 1, .. })), "{refused:?}");
}

#[test]
fn writers_that_come_together_do_not_overfill_an_object() {
    const WRITERS: usize = 4;
    for _ in 0..300 {
        let store = Store::new(Limits { series_per_object: 10, ..Limits::default() });
        let together = std::sync::Barrier::new(WRITERS);
        let stored = |writer: usize| {
            let id = |n: usize| format!("{writer}-{n}");
            let batch: Vec<Write> = (0..10).map(|n| labelled("1", &[("id", &id(n))])).collect();
            together.wait();
            store.append(batch, NOW).is_ok()
        };
        let stored = &stored;
        let count = std::thread::scope(|scope| {
            let writers: Vec<_> = (0..WRITERS).map(|writer| scope.spawn(move || stored(writer))).collect();
            writers.into_iter().map(|writer| writer.join().unwrap()).filter(|stored| *stored).count()
        });
        assert_eq!((count, store.stats().written.series), (1, 10));
    }
}

#[test]
fn removing_one_label_set_leaves_the_others() {
    let store = store();
    store.append(vec![labelled("1", &[("env", "prod")]), labelled("2", &[("env", "dev")])], NOW).unwrap();
    let removal = |labels| Removal { subject: pod("web-0").into(), metric: metric("qps"), labels };
    assert_eq!(store.remove(&removal(Some(labels(&[("env", "prod")])))), 1);
    assert_eq!(read(&store, &Presence::Unknown).unwrap(), "2");
    assert_eq!(store.remove(&removal(None)), 1);
    assert_eq!(store.stats(), Stats { objects: 0, written: Held::default(), scraped: Held::default() });
}

#[test]
fn the_catalog_lists_each_metric_once_and_moves_only_when_one_comes_or_goes() {
    let store = store();
    store.append(vec![write("web-0", "qps", "1"), write("web-1", "qps", "1")], NOW).unwrap();
    let catalog = store.catalog();
    assert_eq!(catalog.metrics, [(GroupResource::pods(), metric("qps"))]);
    store.append(vec![write("web-1", "qps", "5"), write("web-2", "qps", "5")], NOW).unwrap();
    assert!(Arc::ptr_eq(&catalog, &store.catalog()));
    for object in ["web-0", "web-1", "web-2"] {
        store.remove(&Removal { subject: pod(object).into(), metric: metric("qps"), labels: None });
    }
    assert_eq!(store.catalog().metrics, []);
}

#[test]
fn a_misspelt_metric_has_a_nearest_name() {
    let store = store();
    store.append(vec![write("web-0", "requests_per_second", "1")], NOW).unwrap();
    let nearest = |name| store.nearest_metric(&GroupResource::pods(), &metric(name));
    assert_eq!(nearest("request_per_second"), Some(metric("requests_per_second")));
    assert_eq!(nearest("zzz"), None);
}

#[test]
fn every_metric_of_an_object_is_read_by_name() {
    let store = store();
    store
        .append(vec![write("web-0", "b", "2"), write("web-0", "a", "1"), write("web-1", "c", "3")], NOW)
        .unwrap();
    let query = Query { presence: &Presence::Unknown, selector: &MetricSelector::default(), now: NOW };
    let names: Vec<String> =
        store.read_all(&pod("web-0"), query).iter().map(|value| value.metric.to_string()).collect();
    assert_eq!(names, ["a", "b"]);
}

#[test]
fn a_selector_says_how_written_label_sets_fold_and_what_they_are_multiplied_by() {
    let store = store();
    store.append(vec![labelled("1", &[("env", "prod")]), labelled("2", &[("env", "dev")])], NOW).unwrap();
    for (selector, wanted) in [
        ("custom-metrics-adapter/fold=avg", "1500m"),
        ("custom-metrics-adapter/fold=max", "2"),
        ("custom-metrics-adapter/fold=min", "1"),
        ("custom-metrics-adapter/scale=100", "300"),
        ("custom-metrics-adapter/scale=0.001,env=dev", "2m"),
    ] {
        assert_eq!(read_at(&store, &Presence::Unknown, selector, NOW).as_deref(), Ok(wanted), "{selector}");
    }
}

#[test]
fn a_written_value_over_a_window_is_absent_until_it_is_full_and_then_of_all_that_was_written() {
    let store = store();
    let put = |value: &str, at: i64| {
        let mut written = write("web-0", "qps", value);
        written.sample.timestamp = NOW + seconds(at);
        store.append(vec![written], NOW + seconds(at)).unwrap();
    };
    let read = |selector: &str, at| read_at(&store, &Presence::Unknown, selector, NOW + seconds(at));
    let max = "custom-metrics-adapter/over=max,custom-metrics-adapter/window=1m";
    put("7", 0);
    assert_eq!(read(max, 1), Err(Absence::ShortWindow { seconds: 60 }));
    put("100", 10);
    put("1", 40);
    assert_eq!(read(max, 60), Err(Absence::ShortWindow { seconds: 60 }));
    assert_eq!(read(max, 61).as_deref(), Ok("100"));
    assert_eq!(
        read("custom-metrics-adapter/over=avg,custom-metrics-adapter/window=1m", 61).as_deref(),
        Ok("36")
    );
    assert_eq!(read("custom-metrics-adapter/over=min", 61).as_deref(), Ok("1"));
    put("2", 90);
    assert_eq!(read(max, 91).as_deref(), Ok("2"));
    assert_eq!(read("custom-metrics-adapter/window=1m", 91), Err(Absence::NeedsOver));
}

#[test]
fn what_is_derived_for_all_is_computed_from_written_values_and_listed_while_it_is_there() {
    let store = store();
    let mut derived = Derivations::default();
    derived.add("qps", "busy / workers").unwrap();
    store.derive_for_all(Arc::new(derived));
    store.append(vec![write("web-0", "busy", "3"), write("web-0", "workers", "4")], NOW).unwrap();
    assert_eq!(read(&store, &Presence::Unknown).as_deref(), Ok("750m"));
    let listed = || store.catalog().metrics.iter().any(|(_, name)| name.as_str() == "qps");
    assert!(listed() && store.metrics_of(&pod("web-0")).contains(&metric("qps")));
    store.derive_for_all(Arc::default());
    assert!(!listed());
    assert_eq!(read(&store, &Presence::Unknown), Err(Absence::UnknownMetric));
}
