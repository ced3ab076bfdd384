use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// A way over TCP to one port, which can be closed: then connections end, and no new one begins.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    closed: Arc<AtomicBool>,
}

impl Proxy {
    pub(crate) fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let own = listener.local_addr().expect("an address").port();
        let closed = Arc::new(AtomicBool::new(false));
        let until = closed.clone();
        thread::spawn(move || {
            for near in listener.incoming().flatten().filter(|_| !until.load(Ordering::Relaxed)) {
                join(near, port, &until);
            }
        });
        Self { port: own, closed }
    }

    pub(crate) fn close(&self, is_closed: bool) {
        self.closed.store(is_closed, Ordering::Relaxed);
    }
}

fn join(near: TcpStream, port: u16, closed: &Arc<AtomicBool>) {
    let Ok(far) = TcpStream::connect(("127.0.0.1", port)) else { return };
    let copies = |stream: &TcpStream| stream.try_clone().expect("a socket has two handles");
    for (from, to) in [(copies(&near), copies(&far)), (far, near)] {
        let closed = closed.clone();
        thread::spawn(move || carry(from, to, &closed));
    }
}

fn carry(mut from: TcpStream, mut to: TcpStream, closed: &AtomicBool) {
    from.set_read_timeout(Some(Duration::from_millis(100))).expect("a timeout can be set");
    let mut buffer = vec![0; 64 * 1024];
    while !closed.load(Ordering::Relaxed) {
        match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) if to.write_all(&buffer[..count]).is_err() => break,
            Ok(_) => {}
            Err(error) if [ErrorKind::WouldBlock, ErrorKind::TimedOut].contains(&error.kind()) => {}
            Err(_) => break,
        }
    }
    // Fails when the other side was first.
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}
