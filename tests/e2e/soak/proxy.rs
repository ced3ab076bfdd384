//! Stands between the adapter and kube-apiserver, and does harm when it is told to.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderName, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use futures::StreamExt as _;
use parking_lot::Mutex;
use tokio::{net::TcpListener, runtime::Runtime};
use tokio_util::sync::CancellationToken;

use crate::harness::ControlPlane;

/// A plain HTTP server that passes requests on to kube-apiserver.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    state: Forward,
    _runtime: Runtime,
}

/// How requests fare.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mood {
    Good,
    /// Connections are closed without an answer.
    Away,
    /// Everything is answered 403.
    Forbids,
    /// Every answer is late.
    Slow(Duration),
}

#[derive(Clone)]
struct Forward {
    client: reqwest::Client,
    server: String,
    /// With the token that ends the streams which began in this mood.
    mood: Arc<Mutex<(Mood, CancellationToken)>>,
}

impl Proxy {
    pub(crate) fn before(plane: &ControlPlane) -> Self {
        let file = |name: &str| std::fs::read(plane.directory().join(name)).expect("the plane has it");
        let authority = reqwest::Certificate::from_pem(&file("ca.crt")).expect("a certificate");
        let client =
            reqwest::Client::builder().no_proxy().tls_certs_only([authority]).build().expect("a client");
        let port = String::from_utf8(file("port")).expect("a port");
        let server = format!("https://127.0.0.1:{}", port.trim());
        let state =
            Forward { client, server, mood: Arc::new(Mutex::new((Mood::Good, CancellationToken::new()))) };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a free port");
        let address = listener.local_addr().expect("an address");
        let router = Router::new().fallback(forward).with_state(state.clone());
        runtime.spawn(async move { axum::serve(listener, router).await });
        Self { address, state, _runtime: runtime }
    }

    /// From now on; what streams ends.
    pub(crate) fn turn(&self, mood: Mood) {
        let before = std::mem::replace(&mut *self.state.mood.lock(), (mood, CancellationToken::new()));
        before.1.cancel();
    }
}

async fn forward(State(state): State<Forward>, request: Request) -> Response {
    let (mood, end) = state.mood.lock().clone();
    match mood {
        Mood::Good => {}
        Mood::Away => return StatusCode::BAD_GATEWAY.into_response(),
        Mood::Forbids => return forbidden(request.uri().path()),
        Mood::Slow(late) => tokio::time::sleep(late).await,
    }
    match state.asked(request).await {
        Ok(answer) => until(end, answer),
        Err(_) => StatusCode::BAD_GATEWAY.into_response(),
    }
}

impl Forward {
    async fn asked(&self, request: Request) -> reqwest::Result<reqwest::Response> {
        let (mut head, body) = request.into_parts();
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
        let url = format!("{}{path}", self.server);
        HOP_BY_HOP.iter().for_each(|name| drop(head.headers.remove(name)));
        let body = axum::body::to_bytes(body, 1 << 20).await.unwrap_or_default();
        self.client.request(head.method, url).headers(head.headers).body(body).send().await
    }
}

/// The answer, whose body ends early when `end` comes.
fn until(end: CancellationToken, answer: reqwest::Response) -> Response {
    let (status, mut headers) = (answer.status(), answer.headers().clone());
    HOP_BY_HOP.iter().for_each(|name| drop(headers.remove(name)));
    let body = answer.bytes_stream().take_until(end.cancelled_owned());
    (status, headers, Body::from_stream(body)).into_response()
}

fn forbidden(path: &str) -> Response {
    let message = format!("{path} is forbidden: the proxy of the soak forbids everything");
    let status = serde_json::json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message,
        "reason": "Forbidden", "code": 403,
    });
    let kind = [(header::CONTENT_TYPE, "application/json")];
    (StatusCode::FORBIDDEN, kind, status.to_string()).into_response()
}

const HOP_BY_HOP: [HeaderName; 4] =
    [header::HOST, header::CONNECTION, header::TRANSFER_ENCODING, header::CONTENT_LENGTH];
