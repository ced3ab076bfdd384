//! Spans to an OTLP collector, over HTTP with protobuf, by the standard environment variables.
//!
//! Traces are on when `OTEL_TRACES_EXPORTER` is `otlp`, or when it is not set and an endpoint is
//! (`OTEL_EXPORTER_OTLP_ENDPOINT`, `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`). Off, there is no layer, no thread and no
//! span. Endpoint, headers, timeouts, batch sizes, `OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES`,
//! `OTEL_TRACES_SAMPLER` and its argument are read by the SDK as its specification says.
//!
//! A span ends in a bounded queue of a thread of its own: a collector that is slow or away costs spans, never time.

use std::{
    borrow::Cow,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use axum::{Router, extract::Request, middleware::Next, response::Response};
use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::{
    Context,
    propagation::{Extractor, Injector, TextMapPropagator},
    trace::{SpanId, TraceContextExt, TraceId, TracerProvider},
};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    propagation::TraceContextPropagator,
    trace::{BatchSpanProcessor, SdkTracerProvider, SpanData, SpanExporter as Exporter},
};
use tracing::{Instrument, Span, Subscriber, field::Empty};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::{Layer, filter::filter_fn, registry::LookupSpan};

/// Why traces cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum TracesError {
    /// A value of a variable that we cannot follow.
    #[error("{variable}={value:?} is not supported: {supported}")]
    Variable {
        /// The variable's name.
        variable: &'static str,
        /// Its value.
        value: String,
        /// What is.
        supported: &'static str,
    },
    /// Endpoint, headers or the like.
    #[error("the exporter of traces cannot be built")]
    Exporter(#[from] opentelemetry_otlp::ExporterBuildError),
}

/// Traces that are on.
pub(super) struct Traces(SdkTracerProvider);

/// What has to be flushed at the end.
pub(super) struct Exporting(SdkTracerProvider);

/// Where a request came in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Edge {
    /// The secure port.
    Api,
    /// The write port.
    Write,
}

/// Starts what `environment` asks for; `None` when it asks for nothing.
pub(super) fn start(environment: impl Fn(&str) -> Option<String>) -> Result<Option<Traces>, TracesError> {
    if !wanted(&environment)? {
        return Ok(None);
    }
    // An https endpoint needs it; fails when there is one already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let exporter = SpanExporter::builder().with_http().with_protocol(Protocol::HttpBinary).build()?;
    let processor =
        BatchSpanProcessor::builder(Reported { exporter, failing: AtomicBool::new(false) }).build();
    let mut resource = Resource::builder();
    if environment("OTEL_SERVICE_NAME").is_none() {
        resource = resource.with_service_name(SERVICE);
    }
    let provider =
        SdkTracerProvider::builder().with_span_processor(processor).with_resource(resource.build()).build();
    Ok(Some(Traces(provider)))
}

fn wanted(environment: &impl Fn(&str) -> Option<String>) -> Result<bool, TracesError> {
    let set = |name: &str| environment(name).filter(|value| !value.is_empty());
    if set("OTEL_SDK_DISABLED").is_some_and(|disabled| disabled.eq_ignore_ascii_case("true")) {
        return Ok(false);
    }
    let wanted = match set("OTEL_TRACES_EXPORTER").as_deref() {
        Some("none") => false,
        Some("otlp") => true,
        None => ENDPOINTS.iter().any(|name| set(name).is_some()),
        Some(other) => {
            return Err(unsupported("OTEL_TRACES_EXPORTER", other, "otlp and none are"));
        }
    };
    let protocol = PROTOCOLS.iter().find_map(|name| Some((*name, set(name)?)));
    match protocol {
        Some((name, value)) if wanted && value != "http/protobuf" => {
            Err(unsupported(name, &value, "http/protobuf is"))
        }
        _ => Ok(wanted),
    }
}

fn unsupported(variable: &'static str, value: &str, supported: &'static str) -> TracesError {
    TracesError::Variable { variable, value: value.to_owned(), supported }
}

impl Traces {
    /// The layer for the subscriber, and what is to be kept until the end.
    pub(super) fn split<S>(self) -> (Box<dyn Layer<S> + Send + Sync>, Exporting)
    where
        S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
    {
        (layer(&self.0), Exporting(self.0))
    }
}

/// Our own spans become spans of `provider`. Events stay what they are, log lines.
pub fn layer<S>(provider: &SdkTracerProvider) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
{
    let ours = filter_fn(|metadata| {
        metadata.is_span()
            && *metadata.level() <= tracing::Level::INFO
            && metadata.target().starts_with(env!("CARGO_CRATE_NAME"))
    });
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer(SERVICE));
    layer.with_location(false).with_threads(false).with_target(false).with_filter(ours).boxed()
}

impl Exporting {
    /// Exports what is left, and waits for it a few seconds at most.
    pub(super) fn flush(&self) {
        if let Err(error) = self.0.shutdown_with_timeout(FLUSH) {
            tracing::warn!(%error, "not all traces were exported");
        }
    }
}

/// `router` with a span around each request, a child of the span that the request names (W3C Trace Context). Without
/// traces it is `router` itself.
pub fn traced(router: Router, edge: Edge) -> Router {
    if !tracing::span_enabled!(tracing::Level::INFO) {
        return router;
    }
    router.layer(axum::middleware::from_fn(move |request: Request, next: Next| {
        request_span(edge, request, next)
    }))
}

async fn request_span(edge: Edge, request: Request, next: Next) -> Response {
    let span = begin(edge, &request);
    let parent =
        TraceContextPropagator::new().extract_with_context(&Context::new(), &Carrier(request.headers()));
    // Fails for a span that is not traced, which needs no parent.
    let _ = span.set_parent(parent);
    async move {
        let response = next.run(request).await;
        let status = response.status();
        let span = Span::current();
        span.record("http.response.status_code", i64::from(status.as_u16()));
        if status.is_server_error() {
            span.record("otel.status_code", "ERROR");
            span.record("error.type", status.as_str());
        }
        response
    }
    .instrument(span)
    .await
}

/// A server span by the semantic conventions of HTTP; what only the module knows is recorded by its observer.
fn begin(edge: Edge, request: &Request) -> Span {
    let agent = request.headers().get(http::header::USER_AGENT).and_then(|agent| agent.to_str().ok());
    let scheme = match edge {
        Edge::Api => "https",
        Edge::Write => "http",
    };
    tracing::info_span!(
        "request",
        otel.name = request.method().as_str(),
        otel.kind = "server",
        otel.status_code = Empty,
        error.type = Empty,
        http.request.method = request.method().as_str(),
        http.route = Empty,
        http.response.status_code = Empty,
        url.path = request.uri().path(),
        url.query = request.uri().query(),
        url.scheme = scheme,
        user_agent.original = agent,
        k8s.namespace.name = Empty,
        custom_metrics.verb = Empty,
        custom_metrics.group_version = Empty,
        custom_metrics.resource = Empty,
        custom_metrics.metric = Empty,
        custom_metrics.objects = Empty,
        custom_metrics.absence = Empty,
        custom_metrics.samples = Empty,
        custom_metrics.rejection = Empty,
    )
}

/// Names the current span; the layer follows `otel.name` only until a span is entered.
pub(super) fn rename(name: impl Into<Cow<'static, str>>) {
    Context::map_current(|context| context.span().update_name(name));
}

/// Adds the current span to the headers of a request that goes out, if it is traced.
pub fn inject(headers: &mut HeaderMap) {
    if current().is_some() {
        TraceContextPropagator::new().inject_context(&Context::current(), &mut CarrierMut(headers));
    }
}

/// Trace and span of the code that runs, if it is traced.
#[must_use]
pub fn current() -> Option<(TraceId, SpanId)> {
    Context::map_current(|context| {
        let span = context.span();
        let ids = span.span_context();
        ids.is_valid().then(|| (ids.trace_id(), ids.span_id()))
    })
}

/// Says when exports begin to fail and when they are good again; the SDK says nothing, or the same every few seconds.
#[derive(Debug)]
struct Reported<E> {
    exporter: E,
    failing: AtomicBool,
}

impl<E: Exporter> Exporter for Reported<E> {
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

struct Carrier<'a>(&'a HeaderMap);

impl Extractor for Carrier<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}

struct CarrierMut<'a>(&'a mut HeaderMap);

impl Injector for CarrierMut<'_> {
    fn set(&mut self, key: &str, value: String) {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(key), HeaderValue::try_from(value)) {
            self.0.insert(name, value);
        }
    }
}

/// What the adapter is called in traces, unless `OTEL_SERVICE_NAME` says otherwise.
const SERVICE: &str = "custom-metrics-adapter";

const ENDPOINTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];
const PROTOCOLS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"];

/// How long the end may take.
const FLUSH: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted_with(variables: &[(&str, &str)]) -> Result<bool, String> {
        let environment = |name: &str| {
            variables.iter().find(|(variable, _)| *variable == name).map(|(_, value)| (*value).to_owned())
        };
        wanted(&environment).map_err(|error| error.to_string())
    }

    #[test]
    fn traces_are_off_unless_the_environment_asks_for_them() {
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318");
        for (variables, on) in [
            (&[][..], false),
            (&[("OTEL_EXPORTER_OTLP_ENDPOINT", "")], false),
            (&[("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")], false),
            (&[endpoint], true),
            (&[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://127.0.0.1:4318/v1/traces")], true),
            (&[("OTEL_TRACES_EXPORTER", "otlp")], true),
            (&[endpoint, ("OTEL_TRACES_EXPORTER", "none")], false),
            (&[endpoint, ("OTEL_SDK_DISABLED", "TRUE")], false),
        ] {
            assert_eq!(wanted_with(variables), Ok(on), "{variables:?}");
        }
    }

    #[test]
    fn an_exporter_that_is_not_there_is_named() {
        let error = wanted_with(&[("OTEL_TRACES_EXPORTER", "zipkin")]).unwrap_err();
        assert_eq!(error, "OTEL_TRACES_EXPORTER=\"zipkin\" is not supported: otlp and none are");
    }
}
