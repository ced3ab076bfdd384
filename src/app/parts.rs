//! Everything behind the listeners.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use super::{Addresses, Background, refused, scraping, std, warm};
use crate::{
    api::RecentReads,
    auth::{Auth, AuthKube, AuthOptions, AuthSettings},
    ca::{CaOptions, ServingCa},
    checks::Readiness,
    cluster::{Change, Cluster, ClusterOptions},
    config::Config,
    insight::{self, Insight},
    journal::{Journal, Restored},
    owned::Rules,
    scrape::{ScrapeOptions, Scraper},
    serve::{ServiceNames, ServingCertificate},
    store::{Limits, Percent, Store},
    telemetry::{metrics::Metrics, traces},
};

/// The parts, in the order in which they are built.
pub(super) struct Parts {
    pub(super) store: Store,
    pub(super) journal: Journal,
    /// What came back from the journal.
    pub(super) restored: Restored,
    pub(super) cluster: Cluster,
    pub(super) auth: Auth,
    pub(super) certificate: Arc<ServingCertificate>,
    pub(super) readiness: Readiness,
    /// What was read lately, for people.
    pub(super) recent: RecentReads,
    /// `None` without a cluster, which is without pods, and when scraping is off.
    pub(super) scraper: Option<Scraper>,
    pub(super) insight: Insight,
    /// What is asked for targets, from when there is a scraper.
    pub(super) scraped: Arc<OnceLock<Scraper>>,
}

impl Parts {
    pub(super) async fn build(
        config: &Config,
        metrics: &Metrics,
        background: &Background,
        readiness: Readiness,
    ) -> anyhow::Result<Self> {
        let store = Store::new(limits(config));
        store.derive_for_all(Arc::new(config.derive.derivations()?));
        let (journal, restored) =
            super::journal::open(config, &store, metrics, (&readiness, background)).await?;
        let cluster = connect(config, &store, background).await?;
        let watches = super::journal::watch(cluster.clone(), restored.resources.clone(), journal.resources());
        background.tasks.spawn(background.end.clone().run_until_cancelled_owned(watches));
        let auth = match cluster.client().zip(cluster.server()) {
            None => Auth::disabled(),
            Some((client, server)) => {
                let kube = AuthKube { client, server: server.to_string(), waiting: readiness.waiting() };
                Auth::delegated(authority(config, kube, metrics, background)).await?
            }
        };
        let certificate = certificate(config, &cluster, (&readiness, background)).await?;
        if waits_for_scrapes(config) && cluster.client().is_some() {
            // Before anybody can find it ready.
            readiness.warming().send_replace(Some("the scrapes have not begun".to_owned()));
        }
        readiness.built(cluster.clone());
        let scraped = Arc::default();
        let insight = insight(config, (&cluster, &store), &scraped);
        Ok(Self {
            store,
            journal,
            restored,
            cluster,
            auth,
            certificate,
            readiness,
            recent: RecentReads::default(),
            scraper: None,
            insight,
            scraped,
        })
    }

    /// Begins to scrape, if pods are to be scraped. Comes after the sockets: no pod may have us scrape them.
    pub(super) async fn scrape(
        &mut self,
        config: &Config,
        metrics: &Metrics,
        listeners: Addresses,
        background: &Background,
    ) {
        let Some(server) = self.cluster.server().filter(|_| config.scrape.scrape) else { return };
        let refused_addresses = refused::addresses(server, listeners).await;
        let share = share(config);
        let options =
            ScrapeOptions { refused_addresses, share, ..scraping::options(&config.scrape, metrics) };
        let Background { tasks, end } = background.clone();
        let scraper = Scraper::start(options, self.cluster.clone(), self.store.clone(), tasks, end);
        let scraper = self.scraped.get_or_init(|| scraper).clone();
        if waits_for_scrapes(config) {
            let warms = warm::up(config, self, scraper.clone());
            background.tasks.spawn(background.end.clone().run_until_cancelled_owned(warms));
        }
        self.scraper = Some(scraper);
    }
}

fn waits_for_scrapes(config: &Config) -> bool {
    config.scrape.scrape && config.scrape.wait_for_scrapes.is_positive()
}

pub(super) fn mode(config: &Config) -> &'static str {
    if config.standalone { "standalone" } else { "cluster" }
}

fn insight(
    config: &Config,
    (cluster, store): (&Cluster, &Store),
    scraped: &Arc<OnceLock<Scraper>>,
) -> Insight {
    let scraped = scraped.clone();
    Insight::new(insight::Sources {
        cluster: cluster.clone(),
        store: store.clone(),
        targets: Arc::new(move || scraped.get().map(Scraper::targets).unwrap_or_default()),
        rules: rules(config),
        service: format!("{}/{}", config.tls.service_namespace, config.tls.service_name),
    })
}

fn limits(config: &Config) -> Limits {
    Limits {
        series: config.store.max_series,
        series_per_object: config.store.max_series_per_object,
        scraped_series: config.scrape.limits.scrape_max_series,
        scraped_bytes: config.scrape.limits.scrape_max_bytes,
        share: share(config),
    }
}

/// When the pods of an object make up a value.
pub(super) fn rules(config: &Config) -> Rules {
    let min_coverage = Percent::new(config.store.min_coverage).unwrap_or(Percent::WHOLE);
    Rules { min_coverage, interval: config.scrape.scrape_interval }
}

/// What one namespace may take of each limit.
fn share(config: &Config) -> Percent {
    Percent::new(config.store.namespace_share).unwrap_or(Percent::WHOLE)
}

async fn connect(config: &Config, store: &Store, background: &Background) -> anyhow::Result<Cluster> {
    if config.standalone {
        return Ok(Cluster::standalone());
    }
    let store = store.clone();
    let mut options = ClusterOptions::new(background.tasks.clone(), background.end.clone());
    options.kubeconfig.clone_from(&config.kubernetes.kubeconfig);
    options.annotation_prefixes = scraping::annotation_prefixes(&config.scrape);
    options.monitors = config.scrape.scrape && config.scrape.scrape_monitors;
    options.on_change = Arc::new(move |change| match change {
        Change::Seen(live) => store.adopt(live),
        Change::Gone(live) => store.forget(&live.object, &live.uid),
    });
    Ok(Cluster::connect(options).await?)
}

fn authority(config: &Config, kube: AuthKube, metrics: &Metrics, background: &Background) -> AuthOptions {
    let kubernetes = &config.kubernetes;
    let settings = AuthSettings {
        token_ttl: std(kubernetes.authentication_token_webhook_cache_ttl),
        authorized_ttl: std(kubernetes.authorization_webhook_cache_authorized_ttl),
        unauthorized_ttl: std(kubernetes.authorization_webhook_cache_unauthorized_ttl),
        outage_ttl: std(kubernetes.authorization_webhook_cache_outage_ttl),
        always_allow_paths: kubernetes.authorization_always_allow_paths.clone(),
    };
    let Background { tasks: tracker, end: shutdown } = background.clone();
    AuthOptions {
        kube,
        settings,
        load_deadline: TRUST_DEADLINE,
        request_headers: Some(Arc::new(traces::inject)),
        observer: metrics.auth.clone(),
        tracker,
        shutdown,
    }
}

async fn certificate(
    config: &Config,
    cluster: &Cluster,
    (readiness, background): (&Readiness, &Background),
) -> anyhow::Result<Arc<ServingCertificate>> {
    let tls = &config.tls;
    if let (Some(certificate), Some(key)) = (&tls.tls_cert_file, &tls.tls_private_key_file) {
        return Ok(ServingCertificate::from_files(certificate.clone(), key.clone()).await?);
    }
    let names = ServiceNames { service: tls.service_name.clone(), namespace: tls.service_namespace.clone() };
    let Some((secret, client)) = tls.serving_cert_secret.clone().zip(cluster.client()) else {
        return Ok(ServingCertificate::generated(tls.cert_dir.clone(), names).await?);
    };
    let options =
        CaOptions { client, secret, names, deadline: SECRET_DEADLINE, waiting: readiness.waiting() };
    let ca = ServingCa::start(options).await?;
    let certificate = ca.certificate();
    background.tasks.spawn(background.end.clone().run_until_cancelled_owned(ca.run()));
    Ok(certificate)
}

/// How long to wait for the Secret of the serving certificate at the start.
const SECRET_DEADLINE: Duration = Duration::from_secs(60);

/// How long to wait for kube-apiserver's trust configuration at the start.
const TRUST_DEADLINE: Duration = Duration::from_secs(60);
