//! How the objects that there are come at the begin of a watch: as its first events, or in pages.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use custom_metrics_adapter::cluster::Pacing;

use super::{Followed, PACING};
use crate::support::{
    kube_api::{Expiry, KubeApi, StreamedLists, pod},
    seen,
};

#[tokio::test]
async fn a_list_is_streamed_where_the_server_can_do_so_and_paged_where_it_cannot() {
    use StreamedLists::{Broken, Expired, Ignored, Known, Refused};
    let paged = [Refused, Ignored, Broken, Expired].map(|streamed| (streamed, true));
    for (streamed, is_paged) in paged.into_iter().chain([(Known, false)]) {
        let api = KubeApi::start().await;
        api.stream_lists(streamed);
        for name in ["a", "b", "c", "d"] {
            api.apply("pods", pod("ns", name, ""));
        }
        let followed = Followed::ready(&api).await;
        assert_eq!(followed.told().len(), 4, "{streamed:?}: each is told once");
        assert_eq!(followed.names("pods", None, "").await, ["ns/a", "ns/b", "ns/c", "ns/d"], "{streamed:?}");
        seen("the watch is open", || (api.watches("pods") > 0).then_some(())).await;
        api.delete("pods", "ns", "a");
        seen("a change is told", || (followed.told().len() == 5).then_some(())).await;
        let paged = api.asked("/api/v1/pods").iter().any(|asked| asked.query.contains_key("limit"));
        assert_eq!(paged, is_paged, "{streamed:?}");
        assert_eq!(followed.cluster.watches()[0].lists, 1, "{streamed:?}");
    }
}

#[tokio::test]
async fn a_watch_that_begins_anew_lists_in_pages_because_a_stream_may_be_older_than_what_was_seen() {
    for expiry in [Expiry::InStream, Expiry::AsStatus] {
        let api = KubeApi::start().await;
        api.apply("pods", pod("a", "web", ""));
        let followed = Followed::ready(&api).await;
        seen("the watch is open", || (api.watches("pods") == 1).then_some(())).await;
        api.forget_history("pods", expiry);
        api.break_watches("pods");
        seen("it lists again", || (followed.cluster.watches()[0].lists == 2).then_some(())).await;
        let streamed = api.asked("/api/v1/pods").into_iter();
        let streamed = streamed.filter(|asked| asked.query.contains_key("sendInitialEvents"));
        assert_eq!(streamed.count(), 1, "{expiry:?}");
        assert_eq!(followed.names("pods", None, "").await, ["a/web"]);
    }
}

#[tokio::test]
async fn what_is_deleted_while_a_list_is_streamed_that_has_no_end_was_never_there() {
    let api = KubeApi::start().await;
    api.stream_lists(StreamedLists::Ignored);
    for name in ["deleted", "kept"] {
        api.apply("pods", pod("ns", name, ""));
    }
    let followed = Followed::begun(&api, Pacing { list_silence: Duration::from_secs(2), ..PACING }).await;
    seen("the stream is open", || (api.watches("pods") == 1).then_some(())).await;
    api.delete("pods", "ns", "deleted");
    seen("the cluster is ready", || followed.unready().is_empty().then_some(())).await;
    assert_eq!(followed.names("pods", None, "").await, ["ns/kept"]);
    assert_eq!(followed.told(), ["seen ns/kept uid-of-kept"]);
}

/// It sends changes in place of the mark, so that it is never silent.
#[tokio::test]
async fn a_busy_server_that_does_not_know_streamed_lists_is_asked_for_pages_too() {
    let api = KubeApi::start().await;
    api.stream_lists(StreamedLists::Ignored);
    let is_ready = Arc::new(AtomicBool::new(false));
    let changes = tokio::spawn(changes(api.clone(), is_ready.clone()));
    let followed = Followed::ready(&api).await;
    is_ready.store(true, Ordering::Relaxed);
    changes.await.unwrap();
    assert_eq!(followed.names("pods", None, "").await, ["ns/web"]);
}

/// Changes a pod all the time.
async fn changes(api: KubeApi, stop: Arc<AtomicBool>) {
    let (mut ticks, mut round) = (tokio::time::interval(PACING.list_silence / 10), 0);
    while !stop.load(Ordering::Relaxed) {
        ticks.tick().await;
        api.apply("pods", pod("ns", "web", &format!("round={round}")));
        round += 1;
    }
}
