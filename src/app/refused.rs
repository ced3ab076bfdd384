//! Where no pod may send a scrape to, whatever its status says: kube-apiserver and the adapter itself.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use http::Uri;
use tokio::{net, time::timeout};

use super::Addresses;

/// The addresses of kube-apiserver as this process knows it, and of the two listeners that take requests of others.
/// The page of the adapter's own metrics, on its third, is a target like any other.
pub(super) async fn addresses(server: &Uri, listeners: Addresses) -> Vec<SocketAddr> {
    let servers = resolve(server).await;
    let mut ours = Vec::new();
    for listener in [Some(listeners.secure), listeners.write].into_iter().flatten() {
        ours.extend(reached_by(listener, &servers).await);
    }
    servers.into_iter().chain(ours).collect()
}

async fn resolve(server: &Uri) -> Vec<SocketAddr> {
    let host = server.host().unwrap_or_default().trim_matches(['[', ']']);
    let port = server.port_u16().unwrap_or(if server.scheme_str() == Some("http") { 80 } else { 443 });
    match timeout(LOOKUP, net::lookup_host((host, port))).await {
        Ok(Ok(found)) => found.map(canonical).collect(),
        _ => {
            tracing::warn!(%server, "kube-apiserver's address is not known: it is not among those that no pod may have scraped");
            Vec::new()
        }
    }
}

/// Where others reach a listener: its address, or the ones that this host shows to `peers` when it listens on all.
async fn reached_by(listener: SocketAddr, peers: &[SocketAddr]) -> Vec<SocketAddr> {
    if !listener.ip().is_unspecified() {
        return vec![canonical(listener)];
    }
    let mut reached = Vec::new();
    for peer in peers {
        reached.extend(shown_to(*peer).await.map(|ip| SocketAddr::new(ip, listener.port())));
    }
    reached
}

/// The address that a connection to `peer` would come from. Nothing is sent.
async fn shown_to(peer: SocketAddr) -> Option<IpAddr> {
    let any: IpAddr = match peer {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = net::UdpSocket::bind((any, 0)).await.ok()?;
    socket.connect(peer).await.ok()?;
    Some(socket.local_addr().ok()?.ip().to_canonical())
}

/// As targets are compared.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// Longer than any resolver needs; without an answer scraping begins all the same.
const LOOKUP: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    async fn refused(server: &str, listeners: [&str; 3]) -> Vec<String> {
        let [secure, write, admin] = listeners.map(|address| address.parse().unwrap());
        let refused =
            addresses(&server.parse().unwrap(), Addresses { secure, write: Some(write), admin }).await;
        refused.iter().map(ToString::to_string).collect()
    }

    #[tokio::test]
    async fn kube_apiserver_and_the_ports_of_this_process_are_refused_but_not_its_own_metrics() {
        let everywhere = ["0.0.0.0:6443", "[::]:8080", "0.0.0.0:9090"];
        let expected = ["127.0.0.1:36443", "127.0.0.1:6443", "127.0.0.1:8080"];
        assert_eq!(refused("https://127.0.0.1:36443", everywhere).await, expected);
        let somewhere = ["127.0.0.2:6443", "[::ffff:127.0.0.3]:8080", "127.0.0.2:9090"];
        assert_eq!(
            refused("https://127.0.0.1/", somewhere).await,
            ["127.0.0.1:443", "127.0.0.2:6443", "127.0.0.3:8080"]
        );
        assert_eq!(
            refused("https://[::1]:6443", ["127.0.0.2:1", "127.0.0.2:2", "127.0.0.2:3"]).await[0],
            "[::1]:6443"
        );
    }
}
