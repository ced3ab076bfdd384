//! How to reach a cluster, and how patiently.

use std::{path::PathBuf, sync::Arc, time::Duration};

use http::{HeaderValue, Uri, header::USER_AGENT};
use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig, KubeconfigError},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::Change;

/// Called in the watch task for each [`Change`], at once and in order: it has to be quick and must not block.
pub type OnChange = Arc<dyn Fn(&Change) + Send + Sync>;

/// What [`Cluster::connect`](super::Cluster::connect) needs.
#[derive(Clone)]
pub struct ClusterOptions {
    /// A kubeconfig file; without it `$KUBECONFIG`, `~/.kube/config`, then the service account of the pod.
    pub kubeconfig: Option<PathBuf>,
    /// Annotations of pods that are kept start with one of these. Default: `prometheus.io/` and
    /// `custom-metrics-adapter/`. Where there is none nobody scrapes: of pods only metadata, phase and readiness are kept.
    pub annotation_prefixes: Vec<String>,
    /// Whether PodMonitors and ServiceMonitors are watched, where the cluster has them.
    pub monitors: bool,
    /// Told of every object that comes, changes or goes.
    pub on_change: OnChange,
    /// Every watch is a task on this tracker …
    pub tasks: TaskTracker,
    /// … and ends with this token.
    pub shutdown: CancellationToken,
    /// How often to try again.
    pub pacing: Pacing,
}

impl ClusterOptions {
    /// The usual cluster and the default prefixes and paces, telling nobody of changes.
    #[must_use]
    pub fn new(tasks: TaskTracker, shutdown: CancellationToken) -> Self {
        Self {
            kubeconfig: None,
            annotation_prefixes: vec!["prometheus.io/".into(), "custom-metrics-adapter/".into()],
            monitors: false,
            on_change: Arc::new(|_| {}),
            tasks,
            shutdown,
            pacing: Pacing::default(),
        }
    }
}

/// How often things are tried again.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pacing {
    /// The pause after a first failure; it doubles with each further one …
    pub first_retry: Duration,
    /// … up to this. Short, because kube-apiserver is back for so long before we are.
    pub longest_retry: Duration,
    /// The limit of those pauses after kube-apiserver refused a resource (403) or did not know it (404).
    pub refused_retry: Duration,
    /// A streamed list that has been silent for so long, or takes six times as long, has no end: the server does not know
    /// the parameter.
    pub list_silence: Duration,
    /// How long a refused resource is not asked for, unless a read or a write needs it.
    pub longest_refusal: Duration,
    /// How long reads of a resource that was listed are answered from memory although it is refused now.
    pub refusal_tolerance: Duration,
    /// A resource that nothing has needed for so long is no longer watched.
    pub unneeded: Duration,
    /// A resource that discovery has lacked for so long is gone. A kube-apiserver that has just started does not know
    /// its CRDs yet.
    pub unserved: Duration,
    /// Unknown names cause one discovery in this time, after a few at once.
    pub discovery_gap: Duration,
    /// Discovery is renewed this often anyway: so long a CRD that is new or gone may go unnoticed. As often as
    /// kube-controller-manager asks.
    pub discovery_interval: Duration,
}

impl Default for Pacing {
    fn default() -> Self {
        Self {
            first_retry: Duration::from_millis(250),
            longest_retry: Duration::from_secs(5),
            refused_retry: Duration::from_secs(30),
            list_silence: Duration::from_secs(5),
            longest_refusal: Duration::from_secs(300),
            refusal_tolerance: Duration::from_secs(60),
            unneeded: Duration::from_secs(600),
            unserved: Duration::from_secs(10),
            discovery_gap: Duration::from_secs(5),
            discovery_interval: Duration::from_secs(30),
        }
    }
}

/// Why there is no way to a cluster. That it does not answer is not among the reasons: watches wait for it.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// No kubeconfig and no service account.
    #[error("found neither a kubeconfig nor a service account (--standalone works without a cluster)")]
    NoConfiguration(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The kubeconfig that was named cannot be used.
    #[error("cannot use the kubeconfig {path}")]
    Kubeconfig {
        /// The file.
        path: String,
        /// What is wrong with it.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The configuration was read, but no client can be built from it (a certificate that is none, for instance).
    #[error("cannot build a Kubernetes client")]
    Client(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// A client for the cluster that `kubeconfig` or the environment names, and the URL that it will connect to.
///
/// kube uses the aws-lc-rs provider and makes it the default of the process, if there is none yet.
pub(super) async fn client(kubeconfig: Option<&PathBuf>) -> Result<(Client, Uri), ClusterError> {
    let mut config = found(kubeconfig, None).await?;
    config.headers.push((USER_AGENT, HeaderValue::from_static(AGENT)));
    config.connect_timeout = Some(Duration::from_secs(5));
    // Longer than any watch, which the server is asked to end after a minute: what is silent for so long is dead.
    config.read_timeout = Some(Duration::from_secs(75));
    config.reset_reader_on_write = true;
    config.write_timeout = Some(Duration::from_secs(15));
    // kube's own retries go up to minutes and hide what is wrong; watches and reviews have their own.
    config.default_retry = false;
    let server = config.cluster_url.clone();
    let client = Client::try_from(config).map_err(|error| ClusterError::Client(error.into()))?;
    Ok((client, server))
}

/// A client for a person who waits, and the namespace that is meant where none is named.
pub(super) async fn terminal(
    kubeconfig: Option<&PathBuf>,
    context: Option<&str>,
) -> Result<(Client, String), ClusterError> {
    let mut config = found(kubeconfig, context).await?;
    config.headers.push((USER_AGENT, HeaderValue::from_static(AGENT)));
    config.connect_timeout = Some(Duration::from_secs(5));
    config.default_retry = false;
    let namespace = config.default_namespace.clone();
    let client = Client::try_from(config).map_err(|error| ClusterError::Client(error.into()))?;
    Ok((client, namespace))
}

async fn found(kubeconfig: Option<&PathBuf>, context: Option<&str>) -> Result<Config, ClusterError> {
    let options = KubeConfigOptions { context: context.map(str::to_owned), ..KubeConfigOptions::default() };
    match (kubeconfig, context) {
        (Some(path), _) => named(path, &options).await.map_err(|source| ClusterError::Kubeconfig {
            path: path.display().to_string(),
            source: source.into(),
        }),
        (None, Some(context)) => Config::from_kubeconfig(&options).await.map_err(|source| {
            ClusterError::Kubeconfig { path: format!("context {context}"), source: source.into() }
        }),
        (None, None) => Config::infer().await.map_err(|error| ClusterError::NoConfiguration(error.into())),
    }
}

async fn named(path: &PathBuf, options: &KubeConfigOptions) -> Result<Config, KubeconfigError> {
    let kubeconfig = Kubeconfig::read_from(path)?;
    Config::from_custom_kubeconfig(kubeconfig, options).await
}

const AGENT: &str = concat!("custom-metrics-adapter/", env!("CARGO_PKG_VERSION"));
