//! Spans to an OTLP collector, over HTTP with protobuf or over gRPC, by the standard environment variables.
//!
//! Traces are on when `OTEL_TRACES_EXPORTER` is `otlp`, or when it is not set and an endpoint is
//! (`OTEL_EXPORTER_OTLP_ENDPOINT`, `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`). Off, there is no layer, no thread and no
//! span. Endpoint, headers, timeouts, `OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES` and
//! `OTEL_BSP_*` are read by the SDK as its specification says; the sampler is asked by us (`sampling.rs`).
//!
//! A span ends in a bounded queue of a thread of its own: a collector that is slow or away costs spans, never time.

use std::{borrow::Cow, sync::Arc, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use opentelemetry::{
    Context,
    propagation::{Extractor, Injector, TextMapPropagator},
    trace::{SpanId, TraceContextExt, TraceId, TracerProvider},
};
use opentelemetry_otlp::Protocol;
use opentelemetry_sdk::{
    Resource,
    propagation::TraceContextPropagator,
    trace::{BatchSpanProcessor, Sampler, SdkTracerProvider, TracerProviderBuilder},
};
use tracing::{Metadata, Span, Subscriber, dispatcher, field::Empty};
use tracing_subscriber::{Layer, filter::filter_fn, registry::LookupSpan};

use super::{
    exporter::{ENDPOINTS, Reported},
    sampling::{DrawnIds, Sampling},
};
use crate::serve::RequestSpans;

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

impl TracesError {
    pub(super) fn unsupported(variable: &'static str, value: &str, supported: &'static str) -> Self {
        Self::Variable { variable, value: value.to_owned(), supported }
    }
}

/// Traces that are on.
pub(super) struct Traces {
    provider: SdkTracerProvider,
    sampling: Sampling,
}

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
    let Some(protocol) = wanted(&environment)? else { return Ok(None) };
    let sampling = Sampling::of(&environment)?;
    // An https endpoint needs it; fails when there is one already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let processor = BatchSpanProcessor::builder(Reported::new(protocol, &environment)?).build();
    let mut resource = Resource::builder();
    if environment("OTEL_SERVICE_NAME").is_none() {
        resource = resource.with_service_name(SERVICE);
    }
    let provider = provider().with_span_processor(processor).with_resource(resource.build()).build();
    Ok(Some(Traces { provider, sampling }))
}

fn wanted(environment: &impl Fn(&str) -> Option<String>) -> Result<Option<Protocol>, TracesError> {
    let set = |name: &str| environment(name).filter(|value| !value.is_empty());
    if set("OTEL_SDK_DISABLED").is_some_and(|disabled| disabled.eq_ignore_ascii_case("true")) {
        return Ok(None);
    }
    let wanted = match set("OTEL_TRACES_EXPORTER").as_deref() {
        Some("none") => false,
        Some("otlp") => true,
        None => ENDPOINTS.iter().any(|name| set(name).is_some()),
        Some(other) => {
            return Err(TracesError::unsupported("OTEL_TRACES_EXPORTER", other, "otlp and none are"));
        }
    };
    let protocol = PROTOCOLS.iter().find_map(|name| Some((*name, set(name)?)));
    match protocol.as_ref().map(|(name, value)| (*name, value.as_str())) {
        _ if !wanted => Ok(None),
        None | Some((_, "http/protobuf")) => Ok(Some(Protocol::HttpBinary)),
        Some((_, "grpc")) => Ok(Some(Protocol::Grpc)),
        Some((name, value)) => Err(TracesError::unsupported(name, value, "http/protobuf and grpc are")),
    }
}

impl Traces {
    /// The layer for the subscriber, and what is to be kept until the end.
    pub(super) fn split<S>(self) -> (Box<dyn Layer<S> + Send + Sync>, Exporting)
    where
        S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
    {
        (layer(&self.provider, self.sampling.0), Exporting(self.provider))
    }
}

/// A provider that keeps every span that comes through [`layer`].
#[must_use]
pub fn provider() -> TracerProviderBuilder {
    SdkTracerProvider::builder().with_sampler(Sampler::AlwaysOn).with_id_generator(DrawnIds::default())
}

/// Our own spans become spans of `provider` if `sampler` samples their trace. Events stay what they are, log lines.
/// It has to be the outermost layer: what it does not sample is no span for the others either.
pub fn layer<S>(provider: &SdkTracerProvider, sampler: Sampler) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
{
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer(SERVICE));
    let layer = layer.with_location(false).with_threads(false).with_target(false);
    layer.with_filter(filter_fn(is_span)).and_then(Sampling(sampler)).boxed()
}

fn is_span(metadata: &Metadata<'_>) -> bool {
    metadata.is_span()
}

impl Exporting {
    /// Exports what is left, and waits for it a few seconds at most.
    pub(super) fn flush(&self) {
        if let Err(error) = self.0.shutdown_with_timeout(FLUSH) {
            tracing::warn!(%error, "not all traces were exported");
        }
    }
}

/// What puts a span around each request that is sampled, a child of the span that the request names (W3C Trace
/// Context); nothing without traces.
#[must_use]
pub fn of_requests(edge: Edge) -> Option<Arc<dyn RequestSpans>> {
    let sampling = dispatcher::get_default(|dispatch| dispatch.downcast_ref::<Sampling>().cloned())?;
    Some(Arc::new(SampledRequests { edge, sampling }))
}

/// Asks the sampler itself: the macro would go through dispatcher and layers to find out the same.
struct SampledRequests {
    edge: Edge,
    sampling: Sampling,
}

impl RequestSpans for SampledRequests {
    /// A server span by the semantic conventions of HTTP; what only the module knows is recorded by its observer.
    fn begin(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Span {
        let caller = caller(headers);
        if !self.sampling.begins(caller.as_ref()) {
            return Span::none();
        }
        let _caller = caller.map(Context::attach);
        tracing::info_span!(
            "request",
            otel.name = method.as_str(),
            otel.kind = "server",
            otel.status_code = Empty,
            error.type = Empty,
            http.request.method = method.as_str(),
            http.route = Empty,
            http.response.status_code = Empty,
            url.path = uri.path(),
            url.query = uri.query(),
            url.scheme = self.edge.scheme(),
            user_agent.original = user_agent(headers),
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

    fn end(&self, span: &Span, status: StatusCode) {
        span.record("http.response.status_code", i64::from(status.as_u16()));
        if status.is_server_error() {
            span.record("otel.status_code", "ERROR");
            span.record("error.type", status.as_str());
        }
    }
}

impl Edge {
    fn scheme(self) -> &'static str {
        match self {
            Self::Api => "https",
            Self::Write => "http",
        }
    }
}

/// The span that the request names, as the context of what it asks for.
fn caller(headers: &HeaderMap) -> Option<Context> {
    let extract = || TraceContextPropagator::new().extract_with_context(&Context::new(), &Carrier(headers));
    headers.contains_key(TRACEPARENT).then(extract)
}

fn user_agent(headers: &HeaderMap) -> Option<&str> {
    headers.get(http::header::USER_AGENT)?.to_str().ok()
}

/// Runs `tell` with the current span if it is traced; asks a thread-local and no dispatcher whether it is.
pub(super) fn tell(tell: impl FnOnce(&Span)) {
    if Context::map_current(Context::has_active_span) {
        tell(&Span::current());
    }
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

const TRACEPARENT: &str = "traceparent";

const PROTOCOLS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"];

/// How long the end may take.
const FLUSH: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted_with(variables: &[(&str, &str)]) -> Result<Option<Protocol>, String> {
        let environment = |name: &str| {
            variables.iter().find(|(variable, _)| *variable == name).map(|(_, value)| (*value).to_owned())
        };
        wanted(&environment).map_err(|error| error.to_string())
    }

    #[test]
    fn traces_are_off_unless_the_environment_asks_for_them() {
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318");
        for (variables, on) in [
            (&[][..], None),
            (&[("OTEL_EXPORTER_OTLP_ENDPOINT", "")], None),
            (&[("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")], None),
            (&[endpoint], Some(Protocol::HttpBinary)),
            (
                &[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://127.0.0.1:4318/v1/traces")],
                Some(Protocol::HttpBinary),
            ),
            (&[endpoint, ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")], Some(Protocol::HttpBinary)),
            (&[endpoint, ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")], Some(Protocol::Grpc)),
            (
                &[
                    endpoint,
                    ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "grpc"),
                    ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
                ],
                Some(Protocol::Grpc),
            ),
            (&[("OTEL_TRACES_EXPORTER", "otlp")], Some(Protocol::HttpBinary)),
            (&[endpoint, ("OTEL_TRACES_EXPORTER", "none")], None),
            (&[endpoint, ("OTEL_SDK_DISABLED", "TRUE")], None),
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
