//! Accepting connections: a cap, errors that do not spin, an orderly end.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use axum::Router;
use futures::FutureExt;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::{
    net::{TcpListener, TcpStream},
    time::Instant,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    ServeOptions,
    connection::Shared,
    slots::{NoSlot, Slot, Slots},
};
use crate::notice::Incident;

/// A bound socket that does not answer yet.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    address: SocketAddr,
}

/// The address cannot be bound.
#[derive(Debug, thiserror::Error)]
#[error("{address} cannot be listened on")]
pub struct BindError {
    /// The address as it was asked for.
    pub address: SocketAddr,
    /// The system's words.
    pub source: io::Error,
}

impl Listener {
    /// Binds `address`; port 0 takes a free port. `[::]` takes IPv4 connections too, and is `0.0.0.0` where the kernel
    /// has no IPv6.
    ///
    /// # Errors
    /// When the system refuses; names the address.
    pub async fn bind(address: SocketAddr) -> Result<Self, BindError> {
        let bound = open(address).or_else(|error| match without_ipv6(address, &error) {
            Some(address) => open(address),
            None => Err(error),
        });
        let bound = bound.and_then(|socket| socket.local_addr().map(|address| Self { socket, address }));
        bound.map_err(|source| BindError { address, source })
    }

    /// The address with the port that was bound.
    #[must_use]
    pub fn local_address(&self) -> SocketAddr {
        self.address
    }

    /// Serves `router` until `shutdown` is cancelled and the connections have ended, at the latest after
    /// [`Limits::drain_grace`](super::Limits::drain_grace).
    pub async fn run(self, router: Router, options: ServeOptions, shutdown: CancellationToken) {
        let tasks = TaskTracker::new();
        let shared = Arc::new(Shared { router, options, shutdown, tasks });
        let slots = Slots::new(&shared.options.limits);
        let mut pause = Pause::default();
        let incident = Incident::default();
        let mut failed = Instant::now();
        while let Some(accepted) = shared.shutdown.run_until_cancelled(self.socket.accept()).await {
            match accepted {
                Ok((stream, address)) => shared.take(stream, address, &slots),
                Err(error) if is_of_one_connection(&error) => continue,
                Err(error) => {
                    shared.options.counters.accept_failed.increment();
                    failed = Instant::now();
                    self.accept_fails(&incident, &error);
                    shared.shutdown.run_until_cancelled(tokio::time::sleep(pause.next())).await;
                    continue;
                }
            }
            pause = Pause::default();
            // Each descriptor that is freed lets one connection in while the others still wait.
            if failed.elapsed() >= CALM {
                self.accept_works(&incident);
            }
        }
        // What the system has accepted on our behalf is ours to answer.
        while let Some(Ok((stream, address))) = self.socket.accept().now_or_never() {
            shared.take(stream, address, &slots);
        }
        drop(self.socket);
        shared.tasks.close();
        shared.tasks.wait().await;
    }

    fn accept_fails(&self, incident: &Incident, error: &io::Error) {
        if incident.fails("accept") {
            tracing::warn!(address = %self.address, %error, "accepting connections fails");
        }
    }

    fn accept_works(&self, incident: &Incident) {
        if let Some(failed) = incident.works() {
            let failed_for_seconds = failed.as_secs();
            tracing::info!(address = %self.address, failed_for_seconds, "accepting connections works again");
        }
    }
}

impl Shared {
    /// Gives a connection its task, or closes it when there are too many.
    fn take(self: &Arc<Self>, stream: TcpStream, address: SocketAddr, slots: &Slots) {
        let counters = &self.options.counters;
        let slot = match slots.take(address.ip()) {
            Ok(slot) => slot,
            Err(NoSlot::All) => return counters.refused.increment(),
            Err(NoSlot::Client) => return counters.refused_client.increment(),
        };
        // Answers are small: waiting to fill a segment only delays them.
        let _ = stream.set_nodelay(true);
        let claim = slot.claim.clone();
        let open = Open::new(self, slot);
        let connection = Arc::clone(self).connection(stream, address, claim.clone());
        self.tasks.spawn(async move {
            tokio::select! {
                () = connection => {}
                () = claim.wanted() => open.shared.options.counters.refused.increment(),
                () = open.shared.end_of_grace() => open.shared.options.counters.cut.increment(),
            }
        });
    }

    /// Returns when the shutdown has left the connections enough time.
    async fn end_of_grace(&self) {
        self.shutdown.cancelled().await;
        tokio::time::sleep(self.options.limits.drain_grace).await;
    }
}

/// Counts a connection while it is open, however it ends.
struct Open {
    shared: Arc<Shared>,
    _slot: Slot,
}

impl Open {
    fn new(shared: &Arc<Shared>, slot: Slot) -> Self {
        shared.options.counters.accepted.increment();
        shared.options.counters.open.increment();
        Self { shared: Arc::clone(shared), _slot: slot }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.shared.options.counters.open.decrement();
    }
}

fn open(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        // Said, because net.ipv6.bindv6only may say otherwise.
        socket.set_only_v6(false)?;
    }
    // A restart must not wait for connections of the process before to time out.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Where to listen instead when `[::]` failed because the kernel has no IPv6.
fn without_ipv6(address: SocketAddr, error: &io::Error) -> Option<SocketAddr> {
    let absent =
        error.raw_os_error() == Some(NO_ADDRESS_FAMILY) || error.kind() == io::ErrorKind::AddrNotAvailable;
    let everywhere = address.ip() == Ipv6Addr::UNSPECIFIED;
    (absent && everywhere).then(|| SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), address.port()))
}

/// An error of a connection that ended before it was accepted says nothing about the next one.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// How long to leave accepting alone after it failed: the reason, most often no file descriptor, does not go away by
/// trying.
#[derive(Default)]
struct Pause(u32);

impl Pause {
    fn next(&mut self) -> Duration {
        let pause = FIRST_PAUSE.saturating_mul(1 << self.0.min(10));
        self.0 = self.0.saturating_add(1);
        pause.min(LONGEST_PAUSE)
    }
}

/// Accepting works again when it has not failed for this time.
const CALM: Duration = Duration::from_secs(1);
/// EAFNOSUPPORT of Linux: the answer of a kernel without IPv6.
const NO_ADDRESS_FAMILY: i32 = 97;
/// Connections that the system keeps until they are accepted; as tokio has it.
const BACKLOG: i32 = 1024;

const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failing_to_accept_waits_longer_each_time_up_to_a_second() {
        let mut pause = Pause::default();
        let pauses: Vec<u128> = (0..10).map(|_| pause.next().as_millis()).collect();
        assert_eq!(pauses, [5, 10, 20, 40, 80, 160, 320, 640, 1000, 1000]);
    }

    #[test]
    fn without_ipv6_in_the_kernel_everywhere_means_ipv4_and_any_other_address_fails() {
        let instead = |address: &str, error| {
            without_ipv6(address.parse().unwrap(), &io::Error::from_raw_os_error(error))
                .map(|address| address.to_string())
        };
        assert_eq!(instead("[::]:6443", 97).as_deref(), Some("0.0.0.0:6443"));
        assert_eq!(instead("[::]:6443", 99).as_deref(), Some("0.0.0.0:6443"), "IPv6 is switched off");
        assert_eq!(instead("[::]:6443", 98), None, "in use");
        assert_eq!(instead("[::1]:6443", 97), None);
    }

    #[tokio::test]
    async fn an_address_in_use_is_named_in_the_error() {
        let first = Listener::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let error = Listener::bind(first.local_address()).await.unwrap_err();
        assert_eq!(error.to_string(), format!("{} cannot be listened on", first.local_address()));
    }
}
