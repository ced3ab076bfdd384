//! What own metrics and traces cost a read, as shares of the CPU time that a server spends on one without them.
//!
//! Servers in one process answer the same reads over the same kind of connection: without telemetry, with traces that
//! are off, with metrics, with metrics and traces of which one in a hundred is sampled. They take turns in short
//! rounds, each is compared with the bare one of its round, and CPU time is counted, not the clock's, so that other
//! load on the machine counts for little. The server with traces off is the bare one again: how far it is from zero is
//! how far the others can be trusted. The threads of the client are left out, and those of the exporter counted.
//!
//! Reads come by TLS and HTTP/2, which is how kube-apiserver makes them, and by plain HTTP/1.1, where a read costs less
//! and telemetry the same.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a bench"
)]

use std::{fs, net::SocketAddr, sync::Arc, thread};

use axum::Router;
use custom_metrics_adapter::{
    api::{Api, Checks, Clues, Limits, RecentReads, Sources, observe::Observer},
    auth::Auth,
    cluster::Cluster,
    model::{GroupResource, Labels, MetricName, ObjectRef, Quantity, Sample, Subject},
    serve::{
        self, ConnectionCounters, Listener, RequestSpans, ServeOptions, ServiceNames, ServingCertificate, Tls,
    },
    store::{self, Store, Write as Value},
    telemetry::{
        metrics::{Limits as Shown, Metrics, ScrapeLimits},
        traces::{self, Edge},
    },
};
use jiff::Timestamp;
use opentelemetry_sdk::{
    error::OTelSdkResult,
    trace::{BatchSpanProcessor, Sampler, SdkTracerProvider, SpanData, SpanExporter},
};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::layer::SubscriberExt;

const ROUNDS: usize = 151;
const READS: usize = 300;
const SAMPLED: f64 = 0.01;
const PODS: usize = 100;

const ONE: &str = "/apis/custom.metrics.k8s.io/v1beta2/namespaces/default/pods/web-0/qps";
const LIST: &str = "/apis/custom.metrics.k8s.io/v1beta2/namespaces/default/pods/*/qps";

/// Takes spans and does nothing with them: what a collector does is not ours to pay.
#[derive(Debug)]
struct Nowhere;

impl SpanExporter for Nowhere {
    async fn export(&self, _: Vec<SpanData>) -> OTelSdkResult {
        Ok(())
    }
}

fn main() {
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    rustls::crypto::aws_lc_rs::default_provider().install_default().unwrap();
    let provider =
        traces::provider().with_span_processor(BatchSpanProcessor::builder(Nowhere).build()).build();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("server")
        .enable_all()
        .build()
        .unwrap();
    let (secure, plain) = runtime.block_on(servers(&provider));
    for (how, servers) in [("TLS and HTTP/2", &secure), ("HTTP/1.1", &plain)] {
        for (what, path, reads) in [("one value", ONE, READS), ("a list of 100 pods", LIST, READS / 5)] {
            let rounds: Vec<[f64; 4]> = (0..ROUNDS).map(|round| costs(servers, round, path, reads)).collect();
            report(&format!("{what} over {how}"), &rounds);
        }
    }
    provider.shutdown().unwrap();
}

/// Microseconds of a read of each server; who begins changes from round to round.
fn costs(servers: &[Door; 4], round: usize, path: &'static str, reads: usize) -> [f64; 4] {
    let mut costs = [0.0; 4];
    for turn in 0..servers.len() {
        let which = (round + turn) % servers.len();
        costs[which] = cost(&servers[which], path, reads);
    }
    costs
}

fn report(what: &str, rounds: &[[f64; 4]]) {
    println!("{what}, CPU of the server, medians of {ROUNDS} rounds:");
    for (which, name) in
        ["without telemetry", "with traces off", "with metrics", "with metrics and 1 % traces"]
            .iter()
            .enumerate()
    {
        let cost = median(rounds.iter().map(|round| round[which]).collect());
        let over = median(rounds.iter().map(|round| 100.0 * (round[which] / round[0] - 1.0)).collect());
        println!("  {name:<28} {cost:7.2} µs {over:+5.1} %");
    }
}

/// A server, and whom its clients trust if it speaks TLS.
#[derive(Clone)]
struct Door {
    address: SocketAddr,
    authority: Option<reqwest::Certificate>,
}

/// By TLS and plain: without telemetry, with traces off, with metrics, with metrics and traces.
async fn servers(provider: &SdkTracerProvider) -> ([Door; 4], [Door; 4]) {
    let scrape = ScrapeLimits { in_flight: 64, targets: 1_000, samples: 1_000, body_bytes: 1 << 20 };
    let metrics = Metrics::new(Shown { api: 400, write: 200, scrape }).unwrap();
    let bare = || api(Arc::new(()));
    let observed = || api(metrics.api.clone());
    let off = traces::of_requests(Edge::Api);
    let sampler = Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(SAMPLED)));
    let subscriber = tracing_subscriber::registry().with(traces::layer(provider, sampler));
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let on = traces::of_requests(Edge::Api);
    let all = [(bare(), None), (bare(), off), (observed(), None), (observed(), on)];
    let files = tempfile::tempdir().unwrap();
    let names = ServiceNames { service: "adapter".into(), namespace: "load".into() };
    let certificate = ServingCertificate::generated(files.path().to_path_buf(), names).await.unwrap();
    let authority = fs::read(files.path().join("ca.crt")).unwrap();
    let authority = reqwest::Certificate::from_pem(&authority).unwrap();
    let (mut secure, mut plain) = (Vec::new(), Vec::new());
    for (router, spans) in all {
        let tls = Tls::new(Arc::clone(&certificate), Auth::disabled()).unwrap();
        let address = serve(router.clone(), Some(tls), spans.clone()).await;
        secure.push(Door { address, authority: Some(authority.clone()) });
        plain.push(Door { address: serve(router, None, spans).await, authority: None });
    }
    (secure.try_into().ok().unwrap(), plain.try_into().ok().unwrap())
}

fn api(observer: Arc<dyn Observer>) -> Router {
    let store = Store::new(store::Limits::default());
    let now = Timestamp::now();
    let metric = MetricName::new("qps").unwrap();
    let value = |pod| Value {
        subject: Subject::Object(ObjectRef {
            resource: GroupResource::pods(),
            namespace: Some("default".into()),
            name: format!("web-{pod}").into(),
        }),
        uid: None,
        metric: metric.clone(),
        labels: Labels::default(),
        sample: Sample { value: Quantity::parse("42").unwrap(), timestamp: now, window_seconds: None },
        ttl: None,
    };
    store.append((0..PODS).map(value).collect(), now).unwrap();
    let (cluster, checks) = (Arc::new(Cluster::standalone()), Checks::new(Vec::new));
    let sources = Sources {
        store,
        cluster,
        auth: Auth::disabled(),
        checks,
        clues: Clues::of_writes_alone(None),
        recent: RecentReads::default(),
    };
    Api::observed(sources, Limits::default(), observer).router()
}

async fn serve(router: Router, tls: Option<Tls>, spans: Option<Arc<dyn RequestSpans>>) -> SocketAddr {
    let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.local_address();
    let counters = Arc::new(ConnectionCounters::default());
    let options =
        ServeOptions { tls, limits: serve::Limits::default(), heads: serve::head_budget(), counters, spans };
    tokio::spawn(listener.run(router, options, CancellationToken::new()));
    address
}

/// Microseconds of the server's CPU time for one read, the first one and the handshake left out.
fn cost(door: &Door, path: &'static str, reads: usize) -> f64 {
    let door = door.clone();
    let client = thread::Builder::new().name(CLIENT.to_owned());
    client.spawn(move || read(&door, path, reads)).unwrap().join().unwrap() / 1_000.0 / reads as f64
}

fn read(door: &Door, path: &str, reads: usize) -> f64 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let builder = reqwest::Client::builder().no_proxy().resolve("localhost", door.address);
        let (scheme, builder) = match &door.authority {
            Some(authority) => ("https", builder.tls_certs_only([authority.clone()])),
            None => ("http", builder),
        };
        let client = builder.build().unwrap();
        let url = format!("{scheme}://localhost:{}{path}", door.address.port());
        once(&client, &url).await;
        let before = server_nanoseconds();
        for _ in 0..reads {
            once(&client, &url).await;
        }
        server_nanoseconds() - before
    })
}

async fn once(client: &reqwest::Client, url: &str) {
    let answer = client.get(url).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(answer.bytes().await.unwrap().ends_with(b"}\n"));
}

/// CPU time of all threads but the client's and the main one, which waits.
fn server_nanoseconds() -> f64 {
    let threads = fs::read_dir("/proc/self/task").unwrap().flatten();
    let of = |thread: fs::DirEntry| {
        let name = fs::read_to_string(thread.path().join("comm")).ok()?;
        let is_ours = name.trim() != CLIENT && thread.file_name() != std::process::id().to_string().as_str();
        let schedstat = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        schedstat.split_whitespace().next()?.parse::<f64>().ok().filter(|_| is_ours)
    };
    threads.filter_map(of).sum()
}

fn median(mut costs: Vec<f64>) -> f64 {
    costs.sort_by(f64::total_cmp);
    costs[costs.len() / 2]
}

const CLIENT: &str = "client";
