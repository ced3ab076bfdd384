//! The index against the plainest thing that could do the same.

use std::collections::BTreeMap;

use jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::model::{GroupResource, Labels};

type Known = BTreeMap<(String, String), Arc<LiveObject>>;

#[derive(Clone, Debug)]
enum Event {
    Shown(LiveObject),
    Deleted(LiveObject),
    Listed(Vec<LiveObject>),
}

fn live(namespace: &str, name: &str, uid: u8, labels: &[(&str, &str)]) -> LiveObject {
    LiveObject {
        object: ObjectRef {
            resource: GroupResource::pods(),
            namespace: (!namespace.is_empty()).then(|| namespace.into()),
            name: name.into(),
        },
        uid: Uid(uid.to_string().into()),
        created: Timestamp::UNIX_EPOCH,
        labels: Labels::from_pairs(labels.iter().copied()),
    }
}

fn any_object() -> impl Strategy<Value = LiveObject> {
    let labels = prop::collection::vec((prop::sample::select(vec!["app", "tier"]), "[a-c]"), 0..3);
    let names = (prop::sample::select(vec!["", "x", "y"]), "[a-h]", 0..3_u8);
    (names, labels).prop_map(|((namespace, name, uid), labels)| {
        let labels: Vec<(&str, &str)> = labels.iter().map(|(name, value)| (*name, value.as_str())).collect();
        live(namespace, &name, uid, &labels)
    })
}

fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => any_object().prop_map(Event::Shown),
        3 => any_object().prop_map(Event::Deleted),
        1 => prop::collection::vec(any_object(), 0..20).prop_map(Event::Listed),
    ]
}

fn key(live: &LiveObject) -> (String, String) {
    (namespace(live).to_owned(), live.object.name.to_string())
}

fn expect(known: &mut Known, event: &Event) {
    match event {
        Event::Shown(live) => drop(known.insert(key(live), Arc::new(live.clone()))),
        Event::Deleted(live) if known.get(&key(live)).is_some_and(|now| now.uid == live.uid) => {
            known.remove(&key(live));
        }
        Event::Deleted(_) => {}
        Event::Listed(listed) => {
            *known = listed.iter().map(|live| (key(live), Arc::new(live.clone()))).collect();
        }
    }
}

fn play(index: &Index, event: Event) -> Vec<Change> {
    match event {
        Event::Shown(live) => index.insert(&Arc::new(live)),
        Event::Deleted(live) => index.remove(&live.object, &live.uid).into_iter().collect(),
        Event::Listed(listed) => index.replace(listed.into_iter().map(Arc::new).collect()),
    }
}

/// What somebody knows who is told of changes only; fails when told of what cannot be.
fn hear(heard: &mut Known, changes: &[Change]) {
    for change in changes {
        match change {
            Change::Gone(live) => assert_eq!(heard.remove(&key(live)).as_ref(), Some(live)),
            Change::Seen(live) => {
                let before = heard.insert(key(live), live.clone());
                assert!(before.is_none_or(|before| before.uid == live.uid && before != *live));
            }
        }
    }
}

proptest! {
    #[test]
    fn whatever_happens_it_lists_what_a_plain_map_would(events in prop::collection::vec(any_event(), 0..60)) {
        let index = Index::default();
        index.replace(Vec::new());
        let (mut known, mut heard) = (Known::new(), Known::new());
        for event in events {
            expect(&mut known, &event);
            hear(&mut heard, &play(&index, event));
            prop_assert_eq!(&heard, &known);
        }
        for text in ["", "app=a", "app in (a,b)", "app in (c,a),tier!=b", "tier", "app=a,tier=b", "!app", "app=none"] {
            let selector = Selector::parse(text).unwrap();
            for wanted in [None, Some(""), Some("x"), Some("z")] {
                let selected = known.values().filter(|live| {
                    wanted.is_none_or(|wanted| namespace(live) == wanted) && selector.matches(&live.labels)
                });
                prop_assert_eq!(index.list(wanted, &selector).unwrap(), selected.cloned().collect::<Vec<_>>());
            }
        }
        prop_assert_eq!(index.len(), Some(known.len()));
    }
}

#[test]
fn nothing_is_known_before_the_first_list() {
    let index = Index::default();
    let shown = live("x", "a", 1, &[]);
    assert_eq!(index.presence(&shown.object), Presence::Unknown);
    assert_eq!(index.list(None, &Selector::default()), None);
    index.replace(vec![Arc::new(shown.clone())]);
    assert_eq!(index.presence(&shown.object), Presence::Live(Arc::new(shown)));
}

#[test]
fn an_event_that_changes_nothing_keeps_the_object_and_tells_nothing() {
    let index = Index::default();
    index.replace(Vec::new());
    let first = index.insert(&Arc::new(live("x", "a", 1, &[("app", "a")])));
    let second = index.insert(&Arc::new(live("x", "a", 1, &[("app", "a")])));
    let [Change::Seen(shown)] = first.as_slice() else { panic!("{first:?}") };
    assert_eq!(second, []);
    let kept = index.presence(&shown.object);
    assert!(matches!(&kept, Presence::Live(live) if Arc::ptr_eq(live, shown)), "{kept:?}");
}

#[test]
fn what_is_deleted_leaves_no_label_behind() {
    let index = Index::default();
    index.replace(Vec::new());
    let pod = live("x", "a", 1, &[("app", "a"), ("tier", "b")]);
    index.insert(&Arc::new(pod.clone()));
    index.remove(&pod.object, &pod.uid);
    assert!(index.0.read().as_ref().unwrap().namespaces.is_empty());
}

#[test]
fn a_selector_compares_only_the_objects_that_have_its_rarest_label() {
    let pods = (0..1_000).map(|number| {
        let app = format!("app-{}", number / 10);
        Arc::new(live("x", &format!("pod-{number}"), 1, &[("app", app.as_str()), ("tier", "web")]))
    });
    let objects = Objects::new(&in_order(pods.collect()));
    let compared = |text: &str| {
        let postings = objects.namespaces["x"].narrowest(&Selector::parse(text).unwrap());
        postings.iter().map(|posting| posting.0.len()).sum::<usize>()
    };
    assert_eq!(compared("tier=web,app=app-7"), 10);
    assert_eq!(compared("app in (app-1,app-2,none)"), 20);
    assert_eq!(compared("app=none"), 0);
    assert_eq!(compared("app!=app-7"), 1_000);
}

#[test]
fn a_list_keeps_each_object_that_is_as_it_was_and_holds_it_once() {
    let index = Index::default();
    let names: Vec<String> = (0..9).map(|number| format!("pod-{number}")).collect();
    let all = |round: u8| names.iter().map(move |name| live("x", name, round, &[("app", "a")]));
    index.replace(all(1).map(Arc::new).collect());
    let before = index.list(None, &Selector::default()).unwrap();
    // Listed again: as it was, but for one that is new.
    let listed: Vec<_> = all(1).map(|live| index.known_or(live)).collect();
    assert!(listed.iter().zip(&before).all(|(listed, before)| Arc::ptr_eq(listed, before)));
    let mut changed: Vec<_> = all(1).map(Arc::new).collect();
    changed[4] = Arc::new(live("x", "pod-4", 2, &[("app", "b")]));
    let changes = index.replace(changed);
    assert_eq!(changes.len(), 2, "one is gone, one is seen");
    let after = index.list(None, &Selector::default()).unwrap();
    for (number, (before, after)) in before.iter().zip(&after).enumerate() {
        assert_eq!(Arc::ptr_eq(before, after), number != 4, "pod-{number}");
    }
    let selected = index.list(None, &Selector::parse("app=b").unwrap()).unwrap();
    assert_eq!(selected, [after[4].clone()]);
}
