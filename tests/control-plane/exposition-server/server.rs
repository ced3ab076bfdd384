//! What simulated pods expose. They have addresses in 127.0.0.0/8 and no processes, so one server on 0.0.0.0 answers
//! for all of them and tells them apart by the address that a connection came to.
//!
//! ```text
//! GET  /metrics   of the pod at this address; its counters began at 0 with the first request
//! POST /load      get=300&queue=60: what all pods together are busy with from now on; what is left out is 0
//! POST /restart   all counters begin at 0 again
//! POST /exporters served=1e9: each pod is a server that has served so much, and an exporter beside it
//! POST /exporters/restart   the exporters start again, the servers go on
//! POST /lack      pages=1: the next pages of each pod lack what it counts; GET: whether such pages are still to come
//! POST /silence   pods=5: so many of the known pods answer no more
//! ```

use std::{
    collections::HashMap,
    io::{self, BufRead, BufReader, Read, Write},
    net::{IpAddr, SocketAddr, TcpListener, TcpStream},
    sync::Arc,
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use parking_lot::Mutex;

/// A running server; it ends with the process.
#[derive(Clone)]
pub(crate) struct ExpositionServer {
    address: SocketAddr,
    pods: Arc<Mutex<Pods>>,
}

/// What pods are busy with.
#[derive(Clone, Copy, PartialEq, Default, Debug)]
pub(crate) struct Load {
    /// `http_requests_total{method="GET"}`, a second.
    pub(crate) get: f64,
    /// `http_requests_total{method="POST"}`, a second.
    pub(crate) post: f64,
    /// Observations of 50 ms in the histogram `latency_seconds`, a second.
    pub(crate) quick: f64,
    /// Observations of 800 ms, a second.
    pub(crate) slow: f64,
    /// The gauge `queue_depth`.
    pub(crate) queue: f64,
}

/// To whom the load is.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Traffic {
    /// Every pod has this one.
    Each(Load),
    /// The pods share this one evenly, as behind a Service: those that were asked lately.
    Shared(Load),
}

struct Pods {
    traffic: Traffic,
    exporter: Option<Exporter>,
    known: HashMap<IpAddr, Pod>,
    advanced: Instant,
}

struct Pod {
    /// The sum of its load over time.
    done: Load,
    /// When it was scraped last.
    asked: Instant,
    /// How many of its next pages lack what it counts.
    lacking: usize,
    /// Whether it is too busy to answer.
    is_silent: bool,
}

/// A process beside the server of each pod, which exposes the server's counters and its own start.
#[derive(Clone, Copy)]
struct Exporter {
    /// What the servers had served before anybody asked.
    served: f64,
    started: SystemTime,
}

struct Request {
    line: String,
    body: String,
}

impl ExpositionServer {
    /// Listens on `address`; port 0 is a free one.
    pub(crate) fn start(address: &str) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        let known = HashMap::new();
        let traffic = Traffic::Each(Load::default());
        let pods = Pods { traffic, exporter: None, known, advanced: Instant::now() };
        let server = Self { address: listener.local_addr()?, pods: Arc::new(Mutex::new(pods)) };
        let accepting = server.clone();
        thread::spawn(move || accepting.accept(&listener));
        Ok(server)
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The load from now on.
    pub(crate) fn receives(&self, traffic: Traffic) {
        self.pods.lock().receive(traffic);
    }

    /// All processes begin anew: counters at 0, as if nobody had asked before.
    pub(crate) fn restart(&self) {
        self.pods.lock().known.clear();
    }

    /// From now on each pod is a server that has served `served` GET requests before, and an exporter beside it that
    /// started long ago.
    pub(crate) fn is_behind_exporters(&self, served: f64) {
        let exporter = Exporter { served, started: now() - Duration::from_secs(86_400) };
        self.pods.lock().exporter = Some(exporter);
    }

    /// The exporters start again; the servers go on.
    pub(crate) fn restart_exporters(&self) {
        if let Some(exporter) = &mut self.pods.lock().exporter {
            exporter.started = now();
        }
    }

    /// The next `pages` of each pod are good and lack what it counts.
    pub(crate) fn lacks(&self, pages: usize) {
        self.pods.lock().known.values_mut().for_each(|pod| pod.lacking = pages);
    }

    /// Whether such pages are still to come.
    pub(crate) fn is_lacking(&self) -> bool {
        self.pods.lock().known.values().any(|pod| pod.lacking > 0)
    }

    /// So many of the pods that were asked before answer no more.
    pub(crate) fn silences(&self, pods: usize) {
        self.pods.lock().known.values_mut().take(pods).for_each(|pod| pod.is_silent = true);
    }

    fn accept(&self, listener: &TcpListener) {
        for connection in listener.incoming().flatten() {
            let server = self.clone();
            // A scraper that closes a connection is no event.
            thread::spawn(move || drop(server.serve(connection)));
        }
    }

    fn serve(&self, connection: TcpStream) -> io::Result<()> {
        // It listens everywhere only because the pods' addresses are many; nobody else on the network is meant.
        if !connection.peer_addr()?.ip().is_loopback() {
            return Ok(());
        }
        connection.set_nodelay(true)?;
        let pod = connection.local_addr()?.ip();
        let mut connection = BufReader::new(connection);
        while let Some(request) = Request::read(&mut connection)? {
            if self.pods.lock().is_silent(pod) {
                // until the other side gives up and closes
                continue;
            }
            let (status, body) = self.answer(&request, pod);
            let head = format!(
                "HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {}\r\n\r\n",
                body.len()
            );
            connection.get_mut().write_all((head + &body).as_bytes())?;
        }
        Ok(())
    }

    fn answer(&self, request: &Request, pod: IpAddr) -> (&'static str, String) {
        let mut words = request.line.split_whitespace();
        match (words.next(), words.next()) {
            (Some("GET"), Some("/metrics")) => ("200 OK", self.pods.lock().exposition(pod)),
            (Some("POST"), Some("/load")) => match Load::read(&request.body) {
                Some(load) => {
                    self.receives(Traffic::Shared(load));
                    ("200 OK", String::new())
                }
                None => ("400 Bad Request", "not a form such as get=300&queue=60\n".to_owned()),
            },
            (Some("GET"), Some("/lack")) => ("200 OK", format!("{}\n", self.is_lacking())),
            (Some("POST"), Some(path)) => match self.change(path, &request.body) {
                Some(()) => ("200 OK", String::new()),
                None => ("404 Not Found", "no such change, or not a form such as pages=1\n".to_owned()),
            },
            _ => ("404 Not Found", "GET /metrics, POST /load, POST /restart\n".to_owned()),
        }
    }

    /// What happens to the pods by a POST of a form with one number.
    fn change(&self, path: &str, form: &str) -> Option<()> {
        let number = |name: &str| form.trim().strip_prefix(name)?.strip_prefix('=')?.parse::<f64>().ok();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "pages and pods are few")]
        let count = |name: &str| number(name).map(|number| number as usize);
        match path {
            "/restart" => self.restart(),
            "/exporters" => self.is_behind_exporters(number("served")?),
            "/exporters/restart" => self.restart_exporters(),
            "/lack" => self.lacks(count("pages")?),
            "/silence" => self.silences(count("pods")?),
            _ => return None,
        }
        Some(())
    }
}

impl Pods {
    fn receive(&mut self, traffic: Traffic) {
        self.advance();
        self.traffic = traffic;
    }

    /// The exposition of one pod, now.
    fn exposition(&mut self, address: IpAddr) -> String {
        self.advance();
        let get = self.exporter.map_or(0.0, |exporter| exporter.served);
        let new =
            Pod { done: Load { get, ..Load::default() }, asked: self.advanced, lacking: 0, is_silent: false };
        let pod = self.known.entry(address).or_insert(new);
        pod.asked = self.advanced;
        let exporter = self.exporter.map(Exporter::exposition).unwrap_or_default();
        if pod.lacking > 0 {
            pod.lacking -= 1;
            return exporter + "server_up 0\n";
        }
        let done = pod.done;
        // A gauge does not add up.
        exporter + &Load { queue: self.load_of_one().queue, ..done }.exposition()
    }

    fn is_silent(&self, address: IpAddr) -> bool {
        self.known.get(&address).is_some_and(|pod| pod.is_silent)
    }

    fn advance(&mut self) {
        let now = Instant::now();
        let (load, since) = (self.load_of_one(), self.advanced);
        let done = load.times(now.duration_since(since).as_secs_f64());
        for pod in self.known.values_mut().filter(|pod| pod.is_there(since)) {
            pod.done = pod.done.plus(done);
        }
        self.advanced = now;
    }

    fn load_of_one(&self) -> Load {
        let pods = self.known.values().filter(|pod| pod.is_there(self.advanced)).count().max(1);
        match self.traffic {
            Traffic::Each(load) => load,
            #[expect(clippy::cast_precision_loss, reason = "there are few pods")]
            Traffic::Shared(load) => load.times(1.0 / pods as f64),
        }
    }
}

impl Exporter {
    fn exposition(self) -> String {
        let started = self.started.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        format!("# TYPE process_start_time_seconds gauge\nprocess_start_time_seconds {started}\n")
    }
}

impl Pod {
    fn is_there(&self, now: Instant) -> bool {
        now.duration_since(self.asked) < LATELY
    }
}

impl Load {
    fn plus(self, other: Self) -> Self {
        Self {
            get: self.get + other.get,
            post: self.post + other.post,
            quick: self.quick + other.quick,
            slow: self.slow + other.slow,
            queue: self.queue + other.queue,
        }
    }

    fn times(self, factor: f64) -> Self {
        Self {
            get: self.get * factor,
            post: self.post * factor,
            quick: self.quick * factor,
            slow: self.slow * factor,
            queue: self.queue * factor,
        }
    }

    fn exposition(self) -> String {
        // Only whole requests count.
        let (get, post, quick, slow) =
            (self.get.floor(), self.post.floor(), self.quick.floor(), self.slow.floor());
        let (all, sum, queue) = (quick + slow, 0.05 * quick + 0.8 * slow, self.queue);
        format!(
            "# TYPE http_requests_total counter\n\
             http_requests_total{{method=\"GET\"}} {get}\n\
             http_requests_total{{method=\"POST\"}} {post}\n\
             # TYPE latency_seconds histogram\n\
             latency_seconds_bucket{{le=\"0.1\"}} {quick}\n\
             latency_seconds_bucket{{le=\"0.5\"}} {quick}\n\
             latency_seconds_bucket{{le=\"1\"}} {all}\n\
             latency_seconds_bucket{{le=\"+Inf\"}} {all}\n\
             latency_seconds_sum {sum}\n\
             latency_seconds_count {all}\n\
             # TYPE queue_depth gauge\n\
             queue_depth {queue}\n"
        )
    }

    /// Reads `get=300&queue=60`.
    fn read(form: &str) -> Option<Self> {
        let mut load = Self::default();
        for (name, value) in form.trim().split('&').filter_map(|pair| pair.split_once('=')) {
            let field = match name {
                "get" => &mut load.get,
                "post" => &mut load.post,
                "quick" => &mut load.quick,
                "slow" => &mut load.slow,
                "queue" => &mut load.queue,
                _ => return None,
            };
            *field = value.parse().ok()?;
        }
        Some(load)
    }
}

impl Request {
    /// The next one of a connection; `None` at its end.
    fn read(connection: &mut BufReader<TcpStream>) -> io::Result<Option<Self>> {
        let mut line = String::new();
        connection.read_line(&mut line)?;
        if line.is_empty() {
            return Ok(None);
        }
        let mut length = 0;
        loop {
            let mut header = String::new();
            connection.read_line(&mut header)?;
            match header.trim_end().to_ascii_lowercase().split_once(": ") {
                Some(("content-length", value)) => length = value.parse().map_err(io::Error::other)?,
                Some(_) => {}
                None => break,
            }
        }
        let mut body = String::new();
        connection.take(length).read_to_string(&mut body)?;
        Ok(Some(Self { line, body }))
    }
}

/// A pod that nobody has scraped for so long has gone.
const LATELY: Duration = Duration::from_secs(3);

#[expect(clippy::disallowed_methods, reason = "a start time is one of the wall clock")]
fn now() -> SystemTime {
    SystemTime::now()
}
