//! Listeners: TLS with reload, handshake deadline, connection cap, drain.
//!
//! ```text
//! Listener::bind ─▶ Listener::run(router, options, shutdown)
//!                     accept ─▶ cap ─▶ TLS handshake ─▶ HTTP/1.1 or HTTP/2 ─▶ router, with a `Peer` extension
//! ```
//!
//! Every wait on a client has an end: for the handshake, for the first request, for the rest of each head, for another
//! request, and for any progress at all. When the token is cancelled the listener stops accepting, lets requests in
//! flight finish, and cuts what is left after a grace.
//!
//! No refusal is without a body: not those of the HTTP library (a head that it cannot read), nor those of a router.
//!
//! Certificates of clients are asked for and proved in the handshake; whose they are is for [`crate::auth`] to judge.

mod activity;
mod budget;
mod certificate;
mod connection;
mod counters;
mod explained;
mod generated;
mod heads;
mod issue;
mod listener;
mod odd_head;
mod pair;
mod refusal;
mod slots;
mod spans;
mod tls;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use crate::auth::PeerCertificates;

pub use budget::{ByteBudget, Room, Share};
pub use certificate::{CertificateStatus, ServingCertificate};
pub use counters::ConnectionCounters;
pub use generated::ServiceNames;
pub use issue::{Authority, IssuedPair};
pub use listener::{BindError, Listener};
pub use pair::{CertificateError, LeafFacts, PairProblem};
pub use spans::RequestSpans;
pub use tls::{Tls, TlsError};

/// Who is at the other end; an extension of every request, as its [`PeerCertificates`] are on their own.
#[derive(Clone, Debug)]
pub struct Peer {
    /// The remote address.
    pub address: SocketAddr,
    /// The client certificates, none on a plain port.
    pub certificates: PeerCertificates,
}

impl Peer {
    /// Somebody without a certificate.
    #[must_use]
    pub fn plain(address: SocketAddr) -> Self {
        Self { address, certificates: PeerCertificates::none() }
    }
}

/// How a listener serves.
#[derive(Clone)]
pub struct ServeOptions {
    /// Plain HTTP, or TLS with this.
    pub tls: Option<Tls>,
    /// What a client may take.
    pub limits: Limits,
    /// What half-sent heads may take, on all listeners together.
    pub heads: ByteBudget,
    /// What is counted.
    pub counters: Arc<ConnectionCounters>,
    /// What traces requests, if they are traced.
    pub spans: Option<Arc<dyn RequestSpans>>,
}

/// What a client may take of the server. The defaults are those of Kubernetes' API servers where they have one.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections at once; one more is closed as soon as it is accepted, so that its client knows at once.
    pub connections: usize,
    /// Connections at once from one address, so that one client cannot take all of them. Everybody behind one proxy is
    /// one client.
    pub connections_per_client: usize,
    /// From the connection to the end of the TLS handshake.
    pub handshake: Duration,
    /// From the end of the handshake to the first request, and from the beginning of each further head to its end.
    pub header_read: Duration,
    /// Without a byte read or written, or without another request. Must be longer than any request may take to be
    /// answered, and should be longer than clients keep a connection that they may use again.
    pub idle: Duration,
    /// Requests at once on one HTTP/2 connection.
    pub streams: u32,
    /// The head of one request on a connection whose client certificate is accepted; by HTTP/1.1 never more than
    /// 64 KiB.
    pub header_bytes: u32,
    /// The head of one request on any other connection.
    pub stranger_header_bytes: u32,
    /// After the token is cancelled: how long idle HTTP/1.1 connections may still bring one request. A client that
    /// reuses its connection at that very moment is answered instead of cut.
    pub drain_linger: Duration,
    /// After the token is cancelled: when what is left is cut.
    pub drain_grace: Duration,
}

/// The budget of half-sent heads: a thousand of strangers, or 64 of kube-apiserver's longest.
#[must_use]
pub fn head_budget() -> ByteBudget {
    ByteBudget::new(Room { holders: 4_096, bytes: 16 << 20 })
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1024,
            connections_per_client: 1024,
            handshake: Duration::from_secs(10),
            header_read: Duration::from_secs(32),
            // Go's client, and many others, keep a connection for 90 s: the client has to be the one that closes.
            idle: Duration::from_secs(95),
            streams: 100,
            header_bytes: 256 << 10,
            stranger_header_bytes: 16 << 10,
            drain_linger: Duration::from_millis(500),
            drain_grace: Duration::from_secs(60),
        }
    }
}
