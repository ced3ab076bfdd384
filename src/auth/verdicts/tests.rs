use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::{sync::Semaphore, time::advance};

use super::*;
use crate::auth::ReviewFailure;

const LIFETIMES: Lifetimes = Lifetimes {
    allowed: Duration::from_secs(10),
    denied: Duration::from_secs(5),
    outage: Duration::from_secs(60),
};

impl<K, V> Verdicts<K, V>
where
    K: Eq + Hash + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// [`Verdicts::ask_if`], with a call that is never refused.
    async fn ask(
        self: &Arc<Self>,
        question: Arc<K>,
        call: impl FnOnce() -> BoxFuture<'static, Result<V, ReviewError>>,
    ) -> Result<(V, Origin), ReviewError> {
        self.ask_if(question, || Ok(call())).await
    }
}

/// Verdicts on numbers, of a byte each; `true` is allowed.
fn verdicts(allowed: u64, denied: u64) -> Arc<Verdicts<u32, bool>> {
    Verdicts::new(Bounds { allowed, denied }, LIFETIMES, lifetime, |_, _| 1)
}

fn lifetime(allowed: &bool, lifetimes: &Lifetimes) -> Lifetime {
    if *allowed {
        Lifetime { fresh: lifetimes.allowed, outage: lifetimes.outage, is_denial: false }
    } else {
        Lifetime { fresh: lifetimes.denied, outage: Duration::ZERO, is_denial: true }
    }
}

fn answer(verdict: bool) -> BoxFuture<'static, Result<bool, ReviewError>> {
    Box::pin(async move { Ok(verdict) })
}

fn fail(failure: ReviewFailure) -> BoxFuture<'static, Result<bool, ReviewError>> {
    Box::pin(async move { Err(ReviewError { message: "down".into(), failure }) })
}

/// Allowed, once the gate lets it through.
fn through(gate: Arc<Semaphore>) -> BoxFuture<'static, Result<bool, ReviewError>> {
    Box::pin(async move {
        gate.acquire().await.unwrap().forget();
        Ok(true)
    })
}

fn fresh(verdicts: &Verdicts<u32, bool>, question: u32) -> Option<bool> {
    verdicts.fresh(&Arc::new(question))
}

#[tokio::test(start_paused = true)]
async fn a_verdict_is_fresh_for_as_long_as_its_kind_says() {
    let verdicts = verdicts(8, 8);
    verdicts.ask(Arc::new(1), || answer(true)).await.unwrap();
    verdicts.ask(Arc::new(2), || answer(false)).await.unwrap();
    advance(Duration::from_millis(4_999)).await;
    assert_eq!((fresh(&verdicts, 1), fresh(&verdicts, 2)), (Some(true), Some(false)));
    advance(Duration::from_millis(1)).await;
    assert_eq!((fresh(&verdicts, 1), fresh(&verdicts, 2)), (Some(true), None));
    advance(Duration::from_secs(5)).await;
    assert_eq!(fresh(&verdicts, 1), None);
}

#[tokio::test(start_paused = true)]
async fn a_failed_call_is_not_remembered() {
    let verdicts = verdicts(8, 8);
    let failed = verdicts.ask(Arc::new(1), || fail(ReviewFailure::Timeout)).await;
    assert_eq!(failed.unwrap_err().failure, ReviewFailure::Timeout);
    assert_eq!(verdicts.ask(Arc::new(1), || answer(true)).await, Ok((true, Origin::Call)));
}

#[tokio::test(start_paused = true)]
async fn only_an_outage_brings_an_old_allowance_back_and_only_for_a_while() {
    let verdicts = verdicts(8, 8);
    verdicts.ask(Arc::new(1), || answer(true)).await.unwrap();
    advance(Duration::from_secs(69)).await;
    assert_eq!(fresh(&verdicts, 1), None);
    let down = verdicts.ask(Arc::new(1), || fail(ReviewFailure::Unreachable)).await;
    assert_eq!(down, Ok((true, Origin::Outage)));
    assert!(verdicts.ask(Arc::new(1), || fail(ReviewFailure::Refused)).await.is_err());
    advance(Duration::from_secs(1)).await;
    assert!(verdicts.ask(Arc::new(1), || fail(ReviewFailure::Unreachable)).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn an_outage_never_brings_back_what_was_denied_since() {
    let verdicts = verdicts(8, 8);
    verdicts.ask(Arc::new(1), || answer(true)).await.unwrap();
    advance(Duration::from_secs(11)).await;
    verdicts.ask(Arc::new(1), || answer(false)).await.unwrap();
    advance(Duration::from_secs(6)).await;
    assert!(verdicts.ask(Arc::new(1), || fail(ReviewFailure::Unreachable)).await.is_err());
}

#[tokio::test]
async fn concurrent_questions_share_one_call() {
    let verdicts = verdicts(8, 8);
    let (calls, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
    let asks = (0..50).map(|_| {
        let (verdicts, calls, gate) = (Arc::clone(&verdicts), Arc::clone(&calls), Arc::clone(&gate));
        let call = move || {
            calls.fetch_add(1, Ordering::SeqCst);
            through(gate)
        };
        async move { verdicts.ask(Arc::new(7), call).await }
    });
    let all = futures::future::join_all(asks);
    let open = async { gate.add_permits(1) };
    let (answers, ()) = tokio::join!(all, open);
    assert!(answers.iter().all(|answer| *answer == Ok((true, Origin::Call))));
    assert_eq!(calls.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_call_goes_on_when_the_request_that_started_it_goes_away() {
    let verdicts = verdicts(8, 8);
    let gate = Arc::new(Semaphore::new(0));
    let held = Arc::clone(&gate);
    let mut first = Box::pin(verdicts.ask(Arc::new(1), move || through(held)));
    assert!(first.as_mut().now_or_never().is_none());
    let mut second = Box::pin(verdicts.ask(Arc::new(1), || fail(ReviewFailure::Refused)));
    assert!(second.as_mut().now_or_never().is_none());
    drop(first);
    gate.add_permits(1);
    assert_eq!(second.await, Ok((true, Origin::Call)));
}

#[tokio::test]
async fn a_call_that_nobody_waits_for_is_cancelled_and_leaves_no_trace() {
    let verdicts = verdicts(8, 8);
    let mut abandoned = Box::pin(verdicts.ask(Arc::new(1), || Box::pin(std::future::pending())));
    assert!(abandoned.as_mut().now_or_never().is_none());
    drop(abandoned);
    assert!(verdicts.calls.lock().by_question.is_empty());
    assert_eq!(verdicts.ask(Arc::new(1), || answer(false)).await, Ok((false, Origin::Call)));
    assert!(verdicts.calls.lock().by_question.is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_oldest_verdicts_make_room_and_renewals_do_not_pile_up() {
    let verdicts = verdicts(4, 4);
    for question in 0..10 {
        verdicts.ask(Arc::new(question), || answer(true)).await.unwrap();
    }
    assert_eq!(
        (fresh(&verdicts, 5), fresh(&verdicts, 6), fresh(&verdicts, 9)),
        (None, Some(true), Some(true))
    );
    for _ in 0..1_000 {
        verdicts.ask(Arc::new(9), || answer(true)).await.unwrap();
    }
    assert_eq!(verdicts.allowed.weighted_size(), 4);
}

#[tokio::test(start_paused = true)]
async fn verdicts_count_by_their_bytes_and_one_that_is_larger_than_all_is_not_kept() {
    let verdicts: Arc<Verdicts<u32, bool>> =
        Verdicts::new(Bounds { allowed: 100, denied: 100 }, LIFETIMES, lifetime, |question, _| {
            *question as usize
        });
    for question in [40, 30, 50, 101] {
        verdicts.ask(Arc::new(question), || answer(true)).await.unwrap();
    }
    let known = [40, 30, 50, 101].map(|question| fresh(&verdicts, question));
    assert_eq!(known, [None, Some(true), Some(true), None]);
    assert_eq!(verdicts.allowed.weighted_size(), 80);
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_denials_does_not_drive_out_what_is_allowed_and_the_other_way_round() {
    let verdicts = verdicts(2, 4);
    verdicts.ask(Arc::new(0), || answer(true)).await.unwrap();
    for question in 1..100 {
        verdicts.ask(Arc::new(question), || answer(false)).await.unwrap();
    }
    assert_eq!((fresh(&verdicts, 0), fresh(&verdicts, 99)), (Some(true), Some(false)));
    assert_eq!(verdicts.denied.weighted_size(), 4);
    for question in 100..200 {
        verdicts.ask(Arc::new(question), || answer(true)).await.unwrap();
    }
    assert_eq!((fresh(&verdicts, 199), fresh(&verdicts, 99)), (Some(true), Some(false)));
}

#[tokio::test(start_paused = true)]
async fn a_denial_that_is_not_remembered_ends_what_was_allowed_before() {
    let verdicts = verdicts(1, 0);
    verdicts.ask(Arc::new(1), || answer(true)).await.unwrap();
    verdicts.ask(Arc::new(1), || answer(false)).await.unwrap();
    assert_ne!(fresh(&verdicts, 1), Some(true));
    assert!(verdicts.ask(Arc::new(1), || fail(ReviewFailure::Unreachable)).await.is_err());
}

#[tokio::test]
async fn a_refused_call_leaves_no_trace_and_refuses_nobody_who_can_share_one() {
    let verdicts = verdicts(8, 8);
    let refuse = || Err(ReviewError { message: "crowded".into(), failure: ReviewFailure::Refused });
    assert!(verdicts.ask_if(Arc::new(1), refuse).await.is_err());
    assert!(verdicts.calls.lock().by_question.is_empty());
    let gate = Arc::new(Semaphore::new(0));
    let held = Arc::clone(&gate);
    let mut first = Box::pin(verdicts.ask(Arc::new(1), move || through(held)));
    assert!(first.as_mut().now_or_never().is_none());
    let mut second = Box::pin(verdicts.ask_if(Arc::new(1), refuse));
    assert!(second.as_mut().now_or_never().is_none());
    gate.add_permits(1);
    assert_eq!(first.await, Ok((true, Origin::Call)));
    assert_eq!(second.await, Ok((true, Origin::Call)));
}
