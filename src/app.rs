//! Wires the parts, opens the sockets, drives them, and drains them in order.
//!
//! Start: admin port → journal (all its values are read) → cluster (watches) → auth (returns once the front proxy's CA is
//! loaded) → certificate → the other sockets → scrapes. A metrics API that opened earlier would answer kube-apiserver's first probes as an anonymous
//! stranger's; a scrape that began earlier could be sent to a listener of ours.
//!
//! End: not ready → go on serving for the delay → stop accepting → finish requests → stop watches, scrapes and sweeps.

mod admin_port;
pub mod command;
mod doors;
mod events;
mod journal;
mod metrics;
mod notices;
mod pages;
mod parts;
mod refused;
mod scraping;
mod trends;
mod warm;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    checks::Readiness,
    cluster::Cluster,
    config::Config,
    serve,
    store::Store,
    telemetry::{limits::Limits, metrics::Metrics},
    version::VERSION,
};
use admin_port::AdminPort;
use doors::{Doors, Sockets};
use parts::Parts;
use trends::Pulse;

/// The adapter with its sockets open.
pub struct App {
    config: Config,
    parts: Parts,
    metrics: Arc<Metrics>,
    limits: Limits,
    addresses: Addresses,
    doors: Doors,
    admin: AdminPort,
    background: Background,
    /// Cancelled by whoever wants the adapter to end.
    shutdown: CancellationToken,
}

/// Where the adapter really listens, ports given by the kernel included.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Addresses {
    /// The metrics APIs, TLS.
    pub secure: SocketAddr,
    /// /write-metrics over plain HTTP; `None` if it listens nowhere.
    pub write: Option<SocketAddr>,
    /// Probes and pages.
    pub admin: SocketAddr,
}

/// What goes on beside the requests, and ends last.
#[derive(Clone, Default)]
struct Background {
    tasks: TaskTracker,
    end: CancellationToken,
}

impl App {
    /// Opens the admin port, builds every part and opens the other sockets, which accept nothing before [`App::run`].
    ///
    /// # Errors
    /// When a part cannot be built: no cluster, no front-proxy CA, no certificate, no socket. One line says which.
    pub async fn bind(config: Config, shutdown: CancellationToken) -> anyhow::Result<Self> {
        // Fails when a test of the same process was first, with the same provider.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let background = Background::default();
        let (metrics, counters) = (metrics::begin(&config)?, doors::counters(&config));
        let readiness = Readiness::default();
        let heads = serve::head_budget();
        let options = doors::admin(&config, &counters, &heads);
        let log_level = pages::log_level(&config);
        let starting = admin_port::starting(&readiness).merge(log_level.clone());
        let admin = AdminPort::open(config.listen.admin_listen, options, starting, &background.tasks).await?;
        let mut parts = Parts::build(&config, &metrics, &background, readiness).await?;
        let sockets = Sockets::open(&config).await?;
        let addresses = sockets.addresses(admin.address());
        parts.scrape(&config, &metrics, addresses, &background).await;
        let metrics = metrics::complete(metrics, &config, &parts, counters.clone())?;
        let doors = Doors::new(sockets, &config, &parts, (&metrics, &counters, &heads))?;
        let pulse = Pulse::new(&config, &parts, &metrics, counters.clone());
        admin.show(doors::pages(&config, &parts, (&metrics, &pulse), addresses).merge(log_level));
        background.tasks.spawn(background.end.clone().run_until_cancelled_owned(pulse.watch()));
        let limits = Limits::new(&metrics, &counters);
        Ok(Self { config, parts, metrics, limits, addresses, doors, admin, background, shutdown })
    }

    /// Where it listens.
    #[must_use]
    pub fn addresses(&self) -> Addresses {
        self.addresses
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
        let Self { config, parts, limits, doors, admin, background, shutdown, .. } = self;
        let Background { tasks, end } = background;
        tasks.spawn(end.clone().run_until_cancelled_owned(events::watch(&config, &parts)));
        let comparing = journal::compare(&config, &parts);
        tasks.spawn(end.clone().run_until_cancelled_owned(comparing));
        tasks.spawn(sweep(parts.store, parts.cluster, end.clone()));
        let notices = notices::watch(parts.readiness.clone(), parts.certificate.clone());
        tasks.spawn(shutdown.clone().run_until_cancelled_owned(notices));
        tasks.spawn(end.clone().run_until_cancelled_owned(limits.watch()));
        tasks.spawn(parts.insight.run(end.clone()));
        tasks.spawn(parts.certificate.watch(CERTIFICATE_POLL, end.clone()));
        let stop = CancellationToken::new();
        let drain = async {
            shutdown.cancelled().await;
            parts.readiness.shut_down();
            tokio::time::sleep(std(config.shutdown.shutdown_delay)).await;
            stop.cancel();
        };
        tokio::join!(doors.serve(&stop), admin.serve(&stop), drain);
        end.cancel();
        tasks.close();
        tasks.wait().await;
        tracing::info!("shut down");
        Ok(())
    }

    fn announce(&self) {
        let Addresses { secure, write, admin } = self.addresses;
        let (version, mode) = (VERSION, parts::mode(&self.config));
        let write = write.map_or_else(|| "off".to_owned(), |address| address.to_string());
        tracing::info!(version, mode, %secure, %write, %admin, "custom-metrics-adapter listens");
    }
}

async fn sweep(store: Store, cluster: Cluster, end: CancellationToken) {
    let every = async {
        let mut ticks = tokio::time::interval(SWEEP);
        loop {
            ticks.tick().await;
            let (store, cluster) = (store.clone(), cluster.clone());
            // With many objects it takes a while, which no answer to the HPA should wait for.
            let swept = move || {
                store.sweep(Timestamp::now(), |object| cluster.presence_of_stored(object));
                store.forget_unserved(|resource| cluster.is_served(resource));
            };
            let _ = tokio::task::spawn_blocking(swept).await;
        }
    };
    end.run_until_cancelled(every).await;
}

fn std(duration: SignedDuration) -> Duration {
    duration.unsigned_abs()
}

/// How often the store drops what has ended.
const SWEEP: Duration = Duration::from_secs(10);

/// How often certificate files are looked at: a Secret mount swaps them in one step.
const CERTIFICATE_POLL: Duration = Duration::from_secs(5);
