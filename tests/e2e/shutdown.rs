//! The adapter is told to stop while it is being written to.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use crate::harness::{Adapter, ControlPlane, SOON, eventually};

#[test]
fn a_write_whose_body_is_on_its_way_at_sigterm_is_still_answered() {
    let mut adapter = Adapter::start(ControlPlane::shared(), "half-sent", &["--shutdown-delay=0s"]);
    let mut connection = connect(adapter.write_address()).expect("it listens");
    let head = "POST /write-metrics/nodes/node-1/half_sent HTTP/1.1\r\nHost: localhost\r\n\
                Content-Length: 2\r\nExpect: 100-continue\r\n\r\n";
    connection.write_all(head.as_bytes()).expect("the head is sent");
    // The adapter asks for the body once the request has reached the code that reads it.
    assert_eq!(read_head(&mut connection), "HTTP/1.1 100 Continue");

    adapter.terminate();
    eventually("the listener is closed", SOON, || match connect(adapter.write_address()) {
        Ok(_) => Err("it still accepts".to_owned()),
        Err(_) => Ok(()),
    });
    connection.write_all(b"42").expect("the body is sent");
    assert_eq!(read_head(&mut connection), "HTTP/1.1 200 OK");
    drop(connection);
    assert_eq!(adapter.exit_status().code(), Some(0));
}

#[test]
fn under_load_every_write_that_is_answered_at_all_is_answered_200() {
    let mut adapter = Adapter::start(ControlPlane::shared(), "loaded", &["--shutdown-delay=1s"]);
    let (told, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        for writer in 0..8 {
            let (adapter, told, answered) = (&adapter, &told, &answered);
            scope.spawn(move || write_until_refused(adapter.write_address(), writer, told, answered));
        }
        eventually("the load is on", SOON, || {
            let count = answered.load(Ordering::Relaxed);
            if count > 500 { Ok(()) } else { Err(format!("{count} answers")) }
        });
        told.store(true, Ordering::SeqCst);
        adapter.terminate();
    });
    assert_eq!(adapter.exit_status().code(), Some(0));
}

#[test]
fn while_the_delay_runs_it_is_not_ready_and_yet_serves() {
    let mut adapter = Adapter::start(ControlPlane::shared(), "delayed", &["--shutdown-delay=5s"]);
    adapter.terminate();
    eventually("it says that it is not ready", SOON, || {
        let answer = adapter.admin("/readyz");
        if matches!(answer.status, 500 | 503) { Ok(()) } else { Err(format!("{answer:?}")) }
    });
    adapter.write("/nodes/node-1/while_draining", "1");
    assert_eq!(adapter.exit_status().code(), Some(0));
}

/// Writes over one connection after another until none is accepted. Before the adapter is told to stop every write
/// must be answered; afterwards a connection may end between two answers, but never within one.
fn write_until_refused(address: &str, writer: usize, told: &AtomicBool, answered: &AtomicUsize) {
    while let Ok(mut connection) = connect(address) {
        loop {
            let was_told = told.load(Ordering::SeqCst);
            let Some(status) = write_once(&mut connection, writer) else {
                assert!(was_told || told.load(Ordering::SeqCst), "a write was lost before SIGTERM");
                break;
            };
            assert_eq!(status, "HTTP/1.1 200 OK");
            answered.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The status line of the answer, or nothing when the connection ended before its first byte.
fn write_once(connection: &mut TcpStream, writer: usize) -> Option<String> {
    let request = format!(
        "POST /write-metrics/nodes/node-1/load_{writer} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n42"
    );
    connection.write_all(request.as_bytes()).ok()?;
    let status = read_head(connection);
    (!status.is_empty()).then_some(status)
}

fn connect(address: &str) -> std::io::Result<TcpStream> {
    let connection = TcpStream::connect(address)?;
    connection.set_read_timeout(Some(Duration::from_secs(30)))?;
    connection.set_nodelay(true)?;
    Ok(connection)
}

/// Reads one head of an answer without a body, and gives its status line; empty when the connection ended before it.
fn read_head(connection: &mut TcpStream) -> String {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        match connection.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            Ok(_) => break,
            Err(error) if error.kind() == ErrorKind::ConnectionReset => break,
            Err(error) => panic!("{error} after {:?}", String::from_utf8_lossy(&head)),
        }
    }
    let whole = head.is_empty() || head.ends_with(b"\r\n\r\n");
    assert!(whole, "the answer was cut: {:?}", String::from_utf8_lossy(&head));
    String::from_utf8_lossy(&head).lines().next().unwrap_or_default().to_owned()
}
