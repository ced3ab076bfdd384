//! Fake targets: servers that do what a test says, on an address of their own.

use std::{
    io::Write,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicUsize, Ordering},
    },
};

use parking_lot::Mutex;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// What a target does with a request.
#[derive(Clone)]
pub(crate) enum Behaviour {
    /// Sends these bytes; keeps the connection.
    Answer(Vec<u8>),
    /// Sends these bytes and closes.
    AnswerAndClose(Vec<u8>),
    /// Sends what the function makes of the number of the request.
    Count(Arc<dyn Fn(usize) -> Vec<u8> + Send + Sync>),
    /// Sends these bytes, then nothing more, and keeps the connection open.
    Hang(Vec<u8>),
    /// Sends these bytes, then one more each fifty milliseconds.
    Drip(Vec<u8>),
    /// Sends these bytes, then so many more.
    Flood(Vec<u8>, usize),
    /// Closes before it sends anything.
    Close,
}

/// A fake target.
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    stop: CancellationToken,
}

struct Shared {
    behaviour: Mutex<Behaviour>,
    requests: Mutex<Vec<String>>,
    connections: AtomicUsize,
    sent: AtomicUsize,
    tls: Option<tokio_rustls::TlsAcceptor>,
}

impl Target {
    /// Listens on a pod's address of its own.
    pub(crate) async fn start(behaviour: Behaviour) -> Self {
        Self::listen(pod_address(), behaviour, None).await
    }

    /// The same with TLS.
    pub(crate) async fn start_tls(behaviour: Behaviour, tls: rustls::ServerConfig) -> Self {
        Self::listen(pod_address(), behaviour, Some(tls)).await
    }

    pub(crate) async fn listen(
        address: SocketAddr,
        behaviour: Behaviour,
        tls: Option<rustls::ServerConfig>,
    ) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let shared = Arc::new(Shared {
            behaviour: Mutex::new(behaviour),
            requests: Mutex::default(),
            connections: AtomicUsize::default(),
            sent: AtomicUsize::default(),
            tls: tls.map(|tls| Arc::new(tls).into()),
        });
        let target = Self {
            address: listener.local_addr().unwrap(),
            shared: shared.clone(),
            stop: CancellationToken::new(),
        };
        TaskTracker::new().spawn(accept(listener, shared, target.stop.clone()));
        target
    }

    /// From the next request on.
    pub(crate) fn set(&self, behaviour: Behaviour) {
        *self.shared.behaviour.lock() = behaviour;
    }

    /// The heads of the requests so far.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.shared.requests.lock().clone()
    }

    /// How many connections were accepted.
    pub(crate) fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::Relaxed)
    }

    /// How many bytes of bodies that flood or drip have been sent.
    pub(crate) fn sent(&self) -> usize {
        self.shared.sent.load(Ordering::Relaxed)
    }

    /// Closes the listener and all connections.
    pub(crate) fn stop(&self) {
        self.stop.cancel();
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        self.stop();
    }
}

/// 127.1.0.0/16, where the tests' pods live; one for each.
fn pod_address() -> SocketAddr {
    static LAST: AtomicU32 = AtomicU32::new(1);
    let [_, _, high, low] = LAST.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    SocketAddr::from((Ipv4Addr::new(127, 1, high, low), 0))
}

/// A text exposition as a whole answer.
pub(crate) fn text(body: &str) -> Behaviour {
    Behaviour::Answer(answer("text/plain; version=0.0.4", &[], body.as_bytes()))
}

/// A whole answer with status 200.
pub(crate) fn answer(content_type: &str, headers: &[&str], body: &[u8]) -> Vec<u8> {
    let extra: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ncontent-length: {}\r\n{extra}\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// An answer without a body.
pub(crate) fn status(line: &str, headers: &[&str]) -> Behaviour {
    let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    Behaviour::Answer(format!("HTTP/1.1 {line}\r\ncontent-length: 0\r\n{headers}\r\n").into_bytes())
}

/// Packed.
pub(crate) fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

async fn accept(listener: TcpListener, shared: Arc<Shared>, stop: CancellationToken) {
    let connections = TaskTracker::new();
    while let Some(Ok((stream, _))) = stop.run_until_cancelled(listener.accept()).await {
        shared.connections.fetch_add(1, Ordering::Relaxed);
        let (shared, stop) = (shared.clone(), stop.clone());
        connections.spawn(async move {
            stop.run_until_cancelled(connection(stream, shared)).await;
        });
    }
}

async fn connection(stream: TcpStream, shared: Arc<Shared>) {
    match &shared.tls {
        None => serve(stream, &shared).await,
        Some(tls) => {
            if let Ok(stream) = tls.accept(stream).await {
                serve(stream, &shared).await;
            }
        }
    }
}

async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, shared: &Shared) {
    while let Some(request) = head(&mut stream).await {
        let number = {
            let mut requests = shared.requests.lock();
            requests.push(request);
            requests.len()
        };
        let behaviour = shared.behaviour.lock().clone();
        if !behave(&mut stream, behaviour, (number, shared)).await {
            return;
        }
    }
}

/// Does what it should; whether the connection goes on.
async fn behave(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    behaviour: Behaviour,
    (number, shared): (usize, &Shared),
) -> bool {
    match behaviour {
        Behaviour::Answer(bytes) => stream.write_all(&bytes).await.is_ok(),
        Behaviour::Count(make) => stream.write_all(&make(number)).await.is_ok(),
        Behaviour::AnswerAndClose(bytes) => {
            let _ = stream.write_all(&bytes).await;
            let _ = stream.shutdown().await;
            false
        }
        Behaviour::Close => false,
        Behaviour::Hang(start) => {
            let _ = stream.write_all(&start).await;
            // until the client has had enough
            while stream.read(&mut [0]).await.is_ok_and(|read| read > 0) {}
            false
        }
        Behaviour::Drip(start) => {
            let _ = stream.write_all(&start).await;
            while stream.write_all(b"#").await.is_ok() && stream.flush().await.is_ok() {
                shared.sent.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
            false
        }
        Behaviour::Flood(start, bytes) => {
            let _ = stream.write_all(&start).await;
            let chunk = vec![b'<'; 64 << 10];
            while shared.sent.load(Ordering::Relaxed) < bytes && stream.write_all(&chunk).await.is_ok() {
                shared.sent.fetch_add(chunk.len(), Ordering::Relaxed);
            }
            false
        }
    }
}

/// Reads the head of a request, in lower case.
async fn head(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    String::from_utf8(head).ok().map(|head| head.to_ascii_lowercase())
}
