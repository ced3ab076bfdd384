//! What delegated authentication needs.

use std::{sync::Arc, time::Duration};

use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{Observer, RequestHeaders};

/// How reviews are remembered and who is let through without one.
#[derive(Clone, Debug)]
pub struct AuthSettings {
    /// How long the answer to a token review is used, either way.
    pub token_ttl: Duration,
    /// How long "allowed" is used.
    pub authorized_ttl: Duration,
    /// How long "not allowed" is used.
    pub unauthorized_ttl: Duration,
    /// How much longer "allowed" is used while kube-apiserver gives no answer; zero, the default, is not at all.
    /// See `docs/adr` on stale decisions for what one takes on with it.
    pub outage_ttl: Duration,
    /// Paths that need no review; a trailing `*` makes a prefix.
    pub always_allow_paths: Vec<String>,
}

/// Everything that delegated authentication needs.
pub struct AuthOptions {
    /// The kube-apiserver that is delegated to.
    pub kube: AuthKube,
    /// Times and paths.
    pub settings: AuthSettings,
    /// How long to try to load the ConfigMap at the start.
    pub load_deadline: Duration,
    /// Adds headers to the calls of reviews.
    pub request_headers: Option<RequestHeaders>,
    /// Who counts reviews.
    pub observer: Arc<dyn Observer>,
    /// Owns the watch task.
    pub tracker: TaskTracker,
    /// Ends the watch task.
    pub shutdown: CancellationToken,
}

/// A kube-apiserver, and how the wait for it is told.
pub struct AuthKube {
    /// A client for it.
    pub client: kube::Client,
    /// Its URL, for messages.
    pub server: String,
    /// Holds, while [`Auth::delegated`](super::Auth::delegated) waits for the ConfigMap, the reason.
    pub waiting: tokio::sync::watch::Sender<Option<String>>,
}

impl Default for AuthSettings {
    /// The times of the upstream library, and the three health paths.
    fn default() -> Self {
        let ttl = Duration::from_secs(10);
        Self {
            token_ttl: ttl,
            authorized_ttl: ttl,
            unauthorized_ttl: ttl,
            outage_ttl: Duration::ZERO,
            always_allow_paths: ["/healthz", "/readyz", "/livez"].map(str::to_owned).into(),
        }
    }
}
