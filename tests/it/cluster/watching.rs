//! Objects come, change and go, and reads answer from memory.

use custom_metrics_adapter::{
    cluster::{Cluster, Unavailable},
    model::{GroupResource, Presence, Selector},
};
use serde_json::json;
use tokio::time::timeout;

use super::{Followed, PACING};
use crate::support::{
    kube_api::{KubeApi, StreamedLists, object, pod},
    seen,
};

#[tokio::test]
async fn lists_are_selected_by_namespace_and_label_and_sorted() {
    let api = KubeApi::start().await;
    for (namespace, name, labels) in [
        ("b", "one", "app=web"),
        ("a", "two", "app=web,tier=front"),
        ("a", "three", "app=db"),
        ("a", "four", ""),
        ("a", "five", "app=web,tier=back"),
    ] {
        api.apply("pods", pod(namespace, name, labels));
    }
    let followed = Followed::ready(&api).await;
    assert_eq!(followed.names("pods", Some("a"), "").await, ["a/five", "a/four", "a/three", "a/two"]);
    assert_eq!(followed.names("pods", None, "app=web").await, ["a/five", "a/two", "b/one"]);
    assert_eq!(followed.names("pods", Some("a"), "app in (db,web),tier!=back").await, ["a/three", "a/two"]);
    assert_eq!(followed.names("pods", Some("a"), "!app").await, ["a/four"]);
    assert_eq!(followed.names("pods", Some("a"), "app=none").await, [""; 0]);
    assert_eq!(followed.names("pods", Some("none"), "").await, [""; 0]);
}

#[tokio::test]
async fn labels_that_change_move_an_object_between_selectors() {
    let api = KubeApi::start().await;
    api.apply("pods", pod("a", "web", "app=old"));
    let followed = Followed::ready(&api).await;
    api.apply("pods", pod("a", "web", "app=new"));
    seen("the change is told", || (followed.told().len() == 2).then_some(())).await;
    assert_eq!(followed.names("pods", Some("a"), "app=new").await, ["a/web"]);
    assert_eq!(followed.names("pods", Some("a"), "app=old").await, [""; 0]);
    assert_eq!(followed.told(), ["seen a/web uid-of-web", "seen a/web uid-of-web"]);
}

#[tokio::test]
async fn a_deleted_object_is_gone_and_told_once() {
    let api = KubeApi::start().await;
    api.apply("pods", pod("a", "web", "app=web"));
    let followed = Followed::ready(&api).await;
    followed.becomes_live("pods", "a", "web").await;
    api.delete("pods", "a", "web");
    followed.becomes_absent("pods", "a", "web").await;
    assert_eq!(followed.names("pods", None, "app=web").await, [""; 0]);
    seen("it is told", || (followed.told().len() == 2).then_some(())).await;
    assert_eq!(followed.told(), ["seen a/web uid-of-web", "gone a/web uid-of-web"]);
}

#[tokio::test]
async fn a_new_uid_under_an_old_name_is_the_end_of_the_old_one() {
    let api = KubeApi::start().await;
    api.apply("pods", pod("a", "web", ""));
    let followed = Followed::ready(&api).await;
    let mut successor = pod("a", "web", "");
    successor["metadata"]["uid"] = "another".into();
    api.apply("pods", successor);
    seen("both are told", || (followed.told().len() == 3).then_some(())).await;
    assert_eq!(followed.told()[1..], ["gone a/web uid-of-web", "seen a/web another"]);
    let Presence::Live(live) = followed.presence("pods", "a", "web") else {
        panic!("the successor is not live")
    };
    assert_eq!(&*live.uid.0, "another");
}

#[tokio::test]
async fn another_resource_is_watched_from_its_first_use_once_and_metadata_only() {
    let api = KubeApi::start().await;
    api.apply("deployments.apps", object("a", "web", "app=web"));
    let followed = Followed::ready(&api).await;
    let path = "/apis/apps/v1/deployments";
    assert!(api.asked(path).is_empty());
    assert_eq!(followed.presence("deployments.apps", "a", "web"), Presence::Unknown);
    followed.becomes_live("deploy", "a", "web").await;
    assert_eq!(followed.names("deployments", Some("a"), "app=web").await, ["a/web"]);
    followed.cluster.watch(&followed.cluster.resolve("deploy").unwrap());
    seen("the watch is open", || (api.watches("deployments.apps") == 1).then_some(())).await;
    let asked = api.asked(path);
    assert_eq!(asked.len(), 1, "one watch, which begins with the list: {asked:?}");
    assert!(asked.iter().all(|asked| asked.accept.contains("PartialObjectMetadata")), "{asked:?}");
    assert!(asked[0].user_agent.starts_with("custom-metrics-adapter/"), "{asked:?}");
}

#[tokio::test]
async fn what_is_cluster_scoped_has_no_namespace() {
    let api = KubeApi::start().await;
    api.apply("nodes", object("", "node-1", "zone=a"));
    let followed = Followed::ready(&api).await;
    followed.becomes_live("nodes", "", "node-1").await;
    assert_eq!(followed.names("no", None, "zone=a").await, ["node-1"]);
    assert_eq!(followed.presence("nodes", "", "node-2"), Presence::Absent);
}

#[tokio::test]
async fn a_list_before_the_first_sync_says_so() {
    let api = KubeApi::start().await;
    api.refuse("deployments.apps", 500, "not yet");
    let followed = Followed::ready(&api).await;
    let deployments = followed.cluster.resolve("deployments").unwrap();
    let unavailable = followed.cluster.list(&deployments, None, &Selector::default()).unwrap_err();
    assert_eq!(unavailable, Unavailable::NotSynced { resource: deployments.resource.clone() });
    api.allow("deployments.apps");
    assert_eq!(followed.names("deployments", None, "").await, [""; 0]);
}

#[tokio::test]
async fn a_long_list_comes_in_pages_and_is_whole() {
    let api = KubeApi::start().await;
    for number in 0..1200 {
        api.apply("pods", pod("a", &format!("web-{number:04}"), "app=web"));
    }
    api.stream_lists(StreamedLists::Refused);
    let followed = Followed::ready(&api).await;
    let names = followed.names("pods", Some("a"), "app=web").await;
    assert_eq!((names.len(), names[0].as_str(), names[1199].as_str()), (1200, "a/web-0000", "a/web-1199"));
    let lists = api.asked("/api/v1/pods").into_iter().filter(|asked| !asked.query.contains_key("watch"));
    assert_eq!(lists.count(), 3);
    assert_eq!(followed.told().len(), 1200);
}

#[tokio::test]
async fn a_status_says_how_each_watch_is() {
    let api = KubeApi::start().await;
    api.apply("pods", pod("a", "web", ""));
    let followed = Followed::ready(&api).await;
    followed.names("nodes", None, "").await;
    let watches = followed.cluster.watches();
    let shown: Vec<_> =
        watches.iter().map(|w| (w.resource.to_string(), w.synced, w.objects, w.lists)).collect();
    assert_eq!(shown, [("pods".to_owned(), true, 1, 1), ("nodes".to_owned(), true, 0, 1)]);
    assert!(watches.iter().all(|watch| watch.last_event_age.is_some() && watch.last_error.is_none()));
    let discovery = followed.cluster.discovery().unwrap();
    assert_eq!((discovery.resources, discovery.last_error), (5, None));
}

#[tokio::test]
async fn every_task_ends_with_the_shutdown_token() {
    let api = KubeApi::start().await;
    let followed = Followed::ready(&api).await;
    followed.names("nodes", None, "").await;
    followed.tasks.close();
    assert!(!followed.tasks.is_empty());
    followed.shutdown.cancel();
    timeout(std::time::Duration::from_secs(10), followed.tasks.wait()).await.unwrap();
}

#[tokio::test]
async fn a_malformed_object_does_not_hide_the_others() {
    let api = KubeApi::start().await;
    let mut odd = pod("a", "odd", "");
    odd["spec"] =
        json!({"containers": [{"name": "x", "ports": [{"containerPort": 99999, "protocol": "QUIC"}]}]});
    odd["metadata"]["creationTimestamp"] = "once upon a time".into();
    odd["status"] = json!({
        "phase": "Dreaming", "podIP": "nowhere",
        "containerStatuses": [{"name": "x", "state": {"running": {"startedAt": "lately"}}}],
    });
    api.apply("pods", odd);
    api.apply("pods", pod("a", "web", ""));
    let followed = Followed::begun(&api, PACING).await;
    assert_eq!(followed.names("pods", None, "").await, ["a/odd", "a/web"]);
}

#[tokio::test]
async fn standalone_knows_names_but_no_objects() {
    let cluster = Cluster::standalone();
    let pods = cluster.resolve("po").unwrap();
    assert_eq!(pods.resource, GroupResource::pods());
    assert_eq!(cluster.resolve_fresh("widgets.example.io").await.unwrap_err().nearest, None);
    assert_eq!(cluster.resolve("podz").unwrap_err().nearest.as_deref(), Some("pods"));
    cluster.watch(&pods);
    assert_eq!(cluster.list(&pods, None, &Selector::default()), Err(Unavailable::Standalone));
    assert!(cluster.pods().is_empty() && cluster.checks().is_empty() && cluster.client().is_none());
    assert!(!cluster.pod_changes().has_changed().unwrap());
}
