//! What sends spans to a collector: OTLP over HTTP with protobuf, or over gRPC.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use opentelemetry_otlp::{
    ExporterBuildError, Protocol, SpanExporter, WithExportConfig, WithTonicConfig,
    tonic_types::transport::ClientTlsConfig,
};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{SpanData, SpanExporter as Exporter},
};

/// Tells the log when exports begin to fail and when they are good again, not each time.
#[derive(Debug)]
pub(super) struct Reported {
    exporter: SpanExporter,
    failing: AtomicBool,
}

impl Reported {
    /// gRPC has to be built inside of the runtime: its connection is a task there.
    pub(super) fn new(
        protocol: Protocol,
        environment: &impl Fn(&str) -> Option<String>,
    ) -> Result<Self, ExporterBuildError> {
        let exporter = match protocol {
            Protocol::Grpc if is_plain(environment) => SpanExporter::builder().with_tonic().build()?,
            Protocol::Grpc => {
                let tls = ClientTlsConfig::new().with_enabled_roots();
                SpanExporter::builder().with_tonic().with_tls_config(tls).build()?
            }
            _ => SpanExporter::builder().with_http().with_protocol(protocol).build()?,
        };
        Ok(Self { exporter, failing: AtomicBool::new(false) })
    }
}

/// Whether gRPC goes without TLS: by the scheme, or by `…_INSECURE` where there is none.
fn is_plain(environment: &impl Fn(&str) -> Option<String>) -> bool {
    let set =
        |names: [&str; 2]| names.iter().find_map(|name| environment(name).filter(|value| !value.is_empty()));
    let insecure = || set(INSECURE).is_some_and(|value| value.eq_ignore_ascii_case("true"));
    set(ENDPOINTS).is_none_or(|endpoint| match endpoint.split_once("://") {
        Some((scheme, _)) => !scheme.eq_ignore_ascii_case("https"),
        None => insecure(),
    })
}

impl Exporter for Reported {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        let result = self.exporter.export(batch).await;
        match (&result, self.failing.swap(result.is_err(), Ordering::Relaxed)) {
            (Err(error), false) => tracing::warn!(%error, spans, "traces cannot be exported"),
            (Ok(()), true) => tracing::info!("traces are exported again"),
            _ => {}
        }
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

/// Where the collector is; what is for traces alone goes first.
pub(super) const ENDPOINTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];
const INSECURE: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_INSECURE", "OTEL_EXPORTER_OTLP_INSECURE"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grpc_has_tls_unless_scheme_or_environment_say_otherwise() {
        for (endpoint, insecure, plain) in [
            ("", "", true),
            ("http://collector:4317", "", true),
            ("https://collector:4317", "true", false),
            ("collector:4317", "", false),
            ("collector:4317", "true", true),
        ] {
            let environment = |name: &str| match name {
                "OTEL_EXPORTER_OTLP_ENDPOINT" => Some(endpoint.to_owned()),
                "OTEL_EXPORTER_OTLP_INSECURE" => Some(insecure.to_owned()),
                _ => None,
            };
            assert_eq!(is_plain(&environment), plain, "{endpoint} {insecure}");
        }
    }
}
