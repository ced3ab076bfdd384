//! Wires the parts, opens the sockets, drives them, and drains them in order.
//!
//! Start: cluster (watches) → auth (returns once the front proxy's CA is loaded) → certificate → sockets. A listener
//! that opened earlier would answer kube-apiserver's first probes as an anonymous stranger's.
//!
//! End: not ready → go on serving for the delay → stop accepting → finish requests → stop watches and sweeps.

mod pages;
mod scraping;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context as _;
use axum::Router;
use jiff::{SignedDuration, Timestamp};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    admin,
    api::{self, Api, Checks},
    auth::{Auth, AuthOptions, AuthSettings},
    checks::Readiness,
    cluster::{Change, Cluster, ClusterOptions},
    config::{Config, Kubernetes},
    scrape::Scraper,
    serve::{self, ConnectionCounters, Listener, ServeOptions, ServiceNames, ServingCertificate, Tls},
    store::{Limits, Store},
    write::{self, WriteOptions},
};

/// The adapter with its sockets open.
pub struct App {
    config: Config,
    store: Store,
    cluster: Cluster,
    certificate: Arc<ServingCertificate>,
    addresses: Addresses,
    doors: [Door; 3],
    readiness: Readiness,
    tasks: TaskTracker,
    /// Cancelled by whoever wants the adapter to end.
    shutdown: CancellationToken,
    /// Cancelled last: ends watches and sweeps.
    background: CancellationToken,
}

/// Open, and not yet served.
struct Sockets {
    secure: Listener,
    write: Listener,
    admin: Listener,
    addresses: Addresses,
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
        let auth = authority(&config.kubernetes, &cluster, (&tasks, &background)).await?;
        let certificate = certificate(&config).await?;
        let readiness = Readiness::new(cluster.clone(), certificate.clone());
        let sockets = Sockets::open(&config).await?;
        let api = api(&config, &store, &cluster, (auth.clone(), readiness.checks()));
        let secure =
            Door::new(sockets.secure, api, options(&config, Some(Tls::new(certificate.clone(), auth)?)));
        let routes = write::router(store.clone(), cluster.clone(), write_options(&config));
        let write = Door::new(sockets.write, routes, options(&config, None));
        let pages = pages::sources(pages::Parts {
            store: store.clone(),
            scraper: scraper(&config, &cluster, &store, (&tasks, &background)),
            readiness: readiness.clone(),
            mode: mode(&config),
            addresses: sockets.addresses,
        });
        let routes = admin::router(pages).merge(api::probes(&readiness.checks()));
        let admin = Door::new(sockets.admin, routes, options(&config, None));
        let (addresses, doors) = (sockets.addresses, [secure, write, admin]);
        Ok(Self {
            config,
            store,
            cluster,
            certificate,
            addresses,
            doors,
            readiness,
            tasks,
            shutdown,
            background,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// Serves until the token is cancelled, then drains.
    ///
    /// # Errors
    /// None now; the signature leaves room for a listener that fails for good.
    pub async fn run(self) -> anyhow::Result<()> {
        self.announce();
        let Self { config, doors: [secure, write, admin], readiness, tasks, shutdown, background, .. } = self;
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
        let mode = mode(&self.config);
        let version = env!("CARGO_PKG_VERSION");
        tracing::info!(version, mode, %secure, %write, %admin, "custom-metrics-adapter listens");
    }
}

impl Sockets {
    async fn open(config: &Config) -> anyhow::Result<Self> {
        let secure = Listener::bind(config.listen.secure_listen).await?;
        let write = Listener::bind(config.listen.write_listen).await?;
        let admin = Listener::bind(config.listen.admin_listen).await?;
        let addresses = Addresses {
            secure: secure.local_address(),
            write: write.local_address(),
            admin: admin.local_address(),
        };
        Ok(Self { secure, write, admin, addresses })
    }
}

impl Door {
    fn new(listener: Listener, router: Router, options: ServeOptions) -> Self {
        Self { listener, router, options }
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
    options.annotation_prefixes = scraping::options(&config.scrape).annotation_prefixes();
    options.on_change = Arc::new(move |change| match change {
        Change::Seen(live) => store.adopt(live),
        Change::Gone(live) => store.forget(&live.object, &live.uid),
    });
    Cluster::connect(options).await.context(
        "no cluster: give --kubeconfig, run in a pod with a service account, or try --standalone without a cluster",
    )
}

fn mode(config: &Config) -> &'static str {
    if config.standalone { "standalone" } else { "cluster" }
}

/// Without a cluster there are no pods to scrape.
fn scraper(
    config: &Config,
    cluster: &Cluster,
    store: &Store,
    (tasks, shutdown): (&TaskTracker, &CancellationToken),
) -> Option<Scraper> {
    let start = || {
        let options = scraping::options(&config.scrape);
        Scraper::start(options, cluster.clone(), store.clone(), tasks.clone(), shutdown.clone())
    };
    (config.scrape.scrape && !config.standalone).then(start)
}

async fn authority(
    config: &Kubernetes,
    cluster: &Cluster,
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
    let observer = Arc::new(());
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

fn api(config: &Config, store: &Store, cluster: &Cluster, (auth, checks): (Auth, Checks)) -> Router {
    let sources = api::Sources { store: store.clone(), cluster: Arc::new(cluster.clone()), auth, checks };
    let limits = api::Limits {
        requests_inflight: config.requests.max_requests_inflight,
        request_timeout: std(config.requests.request_timeout),
        discovery_max_metrics: config.store.discovery_max_metrics,
    };
    Api::new(sources, limits).router()
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
