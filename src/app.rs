//! Wires the parts, opens the sockets, drives them, and drains them in order.
//!
//! Start: cluster (watches) → auth (returns once the front proxy's CA is loaded) → certificate → sockets. A listener
//! that opened earlier would answer kube-apiserver's first probes as an anonymous stranger's.
//!
//! End: not ready → go on serving for the delay → stop accepting → finish requests → stop watches and sweeps.

mod metrics;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context as _;
use axum::Router;
use jiff::{SignedDuration, Timestamp};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    admin,
    api::{self, Api, Checks},
    auth::{Auth, AuthOptions, AuthSettings, Observer},
    checks::Readiness,
    cluster::{Change, Cluster, ClusterOptions},
    config::{Config, Kubernetes},
    serve::{self, ConnectionCounters, Listener, ServeOptions, ServiceNames, ServingCertificate, Tls},
    store::{Limits, Store},
    telemetry::{
        metrics::Metrics,
        traces::{Edge, traced},
    },
    write::{self, WriteOptions},
};

/// The adapter with its sockets open.
pub struct App {
    config: Config,
    store: Store,
    cluster: Cluster,
    certificate: Arc<ServingCertificate>,
    secure: Door,
    write: Door,
    admin: Door,
    readiness: Readiness,
    metrics: Arc<Metrics>,
    tasks: TaskTracker,
    /// Cancelled by whoever wants the adapter to end.
    shutdown: CancellationToken,
    /// Cancelled last: ends watches and sweeps.
    background: CancellationToken,
}

/// A listener with what it serves.
struct Door {
    listener: Listener,
    router: Router,
    options: ServeOptions,
}

/// Where the adapter really listens, ports given by the kernel included.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Addresses {
    /// The metrics APIs, TLS.
    pub secure: SocketAddr,
    /// /write-metrics.
    pub write: SocketAddr,
    /// Probes and pages.
    pub admin: SocketAddr,
}

impl App {
    /// Builds every part and opens the sockets; nothing is accepted before [`App::run`].
    ///
    /// # Errors
    /// When a part cannot be built: no cluster, no front-proxy CA, no certificate, no socket. One line says which.
    pub async fn bind(config: Config, shutdown: CancellationToken) -> anyhow::Result<Self> {
        // Fails when a test of the same process was first, with the same provider.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let (tasks, background) = (TaskTracker::new(), CancellationToken::new());
        let store = Store::new(limits(&config));
        let cluster = connect(&config, &store, (&tasks, &background)).await?;
        let metrics = metrics::begin(&config)?;
        let observer = metrics.auth.clone();
        let auth = authority(&config.kubernetes, &cluster, observer, (&tasks, &background)).await?;
        let certificate = certificate(&config).await?;
        let readiness = Readiness::new(cluster.clone(), certificate.clone());
        let checks = readiness.checks();
        let api = api(&config, &store, &cluster, (auth.clone(), checks.clone(), &metrics));
        let tls = Tls::new(certificate.clone(), auth.clone())?;
        let secure = Door::open(config.listen.secure_listen, api, options(&config, Some(tls))).await?;
        let routes =
            write::observed(store.clone(), cluster.clone(), write_options(&config), metrics.write.clone());
        let write =
            Door::open(config.listen.write_listen, traced(routes, Edge::Write), options(&config, None))
                .await?;
        let counters = [&secure, &write].map(|door| door.options.counters.clone());
        let doors = metrics::doors(counters, &config);
        let admin_options = ServeOptions { counters: doors.admin.clone(), ..options(&config, None) };
        let read = ((&store, &cluster, None), (&auth, &certificate, &readiness));
        let metrics = metrics::complete(metrics, &config, read, doors)?;
        let pages =
            admin::router().merge(admin::metrics(metrics::page(&metrics))).merge(api::probes(&checks));
        let admin = Door::open(config.listen.admin_listen, pages, admin_options).await?;
        Ok(Self {
            config,
            store,
            cluster,
            certificate,
            secure,
            write,
            admin,
            readiness,
            metrics,
            tasks,
            shutdown,
            background,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn addresses(&self) -> Addresses {
        let [secure, write, admin] =
            [&self.secure, &self.write, &self.admin].map(|door| door.listener.local_address());
        Addresses { secure, write, admin }
    }

    /// What it counts of itself.
    #[must_use]
    pub fn metrics(&self) -> Arc<Metrics> {
        self.metrics.clone()
    }

    /// Serves until the token is cancelled, then drains.
    ///
    /// # Errors
    /// None now; the signature leaves room for a listener that fails for good.
    pub async fn run(self) -> anyhow::Result<()> {
        self.announce();
        let Self { config, secure, write, admin, readiness, tasks, shutdown, background, .. } = self;
        tasks.spawn(sweep(self.store, self.cluster, background.clone()));
        tasks.spawn(self.certificate.watch(CERTIFICATE_POLL, background.clone()));
        let stop = CancellationToken::new();
        let doors = async {
            tokio::join!(secure.serve(&stop), write.serve(&stop), admin.serve(&stop));
        };
        let end = async {
            shutdown.cancelled().await;
            readiness.shut_down();
            tokio::time::sleep(std(config.shutdown.shutdown_delay)).await;
            stop.cancel();
        };
        tokio::join!(doors, end);
        background.cancel();
        tasks.close();
        tasks.wait().await;
        tracing::info!("shut down");
        Ok(())
    }

    fn announce(&self) {
        let Addresses { secure, write, admin } = self.addresses();
        let mode = if self.config.standalone { "standalone" } else { "cluster" };
        let version = env!("CARGO_PKG_VERSION");
        tracing::info!(version, mode, %secure, %write, %admin, "custom-metrics-adapter listens");
    }
}

impl Door {
    async fn open(address: SocketAddr, router: Router, options: ServeOptions) -> anyhow::Result<Self> {
        Ok(Self { listener: Listener::bind(address).await?, router, options })
    }

    async fn serve(self, stop: &CancellationToken) {
        self.listener.run(self.router, self.options, stop.clone()).await;
    }
}

async fn connect(
    config: &Config,
    store: &Store,
    (tasks, shutdown): (&TaskTracker, &CancellationToken),
) -> anyhow::Result<Cluster> {
    if config.standalone {
        return Ok(Cluster::standalone());
    }
    let store = store.clone();
    let mut options = ClusterOptions::new(tasks.clone(), shutdown.clone());
    options.kubeconfig.clone_from(&config.kubernetes.kubeconfig);
    options.on_change = Arc::new(move |change| match change {
        Change::Seen(live) => store.adopt(live),
        Change::Gone(live) => store.forget(&live.object, &live.uid),
    });
    Cluster::connect(options).await.context(
        "no cluster: give --kubeconfig, run in a pod with a service account, or try --standalone without a cluster",
    )
}

async fn authority(
    config: &Kubernetes,
    cluster: &Cluster,
    observer: Arc<dyn Observer>,
    (tasks, shutdown): (&TaskTracker, &CancellationToken),
) -> anyhow::Result<Auth> {
    let Some(client) = cluster.client() else { return Ok(Auth::disabled()) };
    let settings = AuthSettings {
        token_ttl: std(config.authentication_token_webhook_cache_ttl),
        authorized_ttl: std(config.authorization_webhook_cache_authorized_ttl),
        unauthorized_ttl: std(config.authorization_webhook_cache_unauthorized_ttl),
        outage_ttl: std(config.authorization_webhook_cache_outage_ttl),
        always_allow_paths: config.authorization_always_allow_paths.clone(),
    };
    let (tracker, shutdown) = (tasks.clone(), shutdown.clone());
    let options =
        AuthOptions { client, settings, load_deadline: TRUST_DEADLINE, observer, tracker, shutdown };
    Ok(Auth::delegated(options).await?)
}

async fn certificate(config: &Config) -> anyhow::Result<Arc<ServingCertificate>> {
    let tls = &config.tls;
    if let (Some(certificate), Some(key)) = (&tls.tls_cert_file, &tls.tls_private_key_file) {
        return Ok(ServingCertificate::from_files(certificate.clone(), key.clone()).await?);
    }
    let names = ServiceNames { service: tls.service_name.clone(), namespace: tls.service_namespace.clone() };
    Ok(ServingCertificate::generated(tls.cert_dir.clone(), names).await?)
}

fn api(
    config: &Config,
    store: &Store,
    cluster: &Cluster,
    (auth, checks, metrics): (Auth, Checks, &Metrics),
) -> Router {
    let sources = api::Sources { store: store.clone(), cluster: Arc::new(cluster.clone()), auth, checks };
    let limits = api::Limits {
        requests_inflight: config.requests.max_requests_inflight,
        request_timeout: std(config.requests.request_timeout),
        discovery_max_metrics: config.store.discovery_max_metrics,
    };
    traced(Api::observed(sources, limits, metrics.api.clone()).router(), Edge::Api)
}

fn limits(config: &Config) -> Limits {
    let values = &config.store;
    Limits { series: values.max_series, series_per_object: values.max_series_per_object, ..Limits::default() }
}

fn write_options(config: &Config) -> WriteOptions {
    let ttl = Some(config.store.write_ttl).filter(SignedDuration::is_positive);
    let deadline = std(config.requests.request_timeout);
    WriteOptions { ttl, in_flight: config.requests.max_writes_inflight, deadline }
}

fn options(config: &Config, tls: Option<Tls>) -> ServeOptions {
    let limits = serve::Limits {
        connections: config.requests.max_connections,
        drain_grace: std(config.shutdown.shutdown_grace),
        ..serve::Limits::default()
    };
    ServeOptions { tls, limits, counters: Arc::new(ConnectionCounters::default()) }
}

async fn sweep(store: Store, cluster: Cluster, shutdown: CancellationToken) {
    let every = async {
        let mut ticks = tokio::time::interval(SWEEP);
        loop {
            ticks.tick().await;
            store.sweep(Timestamp::now(), |object| cluster.presence(object));
        }
    };
    shutdown.run_until_cancelled(every).await;
}

fn std(duration: SignedDuration) -> Duration {
    duration.unsigned_abs()
}

/// Expired values stay in memory at most so long.
const SWEEP: Duration = Duration::from_secs(10);

/// How often certificate files are looked at: a Secret mount swaps them in one step.
const CERTIFICATE_POLL: Duration = Duration::from_secs(5);

/// How long to wait for kube-apiserver's trust configuration at the start.
const TRUST_DEADLINE: Duration = Duration::from_secs(60);
