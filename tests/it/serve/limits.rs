//! What a client may take.

use std::{net::SocketAddr, time::Duration};

use custom_metrics_adapter::serve::Limits;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::world::World;
use crate::support::{client, eventually, within};

/// Deadlines that pass while a test waits; all others stay long.
pub(super) fn soon() -> Duration {
    Duration::from_millis(50)
}

/// Reads until the other end closes; a reset is a close too.
pub(super) async fn closed(mut stream: impl AsyncRead + Unpin) -> Vec<u8> {
    let mut bytes = Vec::new();
    let _ = within("the connection is closed", stream.read_to_end(&mut bytes)).await;
    bytes
}

pub(super) async fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream
        .write_all(format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes())
        .await
        .unwrap();
    String::from_utf8(closed(stream).await).unwrap()
}

#[tokio::test]
async fn a_handshake_that_does_not_end_is_cut() {
    let world = World::https(Limits { handshake: soon(), ..Limits::default() }).await;
    let silent = TcpStream::connect(world.address).await.unwrap();
    let mut begun = TcpStream::connect(world.address).await.unwrap();
    begun.write_all(&[0x16, 0x03, 0x01, 0x02, 0x00, 0x01]).await.unwrap();
    closed(silent).await;
    closed(begun).await;
    eventually("both are counted", async || world.counters.handshake_timed_out.get() == 2).await;
}

#[tokio::test]
async fn a_connection_that_brings_no_request_is_closed_on_either_port() {
    let limits = || Limits { header_read: soon(), ..Limits::default() };
    let plain = World::http(limits()).await;
    closed(TcpStream::connect(plain.address).await.unwrap()).await;
    let mut half = TcpStream::connect(plain.address).await.unwrap();
    half.write_all(b"GET /port HTTP/1.1\r\nhost: ").await.unwrap();
    closed(half).await;
    let mut preface = TcpStream::connect(plain.address).await.unwrap();
    preface.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    closed(preface).await;

    let secure = World::https(limits()).await;
    for alpn in [&b"h2"[..], b"http/1.1"] {
        let mut config = client::tls(&secure.authority, None);
        config.alpn_protocols = vec![alpn.to_vec()];
        closed(client::handshake(config, secure.address).await.unwrap()).await;
    }
}

#[tokio::test]
async fn a_connection_without_any_progress_is_cut() {
    let world = World::http(Limits { idle: soon(), ..Limits::default() }).await;
    for (cut, path) in [(1, "/held"), (2, "/large")] {
        // The answer to one of them does not come, that to the other is not read.
        let mut stream = TcpStream::connect(world.address).await.unwrap();
        stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes()).await.unwrap();
        eventually("it is cut", async || world.counters.timed_out.get() == cut).await;
    }
}

#[tokio::test]
async fn connections_over_the_cap_are_closed_at_once_and_the_cap_frees_up() {
    let world = World::http(Limits { connections: 2, ..Limits::default() }).await;
    let first = TcpStream::connect(world.address).await.unwrap();
    let second = TcpStream::connect(world.address).await.unwrap();
    eventually("two are open", async || world.counters.open.get() == 2).await;
    closed(TcpStream::connect(world.address).await.unwrap()).await;
    assert_eq!(world.counters.refused.get(), 1);
    drop(first);
    eventually("one has ended", async || world.counters.open.get() == 1).await;
    assert!(get(world.address, "/port").await.starts_with("HTTP/1.1 200"));
    drop(second);
}

#[tokio::test]
async fn one_client_does_not_get_all_connections() {
    let world = World::http(Limits { connections: 10, connections_per_client: 2, ..Limits::default() }).await;
    let from = async |client: [u8; 4]| {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind((client, 0).into()).unwrap();
        socket.connect(world.address).await.unwrap()
    };
    let greedy = [from([127, 0, 0, 2]).await, from([127, 0, 0, 2]).await];
    eventually("two are open", async || world.counters.open.get() == 2).await;
    closed(from([127, 0, 0, 2]).await).await;
    assert_eq!((world.counters.refused_client.get(), world.counters.refused.get()), (1, 0));
    assert!(get(world.address, "/port").await.starts_with("HTTP/1.1 200"), "others are let in");
    drop(greedy);
    eventually("they have ended", async || world.counters.open.get() == 0).await;
    drop(from([127, 0, 0, 2]).await);
    eventually("it is let in again", async || world.counters.accepted.get() == 4).await;
}

/// The type, stream and payload of the frames that a server sends by itself on a new HTTP/2 connection, up to the
/// acknowledgement of our settings.
async fn opening_frames(address: SocketAddr) -> Vec<(u8, u32, Vec<u8>)> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    let mut frames = Vec::new();
    loop {
        let mut head = [0; 9];
        within("a frame", stream.read_exact(&mut head)).await.unwrap();
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        within("its payload", stream.read_exact(&mut payload)).await.unwrap();
        if (head[3], head[4]) == (4, 1) {
            return frames;
        }
        frames.push((head[3], u32::from_be_bytes([head[5], head[6], head[7], head[8]]), payload));
    }
}

#[tokio::test]
async fn a_connection_may_send_64_kib_of_bodies_that_nobody_reads() {
    let world = World::http(Limits::default()).await;
    let frames = opening_frames(world.address).await;
    let (settings, others): (Vec<_>, Vec<_>) = frames.into_iter().partition(|(kind, ..)| *kind == 4);
    let window = settings[0].2.chunks(6).find(|setting| setting[..2] == [0, 4]);
    assert!(window.is_none_or(|setting| setting[2..] == 65_535_u32.to_be_bytes()), "{window:?}");
    assert!(
        others.iter().all(|(kind, ..)| *kind != 8),
        "nothing widens the window of the connection: {others:?}"
    );
}

#[tokio::test]
async fn a_panic_is_one_failed_request() {
    let world = World::https(Limits::default()).await;
    let client = client::https(&world.authority, None);
    let port = async || client::text(client.get(world.url("/port")).send().await.unwrap()).await;
    let before = port().await;
    let answer = client.get(world.url("/panic")).send().await.unwrap();
    assert_eq!(answer.status(), 500);
    assert_eq!(port().await, before, "the connection is still the same");
    assert_eq!(world.counters.panicked.get(), 1);
}

#[tokio::test]
async fn bytes_that_are_no_protocol_end_their_connection_only() {
    let limits = || Limits { handshake: soon(), header_read: soon(), ..Limits::default() };
    for world in [World::http(limits()).await, World::https(limits()).await] {
        for hostile in hostile_openings() {
            let mut stream = TcpStream::connect(world.address).await.unwrap();
            let _ = stream.write_all(&hostile).await;
            closed(stream).await;
        }
        eventually("all have ended", async || world.counters.open.get() == 0).await;
        assert_eq!(world.counters.panicked.get(), 0);
        let expected = u64::try_from(hostile_openings().len()).unwrap();
        assert_eq!(world.counters.accepted.get(), expected);
    }
}

/// Beginnings of several protocols with every kind of end, and noise from a fixed seed.
fn hostile_openings() -> Vec<Vec<u8>> {
    let mut openings: Vec<Vec<u8>> = [
        &b"\0\0\0\0\0\0\0\0"[..],
        b"\r\n\r\n\r\n\r\n",
        b"GET",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\ncontent-length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\ncontent-length: 99999999999999999999\r\n\r\n",
        b"GET / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
        b"GET http://[::1/ HTTP/1.1\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\x06\x04\0\0\0\0\0\0\x04\xff\xff\xff\xff",
        b"\x16\x03\x01\xff\xff\x01\x00\xff\xff",
        b"\x15\x03\x03\0\x02\x02\x28",
    ]
    .map(<[u8]>::to_vec)
    .into();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for length in [1, 5, 24, 100, 5_000] {
        let noise = std::iter::repeat_with(|| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[0]
        });
        openings.push(noise.take(length).collect());
    }
    openings
}
