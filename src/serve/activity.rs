//! When a connection last made progress, and when it has waited long enough.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::Notify,
    time::{Instant, sleep_until},
};

use super::{Limits, budget::Share, heads::Heads};

/// What the driver of a connection knows of it.
pub(super) struct Activity {
    since: Instant,
    /// Milliseconds from `since` to the last byte read or written.
    last: AtomicU64,
    requests: AtomicU64,
    answered: AtomicU64,
    /// Another deadline counts from here on, perhaps an earlier one.
    changed: Notify,
    draining: AtomicBool,
    /// Since when a head is incomplete, and what it has of the budget.
    head: Mutex<Option<(Instant, Share)>>,
}

/// A request that is being answered.
pub(super) struct Answering(Arc<Activity>);

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.answered.fetch_add(1, Ordering::Relaxed);
    }
}

/// Why a connection has to end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Expired {
    /// It has waited too long.
    Idle,
    /// Its incomplete head made room for others.
    Displaced,
}

impl Activity {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            since: Instant::now(),
            last: AtomicU64::new(0),
            requests: AtomicU64::new(0),
            answered: AtomicU64::new(0),
            changed: Notify::new(),
            draining: AtomicBool::new(false),
            head: Mutex::new(None),
        })
    }

    /// A request has come, and is answered when what this gives is dropped.
    pub(super) fn request(self: &Arc<Self>) -> Answering {
        if self.requests.fetch_add(1, Ordering::Relaxed) == 0 {
            self.changed.notify_one();
        }
        Answering(Arc::clone(self))
    }

    /// How many requests have come.
    pub(super) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Whether one of them is being answered.
    pub(super) fn is_answering(&self) -> bool {
        self.answered.load(Ordering::Relaxed) < self.requests()
    }

    /// A head has begun and is not complete.
    pub(super) fn head_begins(&self, share: Share) {
        *self.head.lock() = Some((Instant::now(), share));
        self.changed.notify_one();
    }

    /// No head is incomplete any more.
    pub(super) fn head_ends(&self) {
        *self.head.lock() = None;
    }

    /// From now on each answer ends its connection.
    pub(super) fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Returns when the connection has waited too long for its first request, for the rest of a head or for any
    /// progress, or when its incomplete head is displaced.
    pub(super) async fn expired(&self, limits: &Limits) -> Expired {
        loop {
            let deadline = self.deadline(limits);
            if Instant::now() >= deadline {
                return Expired::Idle;
            }
            tokio::select! {
                () = sleep_until(deadline) => {}
                () = self.changed.notified() => {}
                () = self.displaced() => return Expired::Displaced,
            }
        }
    }

    async fn displaced(&self) {
        let token = self.head.lock().as_ref().map(|(_, share)| share.token());
        match token {
            Some(token) => token.cancelled().await,
            None => std::future::pending().await,
        }
    }

    fn deadline(&self, limits: &Limits) -> Instant {
        if self.requests() == 0 {
            return self.since + limits.header_read;
        }
        let idle = self.since + Duration::from_millis(self.last.load(Ordering::Relaxed)) + limits.idle;
        let head = self.head.lock().as_ref().map(|(since, _)| *since + limits.header_read);
        head.map_or(idle, |head| head.min(idle))
    }

    fn progress(&self) {
        let elapsed = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last.store(elapsed, Ordering::Relaxed);
    }
}

/// A stream that reports its progress.
pub(super) struct Watched<S> {
    stream: S,
    activity: Arc<Activity>,
    heads: Heads,
}

impl<S> Watched<S> {
    pub(super) fn new(stream: S, activity: Arc<Activity>, heads: Heads) -> Self {
        Self { stream, activity, heads }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.heads.is_incomplete() {
            this.heads.read(&[], &this.activity);
        }
        let before = into.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(cx, into))?;
        if let Some(read) = into.filled().get(before..).filter(|read| !read.is_empty()) {
            this.activity.progress();
            this.heads.read(read, &this.activity);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, bytes))?;
        self.activity.progress();
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, slices))?;
        self.activity.progress();
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt, duplex},
        time::advance,
    };

    use super::*;
    use crate::serve::head_budget;

    fn expired(activity: &Activity) -> bool {
        activity.expired(&Limits::default()).now_or_never().is_some()
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_that_are_no_request_do_not_put_off_the_first_deadline() {
        let activity = Activity::new();
        let (near, mut far) = duplex(64);
        let mut near = Watched::new(near, Arc::clone(&activity), Heads::new(head_budget(), 1 << 10));
        for _ in 0..31 {
            advance(Duration::from_secs(1)).await;
            far.write_u8(b'x').await.unwrap();
            near.read_u8().await.unwrap();
            assert!(!expired(&activity));
        }
        advance(Duration::from_secs(1)).await;
        assert!(expired(&activity));
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_request_replaces_the_deadline_that_is_being_waited_for() {
        let activity = Activity::new();
        let limits = Limits { idle: Duration::from_secs(1), ..Limits::default() };
        let mut waiting = Box::pin(activity.expired(&limits));
        assert!(waiting.as_mut().now_or_never().is_none());
        activity.request();
        let started = Instant::now();
        waiting.await;
        assert_eq!(started.elapsed().as_secs(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_request_only_a_standstill_ends_a_connection() {
        let activity = Activity::new();
        let (near, mut far) = duplex(64);
        let mut near = Watched::new(near, Arc::clone(&activity), Heads::new(head_budget(), 1 << 10));
        activity.request();
        advance(Duration::from_secs(94)).await;
        near.write_u8(b'x').await.unwrap();
        far.read_u8().await.unwrap();
        advance(Duration::from_secs(94)).await;
        assert!(!expired(&activity));
        advance(Duration::from_secs(1)).await;
        assert!(expired(&activity));
    }
}
