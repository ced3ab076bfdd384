//! The order of turns, in time that is made up.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};
use tokio_util::task::TaskTracker;

use super::*;

fn namespace(name: &str) -> Tenant {
    Tenant::Namespace(name.into())
}

/// Whether a namespace gets a permit without waiting for one to be given back.
async fn gets(turns: &Turns, name: &str) -> Option<Turn> {
    timeout(Duration::from_secs(1), turns.take(&namespace(name))).await.ok()
}

#[tokio::test(start_paused = true)]
async fn one_namespace_gets_three_quarters_and_leaves_the_rest_to_others() {
    let turns = Turns::new(16);
    let mut held = Vec::new();
    while let Some(turn) = gets(&turns, "hog").await {
        held.push(turn);
    }
    assert_eq!((held.len(), turns.taken(), turns.permits()), (12, 12, 16));
    for name in ["a", "b", "c"] {
        held.push(gets(&turns, name).await.expect(name));
    }
    assert!(gets(&turns, "hog").await.is_none());
    assert!(gets(&turns, "d").await.is_some());
    drop(held);
    assert_eq!(turns.taken(), 0);
}

#[tokio::test(start_paused = true)]
async fn of_few_permits_one_namespace_may_have_all_but_gives_each_on() {
    let (turns, tasks) = (Turns::new(1), TaskTracker::new());
    let first = gets(&turns, "hog").await.unwrap();
    let (order, mut waiting) = (Arc::new(Mutex::new(Vec::new())), Vec::new());
    for name in ["hog", "hog", "hog", "a", "a", "b"] {
        let (turns, order) = (turns.clone(), order.clone());
        waiting.push(tasks.spawn(async move {
            let turn = turns.take(&namespace(name)).await;
            order.lock().push(name);
            drop(turn);
        }));
        tokio::task::yield_now().await;
    }
    drop(first);
    for one in waiting {
        one.await.unwrap();
    }
    assert_eq!(*order.lock(), ["hog", "a", "b", "hog", "a", "hog"]);
}

#[tokio::test(start_paused = true)]
async fn a_permit_that_nobody_waits_for_any_more_goes_on() {
    let (turns, tasks) = (Turns::new(1), TaskTracker::new());
    let first = gets(&turns, "a").await.unwrap();
    assert!(gets(&turns, "b").await.is_none(), "it gave up");
    let tenant = namespace("b");
    let mut served = Box::pin(turns.take(&tenant));
    assert!(timeout(Duration::ZERO, served.as_mut()).await.is_err());
    let last = tasks.spawn({
        let turns = turns.clone();
        async move { turns.take(&namespace("c")).await }
    });
    tokio::task::yield_now().await;
    drop(first);
    drop(served); // it had been served, and never looked
    last.await.unwrap();
    assert_eq!(turns.taken(), 0);
}

/// Takes turns of a length over and over; the longest wait for one.
async fn longest_wait(turns: Turns, name: &'static str, length: Duration, pause: Duration) -> Duration {
    let (mut longest, end) = (Duration::ZERO, Instant::now() + Duration::from_secs(600));
    while Instant::now() < end {
        let asked = Instant::now();
        let turn = turns.take(&namespace(name)).await;
        longest = longest.max(asked.elapsed());
        sleep(length).await;
        drop(turn);
        sleep(pause).await;
    }
    longest
}

#[tokio::test(start_paused = true)]
async fn namespaces_that_keep_their_permits_for_long_do_not_stop_another() {
    let (turns, tasks) = (Turns::new(32), TaskTracker::new());
    let (long, short) = (Duration::from_secs(30), Duration::from_millis(10));
    for hog in ["hog", "other-hog"] {
        for _ in 0..300 {
            tasks.spawn(longest_wait(turns.clone(), hog, long, Duration::ZERO));
        }
    }
    let quick: Vec<_> = (0..100)
        .map(|_| tasks.spawn(longest_wait(turns.clone(), "quick", short, Duration::from_secs(15))))
        .collect();
    for one in quick {
        assert!(one.await.unwrap() < Duration::from_secs(1));
    }
}
