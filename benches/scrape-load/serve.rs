//! The pods: one server that answers on every address.

use std::{
    io::Write,
    net::Ipv4Addr,
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_util::task::TaskTracker;

/// The answers of one second, made once: serving must not take the time of what is measured.
#[derive(Default)]
struct Second {
    tick: u64,
    plain: OnceLock<Arc<Vec<u8>>>,
    packed: OnceLock<Arc<Vec<u8>>>,
}

struct Pages {
    series: usize,
    began: Instant,
    now: Mutex<Arc<Second>>,
}

pub(crate) async fn run(port: u16, series: usize) {
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await.unwrap();
    let pages = Arc::new(Pages { series, began: Instant::now(), now: Mutex::default() });
    let connections = TaskTracker::new();
    println!("serving {series} series at port {}", listener.local_addr().unwrap().port());
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            connections.spawn(answer_all(stream, pages.clone()));
        }
    }
}

async fn answer_all(mut stream: TcpStream, pages: Arc<Pages>) {
    let mut request = vec![0; 8192];
    let mut length = 0;
    loop {
        match stream.read(&mut request[length..]).await {
            Ok(read) if read > 0 => length += read,
            _ => return,
        }
        if !request[..length].ends_with(b"\r\n\r\n") {
            continue;
        }
        let head = String::from_utf8_lossy(&request[..length]).to_ascii_lowercase();
        let gzip = head.lines().any(|line| line.starts_with("accept-encoding:") && line.contains("gzip"));
        length = 0;
        if stream.write_all(&pages.answer(gzip)).await.is_err() {
            return;
        }
    }
}

impl Pages {
    fn answer(&self, gzip: bool) -> Arc<Vec<u8>> {
        let tick = self.began.elapsed().as_secs() + 1;
        let second = {
            let mut now = self.now.lock();
            if now.tick != tick {
                *now = Arc::new(Second { tick, ..Second::default() });
            }
            now.clone()
        };
        let made = if gzip { &second.packed } else { &second.plain };
        made.get_or_init(|| Arc::new(self.make(tick, gzip))).clone()
    }

    fn make(&self, tick: u64, gzip: bool) -> Vec<u8> {
        let mut page = String::new();
        super::page::write(&mut page, self.series, tick);
        let (body, encoding) = match gzip {
            false => (page.into_bytes(), ""),
            true => (pack(page.as_bytes()), "content-encoding: gzip\r\n"),
        };
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: text/plain; version=0.0.4; charset=utf-8\r\n{encoding}content-length: {}\r\n\r\n",
            body.len()
        );
        [head.as_bytes(), &body].concat()
    }
}

fn pack(page: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(page).unwrap();
    encoder.finish().unwrap()
}

/// How often [`super::scrape`] tells how it goes.
pub(crate) const SECOND: Duration = Duration::from_secs(1);
