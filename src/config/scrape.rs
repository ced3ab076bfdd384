//! The flags of scraping.

use std::path::PathBuf;

use clap::ValueEnum;
use jiff::SignedDuration;

use super::values::{
    ONE_HOUR, annotation_prefix, count, duration_up_to, file, scrape_interval, scrape_timeout, server_name,
};

/// What is scraped, and how.
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "Scraping")]
pub struct Scrape {
    /// Whether annotated pods are scraped.
    #[arg(long, env = "CMA_SCRAPE", value_name = "BOOL", default_value_t = true, action = clap::ArgAction::Set)]
    pub scrape: bool,

    /// What the annotations scrape, port, path and so on start with, without the slash.
    #[arg(
        long,
        env = "CMA_SCRAPE_ANNOTATION_PREFIX",
        value_name = "PREFIX",
        value_parser = annotation_prefix,
        default_value = "prometheus.io"
    )]
    pub scrape_annotation_prefix: String,

    /// Scrape what PodMonitors and ServiceMonitors name as well, where the cluster has such resources.
    #[arg(long, env = "CMA_SCRAPE_MONITORS")]
    pub scrape_monitors: bool,

    /// Namespaces whose monitors may name pods of other namespaces; * is all of them.
    #[arg(long, env = "CMA_SCRAPE_MONITORS_ACROSS", value_name = "NAMESPACES", value_delimiter = ',')]
    pub scrape_monitors_across: Vec<String>,

    /// How often a target is scraped that does not say so itself.
    #[arg(long, env = "CMA_SCRAPE_INTERVAL", value_name = "DURATION", value_parser = scrape_interval, default_value = "15s")]
    pub scrape_interval: SignedDuration,

    /// How long a replica that starts beside another one waits for two scrapes of each target before it is ready; 0s: not
    /// at all.
    #[arg(long, env = "CMA_WAIT_FOR_SCRAPES", value_name = "DURATION", value_parser = duration_up_to(ONE_HOUR), default_value = "45s")]
    pub wait_for_scrapes: SignedDuration,

    /// How long one scrape may take: connection, headers and body together.
    #[arg(long, env = "CMA_SCRAPE_TIMEOUT", value_name = "DURATION", value_parser = scrape_timeout, default_value = "5s")]
    pub scrape_timeout: SignedDuration,

    /// One bad line of a text exposition fails its whole scrape, as in Prometheus; without it the line is skipped.
    #[arg(long, env = "CMA_SCRAPE_STRICT")]
    pub scrape_strict: bool,

    /// A raw counter has a value by its own name, where the pod does not say: a number that only grows.
    #[arg(long, env = "CMA_SCRAPE_RAW_COUNTERS")]
    pub scrape_raw_counters: bool,

    /// What a target and all of them may take.
    #[command(flatten)]
    pub limits: ScrapeLimits,

    /// What https targets and tokens need.
    #[command(flatten)]
    pub credentials: ScrapeCredentials,

    /// Scrape pods on loopback addresses too, as simulated pods have them; no pod of a real cluster does.
    #[arg(long, env = "CMA_SCRAPE_ALLOW_LOOPBACK")]
    pub scrape_allow_loopback: bool,
}

/// Bounds of scraping.
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "Scraping")]
pub struct ScrapeLimits {
    /// Targets in all; over it the newest pods have none.
    #[arg(long, env = "CMA_SCRAPE_MAX_TARGETS", value_name = "COUNT", value_parser = count, default_value_t = 20_000)]
    pub scrape_max_targets: usize,

    /// Samples of one target; a body with more fails.
    #[arg(long, env = "CMA_SCRAPE_MAX_SAMPLES", value_name = "COUNT", value_parser = count, default_value_t = 50_000)]
    pub scrape_max_samples: usize,

    /// Scraped series in all.
    #[arg(long, env = "CMA_SCRAPE_MAX_SERIES", value_name = "COUNT", value_parser = count, default_value_t = 10_000_000)]
    pub scrape_max_series: usize,

    /// Bytes of memory that scraped series may take in all; over it no new target or series fits.
    #[arg(long, env = "CMA_SCRAPE_MAX_BYTES", value_name = "BYTES", value_parser = count, default_value_t = 1 << 30)]
    pub scrape_max_bytes: usize,

    /// Bytes of one body, as they come and unpacked.
    #[arg(long, env = "CMA_SCRAPE_MAX_BODY_BYTES", value_name = "BYTES", value_parser = count, default_value_t = 16 << 20)]
    pub scrape_max_body_bytes: usize,

    /// Scrapes under way at once; others wait.
    #[arg(long, env = "CMA_SCRAPE_MAX_INFLIGHT", value_name = "COUNT", value_parser = count, default_value_t = 128)]
    pub scrape_max_inflight: usize,

    /// Whether bodies are asked for in gzip.
    #[arg(long, env = "CMA_SCRAPE_COMPRESSION", value_name = "WHEN", value_enum, default_value_t = Compression::Auto)]
    pub scrape_compression: Compression,
}

/// Files for https and tokens; read again when they change.
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "Scraping")]
pub struct ScrapeCredentials {
    /// The CAs of https targets, in PEM.
    #[arg(long, env = "CMA_SCRAPE_CA_FILE", value_name = "FILE", value_parser = file)]
    pub scrape_ca_file: Option<PathBuf>,

    /// A client certificate for https targets, in PEM.
    #[arg(long, env = "CMA_SCRAPE_CERT_FILE", value_name = "FILE", value_parser = file, requires = "scrape_key_file")]
    pub scrape_cert_file: Option<PathBuf>,

    /// Its private key.
    #[arg(long, env = "CMA_SCRAPE_KEY_FILE", value_name = "FILE", value_parser = file, requires = "scrape_cert_file")]
    pub scrape_key_file: Option<PathBuf>,

    /// The name that https targets' certificates are for; without it the pod's IP.
    #[arg(long, env = "CMA_SCRAPE_SERVER_NAME", value_name = "NAME", value_parser = server_name)]
    pub scrape_server_name: Option<String>,

    /// Take any certificate of an https target.
    #[arg(long, env = "CMA_SCRAPE_INSECURE_SKIP_VERIFY")]
    pub scrape_insecure_skip_verify: bool,

    /// A bearer token for targets, sent over verified https only.
    #[arg(long, env = "CMA_SCRAPE_BEARER_TOKEN_FILE", value_name = "FILE", value_parser = file)]
    pub scrape_bearer_token_file: Option<PathBuf>,

    /// Send the token over plain http and unverified https as well: to whoever can annotate a pod.
    #[arg(long, env = "CMA_SCRAPE_TOKEN_UNPROTECTED")]
    pub scrape_token_unprotected: bool,
}

/// Whether bodies are asked for in gzip.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Compression {
    /// Where the last body was large.
    Auto,
    /// Always.
    Gzip,
    /// Never.
    Identity,
}
