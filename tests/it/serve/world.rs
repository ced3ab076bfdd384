//! A listener with a router that tests can hold requests in.

use std::{convert::Infallible, net::SocketAddr, path::PathBuf, sync::Arc};

use axum::{Router, body::Body, extract::State, routing::get};
use bytes::Bytes;
use custom_metrics_adapter::{
    auth::Auth,
    serve::{
        self, ByteBudget, ConnectionCounters, Limits, Listener, Peer, Room, ServeOptions, ServingCertificate,
        Tls,
    },
};
use tempfile::TempDir;
use tokio::sync::Semaphore;
use tokio_util::{
    sync::CancellationToken,
    task::{TaskTracker, task_tracker::TaskTrackerToken},
};

use crate::support::{
    eventually,
    pki::{Authority, Identity},
    within,
};

/// One listener and all that a test moves it with.
pub(super) struct World {
    pub(super) address: SocketAddr,
    pub(super) counters: Arc<ConnectionCounters>,
    pub(super) certificate: Arc<ServingCertificate>,
    pub(super) authority: Authority,
    pub(super) files: Files,
    pub(super) shutdown: CancellationToken,
    /// Whether it speaks TLS.
    pub(super) secure: bool,
    gate: Arc<Gate>,
    served: TaskTracker,
}

/// Where requests to `/held` wait.
struct Gate {
    waiting: TaskTracker,
    open: Semaphore,
}

impl Gate {
    fn new() -> Self {
        Self { waiting: TaskTracker::new(), open: Semaphore::new(0) }
    }
}

/// The certificate files.
pub(super) struct Files {
    directory: TempDir,
}

impl Files {
    pub(super) fn new(identity: &Identity) -> Self {
        let files = Self { directory: tempfile::tempdir().unwrap() };
        files.write(identity);
        files
    }

    pub(super) fn write(&self, identity: &Identity) {
        std::fs::write(self.certificate(), &identity.chain_pem).unwrap();
        std::fs::write(self.key(), &identity.key_pem).unwrap();
    }

    pub(super) fn certificate(&self) -> PathBuf {
        self.directory.path().join("tls.crt")
    }

    pub(super) fn key(&self) -> PathBuf {
        self.directory.path().join("tls.key")
    }
}

impl World {
    pub(super) async fn https(limits: Limits) -> Self {
        Self::start("127.0.0.1:0", (limits, serve::head_budget()), true).await
    }

    pub(super) async fn http(limits: Limits) -> Self {
        Self::at("127.0.0.1:0", limits).await
    }

    /// Plain HTTP at this address.
    pub(super) async fn at(address: &str, limits: Limits) -> Self {
        Self::start(address, (limits, serve::head_budget()), false).await
    }

    /// Plain HTTP with room for so many half-sent heads.
    pub(super) async fn with_heads(limits: Limits, holders: usize) -> Self {
        let heads = ByteBudget::new(Room { holders, bytes: 1 << 20 });
        Self::start("127.0.0.1:0", (limits, heads), false).await
    }

    async fn start(address: &str, (limits, heads): (Limits, ByteBudget), secure: bool) -> Self {
        let authority = Authority::new("serving-ca");
        let files = Files::new(&authority.server(&["localhost"]));
        let certificate = ServingCertificate::from_files(files.certificate(), files.key()).await.unwrap();
        let tls = Tls::new(Arc::clone(&certificate), Auth::disabled()).unwrap();
        let listener = Listener::bind(address.parse().unwrap()).await.unwrap();
        let address = listener.local_address();
        let (counters, gate) = (Arc::new(ConnectionCounters::default()), Arc::new(Gate::new()));
        let options = ServeOptions {
            tls: secure.then_some(tls),
            limits,
            heads,
            counters: Arc::clone(&counters),
            spans: None,
        };
        let (shutdown, served) = (CancellationToken::new(), TaskTracker::new());
        served.spawn(listener.run(router(Arc::clone(&gate)), options, shutdown.clone()));
        served.close();
        Self { address, counters, certificate, authority, files, shutdown, secure, gate, served }
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.address.port())
    }

    /// Waits until this many requests are held.
    pub(super) async fn held(&self, count: usize) {
        eventually("requests are held", async || self.gate.waiting.len() == count).await;
    }

    /// Lets one held request go on.
    pub(super) fn release(&self) {
        self.gate.open.add_permits(1);
    }

    /// Waits until the listener has returned, which it does after all its connections.
    pub(super) async fn ended(&self) {
        within("the listener returns", self.served.wait()).await;
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

fn router(gate: Arc<Gate>) -> Router {
    Router::new()
        .route("/port", get(port))
        .route("/held", get(held))
        .route("/large", get(large))
        .route("/panic", get(panicking))
        .with_state(gate)
}

/// The port that the client has: two answers with one port came over one connection.
async fn port(axum::Extension(peer): axum::Extension<Peer>) -> String {
    peer.address.port().to_string()
}

async fn held(State(gate): State<Arc<Gate>>) -> &'static str {
    let _waiting: TaskTrackerToken = gate.waiting.token();
    gate.open.acquire().await.unwrap().forget();
    "released"
}

/// More than the buffers of a socket hold.
async fn large() -> Body {
    let chunk = Bytes::from(vec![0; 1 << 20]);
    Body::from_stream(futures::stream::iter((0..64).map(move |_| Ok::<_, Infallible>(chunk.clone()))))
}

async fn panicking() -> &'static str {
    panic!("on purpose")
}
