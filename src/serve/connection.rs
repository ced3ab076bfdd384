//! One connection, from its first byte to its last.

use std::{
    convert::Infallible,
    future::Future,
    net::SocketAddr,
    panic::AssertUnwindSafe,
    pin::{Pin, pin},
    sync::Arc,
    time::Duration,
};

use axum::{Router, body::Body};
use futures::FutureExt;
use http::{HeaderValue, Request, Response, StatusCode, Version, header};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::{conn::auto::Builder, graceful::GracefulConnection},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};
use tower::ServiceExt;
use tracing::{Instrument, Span};

use super::{
    Limits, Peer, RequestSpans, ServeOptions,
    activity::{Activity, Watched},
    explained::Explained,
    heads::Heads,
    odd_head::MAX_HEADERS,
    refusal::Form,
    slots::Claim,
};
use crate::auth::PeerCertificates;

/// What the connections of one listener share.
pub(super) struct Shared {
    pub(super) router: Router,
    pub(super) options: ServeOptions,
    pub(super) shutdown: CancellationToken,
    pub(super) tasks: TaskTracker,
}

/// How the protocol of a connection is known.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Protocol {
    Http1,
    Http2,
    /// By its first bytes: without TLS there is nothing else to go by.
    ByPreface,
}

impl Shared {
    /// Serves one connection to its end.
    pub(super) async fn connection(self: Arc<Self>, stream: TcpStream, address: SocketAddr, claim: Claim) {
        let Some(tls) = self.options.tls.clone() else {
            return self.serve(stream, Peer::plain(address), Protocol::ByPreface).await;
        };
        let handshake = async { tls.acceptor()?.accept(stream).await.map_err(std::io::Error::other) };
        let counters = &self.options.counters;
        match timeout(self.options.limits.handshake, handshake).await {
            Err(_) => counters.handshake_timed_out.increment(),
            Ok(Err(error)) => {
                counters.handshake_failed.increment();
                tracing::debug!(%address, error = &error as &dyn std::error::Error, "TLS handshake failed");
            }
            Ok(Ok(stream)) => {
                let session = stream.get_ref().1;
                let chain = session.peer_certificates().unwrap_or_default();
                let certificates =
                    PeerCertificates::presented(chain.iter().map(|der| der.clone().into_owned()).collect());
                if tls.accepts(&certificates) {
                    claim.keep();
                }
                let http2 = session.alpn_protocol() == Some(b"h2");
                let protocol = if http2 { Protocol::Http2 } else { Protocol::Http1 };
                self.serve(stream, Peer { address, certificates }, protocol).await;
            }
        }
    }

    /// Drives HTTP on an established stream until the client, a deadline or the shutdown ends it.
    async fn serve<S>(self: Arc<Self>, stream: S, peer: Peer, protocol: Protocol)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let activity = Activity::new();
        let head_bytes = self.head_bytes(&peer.certificates);
        let heads = Heads::new(self.options.heads.clone(), head_bytes);
        let watched = Watched::new(stream, Arc::clone(&activity), heads);
        let explained = Explained::new(watched, Arc::clone(&activity), self.form(), http1_buffer(head_bytes));
        let stream = TokioIo::new(explained);
        let (executor, _ends_streams) = Executor::new(&self.tasks);
        let builder = builder(executor, (&self.options.limits, head_bytes), protocol);
        let (shared, seen) = (Arc::clone(&self), Arc::clone(&activity));
        let service =
            service_fn(move |request| Arc::clone(&shared).answer(request, peer.clone(), Arc::clone(&seen)));
        let mut connection = pin!(builder.serve_connection(stream, service));
        let limits = &self.options.limits;
        tokio::select! {
            _ = connection.as_mut() => return,
            expired = activity.expired(limits) => return self.options.counters.expired(expired),
            () = self.shutdown.cancelled() => activity.drain(),
        }
        let drained = drain(connection, protocol, limits.drain_linger);
        tokio::select! {
            () = drained => {}
            expired = activity.expired(limits) => self.options.counters.expired(expired),
        }
    }

    /// What a head may take: little before the peer has shown a certificate that is accepted.
    fn head_bytes(&self, certificates: &PeerCertificates) -> u32 {
        let accepted = self.options.tls.as_ref().is_some_and(|tls| tls.accepts(certificates));
        let limits = &self.options.limits;
        if accepted { limits.header_bytes } else { limits.stranger_header_bytes }
    }

    /// Answers one request.
    async fn answer(
        self: Arc<Self>,
        mut request: Request<Incoming>,
        peer: Peer,
        activity: Arc<Activity>,
    ) -> Result<Response<Body>, Infallible> {
        let _answering = activity.request();
        let version = request.version();
        // The certificates stand alone too, for a module that may know `auth` but not `serve`.
        request.extensions_mut().insert(peer.certificates.clone());
        request.extensions_mut().insert(peer);
        let mut answer = match self.span(&request) {
            None => self.route(request).await,
            // Boxed, so that requests that are not sampled do not carry room for it.
            Some((spans, span)) => Box::pin(self.route_in_span(request, spans, span)).await,
        };
        answer = self.form().explained(answer);
        if activity.is_draining() && version <= Version::HTTP_11 {
            answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        Ok(answer)
    }

    /// The TLS port serves the metrics API, whose clients read `Status` objects.
    fn form(&self) -> Form {
        if self.options.tls.is_some() { Form::Status } else { Form::Plain }
    }

    /// The span of a request that is sampled.
    fn span(&self, request: &Request<Incoming>) -> Option<(&dyn RequestSpans, Span)> {
        let spans = self.options.spans.as_deref()?;
        let span = spans.begin(request.method(), request.uri(), request.headers());
        (!span.is_disabled()).then_some((spans, span))
    }

    async fn route_in_span(
        &self,
        request: Request<Incoming>,
        spans: &dyn RequestSpans,
        span: Span,
    ) -> Response<Body> {
        let answer = self.route(request).instrument(span.clone()).await;
        spans.end(&span, answer.status());
        answer
    }

    /// A panic in the router is a 500 of that request and of no other.
    async fn route(&self, request: Request<Incoming>) -> Response<Body> {
        match AssertUnwindSafe(self.router.clone().oneshot(request)).catch_unwind().await {
            Ok(Ok(answer)) => answer,
            Err(_) => {
                self.options.counters.panicked.increment();
                internal_error(self.form())
            }
        }
    }
}

/// Lets a connection finish what it has begun.
///
/// HTTP/2 says so (GOAWAY) before it closes. HTTP/1.1 has no way to call a request back that crosses the end of its
/// connection, so that its client gets a moment in which it is still answered, and told `Connection: close`.
async fn drain<C: GracefulConnection>(mut connection: Pin<&mut C>, protocol: Protocol, linger: Duration) {
    if protocol != Protocol::Http2 && timeout(linger, connection.as_mut()).await.is_ok() {
        return;
    }
    connection.as_mut().graceful_shutdown();
    let _ = connection.await;
}

fn builder(
    executor: Executor,
    (limits, head_bytes): (&Limits, u32),
    protocol: Protocol,
) -> Builder<Executor> {
    let mut builder = Builder::new(executor);
    builder
        .http1()
        .timer(TokioTimer::new())
        // The time without a request is a part of it; what has begun is waited for less, by `Activity`.
        .header_read_timeout(limits.idle)
        .max_headers(MAX_HEADERS)
        .max_buf_size(http1_buffer(head_bytes));
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams)
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        .max_header_list_size(head_bytes);
    match protocol {
        Protocol::Http1 => builder.http1_only(),
        Protocol::Http2 => builder.http2_only(),
        Protocol::ByPreface => builder,
    }
}

fn http1_buffer(head_bytes: u32) -> usize {
    usize::try_from(head_bytes).unwrap_or(usize::MAX).clamp(MIN_BUFFER, HTTP1_HEADER_BYTES)
}

fn internal_error(form: Form) -> Response<Body> {
    let body = form.body(500, "the server failed while it answered");
    let mut answer = Response::new(Body::from(body));
    *answer.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}

/// Runs the streams of one HTTP/2 connection as tracked tasks that end with it.
#[derive(Clone)]
struct Executor {
    tasks: TaskTracker,
    ended: CancellationToken,
}

impl Executor {
    fn new(tasks: &TaskTracker) -> (Self, DropGuard) {
        let ended = CancellationToken::new();
        (Self { tasks: tasks.clone(), ended: ended.clone() }, ended.drop_guard())
    }
}

impl<F> hyper::rt::Executor<F> for Executor
where
    F: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, stream: F) {
        let ended = self.ended.clone();
        self.tasks.spawn(async move { ended.run_until_cancelled(stream).await });
    }
}

/// The protocol's own: what a client may send of bodies that nobody reads yet, and so what each connection can make us
/// hold. hyper's megabyte is for distances that a cluster does not have.
const WINDOW: u32 = 65_535;
/// Heads of HTTP/1.1 are buffered before anybody knows who sends them, and long ones come by HTTP/2: from
/// kube-apiserver.
const HTTP1_HEADER_BYTES: usize = 64 << 10;
/// What hyper asks for at least.
const MIN_BUFFER: usize = 8192;
