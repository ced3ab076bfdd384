//! The listeners and what each serves.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::Router;
use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;

use super::{
    Addresses, metrics, pages,
    parts::{self, Parts},
    std,
    trends::Pulse,
};
use crate::{
    admin,
    api::{self, Api, Clues, PodTarget},
    config::{Config, JournalKind, WriteAuth},
    model::Uid,
    serve::{self, ByteBudget, ConnectionCounters, Listener, ServeOptions, Tls},
    telemetry::{
        metrics::{Listeners, Metrics},
        traces::{self, Edge},
    },
    write::{self, Access, WriteOptions},
};

/// Open, and not yet served.
pub(super) struct Sockets {
    secure: Listener,
    write: Option<Listener>,
}

/// Listeners with what they serve.
pub(super) struct Doors(Vec<Door>);

struct Door {
    listener: Listener,
    router: Router,
    options: ServeOptions,
}

/// What is counted of each listener.
pub(super) fn counters(config: &Config) -> Listeners {
    let counters = || Arc::new(ConnectionCounters::default());
    let connections_limit = config.requests.max_connections;
    Listeners { secure: counters(), write: counters(), admin: counters(), connections_limit }
}

impl Sockets {
    pub(super) async fn open(config: &Config) -> anyhow::Result<Self> {
        let secure = Listener::bind(config.listen.secure_listen).await?;
        let write = match config.listen.write_listen.0 {
            Some(address) => Some(Listener::bind(address).await?),
            None => None,
        };
        Ok(Self { secure, write })
    }

    pub(super) fn addresses(&self, admin: SocketAddr) -> Addresses {
        let write = self.write.as_ref().map(Listener::local_address);
        Addresses { secure: self.secure.local_address(), write, admin }
    }
}

impl Doors {
    pub(super) fn new(
        sockets: Sockets,
        config: &Config,
        parts: &Parts,
        (metrics, counters, heads): (&Arc<Metrics>, &Listeners, &ByteBudget),
    ) -> anyhow::Result<Self> {
        let options = |tls: Option<Tls>, counters: &Arc<ConnectionCounters>, edge: Edge| ServeOptions {
            limits: limits(config),
            tls,
            heads: heads.clone(),
            counters: counters.clone(),
            spans: traces::of_requests(edge),
        };
        let tls = Tls::new(parts.certificate.clone(), parts.auth.clone())?;
        let writes = writes(config, parts, metrics);
        let by_identity = writes.routes(Access::Reviewed(parts.auth.clone()));
        let secure = Door {
            listener: sockets.secure,
            router: api(config, parts, metrics).merge(by_identity),
            options: options(Some(tls), &counters.secure, Edge::Api),
        };
        let write = sockets.write.map(|listener| Door {
            listener,
            router: writes.router(plain_access(config)),
            options: options(None, &counters.write, Edge::Write),
        });
        Ok(Self(std::iter::once(secure).chain(write).collect()))
    }

    /// Serves all of them until `stop`, and to the end of their drains.
    pub(super) async fn serve(self, stop: &CancellationToken) {
        join_all(self.0.into_iter().map(|door| door.serve(stop))).await;
    }
}

impl Door {
    async fn serve(self, stop: &CancellationToken) {
        self.listener.run(self.router, self.options, stop.clone()).await;
    }
}

fn api(config: &Config, parts: &Parts, metrics: &Metrics) -> Router {
    let sources = api::Sources {
        store: parts.store.clone(),
        cluster: Arc::new(parts.cluster.clone()),
        auth: parts.auth.clone(),
        checks: parts.readiness.checks(),
        clues: clues(config, parts),
        recent: parts.recent.clone(),
    };
    let limits = api::Limits {
        requests_inflight: config.requests.max_requests_inflight,
        request_timeout: std(config.requests.request_timeout),
        discovery_max_metrics: config.store.discovery_max_metrics,
        owned: parts::rules(config),
    };
    Api::observed(sources, limits, metrics.api.clone()).router()
}

/// What is known beside the values, for the reason why there is none.
fn clues(config: &Config, parts: &Parts) -> Clues {
    let scraped = parts.scraped.clone();
    let target = move |pod: &Uid| {
        let status = scraped.get()?.target(pod)?;
        Some(match status.url {
            Some(url) => PodTarget::At { url, next: status.next_scrape },
            None => PodTarget::Refused(status.problems.join("; ")),
        })
    };
    let started = (config.journal.journal == JournalKind::Memory).then(Timestamp::now);
    Clues { started, target: Arc::new(target) }
}

fn plain_access(config: &Config) -> Access {
    match config.listen.write_auth {
        WriteAuth::None => Access::Open,
        WriteAuth::Kubernetes => Access::Closed,
    }
}

fn writes(config: &Config, parts: &Parts, metrics: &Metrics) -> write::Port {
    let options = WriteOptions {
        ttl: Some(config.store.write_ttl).filter(SignedDuration::is_positive),
        in_flight: config.requests.max_writes_inflight,
        deadline: std(config.requests.request_timeout).min(BODY_DEADLINE),
        self_only: config.listen.write_self_only,
    };
    let (store, journal, cluster) = (parts.store.clone(), parts.journal.clone(), parts.cluster.clone());
    write::Port::new(write::Sources { store, journal, cluster }, options, metrics.write.clone())
}

/// How the admin port is served.
pub(super) fn admin(config: &Config, counters: &Listeners, heads: &ByteBudget) -> ServeOptions {
    let (heads, counters) = (heads.clone(), counters.admin.clone());
    ServeOptions { tls: None, limits: limits(config), heads, counters, spans: None }
}

/// What the admin port shows once all is there.
pub(super) fn pages(
    config: &Config,
    parts: &Parts,
    (metrics, pulse): (&Arc<Metrics>, &Pulse),
    addresses: Addresses,
) -> Router {
    admin::router(pages::sources(config, parts, addresses, pulse))
        .merge(admin::metrics(metrics::page(metrics)))
        .merge(api::probes(&parts.readiness.checks()))
}

fn limits(config: &Config) -> serve::Limits {
    serve::Limits {
        connections: config.requests.max_connections,
        connections_per_client: config.requests.per_client(),
        drain_grace: std(config.shutdown.shutdown_grace),
        ..serve::Limits::default()
    }
}

/// A write is small: whoever takes longer to send one holds the place of others.
const BODY_DEADLINE: Duration = Duration::from_secs(10);
