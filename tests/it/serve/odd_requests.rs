//! Requests that are not HTTP, or nearly so: no refusal is without a reason.

use custom_metrics_adapter::serve::Limits;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
};

use super::world::World;
use crate::support::{client, within};

/// An answer as it came.
struct Answer {
    code: u16,
    body: String,
}

async fn answer(mut stream: impl AsyncRead + AsyncWrite + Unpin, request: &[u8]) -> Option<Answer> {
    stream.write_all(request).await.unwrap();
    let mut bytes = Vec::new();
    let _ = within("the connection is closed", stream.read_to_end(&mut bytes)).await;
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n")?;
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    assert_eq!(length.unwrap().parse(), Ok(body.len()), "{text}");
    Some(Answer { code: head.split(' ').nth(1)?.parse().unwrap(), body: body.to_owned() })
}

/// The answer of either port; the connection ends after it.
async fn ask(world: &World, request: &[u8]) -> Option<Answer> {
    if !world.secure {
        return answer(TcpStream::connect(world.address).await.unwrap(), request).await;
    }
    let mut tls = client::tls(&world.authority, None);
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    answer(client::handshake(tls, world.address).await.unwrap(), request).await
}

/// The message of a refusal in the form of its port.
fn message(world: &World, answer: &Answer) -> String {
    let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(body["code"], answer.code, "{body}");
    let field = if world.secure { "message" } else { "error" };
    assert_eq!(body["kind"] == "Status", world.secure, "{body}");
    body[field].as_str().unwrap().to_owned()
}

async fn both() -> [World; 2] {
    [World::http(Limits::default()).await, World::https(Limits::default()).await]
}

#[tokio::test]
async fn every_byte_at_every_place_of_a_url_is_taken_or_refused_with_a_reason() {
    let places = [("/po", "rt"), ("/port?labels=a", "b")];
    let places = places.into_iter().flat_map(|place| [(place, "1.0"), (place, "1.1")]);
    let requests: Vec<_> = places.flat_map(|place| (0..=255_u8).map(move |byte| (place, byte))).collect();
    for world in both().await {
        let mut refused = 0;
        for (((before, after), version), byte) in &requests {
            let tail = format!("{after} HTTP/{version}\r\nhost: x\r\nconnection: close\r\n\r\n");
            let request = [b"GET ", before.as_bytes(), &[*byte], tail.as_bytes()].concat();
            let answer = ask(&world, &request).await.unwrap_or_else(|| panic!("{byte}: no answer"));
            assert!(!answer.body.is_empty(), "{byte} {before}: {}", answer.code);
            assert!(answer.code < 400 || !message(&world, &answer).is_empty());
            refused += usize::from(answer.code == 400);
        }
        assert!(refused > 100, "{refused}");
    }
}

#[tokio::test]
async fn a_refused_head_is_told_what_to_change() {
    let long = |length: usize| "y".repeat(length);
    let cases = [
        (
            "POST /m?labels={\"plan\":\"paid\"} HTTP/1.1\r\ncontent-length: 2\r\n\r\n42".to_owned(),
            "%22 for \"",
        ),
        (
            "POST /pods/web-0/<metric> HTTP/1.1\r\ncontent-length: 2\r\n\r\n42".to_owned(),
            "%3C for <, %3E for >",
        ),
        ("POST /`date` HTTP/1.1\r\ncontent-length: 2\r\n\r\n42".to_owned(), "%60 for `"),
        ("GET /a b HTTP/1.1\r\n\r\n".to_owned(), "%20 for a blank"),
        ("GET /a\r\n\r\n".to_owned(), "HTTP version"),
        ("GET / HTTP/9.9\r\n\r\n".to_owned(), "\"HTTP/9.9\""),
        ("GET / HTTP/1.1\r\nno colon\r\n\r\n".to_owned(), "\"no colon\" has no colon"),
        ("GET / HTTP/1.1\r\na b: c\r\n\r\n".to_owned(), "\"a b\" cannot be the name of a header"),
        (format!("GET /{} HTTP/1.1\r\n\r\n", long(400_000)), "too l"),
        (format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", long(400_000)), "too l"),
        (format!("GET / HTTP/1.1\r\n{}\r\n", "x: y\r\n".repeat(300)), "256 headers"),
        ("GET / HTTP/1.1\r\ncontent-length: x\r\n\r\n".to_owned(), "content-length"),
        ("GET / HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n".to_owned(), "content-length"),
        ("GET / HTTP/1.1\r\ntransfer-encoding: gzip\r\n\r\n".to_owned(), "transfer-encoding"),
        ("\x16\x03\x01\x02\0\x01\0".to_owned(), "TLS"),
    ];
    for world in both().await {
        for (request, wanted) in &cases {
            let answer = ask(&world, request.as_bytes()).await;
            let answer = answer.unwrap_or_else(|| panic!("no answer to {request:.80?}"));
            let message = message(&world, &answer);
            assert!(
                answer.code >= 400 && message.contains(wanted),
                "{request:.80?}: {} {message}",
                answer.code
            );
        }
    }
}

#[tokio::test]
async fn a_refusal_after_good_requests_is_explained_too() {
    let world = World::http(Limits::default()).await;
    let good = "GET /port HTTP/1.1\r\nhost: x\r\n\r\n";
    let bad = "GET /?\"a\" HTTP/1.1\r\nhost: x\r\n\r\n";
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    stream.write_all([good, good, bad].concat().as_bytes()).await.unwrap();
    let mut text = String::new();
    within("the connection is closed", stream.read_to_string(&mut text)).await.unwrap();
    assert_eq!(text.matches("HTTP/1.1 200 OK").count(), 2, "{text}");
    assert!(text.contains("HTTP/1.1 400 Bad Request") && text.contains("write %22"), "{text}");
}

#[tokio::test]
async fn an_error_of_a_router_without_a_body_gets_one() {
    for world in both().await {
        let head = |method: &str, path: &str| {
            format!("{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").into_bytes()
        };
        let missing = ask(&world, &head("GET", "/nothing")).await.unwrap();
        assert_eq!((missing.code, message(&world, &missing).as_str()), (404, "this port has no such path"));
        let method = ask(&world, &head("POST", "/port")).await.unwrap();
        assert_eq!(method.code, 405);
        assert!(message(&world, &method).contains("GET,HEAD"), "{}", method.body);
    }
}
