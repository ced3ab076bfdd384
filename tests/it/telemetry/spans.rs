//! Spans inside the process: reviews, scrapes, and what they send on.

use std::{collections::BTreeMap, sync::Arc};

use axum::{Router, body::Body, http::HeaderMap, routing::get};
use custom_metrics_adapter::{
    api::Limits,
    auth::{
        AccessVerdict, Auth, AuthSettings, BearerToken, Question, ReviewError, ReviewFailure, Reviews,
        TokenVerdict, Trust, User,
    },
    scrape::ScrapeOptions,
    store,
    telemetry::traces::{self, Edge},
};
use futures::future::{BoxFuture, ready};
use http::Request;
use opentelemetry::trace::SpanId;
use opentelemetry_sdk::{
    error::OTelSdkResult,
    trace::{SdkTracerProvider, SimpleSpanProcessor, SpanData, SpanExporter},
};
use parking_lot::Mutex;
use tower::ServiceExt;
use tracing_subscriber::layer::SubscriberExt;

use crate::{
    scrape::world as scraped,
    support::{pki::Authority, seen},
    world,
};

/// Keeps the spans of this thread.
#[derive(Clone, Default, Debug)]
struct Spans(Arc<Mutex<Vec<SpanData>>>);

impl SpanExporter for Spans {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.0.lock().extend(batch);
        Ok(())
    }
}

impl Spans {
    /// From now on, until the guard goes.
    fn record() -> (Self, tracing::subscriber::DefaultGuard) {
        let spans = Self::default();
        let processor = SimpleSpanProcessor::new(spans.clone());
        let provider = SdkTracerProvider::builder().with_span_processor(processor).build();
        let subscriber = tracing_subscriber::registry().with(traces::layer(&provider));
        (spans, tracing::subscriber::set_default(subscriber))
    }

    fn of(&self, name: &str) -> Option<SpanData> {
        self.0.lock().iter().find(|span| span.name == name).cloned()
    }
}

fn attributes(span: &SpanData) -> BTreeMap<String, String> {
    span.attributes.iter().map(|pair| (pair.key.to_string(), pair.value.to_string())).collect()
}

/// Knows one token, and lets nobody do anything for want of an answer.
struct Outage;

impl Reviews for Outage {
    fn token(&self, _: BearerToken) -> BoxFuture<'static, Result<TokenVerdict, ReviewError>> {
        let user = User { name: "alice".to_owned(), ..User::anonymous() };
        Box::pin(ready(Ok(TokenVerdict::Authenticated(user))))
    }

    fn access(&self, _: Arc<Question>) -> BoxFuture<'static, Result<AccessVerdict, ReviewError>> {
        let failure = ReviewFailure::Unavailable;
        Box::pin(ready(Err(ReviewError { message: "overloaded".to_owned(), failure })))
    }
}

fn auth() -> Auth {
    let data = BTreeMap::from([("requestheader-client-ca-file".to_owned(), Authority::new("proxy").pem)]);
    let trust = Trust::parse(&data).unwrap();
    Auth::with_reviews(trust, Arc::new(Outage), AuthSettings::default(), Arc::new(())).unwrap()
}

#[tokio::test]
async fn review_calls_are_children_of_the_request_that_asks() {
    let (spans, _guard) = Spans::record();
    let store = store::Store::new(store::Limits::default());
    let router = world::api_with(world::World::new(), store, auth(), Limits::default());
    let path = world::path("namespaces/default/pods/web-0/qps");
    let request = Request::get(&path).header("authorization", "Bearer secret").body(Body::empty()).unwrap();
    let answer = traces::traced(router, Edge::Api).oneshot(request).await.unwrap();
    assert_eq!(answer.status(), 500);

    let [request, token, access] =
        ["GET", "POST tokenreviews", "POST subjectaccessreviews"].map(|name| spans.of(name).unwrap());
    assert_eq!(request.parent_span_id, SpanId::INVALID);
    assert_eq!(attributes(&request)["http.response.status_code"], "500");
    assert_eq!(attributes(&request)["error.type"], "500");
    assert_eq!(token.parent_span_id, request.span_context.span_id());
    assert_eq!(access.parent_span_id, request.span_context.span_id());
    assert_eq!(attributes(&access)["error.type"], "unavailable");
    assert!(!format!("{:?}", spans.0.lock()).contains("secret"), "no token is in a span");
}

#[tokio::test]
async fn a_scrape_is_a_span_that_its_target_is_told_of() {
    let (spans, _guard) = Spans::record();
    let told: Arc<Mutex<Vec<String>>> = Arc::default();
    let kept = told.clone();
    let target = get(move |headers: HeaderMap| async move {
        let parent = headers.get("traceparent").map(|parent| parent.to_str().unwrap().to_owned());
        kept.lock().extend(parent);
        "qps 1\nbusy 0.5\n"
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/metrics", target)).await });
    let options = ScrapeOptions { request_headers: Some(Arc::new(traces::inject)), ..scraped::options() };
    let world = scraped::World::start(options);
    world.add(scraped::pod("web-0", address, &[]));

    let scrape = seen("a scrape has ended", || spans.of("GET")).await;
    let attributes = attributes(&scrape);
    assert_eq!(attributes["url.full"], format!("http://{address}/metrics"));
    assert_eq!(attributes["k8s.pod.name"], "web-0");
    assert_eq!(attributes["http.response.status_code"], "200");
    assert_eq!(attributes["custom_metrics.samples"], "2");
    let context = &scrape.span_context;
    let parent = format!("00-{}-{}-01", context.trace_id(), context.span_id());
    assert!(told.lock().contains(&parent), "{parent} is not among {:?}", told.lock());
}
