use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};

/// What simulated pods cannot run: a server with metrics, at the address of every pod and one port.
pub(crate) struct Target {
    pub(crate) port: u16,
    ended: Arc<AtomicBool>,
    server: Option<JoinHandle<()>>,
}

impl Target {
    /// `/metrics` is an exposition whose counters grow with each request, `/garbage` none, anything else is not found.
    pub(crate) fn start() -> Self {
        // Pods have addresses of 127.1.0.0/16, which are known only after they were told the port.
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let ended = Arc::new(AtomicBool::new(false));
        let until = ended.clone();
        let server = thread::spawn(move || {
            let requests = AtomicU64::new(0);
            let connections = listener.incoming().take_while(|_| !until.load(Ordering::SeqCst));
            for connection in connections.flatten() {
                // A client that has gone has no use for an answer.
                let _ = answer(&connection, requests.fetch_add(1, Ordering::Relaxed));
            }
        });
        Self { port, ended, server: Some(server) }
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        // The server sees the flag at the next connection.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
        let _ = self.server.take().map(JoinHandle::join);
    }
}

fn answer(mut connection: &TcpStream, request: u64) -> std::io::Result<()> {
    let lines = BufReader::new(connection).lines().map_while(Result::ok);
    let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
    let path = head.first().and_then(|line| line.split(' ').nth(1)).unwrap_or_default();
    let (status, body) = match path {
        "/metrics" => ("200 OK", exposition(request)),
        "/garbage" => ("200 OK", "}{ no exposition\n".to_owned()),
        _ => ("404 Not Found", String::new()),
    };
    write!(
        connection,
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{body}",
        body.len()
    )
}

fn exposition(request: u64) -> String {
    let (count, half) = (request * 10, request * 5);
    format!(
        "# TYPE queue_depth gauge\nqueue_depth 7\n# TYPE orders counter\norders_total{{kind=\"a\"}} {count}\n\
         # TYPE latency_seconds histogram\nlatency_seconds_bucket{{le=\"0.1\"}} {half}\n\
         latency_seconds_bucket{{le=\"+Inf\"}} {count}\nlatency_seconds_sum {count}\nlatency_seconds_count {count}\n"
    )
}
