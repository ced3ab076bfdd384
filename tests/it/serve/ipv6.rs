//! Clusters of IPv4, of IPv6, and of both.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use custom_metrics_adapter::serve::Limits;
use tokio::net::TcpStream;

use super::{
    limits::{closed, get},
    world::World,
};
use crate::support::eventually;

const LOOPBACKS: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];

#[tokio::test]
async fn a_listener_on_all_addresses_takes_ipv4_and_ipv6() {
    let world = World::at("[::]:0", Limits::default()).await;
    for ip in LOOPBACKS {
        let answer = get(SocketAddr::new(ip, world.address.port()), "/port").await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{ip}: {answer}");
    }
}

#[tokio::test]
async fn a_listener_on_one_ipv6_address_takes_no_other() {
    let world = World::at("[::1]:0", Limits::default()).await;
    assert!(get(world.address, "/port").await.starts_with("HTTP/1.1 200"));
    let other = SocketAddr::new(LOOPBACKS[0], world.address.port());
    assert!(TcpStream::connect(other).await.is_err());
}

#[tokio::test]
async fn a_client_of_ipv4_has_its_own_share_on_a_listener_of_both() {
    let limits = Limits { connections: 10, connections_per_client: 1, ..Limits::default() };
    let world = World::at("[::]:0", limits).await;
    let connect = async |ip: IpAddr| TcpStream::connect((ip, world.address.port())).await.unwrap();
    let [_first, _second] = [connect(LOOPBACKS[0]).await, connect(LOOPBACKS[1]).await];
    eventually("both are open", async || world.counters.open.get() == 2).await;
    closed(connect(LOOPBACKS[0]).await).await;
    assert_eq!(world.counters.refused_client.get(), 1);
}
