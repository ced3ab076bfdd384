//! The end: what was begun is finished, what is idle is closed, what hangs is cut.

use std::time::Duration;

use custom_metrics_adapter::serve::Limits;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::world::World;
use crate::support::{
    client::{self, text},
    eventually, within,
};

#[tokio::test]
async fn requests_in_flight_are_answered_and_new_connections_are_refused() {
    for http2 in [true, false] {
        let world = World::https(Limits::default()).await;
        let client = if http2 {
            client::https(&world.authority, None)
        } else {
            client::https1(&world.authority, None)
        };
        let held = client.get(world.url("/held")).send();
        let end = async {
            world.held(1).await;
            world.shutdown.cancel();
            eventually("nobody listens", async || TcpStream::connect(world.address).await.is_err()).await;
            world.release();
        };
        let (answer, ()) = tokio::join!(held, end);
        assert_eq!(text(answer.unwrap()).await, "released", "HTTP/2: {http2}");
        drop(client);
        world.ended().await;
        assert_eq!(world.counters.cut.get(), 0);
    }
}

#[tokio::test]
async fn a_kept_alive_connection_is_answered_once_more_and_told_to_close() {
    let world = World::http(Limits { drain_linger: Duration::from_secs(60), ..Limits::default() }).await;
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    let request = b"GET /port HTTP/1.1\r\nhost: x\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut first = [0; 12];
    stream.read_exact(&mut first).await.unwrap();
    world.shutdown.cancel();
    eventually("nobody listens", async || TcpStream::connect(world.address).await.is_err()).await;
    stream.write_all(request).await.unwrap();
    let mut rest = String::new();
    within("the connection is closed", stream.read_to_string(&mut rest)).await.unwrap();
    let last = rest.rsplit("HTTP/1.1 ").next().unwrap();
    assert!(last.starts_with("200") && last.contains("connection: close"), "{rest}");
    world.ended().await;
}

#[tokio::test]
async fn idle_connections_do_not_hold_the_end_up() {
    let world = World::https(Limits { drain_linger: Duration::from_millis(1), ..Limits::default() }).await;
    let clients = [client::https(&world.authority, None), client::https1(&world.authority, None)];
    for client in &clients {
        text(client.get(world.url("/port")).send().await.unwrap()).await;
    }
    world.shutdown.cancel();
    world.ended().await;
    assert_eq!(world.counters.cut.get(), 0);
}

#[tokio::test]
async fn what_does_not_end_is_cut_after_the_grace() {
    let limits = Limits { drain_grace: Duration::from_millis(50), ..Limits::default() };
    let world = World::https(limits).await;
    let client = client::https(&world.authority, None);
    let hangs = client.get(world.url("/held")).send();
    let end = async {
        world.held(1).await;
        world.shutdown.cancel();
        world.ended().await;
    };
    let (answer, ()) = tokio::join!(hangs, end);
    assert!(answer.is_err());
    assert_eq!(world.counters.cut.get(), 1);
    world.held(0).await;
}

#[tokio::test]
async fn under_load_every_request_that_is_sent_on_an_open_connection_is_answered() {
    let world = World::https(Limits::default()).await;
    let url = world.url("/port");
    let clients: Vec<_> = (0..8)
        .map(|n| {
            if n % 2 == 0 {
                client::https(&world.authority, None)
            } else {
                client::https1(&world.authority, None)
            }
        })
        .collect();
    let load = futures::future::join_all(clients.iter().map(|client| answered_until_refused(client, &url)));
    let end = async {
        eventually("all are connected", async || world.counters.accepted.get() >= 8).await;
        world.shutdown.cancel();
    };
    let (answered, ()) = tokio::join!(load, end);
    assert!(answered.iter().sum::<u32>() > 0);
    world.ended().await;
    assert_eq!(world.counters.open.get(), 0);
}

/// How many requests were answered before no connection could be made any more.
async fn answered_until_refused(client: &reqwest::Client, url: &str) -> u32 {
    let mut answered = 0;
    loop {
        let answer = match client.get(url).send().await {
            Ok(answer) => answer,
            Err(error) if error.is_connect() => return answered,
            Err(error) => panic!("a request was lost: {error:?}"),
        };
        assert_eq!(answer.status(), 200);
        text(answer).await;
        answered += 1;
    }
}
