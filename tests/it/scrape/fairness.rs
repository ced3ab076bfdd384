//! Targets that fail, and namespaces with many, leave the others what is theirs.

use std::{sync::Arc, time::Duration};

use custom_metrics_adapter::{
    cluster::Pod,
    model::ObjectRef,
    scrape::{Health, ScrapeOptions},
    store::{Limits, Percent},
};
use jiff::Timestamp;
use tokio::net::{TcpSocket, TcpStream};

use super::{
    target::{Behaviour, Target, answer, text},
    world::{World, options, pod},
};
use crate::support::{eventually, seen};

fn quarter() -> Percent {
    Percent::new(25).unwrap()
}

/// The pod in another namespace, created so many seconds after 1970.
fn of(namespace: &str, created: i64, mut pod: Pod) -> Pod {
    let live = Arc::make_mut(&mut pod.live);
    live.object = ObjectRef { namespace: Some(namespace.into()), ..live.object.clone() };
    live.created = Timestamp::from_second(created).unwrap();
    pod
}

/// A counter that goes up by one with each scrape.
fn counting() -> Behaviour {
    Behaviour::Count(Arc::new(|number| {
        let body = format!(
            "# TYPE jobs_total counter\njobs_total{{l=\"a\"}} {number}\njobs_total{{l=\"b\"}} {number}\n"
        );
        answer("text/plain; version=0.0.4", &[], body.as_bytes())
    }))
}

#[tokio::test]
async fn a_good_target_is_scraped_on_beside_ones_that_never_answer_although_one_scrape_is_under_way_at_once()
{
    let never = [("prometheus.io/interval", "300s"), ("prometheus.io/timeout", "300s")];
    let world = World::start(ScrapeOptions { in_flight: 1, timeout: Duration::from_secs(300), ..options() });
    let good = Target::start(text("a 1\n")).await;
    world.add(pod("good", good.address, &[]));
    world.is("good", Health::Up).await;
    let silent = Target::start(Behaviour::Hang(Vec::new())).await;
    for number in 0..5 {
        world.add(pod(&format!("silent-{number}"), silent.address, &never));
    }
    eventually("one hangs", async || !silent.requests().is_empty()).await;
    let before = world.scraper.stats().good();
    eventually("the good one goes on", async || world.scraper.stats().good() > before + 10).await;
    let late = Target::start(text("a 2\n")).await;
    world.add(of("default", 1_000, pod("late", late.address, &[])));
    world.reads("late", "a", 2_000).await;
}

#[tokio::test]
async fn an_address_that_does_not_answer_is_given_up_long_before_the_timeout() {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.1.255.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    // Linux drops what comes when the queue of connections that nobody accepts is full.
    let mut queue = Vec::new();
    while let Ok(Ok(stream)) =
        tokio::time::timeout(Duration::from_millis(200), TcpStream::connect(address)).await
    {
        queue.push(stream);
    }
    let world = World::start(ScrapeOptions { connect_timeout: Duration::from_millis(50), ..options() });
    world.add(pod("web-1", address, &[("prometheus.io/timeout", "30s"), ("prometheus.io/interval", "30s")]));
    assert_eq!(world.fails("web-1", "timeout").await, "timed out after 50ms while connecting");
}

#[tokio::test]
async fn a_target_that_rests_is_scraped_at_once_when_its_pod_changes() {
    let world = World::start(options());
    let target = Target::start(super::target::status("503 Service Unavailable", &[])).await;
    let rarely = [("prometheus.io/interval", "300s")];
    world.add(pod("web-1", target.address, &rarely));
    world.fails("web-1", "status").await;
    target.set(text("a 1\n"));
    let mut restarted = pod("web-1", target.address, &rarely);
    restarted.containers[0].started = Some(Timestamp::from_second(1_000).unwrap());
    world.add(restarted);
    world.reads("web-1", "a", 1_000).await;
}

#[tokio::test]
async fn another_fold_window_or_interval_keeps_what_was_scraped() {
    let world = World::start(options());
    let target = Target::start(counting()).await;
    let with = |annotations: &[(&str, &str)]| pod("web-1", target.address, annotations);
    world.add(with(&[]));
    seen("there is a rate", || world.read("web-1", "jobs_per_second").ok()).await;
    let longer = [("prometheus.io/interval", "300s"), ("custom-metrics-adapter/window", "9m")];
    world.add(with(&[longer[0], longer[1], ("custom-metrics-adapter/fold", "max")]));
    let slow = |status: &custom_metrics_adapter::scrape::TargetStatus| status.interval_seconds > 299.0;
    eventually("it is taken up", async || world.status("web-1").is_some_and(|status| slow(&status))).await;
    for _ in 0..100 {
        world.read("web-1", "jobs_per_second").expect("there is a rate all the time");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn newly_allowed_metrics_are_there_before_the_next_moment() {
    let world = World::start(options());
    let target = Target::start(text("a 1\nb 2\n")).await;
    let rarely = ("prometheus.io/interval", "300s");
    world.add(pod("web-1", target.address, &[rarely, ("custom-metrics-adapter/metrics", "a")]));
    world.reads("web-1", "a", 1_000).await;
    world.add(pod("web-1", target.address, &[rarely]));
    world.reads("web-1", "b", 2_000).await;
}

#[tokio::test]
async fn a_namespace_with_its_share_of_targets_is_told_so_and_others_are_scraped() {
    let world = World::start(ScrapeOptions { targets: 4, share: quarter(), ..options() });
    let target = Target::start(text("a 1\n")).await;
    world.add(of("shop", 2, pod("new", target.address, &[])));
    world.is("new", Health::Up).await;
    world.add(of("shop", 1, pod("old", target.address, &[])));
    world.add(of("blog", 3, pod("other", target.address, &[])));
    world.is("old", Health::Up).await;
    world.is("other", Health::Up).await;
    let refused = world.is("new", Health::Refused).await;
    let told = "namespace shop has 1 targets of older pods, and one namespace may have no more";
    assert!(refused.problems[0].starts_with(told), "{:?}", refused.problems);
    assert_eq!((world.scraper.stats().refused_by_share(), world.scraper.stats().refused_by_limit()), (1, 0));
    world.remove("old");
    world.is("new", Health::Up).await;
}

/// A body with many series of its own.
fn many(series: usize) -> Behaviour {
    text(&(0..series).map(|n| format!("a{{n=\"{n}\"}} 1\n")).collect::<String>())
}

#[tokio::test]
async fn after_a_restart_the_same_targets_have_values_whichever_answers_first() {
    let limits = || Limits { scraped_series: 400, share: quarter(), ..Limits::default() };
    let target = Target::start(many(30)).await;
    for first in [0, 4, 2] {
        let world = World::with_limits(options(), limits());
        let add = |age: i64| world.add(of("shop", 10 - age, pod(&format!("web-{age}"), target.address, &[])));
        add(first);
        world.is(&format!("web-{first}"), Health::Up).await;
        (0..5).filter(|age| *age != first).for_each(add);
        let told = |age| {
            let last = world.status(&format!("web-{age}"))?.last_scrape?;
            last.error.map_or(Some(true), |error| error.message.contains("namespace shop").then_some(false))
        };
        // 30 series of each, and 100 for the namespace
        seen("the three oldest are held", || {
            let held: Vec<bool> = (0..5).map(told).collect::<Option<_>>()?;
            (held == [false, false, true, true, true]).then_some(())
        })
        .await;
        assert_eq!(world.store.stats().scraped.series, 90);
    }
}
