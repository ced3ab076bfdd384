//! The admin port. It is open before anything else is, so that probes and people can ask for the reason while the
//! adapter starts.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, OnceLock},
};

use axum::{
    Router,
    extract::Request,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use tokio::task::JoinHandle;
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};
use tower::{ServiceExt as _, service_fn};

use crate::{
    api,
    checks::Readiness,
    serve::{BindError, Listener, ServeOptions},
};

/// The port, being served.
pub(super) struct AdminPort {
    address: SocketAddr,
    pages: Arc<OnceLock<Router>>,
    served: JoinHandle<()>,
    stop: DropGuard,
}

impl AdminPort {
    /// Opens the port; until [`Self::show`] it has `starting` only.
    pub(super) async fn open(
        address: SocketAddr,
        options: ServeOptions,
        starting: Router,
        tasks: &TaskTracker,
    ) -> Result<Self, BindError> {
        let listener = Listener::bind(address).await?;
        let (address, stop) = (listener.local_address(), CancellationToken::new());
        let pages: Arc<OnceLock<Router>> = Arc::default();
        let router = router(starting, pages.clone());
        let served = tasks.spawn(listener.run(router, options, stop.clone()));
        Ok(Self { address, pages, served, stop: stop.drop_guard() })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on all pages are there.
    pub(super) fn show(&self, pages: Router) {
        // Shown once: a second set would be ignored.
        let _ = self.pages.set(pages);
    }

    /// Serves until `stop`, and to the end of the drain.
    pub(super) async fn serve(self, stop: &CancellationToken) {
        stop.cancelled().await;
        drop(self.stop);
        // A panic of the task was reported where it happened.
        let _ = self.served.await;
    }
}

/// The pages, or `starting` while there are none.
fn router(starting: Router, pages: Arc<OnceLock<Router>>) -> Router {
    let answer = move |request: Request| {
        let router = pages.get().unwrap_or(&starting).clone();
        async move { Ok::<_, Infallible>(router.oneshot(request).await.into_response()) }
    };
    Router::new().fallback_service(service_fn(answer))
}

/// The probes, and for every other page why it is not there yet.
pub(super) fn starting(readiness: &Readiness) -> Router {
    let reason = readiness.clone();
    api::probes(&readiness.checks()).fallback(async move || not_yet(&reason))
}

fn not_yet(readiness: &Readiness) -> Response {
    let failed = readiness.failures().into_iter().find_map(|(_, failure)| failure);
    let text = format!("the adapter is starting: {}\n", failed.unwrap_or_default());
    (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
}
