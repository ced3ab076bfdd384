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

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::Notify,
    time::{Instant, sleep_until},
};

use super::Limits;

/// What the driver of a connection knows of it.
pub(super) struct Activity {
    since: Instant,
    /// Milliseconds from `since` to the last byte read or written.
    last: AtomicU64,
    requests: AtomicU64,
    first_request: Notify,
    draining: AtomicBool,
}

impl Activity {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            since: Instant::now(),
            last: AtomicU64::new(0),
            requests: AtomicU64::new(0),
            first_request: Notify::new(),
            draining: AtomicBool::new(false),
        })
    }

    /// A request has come.
    pub(super) fn request(&self) {
        if self.requests.fetch_add(1, Ordering::Relaxed) == 0 {
            self.first_request.notify_one();
        }
    }

    /// How many requests have come.
    pub(super) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// From now on each answer ends its connection.
    pub(super) fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Returns when the connection has waited too long for its first request or for any progress.
    pub(super) async fn expired(&self, limits: &Limits) {
        loop {
            let deadline = self.deadline(limits);
            if Instant::now() >= deadline {
                return;
            }
            tokio::select! {
                () = sleep_until(deadline) => {}
                // Another deadline counts from here on, perhaps an earlier one.
                () = self.first_request.notified() => {}
            }
        }
    }

    fn deadline(&self, limits: &Limits) -> Instant {
        if self.requests() == 0 {
            return self.since + limits.header_read;
        }
        self.since + Duration::from_millis(self.last.load(Ordering::Relaxed)) + limits.idle
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
}

impl<S> Watched<S> {
    pub(super) fn new(stream: S, activity: Arc<Activity>) -> Self {
        Self { stream, activity }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, into))?;
        if into.filled().len() > before {
            self.activity.progress();
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

    fn expired(activity: &Activity) -> bool {
        activity.expired(&Limits::default()).now_or_never().is_some()
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_that_are_no_request_do_not_put_off_the_first_deadline() {
        let activity = Activity::new();
        let (near, mut far) = duplex(64);
        let mut near = Watched::new(near, Arc::clone(&activity));
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
        let mut near = Watched::new(near, Arc::clone(&activity));
        activity.request();
        advance(Duration::from_secs(89)).await;
        near.write_u8(b'x').await.unwrap();
        far.read_u8().await.unwrap();
        advance(Duration::from_secs(89)).await;
        assert!(!expired(&activity));
        advance(Duration::from_secs(1)).await;
        assert!(expired(&activity));
    }
}
