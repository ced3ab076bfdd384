//! Flags, their environment names and the file of flags; the sole home of clap. What is read once is validated once, into [`Config`].
//!
//! Names follow the Kubernetes extension API servers where those have the same flag (`--tls-cert-file`,
//! `--authorization-webhook-cache-authorized-ttl`, …). `docs/configuration.md` lists them; a test keeps it equal.

mod check;
pub mod command;
mod derive;
mod file;
mod journal;
pub mod manual;
mod read;
mod scrape;
mod values;

use std::{net::SocketAddr, path::PathBuf, str::FromStr};

use clap::{Parser, ValueEnum};
use jiff::SignedDuration;

use crate::version;

use values::{
    ALWAYS, ONE_DAY, ONE_HOUR, count, dns_label, duration_up_to, file, object_name, request_timeout,
};

pub use check::ConfigError;
pub use derive::{Derive, Named};
pub use file::FileError;
pub use journal::{Journal, JournalKind, Nats};
pub use scrape::{Compression, Scrape};

/// Puts any number in front of the Kubernetes Horizontal Pod Autoscaler.
#[derive(Parser, Clone, Debug)]
#[command(name = "custom-metrics-adapter", version, long_version = version::LINE.as_str(), max_term_width = 110)]
pub struct Config {
    /// Without a cluster: everything on loopback, a generated certificate, no delegated authorization.
    #[arg(long, env = "CMA_STANDALONE")]
    pub standalone: bool,

    /// A YAML file of flags: each key is the name of a flag. Flags and environment go before it.
    #[arg(long, env = "CMA_CONFIG", value_name = "FILE", value_parser = values::file)]
    pub config: Option<PathBuf>,

    /// Listeners.
    #[command(flatten)]
    pub listen: Listen,

    /// The serving certificate.
    #[command(flatten)]
    pub tls: Tls,

    /// The way to kube-apiserver, and what it decides.
    #[command(flatten)]
    pub kubernetes: Kubernetes,

    /// What is kept, and for how long.
    #[command(flatten)]
    pub store: Values,

    /// Where written values outlive the process.
    #[command(flatten)]
    pub journal: Journal,

    /// Scraping.
    #[command(flatten)]
    pub scrape: Scrape,

    /// Metrics that are computed from others.
    #[command(flatten)]
    pub derive: Derive,

    /// Bounds of what clients may ask at once.
    #[command(flatten)]
    pub requests: Requests,

    /// The end.
    #[command(flatten)]
    pub shutdown: Shutdown,

    /// Logs.
    #[command(flatten)]
    pub log: Log,
}

/// Where the adapter listens. `[::]` takes IPv4 too. In standalone mode the defaults move to 127.0.0.1.
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "Listeners")]
pub struct Listen {
    /// TLS: the metrics APIs, for kube-apiserver's aggregation layer.
    #[arg(long, env = "CMA_SECURE_LISTEN", value_name = "ADDRESS", default_value = "[::]:6443")]
    pub secure_listen: SocketAddr,

    /// Plain HTTP: /write-metrics; `off` listens nowhere. The TLS port takes writes by Kubernetes identity either way.
    #[arg(long, env = "CMA_WRITE_LISTEN", value_name = "ADDRESS", default_value = "[::]:8080")]
    pub write_listen: OptionalAddress,

    /// Who may write over plain HTTP: whoever reaches the port (none), or nobody, because writers have to show who they are
    /// at the TLS port (kubernetes).
    #[arg(long, env = "CMA_WRITE_AUTH", value_name = "HOW", value_enum, default_value_t = WriteAuth::None)]
    pub write_auth: WriteAuth,

    /// A pod's token writes about that pod and its controllers alone (its Deployment, for instance), whatever RBAC allows; a
    /// writer that is no pod needs RBAC alone. Only where writers have an identity: at the TLS port.
    #[arg(long, env = "CMA_WRITE_SELF_ONLY")]
    pub write_self_only: bool,

    /// Plain HTTP: /metrics, probes and pages for operators.
    #[arg(long, env = "CMA_ADMIN_LISTEN", value_name = "ADDRESS", default_value = "[::]:9090")]
    pub admin_listen: SocketAddr,
}

/// An address, or `off`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OptionalAddress(pub Option<SocketAddr>);

impl FromStr for OptionalAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "off" {
            return Ok(Self(None));
        }
        text.parse().map(|address| Self(Some(address))).map_err(|error| format!("{error}, nor is it off"))
    }
}

/// How the plain port knows its writers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum WriteAuth {
    /// Not at all.
    None,
    /// It takes none: the TLS port asks kube-apiserver.
    Kubernetes,
}

/// The certificate of the secure port.
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "Serving certificate")]
pub struct Tls {
    /// Certificate chain in PEM; reloaded when the file changes. With --tls-private-key-file.
    #[arg(long, env = "CMA_TLS_CERT_FILE", value_name = "FILE", value_parser = file, requires = "tls_private_key_file")]
    pub tls_cert_file: Option<PathBuf>,

    /// Its private key in PEM.
    #[arg(long, env = "CMA_TLS_PRIVATE_KEY_FILE", value_name = "FILE", value_parser = file, requires = "tls_cert_file")]
    pub tls_private_key_file: Option<PathBuf>,

    /// The Secret, in the Service's namespace, of the adapter's own CA and of the pair that it issues; replicas share it.
    /// Both are renewed in time, and the CA is written into the adapter's APIServices (`caBundle`).
    #[arg(long, env = "CMA_SERVING_CERT_SECRET", value_name = "NAME", value_parser = object_name, conflicts_with = "tls_cert_file")]
    pub serving_cert_secret: Option<String>,

    /// Where a pair is generated and kept when neither is given: apiserver.crt, apiserver.key, ca.crt.
    #[arg(
        long,
        env = "CMA_CERT_DIR",
        value_name = "DIR",
        value_parser = file,
        default_value = "apiserver.local.config/certificates"
    )]
    pub cert_dir: PathBuf,

    /// The Service that kube-apiserver reaches the adapter by; its DNS names stand in a generated certificate.
    #[arg(long, env = "CMA_SERVICE_NAME", value_name = "NAME", value_parser = dns_label, default_value = "custom-metrics-apiserver")]
    pub service_name: String,

    /// The namespace of that Service.
    #[arg(long, env = "CMA_SERVICE_NAMESPACE", value_name = "NAME", value_parser = dns_label, default_value = "custom-metrics")]
    pub service_namespace: String,
}

/// The cluster.
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "Kubernetes")]
pub struct Kubernetes {
    /// A kubeconfig; without it $KUBECONFIG, ~/.kube/config or the pod's service account, as kubectl does.
    #[arg(long, env = "CMA_KUBECONFIG", value_name = "FILE", value_parser = file)]
    pub kubeconfig: Option<PathBuf>,

    /// Kubernetes Events on pods whose annotations are refused, and on HPAs whose metric has no value for a reason that they
    /// do not tell themselves.
    #[arg(long, env = "CMA_EVENTS", value_name = "BOOL", default_value_t = true, action = clap::ArgAction::Set)]
    pub events: bool,

    /// Paths that need no authorization; a trailing * is a prefix.
    #[arg(
        long,
        env = "CMA_AUTHORIZATION_ALWAYS_ALLOW_PATHS",
        value_name = "PATHS",
        value_delimiter = ',',
        default_value = "/healthz,/readyz,/livez"
    )]
    pub authorization_always_allow_paths: Vec<String>,

    /// How long a TokenReview's answer is used again.
    #[arg(
        long,
        env = "CMA_AUTHENTICATION_TOKEN_WEBHOOK_CACHE_TTL",
        value_name = "DURATION",
        value_parser = duration_up_to(ONE_HOUR),
        default_value = "10s"
    )]
    pub authentication_token_webhook_cache_ttl: SignedDuration,

    /// How long a SubjectAccessReview that allowed is used again.
    #[arg(
        long,
        env = "CMA_AUTHORIZATION_WEBHOOK_CACHE_AUTHORIZED_TTL",
        value_name = "DURATION",
        value_parser = duration_up_to(ONE_HOUR),
        default_value = "10s"
    )]
    pub authorization_webhook_cache_authorized_ttl: SignedDuration,

    /// How long a SubjectAccessReview that denied is used again.
    #[arg(
        long,
        env = "CMA_AUTHORIZATION_WEBHOOK_CACHE_UNAUTHORIZED_TTL",
        value_name = "DURATION",
        value_parser = duration_up_to(ONE_HOUR),
        default_value = "10s"
    )]
    pub authorization_webhook_cache_unauthorized_ttl: SignedDuration,

    /// How much longer an "allowed" is used while kube-apiserver gives no answer; 0s is not at all.
    #[arg(
        long,
        env = "CMA_AUTHORIZATION_WEBHOOK_CACHE_OUTAGE_TTL",
        value_name = "DURATION",
        value_parser = duration_up_to(ONE_DAY),
        default_value = "0s"
    )]
    pub authorization_webhook_cache_outage_ttl: SignedDuration,
}

/// What the store keeps.
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "Values")]
pub struct Values {
    /// The ttl of writes that name none; 0s keeps them until they are replaced, deleted, or their object is.
    #[arg(long, env = "CMA_WRITE_TTL", value_name = "DURATION", value_parser = duration_up_to(ALWAYS), default_value = "0s")]
    pub write_ttl: SignedDuration,

    /// Series (metric name and label set of one object) in all; a write past it is answered 507.
    #[arg(long, env = "CMA_MAX_SERIES", value_name = "COUNT", value_parser = count, default_value_t = 1_000_000)]
    pub max_series: usize,

    /// Series of one object, and of the external metrics of one namespace.
    #[arg(long, env = "CMA_MAX_SERIES_PER_OBJECT", value_name = "COUNT", value_parser = count, default_value_t = 10_000)]
    pub max_series_per_object: usize,

    /// What one namespace may take of --max-series, --scrape-max-targets, --scrape-max-series and --scrape-max-bytes, in
    /// percent of each; 100 is all. Cluster-scoped objects count as one namespace.
    #[arg(
        long,
        env = "CMA_NAMESPACE_SHARE",
        value_name = "PERCENT",
        value_parser = clap::value_parser!(u8).range(1..=100),
        default_value_t = 25
    )]
    pub namespace_share: u8,

    /// The part of an object's pods, in percent, that has to have a metric so that the object has one computed from them. Those
    /// count that are running, for two scrape intervals or longer, and not terminating.
    #[arg(
        long,
        env = "CMA_MIN_COVERAGE",
        value_name = "PERCENT",
        value_parser = clap::value_parser!(u8).range(1..=100),
        default_value_t = 90
    )]
    pub min_coverage: u8,

    /// Metrics that discovery lists of each API group; every client of the cluster's discovery downloads that list.
    #[arg(long, env = "CMA_DISCOVERY_MAX_METRICS", value_name = "COUNT", value_parser = count, default_value_t = 1_000)]
    pub discovery_max_metrics: usize,

    /// HPAs that have metrics of their own on /metrics; 0 is none.
    #[arg(long, env = "CMA_HPA_METRICS", value_name = "COUNT", default_value_t = 2_000)]
    pub hpa_metrics: usize,
}

/// Bounds of requests and connections.
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "Requests")]
pub struct Requests {
    /// API requests under way at once; more are answered 429. Probes are exempt.
    #[arg(long, env = "CMA_MAX_REQUESTS_INFLIGHT", value_name = "COUNT", value_parser = count, default_value_t = 400)]
    pub max_requests_inflight: usize,

    /// Writes under way at once, once their bodies are there; more are answered 429.
    #[arg(long, env = "CMA_MAX_WRITES_INFLIGHT", value_name = "COUNT", value_parser = count, default_value_t = 200)]
    pub max_writes_inflight: usize,

    /// Connections open at once, each listener; one more is closed at once.
    #[arg(long, env = "CMA_MAX_CONNECTIONS", value_name = "COUNT", value_parser = count, default_value_t = 4_096)]
    pub max_connections: usize,

    /// Connections open at once from one address, each listener; one more is closed at once. Without it a quarter of
    /// --max-connections.
    #[arg(long, env = "CMA_MAX_CONNECTIONS_PER_CLIENT", value_name = "COUNT", value_parser = count)]
    pub max_connections_per_client: Option<usize>,

    /// How long one request may take; after it the answer is 504.
    #[arg(long, env = "CMA_REQUEST_TIMEOUT", value_name = "DURATION", value_parser = request_timeout, default_value = "60s")]
    pub request_timeout: SignedDuration,
}

/// How the adapter ends.
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "Shutdown")]
pub struct Shutdown {
    /// How long to go on serving, not ready, so that Endpoints are updated before the listeners close.
    #[arg(long, env = "CMA_SHUTDOWN_DELAY", value_name = "DURATION", value_parser = duration_up_to(ONE_HOUR), default_value = "5s")]
    pub shutdown_delay: SignedDuration,

    /// How long requests under way may take to finish then.
    #[arg(long, env = "CMA_SHUTDOWN_GRACE", value_name = "DURATION", value_parser = duration_up_to(ONE_HOUR), default_value = "20s")]
    pub shutdown_grace: SignedDuration,
}

/// Logs.
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "Logs")]
pub struct Log {
    /// How log lines look.
    #[arg(long, env = "CMA_LOG_FORMAT", value_name = "FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,

    /// What is logged: error, warn, info, debug, or a tracing filter; RUST_LOG goes before it.
    #[arg(long, env = "CMA_LOG_LEVEL", value_name = "FILTER", default_value = "info")]
    pub log_level: String,
}

/// How log lines look.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum LogFormat {
    /// One readable line an event.
    Text,
    /// One JSON object a line.
    Json,
}

impl Requests {
    /// Connections from one address: half-way between a proxy that brings everybody and a client that shuts out all
    /// others.
    #[must_use]
    pub fn per_client(&self) -> usize {
        self.max_connections_per_client.unwrap_or_else(|| self.max_connections.div_ceil(4))
    }
}

#[cfg(test)]
mod tests;
