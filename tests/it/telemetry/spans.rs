//! Spans inside the process: reviews, scrapes, and what they send on.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, http::HeaderMap, routing::get};
use custom_metrics_adapter::{
    api::Limits,
    auth::{
        AccessVerdict, Auth, AuthOptions, AuthSettings, BearerToken, Question, ReviewError, ReviewFailure,
        Reviews, TokenVerdict, Trust, User,
    },
    cluster::Cluster,
    journal::{Journal, JournalFile},
    scrape::ScrapeOptions,
    serve::{self, Listener, ServeOptions},
    store,
    telemetry::traces::{self, Edge},
    write::{self, WriteOptions},
};
use futures::future::{BoxFuture, ready};
use opentelemetry::trace::SpanId;
use opentelemetry_sdk::{
    error::OTelSdkResult,
    trace::{Sampler, SimpleSpanProcessor, SpanData, SpanExporter},
};
use parking_lot::Mutex;
use serde_json::json;
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};
use tracing_subscriber::layer::SubscriberExt;

use crate::{
    scrape::world as scraped,
    support::{fake_kube::FakeKube, pki::Authority, seen, within},
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
    fn record(sampler: Sampler) -> (Self, tracing::subscriber::DefaultGuard) {
        let spans = Self::default();
        let processor = SimpleSpanProcessor::new(spans.clone());
        let provider = traces::provider().with_span_processor(processor).build();
        let subscriber = tracing_subscriber::registry().with(traces::layer(&provider, sampler));
        (spans, tracing::subscriber::set_default(subscriber))
    }

    fn of(&self, name: &str) -> Option<SpanData> {
        self.0.lock().iter().find(|span| span.name == name).cloned()
    }
}

/// A listener that puts spans around its requests.
struct Traced {
    address: SocketAddr,
    client: reqwest::Client,
    _shutdown: DropGuard,
}

impl Traced {
    async fn serve(router: Router) -> Self {
        let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let (address, shutdown) = (listener.local_address(), CancellationToken::new());
        let options = ServeOptions {
            heads: serve::head_budget(),
            tls: None,
            limits: serve::Limits::default(),
            counters: Arc::default(),
            spans: traces::of_requests(Edge::Api),
        };
        tokio::spawn(listener.run(router, options, shutdown.clone()));
        Self {
            address,
            client: reqwest::Client::builder().no_proxy().build().unwrap(),
            _shutdown: shutdown.drop_guard(),
        }
    }

    async fn get(&self, path: &str) -> u16 {
        let url = format!("http://{}{path}", self.address);
        let answer = self.client.get(url).bearer_auth("secret").send();
        within("an answer", answer).await.unwrap().status().as_u16()
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

fn config_map() -> BTreeMap<String, String> {
    BTreeMap::from([("requestheader-client-ca-file".to_owned(), Authority::new("proxy").pem)])
}

fn auth() -> Auth {
    let trust = Trust::parse(&config_map()).unwrap();
    Auth::with_reviews(trust, Arc::new(Outage), AuthSettings::default(), Arc::new(())).unwrap()
}

#[tokio::test]
async fn review_calls_are_children_of_the_request_that_asks() {
    let (spans, _guard) = Spans::record(Sampler::AlwaysOn);
    let store = store::Store::new(store::Limits::default());
    let router = world::api_with(world::World::new(), store, auth(), Limits::default());
    let path = world::path("namespaces/default/pods/web-0/qps");
    assert_eq!(Traced::serve(router).await.get(&path).await, 500);

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
async fn kube_apiserver_is_told_of_the_span_of_a_review() {
    let (spans, _guard) = Spans::record(Sampler::AlwaysOn);
    let kube = FakeKube::start(config_map()).await;
    let options = AuthOptions {
        kube: kube.delegate(),
        settings: AuthSettings::default(),
        load_deadline: Duration::from_secs(5),
        request_headers: Some(Arc::new(traces::inject)),
        observer: Arc::new(()),
        tracker: TaskTracker::new(),
        shutdown: CancellationToken::new(),
    };
    let auth = within("loading the ConfigMap", Auth::delegated(options)).await.unwrap();
    let store = store::Store::new(store::Limits::default());
    let router = world::api_with(world::World::new(), store, auth, Limits::default());
    kube.script(|review| match review["kind"].as_str() {
        Some("TokenReview") => (201, json!({"authenticated": true, "user": {"username": "alice"}})),
        _ => (201, json!({"allowed": false})),
    });
    assert_eq!(Traced::serve(router).await.get(&world::path("namespaces/default/pods/web-0/qps")).await, 403);

    let review = spans.of("POST subjectaccessreviews").unwrap().span_context;
    let told = format!("00-{}-{}-01", review.trace_id(), review.span_id());
    assert_eq!(kube.review_headers()[1]["traceparent"], told);
}

#[tokio::test]
async fn a_request_that_is_not_sampled_leaves_no_span_nor_do_its_reviews() {
    let (spans, _guard) = Spans::record(Sampler::AlwaysOff);
    let store = store::Store::new(store::Limits::default());
    let router = world::api_with(world::World::new(), store, auth(), Limits::default());
    let path = world::path("namespaces/default/pods/web-0/qps");
    assert_eq!(Traced::serve(router).await.get(&path).await, 500, "both reviews were asked for");
    assert_eq!(spans.0.lock().len(), 0);
}

#[tokio::test]
async fn of_requests_that_begin_a_trace_the_samplers_share_is_kept() {
    let (spans, _guard) = Spans::record(Sampler::TraceIdRatioBased(0.25));
    let traced = Traced::serve(Router::new().route("/", get(|| async {}))).await;
    for _ in 0..400 {
        assert_eq!(traced.get("/").await, 200);
    }
    let kept = spans.0.lock().len();
    assert!((40..200).contains(&kept), "{kept} of 400 at one in four");
}

#[tokio::test]
async fn the_wait_for_the_journal_is_a_child_of_the_write() {
    let (spans, _guard) = Spans::record(Sampler::AlwaysOn);
    let folder = tempfile::tempdir().unwrap();
    let store = store::Store::new(store::Limits::default());
    let file = JournalFile::open(folder.path()).unwrap();
    let (journal, worker) = Journal::file(file, store.clone(), CancellationToken::new());
    tokio::spawn(worker);
    let sources = write::Sources { store, journal, cluster: Cluster::standalone() };
    let options =
        WriteOptions { ttl: None, in_flight: 10, deadline: Duration::from_secs(5), self_only: false };
    let router = write::observed(sources, options, Arc::new(()));
    let traced = Traced::serve(router).await;
    let url = format!("http://{}/write-metrics/namespaces/default/pods/web-0/qps", traced.address);
    let answer = within("an answer", traced.client.post(url).body("7").send()).await.unwrap();
    assert_eq!(answer.status(), 200);

    let [request, commit] = ["POST", "journal.commit"].map(|name| spans.of(name).unwrap());
    assert_eq!(commit.parent_span_id, request.span_context.span_id());
    assert_eq!(attributes(&commit)["custom_metrics.operation"], "write");
}

#[tokio::test]
async fn a_scrape_is_a_span_that_its_target_is_told_of() {
    let (spans, _guard) = Spans::record(Sampler::AlwaysOn);
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
