//! Targets come, change and go with their pods.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use custom_metrics_adapter::{
    cluster::{Changed, PodChanges},
    model::Uid,
    scrape::{Health, PodSource, ScrapeOptions, Scraper},
    store::{Absence, Limits, Store},
};
use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    target::{Behaviour, Target, answer, text},
    world::{World, options, pod},
};
use crate::support::{eventually, seen, within};

#[tokio::test]
async fn an_annotated_pod_is_scraped_and_its_gauge_can_be_read() {
    let world = World::start(options());
    let target =
        Target::start(text("# TYPE queue_depth gauge\nqueue_depth{q=\"a\"} 40\nqueue_depth{q=\"b\"} 2\n"))
            .await;
    world.add(pod("web-1", target.address, &[]));
    world.reads("web-1", "queue_depth", 42_000).await;
    let status = world.is("web-1", Health::Up).await;
    assert_eq!(status.url, Some(format!("http://{}/metrics", target.address)));
    let last = status.last_scrape.unwrap();
    assert_eq!((last.samples, last.series, last.rejected), (2, 2, 0));
}

#[tokio::test]
async fn a_counter_becomes_a_rate_that_follows_it() {
    let world = World::start(options());
    let page = |number: usize| {
        let body = format!("# TYPE jobs_total counter\njobs_total {}\n", 1000 * number);
        answer("text/plain", &[], body.as_bytes())
    };
    let target = Target::start(Behaviour::Count(Arc::new(page))).await;
    world.add(pod("web-1", target.address, &[]));
    let rate = seen("the counter has a rate", || world.read("web-1", "jobs_per_second").ok()).await;
    assert!(rate > 0, "{rate}");
    assert_eq!(world.read("web-1", "jobs"), Err(Absence::UnknownMetric));
}

#[tokio::test]
async fn a_pod_that_is_gone_takes_its_values_with_it() {
    let world = World::start(options());
    let target = Target::start(text("a 1\n")).await;
    world.add(pod("web-1", target.address, &[]));
    world.reads("web-1", "a", 1000).await;
    world.remove("web-1");
    assert_eq!(world.lacks("web-1", "a").await, Absence::UnknownMetric);
    eventually("its target ends", async || world.scraper.target_count() == 0).await;
    assert!(world.scraper.targets().is_empty());
    eventually("nothing is left of it", async || world.store.stats().objects == 0).await;
}

#[tokio::test]
async fn a_pod_of_the_same_name_is_a_new_target() {
    let world = World::start(options());
    let (old, new) = (Target::start(text("a 1\n")).await, Target::start(text("b 2\n")).await);
    world.add(pod("web-1", old.address, &[]));
    world.reads("web-1", "a", 1000).await;
    let mut successor = pod("web-1", new.address, &[]);
    Arc::make_mut(&mut successor.live).uid = Uid("another".into());
    world.add(successor);
    world.reads("web-1", "b", 2000).await;
    world.lacks("web-1", "a").await;
    assert_eq!(world.scraper.target_count(), 1);
}

#[tokio::test]
async fn a_terminating_pod_is_not_scraped_but_keeps_its_last_values() {
    let world = World::start(options());
    let target = Target::start(text("a 1\n")).await;
    let mut terminating = pod("web-1", target.address, &[]);
    world.add(terminating.clone());
    world.reads("web-1", "a", 1000).await;
    terminating.deletion = Some(Timestamp::now());
    world.add(terminating);
    let status = world.is("web-1", Health::Terminating).await;
    assert_eq!(status.next_scrape, None);
    // a scrape that had begun may still come
    eventually("the requests end", async || {
        let before = target.requests().len();
        tokio::time::sleep(Duration::from_millis(300)).await;
        target.requests().len() == before
    })
    .await;
    assert_eq!(world.read("web-1", "a"), Ok(1000));
}

#[tokio::test]
async fn a_terminating_pod_that_is_new_to_us_is_no_target() {
    let world = World::start(options());
    let (old, other) = (Target::start(text("a 1\n")).await, Target::start(text("b 1\n")).await);
    let mut terminating = pod("old", old.address, &[]);
    terminating.deletion = Some(Timestamp::now());
    world.add(terminating);
    world.add(pod("other", other.address, &[]));
    world.reads("other", "b", 1000).await;
    assert!(old.requests().is_empty() && world.scraper.target_count() == 1);
}

#[tokio::test]
async fn a_series_that_a_good_scrape_lacks_goes_at_once() {
    let world = World::start(options());
    let target = Target::start(text("a 1\nb 2\n")).await;
    world.add(pod("web-1", target.address, &[]));
    world.reads("web-1", "b", 2000).await;
    target.set(text("a 1\n"));
    assert!(matches!(world.lacks("web-1", "b").await, Absence::Lacking { .. }));
    assert_eq!(world.read("web-1", "a"), Ok(1000));
}

#[tokio::test]
async fn a_failed_scrape_keeps_the_last_values_and_is_told() {
    let world = World::start(options());
    let target = Target::start(text("a 1\n")).await;
    world.add(pod("web-1", target.address, &[]));
    world.reads("web-1", "a", 1000).await;
    target.set(super::target::status("500 Oops", &[]));
    world.fails("web-1", "status").await;
    eventually("the streak grows", async || world.status("web-1").unwrap().failures > 2).await;
    assert_eq!(world.read("web-1", "a"), Ok(1000));
    let status = world.status("web-1").unwrap();
    assert_eq!(status.health, Health::Down);
    assert!(status.last_good < Some(status.last_scrape.unwrap().at));
    target.set(text("a 3\n"));
    world.reads("web-1", "a", 3000).await;
    assert_eq!(world.is("web-1", Health::Up).await.failures, 0);
}

#[tokio::test]
async fn a_pod_with_a_bad_annotation_is_shown_and_stops_nobody() {
    let world = World::start(options());
    let target = Target::start(text("a 1\n")).await;
    world.add(pod("bad", target.address, &[("prometheus.io/port", "eighty")]));
    let half_bad = [("prometheus.io/timeout", "soon"), ("custom-metrics-adapter/fold", "avg")];
    world.add(pod("half-bad", target.address, &half_bad));
    world.add(pod("good", target.address, &[]));
    world.reads("good", "a", 1000).await;
    world.reads("half-bad", "a", 1000).await;
    let bad = world.is("bad", Health::Refused).await;
    assert_eq!(bad.url, None);
    assert_eq!(bad.problems, ["no container declares a TCP port named \"eighty\""]);
    let half_bad = world.status("half-bad").unwrap();
    assert_eq!(half_bad.problems.len(), 1);
    let rule = "pod default/half-bad: annotation prometheus.io/timeout=\"soon\": expected a duration";
    assert!(half_bad.problems[0].starts_with(rule), "{:?}", half_bad.problems);
    assert_eq!(world.scraper.counts().problems, 2);
}

#[tokio::test]
async fn changed_annotations_take_effect_on_a_running_target() {
    let world = World::start(options());
    let target = Target::start(text("a{l=\"1\"} 1\na{l=\"2\"} 3\nb 5\n")).await;
    world.add(pod("web-1", target.address, &[]));
    world.reads("web-1", "a", 4000).await;
    let annotations = [("custom-metrics-adapter/fold", "max"), ("custom-metrics-adapter/metrics", "a")];
    world.add(pod("web-1", target.address, &annotations));
    world.reads("web-1", "a", 3000).await;
    world.lacks("web-1", "b").await;
    world.add(pod("web-1", target.address, &[("custom-metrics-adapter/metrics", "b")]));
    world.reads("web-1", "b", 5000).await;
    world.lacks("web-1", "a").await;
}

#[tokio::test]
async fn two_ports_of_a_pod_are_one_metric() {
    let world = World::start(options());
    let one = Target::start(text("a 1\n")).await;
    let beside = (one.address.ip(), 0).into();
    let other = Target::listen(beside, text("a 2\n"), None).await;
    let ports = format!("{},{}", one.address.port(), other.address.port());
    world.add(pod("web-1", one.address, &[("prometheus.io/port", &ports)]));
    world.reads("web-1", "a", 3000).await;
}

#[tokio::test]
async fn over_the_target_limit_the_newest_pod_is_refused_until_there_is_room() {
    let world = World::start(ScrapeOptions { targets: 1, ..options() });
    let target = Target::start(text("a 1\n")).await;
    world.add(pod("old", target.address, &[]));
    let mut new = pod("new", target.address, &[]);
    Arc::make_mut(&mut new.live).created = Timestamp::from_second(1000).unwrap();
    world.add(new);
    world.reads("old", "a", 1000).await;
    let refused = world.is("new", Health::Refused).await;
    assert_eq!(
        refused.problems,
        ["there are 1 targets of older pods and smaller namespaces, which is the limit"]
    );
    world.remove("old");
    world.reads("new", "a", 1000).await;
}

#[tokio::test]
async fn everything_ends_with_the_shutdown() {
    let world = World::start(options());
    let good = Target::start(text("a 1\n")).await;
    let hanging = Target::start(Behaviour::Hang(Vec::new())).await;
    world.add(pod("good", good.address, &[]));
    world.add(pod("hanging", hanging.address, &[]));
    world.reads("good", "a", 1000).await;
    eventually("a request hangs", async || !hanging.requests().is_empty()).await;
    world.shutdown.cancel();
    world.tasks.close();
    within("all tasks end", world.tasks.wait()).await;
    assert_eq!(world.store.stats().objects, 0);
}

#[tokio::test]
async fn many_targets_that_expose_the_same_lines_share_one_template() {
    let world = World::start(ScrapeOptions { interval: Duration::from_secs(1), ..options() });
    let target = Target::start(text("a{l=\"1\"} 1\n# TYPE b counter\nb 2\n")).await;
    for number in 0..50 {
        world.add(pod(&format!("web-{number}"), target.address, &[]));
    }
    eventually("all are up", async || world.scraper.counts().up == 50).await;
    assert_eq!(world.scraper.templates().0, 1);
}

#[tokio::test]
async fn pods_whose_changes_are_told_one_by_one_come_change_and_go() {
    let (moved, told) = (watch::Sender::new(0), Arc::new(Mutex::new(VecDeque::new())));
    let next = told.clone();
    let since = move |generation| PodChanges {
        generation: generation + 1,
        changed: next.lock().pop_front().unwrap_or(Changed::Some(Vec::new())),
    };
    let source = PodSource { since: Arc::new(since), changes: moved.subscribe(), monitors: None };
    let tell = |changed: Changed| {
        told.lock().push_back(changed);
        moved.send_modify(|generation| *generation += 1);
    };
    let (tasks, shutdown) = (TaskTracker::new(), CancellationToken::new());
    let store = Store::new(Limits::default());
    let target = Target::start(text("a 1\n")).await;
    let with = |name: &str, annotations: &[(&str, &str)]| Arc::new(pod(name, target.address, annotations));
    told.lock().push_back(Changed::All(vec![with("one", &[]), with("two", &[]), with("three", &[])]));
    let scraper = Scraper::start(options(), source, store, tasks.clone(), shutdown.clone());
    let up = || {
        let up = scraper.targets().into_iter().filter(|status| status.health == Health::Up);
        up.map(|status| format!("{} {}", status.pod, status.interval_seconds)).collect::<Vec<_>>()
    };
    eventually("all are scraped", async || up() == ["one 0.05", "three 0.05", "two 0.05"]).await;
    let changed = with("two", &[("prometheus.io/interval", "60s")]);
    let (one, two) = (with("one", &[]).live.uid.clone(), changed.live.uid.clone());
    tell(Changed::Some(vec![(two, Some(changed)), (one, None)]));
    eventually("one is gone and two has changed", async || up() == ["three 0.05", "two 60"]).await;
    tell(Changed::All(vec![with("four", &[])]));
    eventually("four is all there is", async || up() == ["four 0.05"]).await;
    shutdown.cancel();
    tasks.close();
    within("all tasks end", tasks.wait()).await;
}
