//! What own metrics and traces cost a read, as shares of the CPU time that a server spends on one without them.
//!
//! Three servers in one process answer the same read over the same kind of connection: without telemetry, with metrics,
//! with metrics and traces of which one in a hundred is sampled. They take turns, and CPU time is counted, not the
//! clock's, so that other load on the machine counts for little. The threads of the client are left out, and those of
//! the exporter counted. TLS is left out too: with it a read costs more, and telemetry the same.

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

use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::Arc,
    thread,
};

use axum::Router;
use custom_metrics_adapter::{
    api::{Api, Checks, Limits, Sources, observe::Observer},
    auth::Auth,
    cluster::Cluster,
    model::{GroupResource, Labels, MetricName, ObjectRef, Quantity, Sample, Subject},
    serve::{self, ConnectionCounters, Listener, ServeOptions},
    store::{self, Store, Write as Value},
    telemetry::{
        metrics::{InFlightLimits, Metrics},
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

const ROUNDS: usize = 15;
const READS: usize = 4_000;
const SAMPLED: f64 = 0.01;

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
    let sampler = Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(SAMPLED)));
    let processor = BatchSpanProcessor::builder(Nowhere).build();
    let provider = SdkTracerProvider::builder().with_span_processor(processor).with_sampler(sampler).build();
    let subscriber = tracing_subscriber::registry().with(traces::layer(&provider));
    tracing::subscriber::set_global_default(subscriber).unwrap();

    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("server")
        .enable_all()
        .build()
        .unwrap();
    let servers = runtime.block_on(servers());
    let mut costs = [const { Vec::new() }; 3];
    for round in 0..ROUNDS {
        for turn in 0..servers.len() {
            let which = (round + turn) % servers.len();
            costs[which].push(cost(servers[which]));
        }
    }
    report(costs.map(median));
    provider.shutdown().unwrap();
}

fn report([bare, metrics, both]: [f64; 3]) {
    let over = |cost: f64| 100.0 * (cost / bare - 1.0);
    println!("a read over HTTP/1.1, median of {ROUNDS} rounds of {READS} reads:");
    println!("  without telemetry           {bare:6.2} µs CPU");
    println!("  with metrics                {metrics:6.2} µs CPU  {:+.1} %", over(metrics));
    println!("  with metrics and 1 % traces {both:6.2} µs CPU  {:+.1} %", over(both));
}

/// Addresses: without telemetry, with metrics, with metrics and traces.
async fn servers() -> [SocketAddr; 3] {
    let metrics = Metrics::new(InFlightLimits { api: 400, write: 200, scrape: 64 }).unwrap();
    let observer = || metrics.api.clone();
    [
        serve(api(Arc::new(()))).await,
        serve(api(observer())).await,
        serve(traces::traced(api(observer()), Edge::Api)).await,
    ]
}

fn api(observer: Arc<dyn Observer>) -> Router {
    let store = Store::new(store::Limits::default());
    let now = Timestamp::now();
    let value = Value {
        subject: Subject::Object(ObjectRef {
            resource: GroupResource::pods(),
            namespace: Some("default".into()),
            name: "web-0".into(),
        }),
        uid: None,
        metric: MetricName::new("qps").unwrap(),
        labels: Labels::default(),
        sample: Sample { value: Quantity::parse("42").unwrap(), timestamp: now, window_seconds: None },
        ttl: None,
    };
    store.append(vec![value], now).unwrap();
    let (cluster, checks) = (Arc::new(Cluster::standalone()), Checks::new(Vec::new));
    let sources = Sources { store, cluster, auth: Auth::disabled(), checks };
    Api::observed(sources, Limits::default(), observer).router()
}

async fn serve(router: Router) -> SocketAddr {
    let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.local_address();
    let counters = Arc::new(ConnectionCounters::default());
    let options = ServeOptions { tls: None, limits: serve::Limits::default(), counters };
    tokio::spawn(listener.run(router, options, CancellationToken::new()));
    address
}

/// Microseconds of the server's CPU time for one read.
fn cost(address: SocketAddr) -> f64 {
    let before = server_nanoseconds();
    thread::Builder::new().name(CLIENT.to_owned()).spawn(move || read(address)).unwrap().join().unwrap();
    (server_nanoseconds() - before) / 1_000.0 / READS as f64
}

fn read(address: SocketAddr) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    let path = "/apis/custom.metrics.k8s.io/v1beta2/namespaces/default/pods/web-0/qps";
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nuser-agent: bench\r\n\r\n");
    let mut answer = [0; 4096];
    for _ in 0..READS {
        stream.write_all(request.as_bytes()).unwrap();
        let length = stream.read(&mut answer).unwrap();
        assert!(answer[..length].starts_with(b"HTTP/1.1 200") && answer[..length].ends_with(b"}\n"));
    }
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
