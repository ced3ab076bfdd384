//! The listeners and what each serves.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::Router;
use jiff::SignedDuration;
use tokio_util::sync::CancellationToken;

use super::{Addresses, metrics, pages, parts::Parts, std};
use crate::{
    admin,
    api::{self, Api},
    config::Config,
    serve::{self, ConnectionCounters, Listener, ServeOptions, Tls},
    telemetry::{
        metrics::{Listeners, Metrics},
        traces::{self, Edge},
    },
    write::{self, WriteOptions},
};

/// Open, and not yet served.
pub(super) struct Sockets {
    secure: Listener,
    write: Listener,
}

/// Listeners with what they serve.
pub(super) struct Doors([Door; 2]);

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
        Ok(Self {
            secure: Listener::bind(config.listen.secure_listen).await?,
            write: Listener::bind(config.listen.write_listen).await?,
        })
    }

    pub(super) fn addresses(&self, admin: SocketAddr) -> Addresses {
        Addresses { secure: self.secure.local_address(), write: self.write.local_address(), admin }
    }
}

impl Doors {
    pub(super) fn new(
        sockets: Sockets,
        config: &Config,
        parts: &Parts,
        (metrics, counters): (&Arc<Metrics>, &Listeners),
    ) -> anyhow::Result<Self> {
        let options = |tls: Option<Tls>, counters: &Arc<ConnectionCounters>, edge: Edge| ServeOptions {
            limits: limits(config, tls.is_some()),
            tls,
            counters: counters.clone(),
            spans: traces::of_requests(edge),
        };
        let tls = Tls::new(parts.certificate.clone(), parts.auth.clone())?;
        let secure = options(Some(tls), &counters.secure, Edge::Api);
        let write = options(None, &counters.write, Edge::Write);
        Ok(Self([
            Door { listener: sockets.secure, router: api(config, parts, metrics), options: secure },
            Door { listener: sockets.write, router: writes(config, parts, metrics), options: write },
        ]))
    }

    /// Serves all of them until `stop`, and to the end of their drains.
    pub(super) async fn serve(self, stop: &CancellationToken) {
        let [secure, write] = self.0;
        tokio::join!(secure.serve(stop), write.serve(stop));
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
    };
    let limits = api::Limits {
        requests_inflight: config.requests.max_requests_inflight,
        request_timeout: std(config.requests.request_timeout),
        discovery_max_metrics: config.store.discovery_max_metrics,
    };
    Api::observed(sources, limits, metrics.api.clone()).router()
}

fn writes(config: &Config, parts: &Parts, metrics: &Metrics) -> Router {
    let options = WriteOptions {
        ttl: Some(config.store.write_ttl).filter(SignedDuration::is_positive),
        in_flight: config.requests.max_writes_inflight,
        deadline: std(config.requests.request_timeout).min(BODY_DEADLINE),
    };
    write::observed(parts.store.clone(), parts.cluster.clone(), options, metrics.write.clone())
}

/// How the admin port is served.
pub(super) fn admin(config: &Config, counters: &Listeners) -> ServeOptions {
    ServeOptions { tls: None, limits: limits(config, false), counters: counters.admin.clone(), spans: None }
}

/// What the admin port shows once all is there.
pub(super) fn pages(config: &Config, parts: &Parts, metrics: &Arc<Metrics>, addresses: Addresses) -> Router {
    admin::router(pages::sources(config, parts, addresses))
        .merge(admin::metrics(metrics::page(metrics)))
        .merge(api::probes(&parts.readiness.checks()))
}

fn limits(config: &Config, secure: bool) -> serve::Limits {
    let defaults = serve::Limits::default();
    serve::Limits {
        header_bytes: if secure { defaults.header_bytes } else { PLAIN_HEADER_BYTES },
        connections: config.requests.max_connections,
        connections_per_client: config.requests.per_client(),
        drain_grace: std(config.shutdown.shutdown_grace),
        ..defaults
    }
}

/// Heads are long where the front proxy passes on a user's groups, and nowhere else.
const PLAIN_HEADER_BYTES: u32 = 64 << 10;

/// A write is small: whoever takes longer to send one holds the place of others.
const BODY_DEADLINE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    /// What a listener with these limits answers to a head of 100 KiB by HTTP/2, the only way to send one.
    async fn answer_to_long_head(limits: serve::Limits) -> Option<u16> {
        let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let (address, stop) = (listener.local_address(), CancellationToken::new());
        let options = ServeOptions { tls: None, limits, counters: Arc::default(), spans: None };
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let client = reqwest::Client::builder().http2_prior_knowledge().no_proxy().build().unwrap();
        let request = client.get(format!("http://{address}/"));
        let long = (0..100).fold(request, |request, n| request.header(format!("x-{n}"), "y".repeat(1_000)));
        tokio::select! {
            answer = long.send() => answer.ok().map(|answer| answer.status().as_u16()),
            () = listener.run(Router::new(), options, stop) => None,
        }
    }

    #[tokio::test]
    async fn only_the_secure_port_takes_long_heads() {
        let config = Config::from_args::<_, &str>([]).unwrap();
        assert_eq!(
            answer_to_long_head(limits(&config, true)).await,
            Some(404),
            "taken, and nothing is there"
        );
        assert_ne!(answer_to_long_head(limits(&config, false)).await, Some(404));
    }
}
