//! From flags to what the scraper needs.

use std::{sync::Arc, time::Duration};

use crate::{
    config::{Compression, Scrape},
    scrape::{self, Across, CredentialOptions, ScrapeOptions},
    telemetry::{metrics::Metrics, traces},
};

/// How long what was read from credential files is used.
const RELOAD: Duration = Duration::from_secs(10);

/// What the scraper reads of a pod's annotations, and the cluster's watch keeps: nothing where nobody scrapes.
pub(super) fn annotation_prefixes(config: &Scrape) -> Vec<String> {
    if config.scrape { read(config).annotation_prefixes() } else { Vec::new() }
}

/// With scrapes counted, and the trace that each belongs to told to the target.
pub(super) fn options(config: &Scrape, metrics: &Metrics) -> ScrapeOptions {
    let metrics = metrics.scrape.clone();
    ScrapeOptions {
        on_scrape: Some(Arc::new(move |finished| metrics.finished(finished))),
        request_headers: Some(Arc::new(traces::inject)),
        ..read(config)
    }
}

fn read(config: &Scrape) -> ScrapeOptions {
    let defaults = ScrapeOptions::default();
    let limits = &config.limits;
    ScrapeOptions {
        annotation_prefix: config.scrape_annotation_prefix.clone(),
        interval: config.scrape_interval.unsigned_abs(),
        strict: config.scrape_strict,
        raw_counters: config.scrape_raw_counters,
        timeout: config.scrape_timeout.min(config.scrape_interval).unsigned_abs(),
        series_limits: scrape::template::SeriesLimits {
            samples: limits.scrape_max_samples,
            ..defaults.series_limits
        },
        body_bytes: limits.scrape_max_body_bytes,
        targets: limits.scrape_max_targets,
        in_flight: limits.scrape_max_inflight,
        compression: compression(limits.scrape_compression),
        credentials: credentials(config),
        across: across(&config.scrape_monitors_across),
        allow_loopback: config.scrape_allow_loopback,
        ..defaults
    }
}

fn credentials(config: &Scrape) -> CredentialOptions {
    let files = &config.credentials;
    CredentialOptions {
        ca_file: files.scrape_ca_file.clone(),
        certificate_file: files.scrape_cert_file.clone(),
        key_file: files.scrape_key_file.clone(),
        server_name: files.scrape_server_name.clone(),
        skip_verify: files.scrape_insecure_skip_verify,
        token_file: files.scrape_bearer_token_file.clone(),
        token_unprotected: files.scrape_token_unprotected,
        reload: RELOAD,
    }
}

fn across(namespaces: &[String]) -> Across {
    match namespaces {
        [] => Across::Nobody,
        names if names.iter().any(|name| name == "*") => Across::All,
        names => Across::Some(names.to_vec()),
    }
}

fn compression(compression: Compression) -> scrape::Compression {
    match compression {
        Compression::Auto => scrape::Compression::Auto,
        Compression::Gzip => scrape::Compression::Gzip,
        Compression::Identity => scrape::Compression::Identity,
    }
}
