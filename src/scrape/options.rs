//! How scraping is set up.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use http::HeaderMap;

use super::{monitors::Across, stats::Finished, template::SeriesLimits};
use crate::store::Percent;

/// Called after each scrape, in the target's task: it has to be quick.
pub type OnScrape = Arc<dyn Fn(&Finished) + Send + Sync>;

/// Adds headers to each request, such as the trace context of the current span.
pub type RequestHeaders = Arc<dyn Fn(&mut HeaderMap) + Send + Sync>;

/// What [`Scraper::start`](super::Scraper::start) needs to know.
#[derive(Clone)]
pub struct ScrapeOptions {
    /// What the pod annotations `…/scrape`, `…/port` and so on start with; without the slash.
    pub annotation_prefix: String,
    /// How often a target is scraped that does not say so itself.
    pub interval: Duration,
    /// How long connecting by TCP may take, within `timeout`: a pod that is there answers at once, and one whose node is
    /// gone never does.
    pub connect_timeout: Duration,
    /// How long connecting, headers and body may take together. Should not be longer than the interval: whoever
    /// reads it from a user sees to that.
    pub timeout: Duration,
    /// Whether one bad line fails a body, where the pod's annotation does not say.
    pub strict: bool,
    /// Whether a counter has a value by its own name, where the pod's annotation does not say.
    pub raw_counters: bool,
    /// What a body may hold.
    pub series_limits: SeriesLimits,
    /// Bytes of a body, on the wire and unpacked.
    pub body_bytes: usize,
    /// Targets in all; over it the newest pods have none.
    pub targets: usize,
    /// What one namespace may have of them.
    pub share: Percent,
    /// Scrapes of good targets under way at once; others wait. Of new targets there may be half as many besides, and
    /// of failing ones too.
    pub in_flight: usize,
    /// Whether good, new and failing targets wait apart, and failing ones rest. Off is for measuring what it is worth.
    pub apart: bool,
    /// Bodies over 256 KiB that are in memory at once; others wait, within their timeouts. With `in_flight` and
    /// `body_bytes` it bounds what hostile targets can make scrapes hold.
    pub large_bodies: usize,
    /// Bodies that are unpacked and parsed at once: a small one may unpack to the largest, so that memory, and not the
    /// cores of a node, says how many.
    pub parsing: usize,
    /// Whether bodies are asked for in gzip.
    pub compression: Compression,
    /// What https and bearer tokens need.
    pub credentials: CredentialOptions,
    /// The namespaces whose monitors may name pods of others.
    pub across: Across,
    /// Whether pods may be scraped on loopback addresses, which no pod of a real cluster has.
    pub allow_loopback: bool,
    /// Addresses that are never scraped whatever a pod's status says, such as that of kube-apiserver.
    pub refused_addresses: Vec<SocketAddr>,
    /// Moves the moments of all scrapes; the same for all replicas of the adapter, or different if they should not
    /// scrape at the same moments.
    pub seed: u64,
    /// Told of each scrape.
    pub on_scrape: Option<OnScrape>,
    /// Adds headers to each request.
    pub request_headers: Option<RequestHeaders>,
}

/// Whether bodies are asked for in gzip. Unpacking costs several times what reading an unpacked body does, and the
/// network between pods is rarely short.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Compression {
    /// Where the last body was large.
    #[default]
    Auto,
    /// Always.
    Gzip,
    /// Never.
    Identity,
}

/// Files and rules for https and tokens. All files are looked at again every [`CredentialOptions::reload`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CredentialOptions {
    /// The CAs that a target's certificate may come from, in PEM. Without it no https target can be verified.
    pub ca_file: Option<PathBuf>,
    /// Our client certificate, in PEM; with `key_file`.
    pub certificate_file: Option<PathBuf>,
    /// Its key.
    pub key_file: Option<PathBuf>,
    /// The name that certificates have to be for; without it the pod's IP.
    pub server_name: Option<String>,
    /// Whether any certificate is taken.
    pub skip_verify: bool,
    /// A bearer token for the requests.
    pub token_file: Option<PathBuf>,
    /// Whether the token is also sent over plain http and to targets whose certificate is not verified: to whoever
    /// can annotate a pod, then.
    pub token_unprotected: bool,
    /// How old what was read from the files may be.
    pub reload: Duration,
}

impl Default for ScrapeOptions {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            annotation_prefix: "prometheus.io".into(),
            interval: Duration::from_secs(15),
            connect_timeout: Duration::from_secs(1),
            timeout: Duration::from_secs(5),
            strict: false,
            raw_counters: false,
            series_limits: SeriesLimits::default(),
            body_bytes: 16 << 20,
            targets: 20_000,
            share: Percent::WHOLE,
            in_flight: 64 * cores,
            apart: true,
            large_bodies: 8,
            parsing: cores.min(4),
            compression: Compression::default(),
            credentials: CredentialOptions::default(),
            across: Across::default(),
            allow_loopback: false,
            refused_addresses: Vec::new(),
            seed: 0,
            on_scrape: None,
            request_headers: None,
        }
    }
}

impl Default for CredentialOptions {
    fn default() -> Self {
        Self {
            ca_file: None,
            certificate_file: None,
            key_file: None,
            server_name: None,
            skip_verify: false,
            token_file: None,
            token_unprotected: false,
            reload: Duration::from_secs(10),
        }
    }
}

impl ScrapeOptions {
    /// What the annotations start with that [`annotations`](super::annotations) reads: what the cluster's watch has to
    /// keep of a pod's.
    #[must_use]
    pub fn annotation_prefixes(&self) -> Vec<String> {
        vec![format!("{}/", self.annotation_prefix), super::annotations::OWN_PREFIX.to_owned()]
    }
}
