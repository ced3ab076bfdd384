//! The API server fails in every way that it has, and things are right again by themselves.

use std::time::Duration;

use custom_metrics_adapter::{
    cluster::{Cluster, ClusterError, ClusterOptions, Pacing, Unavailable, WatchState, grant},
    model::{GroupResource, Presence, Selector},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{Followed, PACING};
use crate::support::{
    kube_api::{Expiry, KubeApi, object, pod},
    log::Log,
    seen,
};

#[tokio::test]
async fn what_was_deleted_while_the_server_was_away_is_gone_when_it_is_back() {
    for expiry in [Expiry::InStream, Expiry::AsStatus] {
        let api = KubeApi::start().await;
        for name in ["deleted", "kept", "replaced"] {
            api.apply("pods", pod("a", name, ""));
        }
        let followed = Followed::ready(&api).await;
        api.go_down();
        api.delete("pods", "a", "deleted");
        let mut successor = pod("a", "replaced", "");
        successor["metadata"]["uid"] = "another".into();
        api.apply("pods", successor);
        api.apply("pods", pod("a", "new", ""));
        api.forget_history("pods", expiry);
        api.come_up();
        seen(&format!("all is told ({expiry:?})"), || (followed.told().len() == 7).then_some(())).await;
        let expected = [
            "gone a/deleted uid-of-deleted",
            "gone a/replaced uid-of-replaced",
            "seen a/new uid-of-new",
            "seen a/replaced another",
        ];
        assert_eq!(followed.told()[3..], expected, "{expiry:?}");
        assert_eq!(followed.names("pods", None, "").await, ["a/kept", "a/new", "a/replaced"]);
    }
}

#[tokio::test]
async fn reads_go_on_while_the_server_is_down_and_changes_come_when_it_is_back() {
    let api = KubeApi::start().await;
    api.apply("pods", pod("a", "web", "app=web"));
    let followed = Followed::ready(&api).await;
    seen("the watch is open", || (api.watches("pods") == 1).then_some(())).await;
    api.go_down();
    let failures = || followed.failures(&GroupResource::pods());
    seen("it was tried in vain", || (failures() >= 3).then_some(())).await;
    assert_eq!(followed.names("pods", Some("a"), "app=web").await, ["a/web"]);
    assert_eq!(followed.unready(), []);
    assert!(followed.cluster.watches()[0].last_error.is_some());
    api.come_up();
    api.apply("pods", pod("a", "later", "app=web"));
    followed.becomes_live("pods", "a", "later").await;
    assert_eq!(followed.cluster.watches()[0].lists, 1, "a watch that is resumed needs no list");
    assert!(followed.cluster.watches()[0].last_error.is_none());
}

#[tokio::test]
async fn a_server_that_is_down_at_the_start_is_waited_for() {
    let api = KubeApi::start().await;
    api.go_down();
    let followed = Followed::begun(&api, PACING).await;
    assert_eq!(followed.cluster.resolve("deploy").unwrap().resource.to_string(), "deployments.apps");
    assert_eq!(followed.presence("pods", "a", "web"), Presence::Unknown);
    let unready: Vec<_> = followed.unready().into_iter().map(|(name, _)| name).collect();
    assert_eq!(unready, ["discovery", "pods-synced"]);
    api.come_up();
    seen("it is ready", || followed.unready().is_empty().then_some(())).await;
}

#[tokio::test]
async fn a_broken_stream_is_resumed_and_misses_nothing() {
    let api = KubeApi::start().await;
    api.apply("pods", pod("a", "web", ""));
    let followed = Followed::ready(&api).await;
    for round in 0..5 {
        seen("the watch is open", || (api.watches("pods") == 1).then_some(())).await;
        api.break_watches("pods");
        api.apply("pods", pod("a", &format!("web-{round}"), ""));
        followed.becomes_live("pods", "a", &format!("web-{round}")).await;
    }
    assert_eq!(followed.cluster.watches()[0].lists, 1);
}

#[tokio::test]
async fn a_watch_that_ends_is_resumed_after_the_last_bookmark() {
    let api = KubeApi::start().await;
    let followed = Followed::ready(&api).await;
    seen("the watch is open", || (api.watches("pods") == 1).then_some(())).await;
    let version = api.bookmark("pods").to_string();
    api.end_watches("pods");
    let resumed = || {
        let asked = api.asked("/api/v1/pods");
        asked.iter().any(|asked| asked.query.get("resourceVersion") == Some(&version)).then_some(())
    };
    seen("the watch is resumed from the bookmark", resumed).await;
    api.apply("pods", pod("a", "web", ""));
    followed.becomes_live("pods", "a", "web").await;
}

#[tokio::test]
async fn a_server_that_answers_nonsense_for_a_while_is_followed_again() {
    for (code, message) in
        [(500, "etcdserver: leader changed"), (503, "starting"), (429, "too many requests")]
    {
        let api = KubeApi::start().await;
        api.refuse("pods", code, message);
        let followed = Followed::begun(&api, PACING).await;
        let reason =
            || followed.unready().into_iter().find(|(name, why)| *name == "pods-synced" && why == message);
        seen("the reason is shown", reason).await;
        api.allow("pods");
        api.apply("pods", pod("a", "web", ""));
        followed.becomes_live("pods", "a", "web").await;
    }
}

#[tokio::test]
async fn a_watch_that_is_refused_again_and_again_ends_in_a_list() {
    let api = KubeApi::start().await;
    let followed = Followed::ready(&api).await;
    seen("the watch is open", || (api.watches("pods") == 1).then_some(())).await;
    api.refuse("pods", 400, "the resource version means nothing here");
    let failures = || followed.failures(&GroupResource::pods());
    seen("it was refused often", || (failures() >= 6).then_some(())).await;
    api.allow("pods");
    seen("it is listed", || (followed.cluster.watches()[0].lists == 2).then_some(())).await;
}

#[tokio::test]
async fn a_resource_that_we_may_not_list_says_so_until_we_may() {
    let message = "deployments.apps is forbidden: User \"u\" cannot list resource \"deployments\"";
    let api = KubeApi::start().await;
    api.apply("deployments.apps", object("a", "web", ""));
    api.refuse("deployments.apps", 403, message);
    let followed = Followed::ready(&api).await;
    let deployments = followed.cluster.resolve("deployments").unwrap();
    let forbidden =
        Unavailable::Forbidden { resource: deployments.resource.clone(), message: message.into() };
    let unavailable = || followed.cluster.list(&deployments, None, &Selector::default()).err();
    seen("it is forbidden", || (unavailable() == Some(forbidden.clone())).then_some(())).await;
    assert_eq!(followed.presence("deployments", "a", "web"), Presence::Unknown);
    api.allow("deployments.apps");
    followed.becomes_live("deployments", "a", "web").await;
}

#[tokio::test]
async fn a_right_that_is_taken_away_ends_the_answers() {
    let api = KubeApi::start().await;
    api.apply("deployments.apps", object("a", "web", ""));
    let followed = Followed::ready(&api).await;
    followed.becomes_live("deployments", "a", "web").await;
    api.refuse("deployments.apps", 403, "no longer");
    let is_unknown = || (followed.presence("deployments", "a", "web") == Presence::Unknown).then_some(());
    seen("nothing is known of it", is_unknown).await;
    api.allow("deployments.apps");
    followed.becomes_live("deployments", "a", "web").await;
    assert_eq!(followed.told().len(), 1, "it was there all the time: {:?}", followed.told());
}

/// A kube-apiserver that has just started refuses everything until it has read its own rules.
#[tokio::test]
async fn a_refusal_after_a_good_list_counts_as_an_outage_for_a_while() {
    let api = KubeApi::start().await;
    api.apply("pods", pod("a", "web", "app=web"));
    api.apply("deployments.apps", object("a", "web", ""));
    let followed =
        Followed::begun(&api, Pacing { refusal_tolerance: Duration::from_secs(3600), ..PACING }).await;
    seen("the cluster is ready", || followed.unready().is_empty().then_some(())).await;
    followed.becomes_live("deployments", "a", "web").await;
    for resource in ["pods", "deployments.apps"] {
        api.refuse(resource, 403, "no rules yet");
        let watched = followed.cluster.resolve(resource).unwrap().resource.clone();
        seen("it was refused often", || (followed.failures(&watched) >= 3).then_some(())).await;
    }
    assert_eq!(followed.unready(), []);
    assert_eq!(followed.names("pods", Some("a"), "app=web").await, ["a/web"]);
    assert!(matches!(followed.presence("deployments", "a", "web"), Presence::Live(_)));
    let states: Vec<_> = followed.cluster.watches().iter().map(|watch| watch.state).collect();
    assert_eq!(states, [WatchState::Failing, WatchState::Failing]);
}

#[tokio::test]
async fn a_refusal_that_lasts_takes_readiness_and_an_outage_gives_nothing_back() {
    let api = KubeApi::start().await;
    api.apply("pods", pod("a", "web", ""));
    let followed =
        Followed::begun(&api, Pacing { refusal_tolerance: Duration::from_millis(300), ..PACING }).await;
    seen("the cluster is ready", || followed.unready().is_empty().then_some(())).await;
    api.refuse("pods", 403, "no longer");
    let refused = ("pods-synced", "no longer".to_owned());
    seen("it is unready", || followed.unready().contains(&refused).then_some(())).await;
    assert_eq!(followed.cluster.watches()[0].state, WatchState::Refused);
    api.go_down();
    let error = || followed.cluster.watches()[0].last_error.clone().filter(|error| error != "no longer");
    seen("it is down", error).await;
    assert!(followed.unready().contains(&refused), "{:?}", followed.unready());
    api.come_up();
    api.allow("pods");
    seen("it is ready", || followed.unready().is_empty().then_some(())).await;
}

/// Nothing changes, so that no event tells.
#[tokio::test]
async fn a_watch_that_is_resumed_fails_no_longer_also_when_it_brings_nothing() {
    let log = Log::keep();
    let api = KubeApi::start().await;
    let followed = Followed::ready(&api).await;
    followed.names("nodes", None, "").await;
    let states = || followed.cluster.watches().iter().map(|watch| watch.state).collect::<Vec<_>>();
    for _ in 0..3 {
        api.go_down();
        seen("all fail", || (states() == [WatchState::Failing; 2]).then_some(())).await;
        seen("twice", || (followed.cluster.watches().iter().all(|watch| watch.failures >= 2)).then_some(()))
            .await;
        api.come_up();
        seen("all work", || (states() == [WatchState::Synced; 2]).then_some(())).await;
    }
    assert!(followed.cluster.watches().iter().all(|watch| watch.last_error.is_none() && watch.lists == 1));
    assert_eq!(
        log.with(&["INFO", "watch works again", "resource=nodes"]).len(),
        log.with(&["WARN", "resource=nodes"]).len()
    );
}

#[tokio::test]
async fn each_failure_is_logged_when_it_begins_and_when_it_ends() {
    let log = Log::keep();
    let api = KubeApi::start().await;
    let followed = Followed::ready(&api).await;
    followed.names("deployments", None, "").await;
    api.refuse("deployments.apps", 403, "deployments is forbidden");
    let failures = || followed.failures(&GroupResource::new("apps", "deployments"));
    seen("it was refused often", || (failures() >= 5).then_some(())).await;
    api.allow("deployments.apps");
    seen("it works", || (followed.cluster.watches()[1].state == WatchState::Synced).then_some(())).await;
    let begun = log.with(&["WARN", "watch fails", "resource=deployments.apps", "class=\"forbidden\""]);
    assert_eq!(begun.len(), 1, "{begun:?}");
    for words in [
        "deployments is forbidden",
        "list and watch on resource \\\"deployments\\\" in API group \\\"apps\\\"",
    ] {
        assert!(begun[0].contains(words), "{begun:?}");
    }
    assert_eq!(log.with(&["INFO", "watch works again", "resource=deployments.apps"]).len(), 1);

    api.break_discovery(403, "discovery is forbidden");
    followed.cluster.resolve_fresh("podz").await.unwrap_err();
    seen("it fails", || followed.cluster.discovery().unwrap().failing).await;
    api.mend_discovery();
    seen("it works", || followed.cluster.discovery().unwrap().failing.is_none().then_some(())).await;
    let begun = log.with(&["WARN", "discovery fails", "class=\"forbidden\"", "system:discovery"]);
    assert_eq!(begun.len(), 1, "{begun:?}");
    assert_eq!(log.with(&["INFO", "discovery works again"]).len(), 1);
}

#[tokio::test]
async fn a_connection_that_breaks_once_is_not_logged() {
    let log = Log::keep();
    let api = KubeApi::start().await;
    let followed = Followed::ready(&api).await;
    seen("the watch is open", || (api.watches("pods") == 1).then_some(())).await;
    api.break_watches("pods");
    api.apply("pods", pod("a", "web", ""));
    followed.becomes_live("pods", "a", "web").await;
    assert_eq!(log.with(&["WARN"]), [""; 0]);
}

/// The project tells its users not to give the adapter secrets.
#[tokio::test]
async fn nobody_is_told_to_grant_secrets() {
    let log = Log::keep();
    let api = KubeApi::start().await;
    api.serve("", "v1", "secrets", "Secret");
    api.refuse("secrets", 403, "secrets is forbidden");
    let followed = Followed::ready(&api).await;
    assert_eq!(followed.presence("secrets", "a", "web"), Presence::Unknown);
    let line = seen("it is logged", || log.with(&["WARN", "resource=secrets"]).pop()).await;
    assert!(line.contains("do not grant it") && !line.contains("grant the adapter"), "{line}");
    let about = grant(&GroupResource::new("", "secrets"));
    assert!(about.contains("do not grant it"), "{about}");
    assert!(grant(&GroupResource::new("secrets.io", "secrets")).contains("by a ClusterRole"));
}

#[tokio::test]
async fn a_kubeconfig_that_is_none_is_named_in_the_error() {
    let options = ClusterOptions {
        kubeconfig: Some("/nowhere/kubeconfig".into()),
        ..ClusterOptions::new(TaskTracker::new(), CancellationToken::new())
    };
    let Err(error) = Cluster::connect(options).await else { panic!("there is no such file") };
    assert!(matches!(error, ClusterError::Kubeconfig { .. }));
    assert_eq!(error.to_string(), "cannot use the kubeconfig /nowhere/kubeconfig");
}
