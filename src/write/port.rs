//! The routes of writes, at one port or at several.

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{Method, Uri, request::Parts},
    middleware::{self, Next},
    response::Response,
    routing::any,
};
use tokio::sync::Semaphore;

use super::{
    Access, Observer, Operation, Sources, WriteError, WriteOptions, WritePath, Writes,
    arrivals::{Arrivals, ROOM},
    audit::Audit,
    observe::Turn,
    receipt::Receipt,
    receive,
};
use crate::{cluster::Cluster, journal::Journal, store::Store};

/// What takes writes. All of its ports share the limits.
pub struct Port(Writes);

/// The routes of the write port.
pub fn router(store: Store, cluster: Cluster, options: WriteOptions) -> Router {
    let journal = Journal::memory(store.clone());
    observed(Sources { store, journal, cluster }, options, Arc::new(()))
}

/// The routes of the write port, which tell `observer` of each request.
pub fn observed(sources: Sources, options: WriteOptions, observer: Arc<dyn Observer>) -> Router {
    Port::new(sources, options, observer).router(Access::Open)
}

impl Port {
    /// What tells `observer` of each request.
    pub fn new(sources: Sources, options: WriteOptions, observer: Arc<dyn Observer>) -> Self {
        let Sources { store, journal, cluster } = sources;
        let places = |count: usize| Arc::new(Semaphore::new(count.min(Semaphore::MAX_PERMITS)));
        let (permits, waits) = (places(options.in_flight), places(options.in_flight.div_ceil(2)));
        let (arrivals, access, audit) = (Arrivals::new(ROOM), Access::Open, Audit::default());
        Self(Writes { store, journal, cluster, options, permits, waits, arrivals, access, audit, observer })
    }

    /// The routes of a port that has no others.
    pub fn router(&self, access: Access) -> Router {
        let no_route = |uri: Uri| async move { WriteError::NoRoute(uri.path().to_owned()) };
        self.layered(paths().fallback(no_route), access)
    }

    /// The routes for a port that has others.
    pub fn routes(&self, access: Access) -> Router {
        self.layered(paths(), access)
    }

    fn layered(&self, paths: Router<Writes>, access: Access) -> Router {
        let writes = Writes { access, ..self.0.clone() };
        paths.layer(middleware::from_fn_with_state(writes.clone(), observe)).with_state(writes)
    }
}

fn paths() -> Router<Writes> {
    Router::new().route("/write-metrics", any(batch)).route("/write-metrics/{*path}", any(one))
}

async fn observe(State(writes): State<Writes>, request: Request, next: Next) -> Response {
    let mut turn = Turn::begin(&writes.observer, Operation::of(request.method(), request.uri().path()));
    let response = next.run(request).await;
    turn.answered(&response);
    response
}

async fn one(State(writes): State<Writes>, request: Request) -> Result<Receipt, WriteError> {
    let (head, mut body) = request.into_parts();
    let done = writes.one(&head, &mut body).await;
    writes.answered(done, &head, body).await
}

async fn batch(State(writes): State<Writes>, request: Request) -> Result<Receipt, WriteError> {
    let (head, mut body) = request.into_parts();
    let done = writes.batch(&head, &mut body).await;
    writes.answered(done, &head, body).await
}

impl Writes {
    async fn one(&self, head: &Parts, body: &mut Body) -> Result<Receipt, WriteError> {
        let writer = self.access.identify(head, &self.audit).await?;
        let path = WritePath::parse(head.uri.path())?;
        match head.method {
            Method::POST => self.write(path, (head, body), &writer).await,
            Method::DELETE => self.delete(path, head.uri.query().unwrap_or_default(), &writer).await,
            ref method => {
                let (method, read) = (method.clone(), Some(path.read_path()));
                Err(WriteError::Method { method, allowed: "POST, DELETE", read })
            }
        }
    }

    async fn batch(&self, head: &Parts, body: &mut Body) -> Result<Receipt, WriteError> {
        let writer = self.access.identify(head, &self.audit).await?;
        match head.method {
            Method::POST => self.write_batch(head, body, &writer).await,
            ref method => Err(WriteError::Method { method: method.clone(), allowed: "POST", read: None }),
        }
    }

    /// A client that still sends would find a reset in place of its answer, so what is left of a small body is taken.
    async fn answered(
        &self,
        done: Result<Receipt, WriteError>,
        head: &Parts,
        body: Body,
    ) -> Result<Receipt, WriteError> {
        if done.is_err() {
            receive::discard(&head.headers, body).await;
        }
        done.map_err(|error| error.with_nearest(&self.cluster))
    }
}
