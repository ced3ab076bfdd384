//! Answers the aggregation layer: the Kubernetes metrics API, its discovery, and what every API server has beside.
//!
//! ```text
//! request ─▶ gate (who, how many, may they) ─▶ route ─▶ custom | external | discovery | openapi | health | version ─▶ reply
//!                 └──────────── ApiError ─────────────────────┘──────────▶ status ───────────────────────┘
//! ```
//!
//! A read never writes and never calls out: values come from the [`Store`], objects from a [`ClusterView`], both in
//! memory. Only the gate may wait, for an access review. Every error is a `metav1.Status` whose message says why and
//! what to do, because the HPA shows it to its user verbatim.

mod clues;
mod custom;
mod discovery;
mod encode;
mod error;
mod external;
mod gate;
mod group;
mod health;
mod negotiation;
mod not_found;
pub mod observe;
mod openapi;
mod owned;
mod query;
mod recent;
mod reply;
pub mod route;
mod status;
mod values;
mod version;
mod view;

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{Request, State},
    response::Response,
};
use http::{Method, StatusCode, request::Parts};
use jiff::Timestamp;

pub use clues::{Clues, PodTarget};
pub use discovery::listed;
pub use health::{Check, CheckScope, Checks, probes};
pub use recent::{RecentRead, RecentReads};
pub use view::ClusterView;

use crate::{auth::Auth, owned::Rules, store::Store};
use discovery::Discovery;
use error::ApiError;
use external::ExternalMetricValueList;
use gate::Gate;
use negotiation::{Asked, Offer};
use observe::{Observer, Turn};
use openapi::OpenApi;
use query::{ExternalQuery, ReadQuery};
use reply::Content;
use route::{ExternalPath, MetricsPath, Objects, Route, Version};
use values::{Described, MetricValueList};

/// What the API answers from.
pub struct Sources {
    /// The values.
    pub store: Store,
    /// The objects that they are about.
    pub cluster: Arc<dyn ClusterView>,
    /// Who asks, and may they. The listener puts [`PeerCertificates`](crate::auth::PeerCertificates) into the
    /// extensions of each request.
    pub auth: Auth,
    /// What health endpoints tell.
    pub checks: Checks,
    /// What is known beside the values.
    pub clues: Clues,
    /// Where reads are noted for people.
    pub recent: RecentReads,
}

/// Limits of the API.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Requests under way at once; more are answered 429.
    pub requests_inflight: usize,
    /// How long a request may take; longer ones are answered 504.
    pub request_timeout: Duration,
    /// How many metrics discovery lists of each group, if their names are not very long.
    pub discovery_max_metrics: usize,
    /// When the pods of an object make up a value.
    pub owned: Rules,
}

impl Default for Limits {
    /// Upstream's, and as many metrics as a list of 128 KiB has room for, the most of each group whatever their number.
    fn default() -> Self {
        Self {
            requests_inflight: 400,
            request_timeout: Duration::from_secs(60),
            discovery_max_metrics: 1000,
            owned: Rules::default(),
        }
    }
}

/// The metrics API. Cheap to clone.
#[derive(Clone)]
pub struct Api(Arc<Inner>);

struct Inner {
    store: Store,
    cluster: Arc<dyn ClusterView>,
    gate: Gate,
    checks: Checks,
    clues: Clues,
    recent: RecentReads,
    discovery: Discovery,
    observer: Arc<dyn Observer>,
    openapi: OpenApi,
    request_timeout: Duration,
    rules: Rules,
}

impl Api {
    /// An API that answers from `sources`.
    #[must_use]
    pub fn new(sources: Sources, limits: Limits) -> Self {
        Self::observed(sources, limits, Arc::new(()))
    }

    /// An API that tells `observer` of each request.
    #[must_use]
    pub fn observed(sources: Sources, limits: Limits, observer: Arc<dyn Observer>) -> Self {
        let Sources { store, cluster, auth, checks, clues, recent } = sources;
        Self(Arc::new(Inner {
            discovery: Discovery::new(store.clone(), Arc::clone(&cluster), limits.discovery_max_metrics),
            gate: Gate::new(auth, limits.requests_inflight),
            observer,
            openapi: OpenApi::new(),
            request_timeout: limits.request_timeout,
            rules: limits.owned,
            store,
            cluster,
            checks,
            clues,
            recent,
        }))
    }

    /// Its routes. They are one function of the path, not a route table: what is authorised and what is served have
    /// to read a path alike.
    pub fn router(self) -> Router {
        Router::new().fallback(answer).with_state(self)
    }
}

async fn answer(State(Api(api)): State<Api>, request: Request) -> Response {
    let (head, _body) = request.into_parts();
    let asked = Asked::of(&head);
    let route = Route::of(head.uri.path());
    let mut turn = Turn::begin(&api.observer, &route);
    let outcome = tokio::time::timeout(api.request_timeout, api.respond(&head, &route, &asked)).await;
    let outcome = outcome.unwrap_or(Err(ApiError::Timeout));
    let (mut response, error) = match outcome {
        Ok(response) => (response, None),
        Err(error) => (api.failure(&error, &asked), Some(error)),
    };
    turn.answered(response.status(), error.as_ref());
    reply::stamp(response.headers_mut(), reply::audit_id(&head.headers));
    response
}

impl Inner {
    async fn respond(&self, head: &Parts, route: &Route, asked: &Asked) -> Result<Response, ApiError> {
        let admission = self.gate.admit(head, route).await?;
        let query = head.uri.query().unwrap_or_default();
        if let Route::Health(probe, check) = route {
            return self.checks.answer(*probe, check.as_deref(), query);
        }
        let outcome = self.document(route, &head.method, query, asked);
        if matches!(route, Route::Metrics(..) | Route::External(_)) {
            self.recent.note(head, &admission.user, outcome.as_ref().err());
        }
        outcome
    }

    fn document(
        &self,
        route: &Route,
        method: &Method,
        query: &str,
        asked: &Asked,
    ) -> Result<Response, ApiError> {
        match route {
            Route::Malformed => return Err(ApiError::MalformedPath),
            Route::Unknown => return Err(ApiError::UnknownPath),
            Route::NoSuchResource => return Err(ApiError::NoSuchResource),
            _ if method != Method::GET => return Err(ApiError::Method),
            _ => {}
        }
        match route {
            Route::Root => Ok(self.paths()?.reply(StatusCode::OK, asked)),
            Route::Version => Ok(Content::json(version::document()).reply(StatusCode::OK, asked)),
            Route::OpenApiV2 => Ok(self.openapi.v2(asked)?),
            Route::OpenApiV3 => Ok(self.openapi.v3(asked)?),
            Route::Groups => self.discovery.groups(asked),
            Route::Group(group) => Discovery::group(*group, asked),
            Route::Resources(version) => self.discovery.resources(*version, asked),
            Route::Metrics(version, path) => self.metrics(*version, path, query, asked),
            Route::External(path) => self.external(path, query, asked),
            Route::Incomplete => Err(ApiError::IncompletePath),
            Route::Health(..) | Route::Malformed | Route::Unknown | Route::NoSuchResource => {
                Err(ApiError::UnknownPath)
            }
        }
    }

    fn metrics(
        &self,
        version: Version,
        path: &MetricsPath,
        query: &str,
        asked: &Asked,
    ) -> Result<Response, ApiError> {
        asked.check(Offer::Values)?;
        let name = match &path.objects {
            Objects::Named(name) => name,
            Objects::All => "*",
        };
        let query = ReadQuery::parse(query, name)?;
        let now = Timestamp::now();
        let (store, cluster, clues) = (&self.store, &*self.cluster, &self.clues);
        let (rules, asked_for) = (self.rules, self.discovery.asked_for());
        let read = custom::Read { store, cluster, clues, path, query: &query, now, rules, asked: asked_for };
        let found = read.run()?;
        self.observer.read(&found.values, now);
        let list = MetricValueList {
            version,
            described: Described::of(&found.resource),
            values: &found.values,
            selector: values::echo(&query.metrics),
        };
        let format = asked.format(Offer::Values)?;
        Ok(Content::of(&list, format, asked.pretty)?.reply(StatusCode::OK, asked))
    }

    fn external(&self, path: &ExternalPath, query: &str, asked: &Asked) -> Result<Response, ApiError> {
        asked.check(Offer::Values)?;
        let query = ExternalQuery::parse(query, &path.metric)?;
        if query.watch {
            return Err(ApiError::Watch);
        }
        let now = Timestamp::now();
        let (store, cluster, selector) = (&self.store, &*self.cluster, &query.labels);
        let (rules, asked_for) = (self.rules, self.discovery.asked_for());
        let read = external::Read { store, cluster, path, selector, now, rules, asked: asked_for };
        let values = read.run().map_err(|nothing| ApiError::NoExternalMetric(Box::new(nothing)))?;
        self.observer.read_external(&values, now);
        let list = ExternalMetricValueList { metric: &path.metric, values: &values };
        let format = asked.format(Offer::Values)?;
        Ok(Content::of(&list, format, asked.pretty)?.reply(StatusCode::OK, asked))
    }

    fn paths(&self) -> Result<Content, ApiError> {
        Ok(discovery::paths(|probe| self.checks.names(probe))?)
    }

    fn failure(&self, error: &ApiError, asked: &Asked) -> Response {
        if let (ApiError::UnknownPath, Ok(paths)) = (error, self.paths()) {
            return paths.reply(StatusCode::NOT_FOUND, asked);
        }
        reply::failure(error, asked)
    }
}
