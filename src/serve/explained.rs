//! A stream on which no request is refused without a word.
//!
//! hyper answers a head that it cannot read by itself, with a status and no body, before any code of ours has seen the
//! request: curl prints nothing then, as after a success. That answer is recognised as it is written (every refusal
//! of ours has a body) and gets one that says what was wrong with the head.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use memchr::memmem;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

use super::{
    activity::Activity,
    odd_head::{self, Refused},
    refusal::Form,
};

/// A stream that explains hyper's refusals.
pub(super) struct Explained<S> {
    stream: S,
    activity: Arc<Activity>,
    form: Form,
    head_bytes: usize,
    heard: Heard,
    /// What is written in place of a refusal of hyper, which is the last that is written.
    reply: Option<Reply>,
}

/// The newest bytes that the client sent, as far as they can belong to a head that is still to be read.
#[derive(Default)]
struct Heard {
    bytes: Vec<u8>,
    /// How many requests had been taken when they were read.
    requests: u64,
    /// HTTP/2 has no such refusals: nothing is kept.
    http2: bool,
}

struct Reply {
    bytes: Vec<u8>,
    written: usize,
    /// Since the end of the reply: reads on for a moment. A connection that is closed with bytes unread is reset, and
    /// its client may never see the reply.
    lingering: Option<(Pin<Box<Sleep>>, usize)>,
}

impl<S> Explained<S> {
    pub(super) fn new(stream: S, activity: Arc<Activity>, form: Form, head_bytes: usize) -> Self {
        Self { stream, activity, form, head_bytes, heard: Heard::default(), reply: None }
    }

    /// The reply in place of `answer`, if that ends with a refusal of hyper.
    fn explain(&self, answer: &[u8]) -> Option<Reply> {
        let (before, head) = answer.split_at_checked(refusal_at(answer)?)?;
        let code = std::str::from_utf8(head.get(9..12)?).ok()?.parse().ok()?;
        let refused = Refused { code, heard: &self.heard.bytes, head_bytes: self.head_bytes };
        let body = self.form.body(code, &odd_head::reason(refused));
        let (status_line, rest) = head.split_at_checked(memmem::find(head, EMPTY)?)?;
        let length = format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len());
        let rest = rest.get(EMPTY.len()..)?;
        let bytes = [before, status_line, length.as_bytes(), rest, body.as_bytes()].concat();
        Some(Reply { bytes, written: 0, lingering: None })
    }
}

/// Where hyper's refusal begins in what it writes last.
fn refusal_at(answer: &[u8]) -> Option<usize> {
    let tail = answer.get(answer.len().saturating_sub(LONGEST_REFUSAL)..)?;
    if !tail.ends_with(b"\r\n\r\n") {
        return None;
    }
    let at = memmem::rfind(tail, b"HTTP/1.")?;
    let head = tail.get(at..)?;
    let refuses = head.get(9) == Some(&b'4') && memmem::find(head, EMPTY).is_some();
    refuses.then(|| answer.len() - head.len())
}

impl Heard {
    fn add(&mut self, bytes: &[u8], requests: u64) {
        if self.requests != requests {
            self.requests = requests;
            self.bytes.clear();
        }
        self.http2 |= requests == 0 && self.bytes.is_empty() && bytes.starts_with(HTTP2);
        if self.http2 {
            return;
        }
        let newest = bytes.get(bytes.len().saturating_sub(KEPT)..).unwrap_or_default();
        let over = (self.bytes.len() + newest.len()).saturating_sub(KEPT);
        self.bytes.drain(..over.min(self.bytes.len()));
        self.bytes.extend_from_slice(newest);
    }
}

impl Reply {
    fn poll_write<S: AsyncWrite + Unpin>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while let Some(rest) = self.bytes.get(self.written..).filter(|rest| !rest.is_empty()) {
            let written = ready!(Pin::new(&mut *stream).poll_write(cx, rest))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.written += written;
        }
        Poll::Ready(Ok(()))
    }

    /// Throws away what the client still sends, until it closes, for a moment at most.
    fn poll_linger<S: AsyncRead + Unpin>(&mut self, stream: &mut S, cx: &mut Context<'_>) -> Poll<()> {
        let (end, discarded) = self.lingering.get_or_insert_with(|| (Box::pin(sleep(LINGER)), 0));
        let mut room = [0; 4096];
        while *discarded < MOST_DISCARDED && end.as_mut().poll(cx).is_pending() {
            let mut room = ReadBuf::new(&mut room);
            match ready!(Pin::new(&mut *stream).poll_read(cx, &mut room)) {
                Ok(()) if !room.filled().is_empty() => *discarded += room.filled().len(),
                _ => break,
            }
        }
        Poll::Ready(())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Explained<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, into))?;
        let requests = self.activity.requests();
        self.heard.add(into.filled().get(before..).unwrap_or_default(), requests);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Explained<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if this.reply.is_none() {
            this.reply = this.explain(bytes);
        }
        let Some(reply) = &mut this.reply else { return Pin::new(&mut this.stream).poll_write(cx, bytes) };
        reply.poll_write(&mut this.stream, cx).map_ok(|()| bytes.len())
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let last = slices.iter().rfind(|slice| !slice.is_empty());
        if self.reply.is_some() || last.is_some_and(|last| refusal_at(last).is_some()) {
            let bytes: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
            return self.poll_write(cx, &bytes);
        }
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let lingers = this.reply.as_ref().is_some_and(|reply| reply.lingering.is_some());
        if !lingers {
            ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
        }
        let Some(reply) = &mut this.reply else { return Poll::Ready(Ok(())) };
        reply.poll_linger(&mut this.stream, cx).map(Ok)
    }
}

/// How hyper says that nothing follows the head.
const EMPTY: &[u8] = b"content-length: 0\r\n";
const HTTP2: &[u8] = b"PRI * HTTP/2";
/// Of what was read: enough for the longest URL that anybody writes.
const KEPT: usize = 4 << 10;
/// A status line and three headers.
const LONGEST_REFUSAL: usize = 256;
const LINGER: Duration = Duration::from_secs(1);
const MOST_DISCARDED: usize = 4 << 20;
