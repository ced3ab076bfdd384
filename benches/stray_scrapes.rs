//! How long good targets go without a scrape beside targets that do not answer, with their turns apart and with all
//! turns in one queue.
//!
//! `cargo bench --bench stray_scrapes [-- SECONDS]`. Three kinds of strays, all in the namespace of the good targets:
//!
//! - `unreachable`: 1,500 pods whose network drops every connection (a listener whose queue is full);
//! - `silent`: 20 pods of 16 ports with a timeout of 30 s, which accept and never answer;
//! - `lost`: 1,500 pods that answer for half of the time and then fall silent at once, as when a zone is lost.
//!
//! For each kind two scrapers run at the same time for `SECONDS`: one as the adapter has it, one with the behaviour of
//! before (one queue of 128 turns for all, no rest, no deadline of its own for connecting). The figure is the worst time
//! between two good scrapes of any of 2,000 good targets, as a ratio to their interval of 15 s, from their second one on.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    missing_docs,
    reason = "a bench that cannot go on says so by panicking"
)]

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use custom_metrics_adapter::{
    cluster::{Container, Pod, PodPhase},
    model::{GroupResource, Labels, LiveObject, ObjectRef, Uid},
    scrape::{PodSource, ScrapeOptions, Scraper},
    store::{Limits, Store},
};
use jiff::Timestamp;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    time::Instant,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

const GOOD: u32 = 2_000;
const INTERVAL: Duration = Duration::from_secs(15);

#[tokio::main]
async fn main() {
    tracing::subscriber::set_global_default(tracing::subscriber::NoSubscriber::new()).unwrap();
    let seconds = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(90);
    let length = Duration::from_secs(seconds);
    println!(
        "{GOOD} good targets every {INTERVAL:?} for {length:?}; the worst time without a good scrape / the interval"
    );
    let (tasks, end) = (TaskTracker::new(), CancellationToken::new());
    let network = Network::start(&tasks, &end).await;
    for (name, strays) in [
        ("none", Vec::new()),
        ("unreachable", network.unreachable()),
        ("silent", network.silent()),
        ("lost", network.lost()),
    ] {
        network.answers.store(true, Ordering::Relaxed);
        let pods: Vec<Arc<Pod>> = network.good().into_iter().chain(strays).map(Arc::new).collect();
        let (apart, together, ()) = tokio::join!(
            worst_gap(pods.clone(), apart(), length),
            worst_gap(pods, together(), length),
            network.fall_silent(length / 2)
        );
        println!(
            "{name:12} apart {:5.2} (first scrape within {:4.1} s)   together {:5.2} (first scrape within {:4.1} s)",
            apart.ratio(),
            apart.first.as_secs_f64(),
            together.ratio(),
            together.first.as_secs_f64()
        );
    }
    end.cancel();
    tasks.close();
    tasks.wait().await;
}

fn apart() -> ScrapeOptions {
    ScrapeOptions { in_flight: 128, allow_loopback: true, ..ScrapeOptions::default() }
}

/// As before there were pools. One namespace alone gets three quarters of the turns: 171 are 128 for it.
fn together() -> ScrapeOptions {
    ScrapeOptions { in_flight: 171, apart: false, connect_timeout: Duration::from_secs(60), ..apart() }
}

/// What was seen of the good targets.
#[derive(Default)]
struct Seen {
    worst: Duration,
    /// How long the last of them waited for its first good scrape.
    first: Duration,
}

impl Seen {
    fn ratio(&self) -> f64 {
        self.worst.as_secs_f64() / INTERVAL.as_secs_f64()
    }
}

/// Scrapes `pods` and looks at the good ones twice a second.
async fn worst_gap(pods: Vec<Arc<Pod>>, options: ScrapeOptions, length: Duration) -> Seen {
    let changes = tokio::sync::watch::Sender::new(0);
    let source = PodSource::listing(move || pods.clone(), changes.subscribe());
    let (tasks, shutdown) = (TaskTracker::new(), CancellationToken::new());
    let store = Store::new(Limits::default());
    let began = Timestamp::now();
    let scraper = Scraper::start(options, source, store, tasks.clone(), shutdown.clone());
    let (mut seen, mut targets) = (Seen::default(), HashMap::new());
    let end = Instant::now() + length;
    while Instant::now() < end {
        tokio::time::sleep(Duration::from_millis(500)).await;
        look(&scraper, began, (&mut targets, &mut seen));
    }
    let now = Timestamp::now();
    let open = targets.values().map(|last| now.duration_since(last.at).unsigned_abs());
    seen.worst = seen.worst.max(open.max().unwrap_or(length));
    if targets.len() < GOOD as usize {
        (seen.worst, seen.first) = (length, length);
    }
    shutdown.cancel();
    tasks.close();
    tasks.wait().await;
    seen
}

/// The last good scrape of a target.
struct Last {
    at: Timestamp,
    is_first: bool,
}

fn look(scraper: &Scraper, began: Timestamp, (targets, seen): (&mut HashMap<String, Last>, &mut Seen)) {
    for status in scraper.targets().into_iter().filter(|status| status.pod.starts_with("good-")) {
        let Some(at) = status.last_good else { continue };
        match targets.get_mut(&status.pod) {
            None => {
                seen.first = seen.first.max(at.duration_since(began).unsigned_abs());
                targets.insert(status.pod, Last { at, is_first: true });
            }
            Some(last) if last.at != at => {
                // the second scrape finds the target's own moment, up to one and a half intervals after the first
                if !last.is_first {
                    seen.worst = seen.worst.max(at.duration_since(last.at).unsigned_abs());
                }
                *last = Last { at, is_first: false };
            }
            Some(_) => {}
        }
    }
}

/// The pods' side: every address of 127.0.0.0/8 answers by port.
struct Network {
    port: u16,
    silent: Vec<u16>,
    unreachable: u16,
    /// Whether pods that get lost answer.
    answers: Arc<AtomicBool>,
    /// Connections that fill the queue of the listener that accepts none.
    _queue: Vec<TcpStream>,
    _full: TcpListener,
}

impl Network {
    async fn start(tasks: &TaskTracker, end: &CancellationToken) -> Self {
        let answers = Arc::new(AtomicBool::new(true));
        let good = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).await.unwrap();
        let port = good.local_addr().unwrap().port();
        tasks.spawn(serve(good, tasks.clone(), (answers.clone(), end.clone())));
        let mut silent = Vec::new();
        for _ in 0..16 {
            let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).await.unwrap();
            silent.push(listener.local_addr().unwrap().port());
            let never = Arc::new(AtomicBool::new(false));
            tasks.spawn(serve(listener, tasks.clone(), (never, end.clone())));
        }
        let (full, queue) = full().await;
        let unreachable = full.local_addr().unwrap().port();
        Self { port, silent, unreachable, answers, _queue: queue, _full: full }
    }

    fn good(&self) -> Vec<Pod> {
        (0..GOOD).map(|number| pod("good", (1, number), &[self.port], "")).collect()
    }

    fn unreachable(&self) -> Vec<Pod> {
        (0..1_500).map(|number| pod("unreachable", (2, number), &[self.unreachable], "")).collect()
    }

    fn silent(&self) -> Vec<Pod> {
        (0..20).map(|number| pod("silent", (3, number), &self.silent, "30s")).collect()
    }

    fn lost(&self) -> Vec<Pod> {
        (0..1_500).map(|number| pod("lost", (4, number), &[self.port], "")).collect()
    }

    async fn fall_silent(&self, after: Duration) {
        tokio::time::sleep(after).await;
        self.answers.store(false, Ordering::Relaxed);
    }
}

/// A listener that drops what comes, as Linux does when its queue is full.
async fn full() -> (TcpListener, Vec<TcpStream>) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((Ipv4Addr::UNSPECIFIED, 0).into()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), listener.local_addr().unwrap().port());
    let mut queue = Vec::new();
    while let Ok(Ok(stream)) =
        tokio::time::timeout(Duration::from_millis(500), TcpStream::connect(address)).await
    {
        queue.push(stream);
    }
    (listener, queue)
}

async fn serve(
    listener: TcpListener,
    tasks: TaskTracker,
    (answers, end): (Arc<AtomicBool>, CancellationToken),
) {
    while let Some(accepted) = end.run_until_cancelled(listener.accept()).await {
        let Ok((stream, _)) = accepted else { continue };
        let (answers, end) = (answers.clone(), end.clone());
        tasks.spawn(async move { end.run_until_cancelled(answer(stream, &answers)).await });
    }
}

/// Answers every request on a connection, unless the pod does not answer now.
async fn answer(mut stream: TcpStream, answers: &AtomicBool) {
    const BODY: &str =
        "HTTP/1.1 200 OK\r\ncontent-type: text/plain; version=0.0.4\r\ncontent-length: 4\r\n\r\na 1\n";
    let is_good =
        matches!(stream.local_addr().unwrap().ip(), IpAddr::V4(ip) if ip.octets().get(1) == Some(&1));
    let (mut head, mut buffer) = (Vec::new(), [0; 1_024]);
    while let Ok(read @ 1..) = stream.read(&mut buffer).await {
        head.extend(buffer.iter().take(read));
        if head.ends_with(b"\r\n\r\n") && (is_good || answers.load(Ordering::Relaxed)) {
            head.clear();
            if stream.write_all(BODY.as_bytes()).await.is_err() {
                return;
            }
        }
    }
}

/// A pod at 127.`network`.x.y.
fn pod(kind: &str, (network, number): (u8, u32), ports: &[u16], timeout: &str) -> Pod {
    let [_, _, high, low] = (number + 1).to_be_bytes();
    let name = format!("{kind}-{number}");
    let object = ObjectRef {
        resource: GroupResource::pods(),
        namespace: Some("default".into()),
        name: name.as_str().into(),
    };
    let ports: Vec<String> = ports.iter().map(ToString::to_string).collect();
    let interval = if timeout.is_empty() { "15s" } else { "30s" };
    let annotations =
        [("scrape", "true"), ("port", &ports.join(",")), ("interval", interval), ("timeout", timeout)];
    let annotations = annotations.into_iter().filter(|(_, value)| !value.is_empty());
    let container = Container { name: "web".into(), is_sidecar: false, ports: Vec::new(), started: None };
    Pod {
        live: Arc::new(LiveObject {
            object,
            uid: Uid(name.into()),
            created: Timestamp::UNIX_EPOCH,
            labels: Labels::default(),
        }),
        annotations: annotations
            .map(|(name, value)| (format!("prometheus.io/{name}"), value.to_owned()))
            .collect(),
        phase: PodPhase::Running,
        ready: true,
        deletion: None,
        ips: vec![Ipv4Addr::new(127, network, high, low).into()],
        host_network: false,
        node: None,
        containers: vec![container],
    }
}
