//! Of two values of one series the newer one stays.

use super::*;

fn measured(value: &str, at: Timestamp) -> Write {
    let mut write = write("web-0", "qps", value);
    write.sample.timestamp = at;
    write
}

#[test]
fn a_write_that_was_measured_before_the_stored_value_changes_nothing() {
    let store = store();
    let put = |value: &str, at: Timestamp, now: Timestamp| {
        let batch = vec![measured(value, at)];
        let outdated = store.outdated(&batch, now);
        store.append(batch, now).unwrap();
        (outdated.len(), read_at(&store, &Presence::Unknown, "", now).unwrap())
    };
    assert_eq!(put("1", NOW - seconds(60), NOW), (0, "1".to_owned()));
    assert_eq!(put("2", NOW - seconds(61), NOW + seconds(1)), (1, "1".to_owned()), "a delayed one");
    assert_eq!(put("3", NOW - seconds(60), NOW + seconds(2)), (0, "3".to_owned()), "the same one again");
    assert_eq!(put("4", NOW + seconds(3), NOW + seconds(3)), (0, "4".to_owned()), "one without a timestamp");
    assert_eq!(put("5", NOW + seconds(2), NOW + seconds(4)), (1, "4".to_owned()));
    assert_eq!(put("6", NOW - seconds(9), NOW - seconds(9)), (0, "6".to_owned()), "the clock was put back");
    let batch = [measured("1", NOW), measured("2", NOW - seconds(60))];
    let outdated = store.outdated(&batch, NOW + seconds(9));
    let wanted =
        "a newer value of qps is stored, of 2026-11-18T11:06:40Z, and this one is of 2026-11-18T11:05:40Z";
    assert!(matches!(&*outdated, [(1, late)] if late.to_string().starts_with(wanted)), "{outdated:?}");
    store.append(batch.into(), NOW + seconds(9)).unwrap();
    assert_eq!(read(&store, &Presence::Unknown).unwrap(), "1");
    assert_eq!(store.stats().written.series, 1);
}

#[test]
fn a_timestamp_ahead_of_the_clock_keeps_nothing_out() {
    let store = store();
    store.append(vec![measured("1", NOW + seconds(500))], NOW).unwrap();
    assert_eq!(store.outdated(&[measured("2", NOW + seconds(1))], NOW + seconds(2)), []);
    store.append(vec![measured("2", NOW + seconds(1))], NOW + seconds(2)).unwrap();
    assert_eq!(read(&store, &Presence::Unknown).unwrap(), "2");
    assert_eq!(store.outdated(&[measured("3", NOW)], NOW + seconds(3)).len(), 1);
}

#[test]
fn whole_seconds_are_compared_with_whole_seconds() {
    let store = store();
    let half = SignedDuration::from_millis(500);
    store.append(vec![measured("1", NOW + half)], NOW + half).unwrap();
    assert_eq!(store.outdated(&[measured("2", NOW)], NOW + seconds(1)), [], "date +%s in the same second");
    assert_eq!(store.outdated(&[measured("2", NOW + half / 2)], NOW + seconds(1)).len(), 1);
}

#[test]
fn what_is_no_longer_served_keeps_nothing_out() {
    let store = store();
    store.append(vec![Write { ttl: Some(seconds(5)), ..measured("1", NOW) }], NOW).unwrap();
    let old = measured("2", NOW - seconds(60));
    assert_eq!(store.outdated(std::slice::from_ref(&old), NOW + seconds(4)).len(), 1);
    assert_eq!(store.outdated(std::slice::from_ref(&old), NOW + seconds(5)), [], "its ttl has passed");
    store.append(vec![bound("a")], NOW + seconds(6)).unwrap();
    let of_successor = Write { uid: Some(Uid("b".into())), ..old };
    assert_eq!(store.outdated(&[of_successor], NOW + seconds(7)), [], "its object is another one");
}
