//! How long a resource is watched, and what remains of one that the cluster no longer serves.

use std::time::Duration;

use custom_metrics_adapter::{
    cluster::{Pacing, WatchState},
    model::{GroupResource, ObjectRef, Presence},
};
use jiff::Timestamp;
use tokio::time::sleep;

use super::{Followed, PACING};
use crate::{
    support::{
        kube_api::{Asked, KubeApi, object},
        seen,
    },
    world::{store, value},
};

const SHORT: Duration = Duration::from_millis(200);

/// All that is watched beside pods.
fn watched(followed: &Followed) -> Vec<String> {
    followed.cluster.watches().iter().skip(1).map(|watch| watch.resource.to_string()).collect()
}

fn widget() -> ObjectRef {
    ObjectRef {
        resource: GroupResource::new("example.io", "widgets"),
        namespace: Some("a".into()),
        name: "w".into(),
    }
}

#[tokio::test]
async fn a_resource_that_nothing_needs_is_no_longer_watched_and_watched_again_when_it_is_asked_for() {
    let api = KubeApi::start().await;
    api.apply("nodes", object("", "node-1", ""));
    let followed = Followed::begun(&api, Pacing { unneeded: SHORT, ..PACING }).await;
    followed.becomes_live("nodes", "", "node-1").await;
    seen("it is dropped", || watched(&followed).is_empty().then_some(())).await;
    seen("its watch is closed", || (api.watches("nodes") == 0).then_some(())).await;
    assert_eq!(followed.cluster.watches().len(), 1, "pods stay");
    assert!(!followed.told().iter().any(|told| told.starts_with("gone")), "the node is there");
    followed.becomes_live("nodes", "", "node-1").await;
}

#[tokio::test]
async fn reads_and_values_keep_a_watch() {
    let api = KubeApi::start().await;
    api.apply("nodes", object("", "node-1", ""));
    api.apply("deployments.apps", object("a", "web", ""));
    let followed = Followed::begun(&api, Pacing { unneeded: SHORT, ..PACING }).await;
    followed.becomes_live("nodes", "", "node-1").await;
    followed.becomes_live("deployments", "a", "web").await;
    let stored = followed.object("deployments", "a", "web");
    for _ in 0..12 {
        sleep(SHORT / 4).await;
        assert!(matches!(followed.presence("nodes", "", "node-1"), Presence::Live(_)));
        assert!(matches!(followed.cluster.presence_of_stored(&stored), Presence::Live(_)));
    }
    for path in ["/api/v1/nodes", "/apis/apps/v1/deployments"] {
        let lists = api.asked(path).into_iter().filter(Asked::is_list);
        assert_eq!(lists.count(), 1, "{path}");
    }
}

/// One write of somebody who may not even have the right to read: the value may stay for ever.
#[tokio::test]
async fn a_refused_resource_is_a_state_of_its_own_and_no_value_keeps_it_asked_for() {
    let api = KubeApi::start().await;
    api.refuse("deployments.apps", 403, "no");
    let followed = Followed::begun(&api, Pacing { unneeded: SHORT * 2, ..PACING }).await;
    let stored = followed.object("deployments", "a", "web");
    assert_eq!(followed.cluster.presence(&stored), Presence::Unknown);
    let state = || followed.cluster.watches().get(1).map(|watch| watch.state);
    seen("it is refused", || state().filter(|state| *state == WatchState::Refused)).await;
    let dropped = || {
        assert_eq!(followed.cluster.presence_of_stored(&stored), Presence::Unknown);
        watched(&followed).is_empty().then_some(())
    };
    seen("it is dropped", dropped).await;
    assert_eq!(followed.cluster.presence_of_stored(&stored), Presence::Unknown);
    assert!(watched(&followed).is_empty(), "a stored value starts nothing");
    let _ = followed.cluster.presence(&stored);
    assert_eq!(watched(&followed), ["deployments.apps"], "a read does");
}

#[tokio::test]
async fn a_refused_resource_is_asked_for_seldom_until_it_is_needed_again() {
    let api = KubeApi::start().await;
    api.refuse("deployments.apps", 403, "no");
    let pacing = Pacing { longest_refusal: Duration::from_secs(3600), ..PACING };
    let followed = Followed::begun(&api, pacing).await;
    followed.cluster.watch(&followed.cluster.resolve("deployments").unwrap());
    let state = || followed.cluster.watches().get(1).map(|watch| watch.state);
    seen("it is refused", || state().filter(|state| *state == WatchState::Refused)).await;
    let asked = || api.asked("/apis/apps/v1/deployments").len();
    sleep(SHORT).await;
    let before = asked();
    assert!(before <= 2, "asked {before} times");
    sleep(SHORT).await;
    assert_eq!(asked(), before, "nobody needs it");
    api.allow("deployments.apps");
    api.apply("deployments.apps", object("a", "web", ""));
    followed.becomes_live("deployments", "a", "web").await;
}

#[tokio::test]
async fn the_objects_of_a_crd_that_is_gone_are_gone_and_nothing_goes_on_asking() {
    let api = KubeApi::start().await;
    api.serve("example.io", "v1", "widgets", "Widget");
    api.apply("widgets.example.io", object("a", "w", ""));
    let pacing = Pacing { discovery_interval: SHORT, ..PACING };
    let followed = Followed::begun(&api, pacing).await;
    seen("the CRD is known", || followed.cluster.find("widgets")).await;
    followed.becomes_live("widgets", "a", "w").await;
    api.serve_no_more("widgets.example.io");
    seen("it is gone", || followed.told().contains(&"gone a/w uid-of-w".to_owned()).then_some(())).await;
    seen("it is not watched", || watched(&followed).is_empty().then_some(())).await;
    seen("it is not served", || (!followed.cluster.is_served(&widget().resource)).then_some(())).await;
    let asked = api.asked("/apis/example.io/v1/widgets").len();
    sleep(SHORT).await;
    assert_eq!(api.asked("/apis/example.io/v1/widgets").len(), asked);
}

/// Without the right to watch them no event tells that they are gone.
#[tokio::test]
async fn values_of_a_crd_that_is_gone_are_dropped_without_any_right_on_it() {
    let api = KubeApi::start().await;
    api.serve("example.io", "v1", "widgets", "Widget");
    api.refuse("widgets.example.io", 403, "no");
    let pacing = Pacing { discovery_interval: SHORT, ..PACING };
    let followed = Followed::begun(&api, pacing).await;
    seen("the CRD is known", || followed.cluster.find("widgets")).await;
    assert_eq!(followed.presence("widgets", "a", "w"), Presence::Unknown);
    let node =
        ObjectRef { resource: GroupResource::new("", "nodes"), namespace: None, name: "node-1".into() };
    let at = Timestamp::now().to_string();
    let store = store(vec![value(&widget(), "load", "1", "", &at), value(&node, "load", "1", "", &at)]);
    store.forget_unserved(|resource| followed.cluster.is_served(resource));
    assert_eq!(store.stats().objects, 2);
    api.serve_no_more("widgets.example.io");
    let dropped = || {
        store.forget_unserved(|resource| followed.cluster.is_served(resource));
        (store.stats().objects == 1).then_some(())
    };
    seen("the widget's value is dropped", dropped).await;
    assert_eq!(store.catalog().metrics.len(), 1);
    assert!(watched(&followed).is_empty());
}

/// A kube-apiserver that has just started does not know its CRDs yet.
#[tokio::test]
async fn a_resource_that_discovery_lacks_for_a_moment_loses_nothing() {
    let api = KubeApi::start().await;
    api.serve("example.io", "v1", "widgets", "Widget");
    let pacing = Pacing { unserved: Duration::from_secs(3600), discovery_interval: SHORT, ..PACING };
    let followed = Followed::begun(&api, pacing).await;
    seen("the CRD is known", || followed.cluster.find("widgets")).await;
    api.serve_no_more("widgets.example.io");
    seen("it is not known", || followed.cluster.find("widgets").is_none().then_some(())).await;
    assert!(followed.cluster.is_served(&widget().resource));
    api.serve("example.io", "v1", "widgets", "Widget");
    seen("the CRD is known", || followed.cluster.find("widgets")).await;
    assert!(followed.cluster.is_served(&widget().resource));
}
