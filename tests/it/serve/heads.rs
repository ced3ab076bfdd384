//! Heads of requests: how long they may be, how long they may take, and what half-sent ones may hold.

use std::time::Duration;

use custom_metrics_adapter::serve::Limits;
use http::Version;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{
    limits::{closed, get, soon},
    world::World,
};
use crate::support::{client, eventually};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
/// The head of a frame HEADERS of 100 bytes on stream 1, not the last of its block.
const HEADERS: &[u8] = b"\0\0\x64\x01\0\0\0\0\x01";
const REQUEST: &[u8] = b"GET /port HTTP/1.1\r\nhost: x\r\n\r\n";

/// The status that a client without a certificate gets for a head of so many kilobytes.
async fn status(world: &World, version: Version, kilobytes: usize) -> Option<u16> {
    let mut tls = client::tls(&world.authority, None);
    let mut builder = reqwest::Client::builder().no_proxy();
    if version == Version::HTTP_2 {
        tls.alpn_protocols = vec![b"h2".to_vec()];
        builder = builder.http2_prior_knowledge();
    }
    let client = builder.tls_backend_preconfigured(tls).build().unwrap();
    let request = client.get(world.url("/port"));
    let long = (0..kilobytes).fold(request, |request, n| request.header(format!("x-{n}"), "y".repeat(1_000)));
    let answer = long.send().await.ok()?;
    assert_eq!(answer.version(), version);
    Some(answer.status().as_u16())
}

#[tokio::test]
async fn the_head_of_a_stranger_has_16_kib_by_either_protocol() {
    let world = World::https(Limits::default()).await;
    for version in [Version::HTTP_2, Version::HTTP_11] {
        assert_eq!(status(&world, version, 12).await, Some(200), "{version:?}");
        assert_ne!(status(&world, version, 40).await, Some(200), "{version:?}");
    }
}

#[tokio::test]
async fn a_head_over_the_limit_is_refused_on_a_plain_port_and_ends_no_other_connection() {
    let world = World::http(Limits::default()).await;
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    let head = format!("GET /port HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "y".repeat(64 << 10));
    let _ = stream.write_all(head.as_bytes()).await;
    let answer = String::from_utf8(closed(stream).await).unwrap();
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
    assert!(get(world.address, "/port").await.starts_with("HTTP/1.1 200"));
}

/// A connection on which one request has been answered.
async fn used(world: &World) -> TcpStream {
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    stream.write_all(REQUEST).await.unwrap();
    answered(&mut stream).await;
    stream
}

/// Reads one answer of `/port`.
async fn answered(stream: &mut TcpStream) {
    let mut answer = Vec::new();
    while !answer.windows(4).any(|end| end == b"\r\n\r\n") {
        assert!(stream.read_buf(&mut answer).await.unwrap() > 0, "closed");
    }
    assert!(answer.starts_with(b"HTTP/1.1 200"));
    // The body is a port number, which comes in the same write.
}

#[tokio::test]
async fn a_second_head_that_has_begun_must_come_in_time_however_slowly_it_drips() {
    let world = World::http(Limits { header_read: soon(), ..Limits::default() }).await;
    let mut stream = used(&world).await;
    stream.write_all(b"GET /po").await.unwrap();
    closed(stream).await;
    assert_eq!(world.counters.timed_out.get(), 1);
}

#[tokio::test]
async fn a_second_head_of_http2_must_come_in_time_too() {
    let limits = Limits { header_read: Duration::from_millis(300), ..Limits::default() };
    let world = World::http(limits).await;
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    stream.write_all(PREFACE).await.unwrap();
    // GET / of authority x, from the static table: a whole head on stream 1, then a part of one on stream 3.
    stream.write_all(b"\0\0\x06\x01\x05\0\0\0\x01\x82\x86\x84\x41\x01x").await.unwrap();
    stream.write_all(b"\0\0\x64\x01\0\0\0\0\x03\x82").await.unwrap();
    closed(stream).await;
    assert_eq!(world.counters.timed_out.get(), 1);
}

#[tokio::test]
async fn a_connection_between_two_requests_is_kept_longer_than_a_head_may_take() {
    let world = World::http(Limits { header_read: soon(), ..Limits::default() }).await;
    let mut stream = used(&world).await;
    tokio::time::sleep(4 * soon()).await;
    stream.write_all(REQUEST).await.unwrap();
    answered(&mut stream).await;
    // Longer than the 90 s after which Go's client closes by itself.
    assert!(Limits::default().idle > Duration::from_secs(90));
}

#[tokio::test]
async fn a_connection_without_another_request_is_closed_in_the_end() {
    let world = World::http(Limits { idle: soon(), ..Limits::default() }).await;
    closed(used(&world).await).await;
}

#[tokio::test]
async fn half_sent_heads_displace_the_one_that_began_first_and_no_whole_request() {
    for half in [[PREFACE, HEADERS].concat(), b"GET / HTTP/1.1\r\nhost: ".to_vec()] {
        let world = World::with_heads(Limits::default(), 3).await;
        let half_sent = async || {
            let accepted = world.counters.accepted.get();
            let mut stream = TcpStream::connect(world.address).await.unwrap();
            stream.write_all(&half).await.unwrap();
            eventually("it is accepted", async || world.counters.accepted.get() > accepted).await;
            // The budget counts what has been read: the order of reading has to be that of connecting.
            tokio::time::sleep(soon()).await;
            stream
        };
        let (first, _second) = (half_sent().await, half_sent().await);
        assert!(get(world.address, "/port").await.starts_with("HTTP/1.1 200"));
        assert_eq!(world.counters.displaced.get(), 0);
        let _others = (half_sent().await, half_sent().await);
        closed(first).await;
        assert_eq!((world.counters.displaced.get(), world.counters.open.get()), (1, 3));
        assert!(get(world.address, "/port").await.starts_with("HTTP/1.1 200"));
    }
}
