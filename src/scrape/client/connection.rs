//! A connection while it is used.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Empty};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use super::super::error::ScrapeError;

/// What a connection runs over: TCP, or TLS over it.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// One request and its response, with the buffers that they need. Driven by whoever waits for it, so there is no task
/// of the connection's own; [`Exchange::into_stream`] gives back the bare socket.
pub(super) struct Exchange {
    sender: http1::SendRequest<Empty<Bytes>>,
    connection: http1::Connection<TokioIo<Box<dyn Stream>>, Empty<Bytes>>,
    ended: bool,
}

impl Exchange {
    /// Makes the buffers. `expected_bytes` is how large the body is thought to be.
    pub(super) async fn begin(stream: Box<dyn Stream>, expected_bytes: usize) -> Result<Self, ScrapeError> {
        let handshake = http1::Builder::new()
            .read_buf_exact_size(Some(expected_bytes.clamp(SMALLEST_BUFFER, LARGEST_BUFFER)))
            .max_header_size(MAX_HEADER_BYTES)
            .handshake(TokioIo::new(stream))
            .await;
        let (sender, connection) = handshake.map_err(ScrapeError::Protocol)?;
        Ok(Self { sender, connection, ended: false })
    }

    /// Sends the request and waits for the head of the response.
    pub(super) async fn send(
        &mut self,
        request: Request<Empty<Bytes>>,
    ) -> Result<Response<Incoming>, ScrapeError> {
        let response = self.sender.send_request(request);
        drive(&mut self.connection, &mut self.ended, response).await.map_err(ScrapeError::Protocol)
    }

    /// The next part of a body; `None` at its end.
    pub(super) async fn chunk(&mut self, incoming: &mut Incoming) -> Result<Option<Bytes>, ScrapeError> {
        while let Some(frame) = drive(&mut self.connection, &mut self.ended, incoming.frame()).await {
            if let Ok(chunk) = frame.map_err(ScrapeError::Protocol)?.into_data() {
                return Ok(Some(chunk));
            }
        }
        Ok(None)
    }

    /// The socket, if it can be used again: nothing more has come than the response, and no end.
    pub(super) fn into_stream(self) -> Option<Box<dyn Stream>> {
        if self.ended {
            return None;
        }
        let parts = self.connection.into_parts();
        parts.read_buf.is_empty().then(|| parts.io.into_inner())
    }
}

/// Waits for `wanted` while the connection makes progress. When the connection has ended, what it has left behind is
/// still taken.
async fn drive<T>(
    connection: &mut http1::Connection<TokioIo<Box<dyn Stream>>, Empty<Bytes>>,
    ended: &mut bool,
    wanted: impl Future<Output = T>,
) -> T {
    let mut wanted = pin!(wanted);
    poll_fn(|context: &mut Context<'_>| {
        if let Poll::Ready(got) = wanted.as_mut().poll(context) {
            return Poll::Ready(got);
        }
        // its error, if it ends with one, comes out of `wanted` too
        *ended = *ended || connection.poll_without_shutdown(context).is_ready();
        wanted.as_mut().poll(context)
    })
    .await
}

const MAX_HEADER_BYTES: usize = 16 << 10;
/// What the headers of a response have to fit.
const SMALLEST_BUFFER: usize = 16 << 10;
/// Larger ones save few system calls and would all be in memory at once when many scrapes are under way.
const LARGEST_BUFFER: usize = 64 << 10;
