//! Who gets in: authentication, then the in-flight limit, then authorization, in upstream's order. Only then does
//! the request's method and path matter: a stranger learns nothing of what exists here.

use std::sync::Arc;

use http::request::Parts;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::auth::{
    Attributes, Auth, AuthenticationError, AuthorizationError, Forbidden, PeerCertificates, User,
};

use super::{error::ApiError, route::Route, status::Details};

/// The gate in front of every route.
pub(super) struct Gate {
    auth: Auth,
    requests: Arc<Semaphore>,
}

/// One of the requests under way, until it is dropped. Health probes and administrators are not counted.
pub(super) struct Admission {
    pub(super) user: User,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Gate {
    pub(super) fn new(auth: Auth, requests_inflight: usize) -> Self {
        Self { auth, requests: Arc::new(Semaphore::new(requests_inflight.min(Semaphore::MAX_PERMITS))) }
    }

    /// Lets the request in, or says why not.
    ///
    /// # Errors
    /// 401, 429, 403, and 500 when nobody could say whose the token is or whether the user may.
    pub(super) async fn admit(&self, head: &Parts, route: &Route) -> Result<Admission, ApiError> {
        let nobody = PeerCertificates::none();
        let certificates = head.extensions.get().unwrap_or(&nobody);
        let user = self.auth.authenticate(&head.headers, certificates).await;
        let user = user.map_err(|error| unauthenticated(error, head.uri.path()))?;
        let permit = self.count(&user, route)?;
        let attributes = Attributes::of(&head.method, &head.uri);
        match self.auth.authorize(&user, &attributes).await {
            Ok(()) => Ok(Admission { user, _permit: permit }),
            Err(AuthorizationError::Crowded(_)) => Err(ApiError::TooManyRequests),
            Err(AuthorizationError::Forbidden(forbidden)) => Err(refusal(*forbidden)),
            Err(AuthorizationError::ReviewFailed(source)) => {
                Err(review_failed(head.uri.path(), source.to_string()))
            }
        }
    }

    /// A saturated adapter has to look alive, or its kubelet makes things worse by a restart; and an administrator
    /// has to be able to look into it. A single check (`/livez/ping`) is no probe: it costs a review, under any name
    /// that somebody makes up.
    fn count(&self, user: &User, route: &Route) -> Result<Option<OwnedSemaphorePermit>, ApiError> {
        if matches!(route, Route::Health(_, None)) || user.is_in(ADMINISTRATORS) {
            return Ok(None);
        }
        let permit = Arc::clone(&self.requests).try_acquire_owned().map_err(|_| ApiError::TooManyRequests)?;
        Ok(Some(permit))
    }
}

/// A token that nobody could review may be a good one: its owner must not take it for a bad one.
fn unauthenticated(error: AuthenticationError, path: &str) -> ApiError {
    tracing::debug!(error = &error as &dyn std::error::Error, "not authenticated");
    match error {
        AuthenticationError::Crowded(_) => ApiError::TooManyRequests,
        AuthenticationError::ReviewFailed(source) => {
            review_failed(path, format!("the bearer token could not be reviewed: {source}"))
        }
        AuthenticationError::Certificate { .. } | AuthenticationError::Token { .. } => ApiError::Unauthorized,
    }
}

fn review_failed(path: &str, reason: String) -> ApiError {
    ApiError::ReviewFailed { path: path.to_owned(), reason }
}

fn refusal(forbidden: Forbidden) -> ApiError {
    let Forbidden { message, name, group, kind } = forbidden;
    ApiError::Forbidden { message, details: Details { name, group, kind, retry_after_seconds: None } }
}

const ADMINISTRATORS: &str = "system:masters";
