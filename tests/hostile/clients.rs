//! Clients that mean no good. Each is bounded, and ends by itself.

use std::{net::SocketAddr, sync::Arc};

use futures::{StreamExt as _, stream};
use rustls::{
    ClientConfig, DigitallySignedStruct, Error, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use tokio::{
    io::AsyncWriteExt as _,
    net::{TcpSocket, TcpStream},
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::PATIENCE;

/// Opens so many connections from sixteen addresses, each with as much of a head as it takes. Gives back those that were
/// taken.
pub(crate) async fn half_sent_heads(address: SocketAddr, connections: usize) -> Vec<TlsStream<TcpStream>> {
    let opened = stream::iter(0..connections).map(|number| half_sent_head(address, number));
    opened.buffer_unordered(32).filter_map(std::future::ready).collect().await
}

async fn half_sent_head(address: SocketAddr, number: usize) -> Option<TlsStream<TcpStream>> {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(source(number)).unwrap();
    let head = async {
        let stream = socket.connect(address).await.ok()?;
        let connector = TlsConnector::from(Arc::new(tls()));
        let mut stream = connector.connect("localhost".try_into().unwrap(), stream).await.ok()?;
        stream.write_all(PREFACE).await.ok()?;
        // Closed by the adapter when it is too much: what was taken by then counts.
        let fields = if number.is_multiple_of(2) { MOST_OF_A_LONG_HEAD } else { MOST_OF_A_SHORT_HEAD };
        let _ = stream.write_all(&header_block(fields)).await;
        Some(stream)
    };
    timeout(PATIENCE, head).await.ok()?
}

/// Headers that never end, 4 KB each, in frames of 16 KiB, none of which is the last.
fn header_block(count: usize) -> Vec<u8> {
    let mut fields = Vec::new();
    for _ in 0..count {
        // A field that is not indexed, of a new name of 3 bytes, and a value of 4,000 bytes.
        fields.extend_from_slice(b"\x00\x03x-y\x7f\xa1\x1e");
        fields.extend_from_slice(&[b'v'; 4_000]);
    }
    let mut block = Vec::new();
    for (number, payload) in fields.chunks(16 << 10).enumerate() {
        let [.., a, b, c] = u64::try_from(payload.len()).unwrap().to_be_bytes();
        let kind = if number == 0 { 1 } else { 9 };
        block.extend_from_slice(&[a, b, c, kind, 0, 0, 0, 0, 1]);
        block.extend_from_slice(payload);
    }
    block
}

/// Asks for so many paths that nobody has, each as long as a cache takes. Says how many were answered.
pub(crate) async fn invented_paths(address: SocketAddr, paths: usize) -> usize {
    let client =
        reqwest::Client::builder().no_proxy().tls_backend_preconfigured(tls()).http2_prior_knowledge();
    let client = client.build().unwrap();
    let asked = stream::iter(0..paths).map(|number| {
        let url = format!("https://localhost:{}/{number}/{}", address.port(), "p".repeat(9_500));
        let client = client.clone();
        async move { client.get(url).send().await.is_ok_and(|answer| answer.status().is_client_error()) }
    });
    let answered = asked.buffer_unordered(16).filter(|answered| std::future::ready(*answered)).count();
    timeout(PATIENCE, answered).await.expect("all are answered")
}

/// So many readers of a page, each once; the first tenth ask for as much as one page has. Says how many got it.
pub(crate) async fn readers_of_targets(address: SocketAddr, readers: usize) -> usize {
    let read = stream::iter(0..readers).map(|number| async move {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let limit = if number < readers / 10 { "&limit=1000000" } else { "" };
        let url = format!("http://{address}/targets?format=json{limit}");
        let page = client.get(url).send().await.ok()?.error_for_status().ok()?;
        page.bytes().await.ok()
    });
    let read = read.buffer_unordered(readers).filter(|page| std::future::ready(page.is_some())).count();
    timeout(PATIENCE, read).await.expect("all are answered")
}

/// Connections from sixteen addresses that ask for a page and never read it; held until they are dropped. Gives back those
/// that were taken.
pub(crate) async fn readers_that_never_read(address: SocketAddr, readers: usize) -> Vec<TcpStream> {
    let opened = stream::iter(0..readers).map(|number| async move {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(source(number)).unwrap();
        socket.set_recv_buffer_size(4_096).unwrap();
        let asked = async {
            let mut stream = socket.connect(address).await.ok()?;
            stream
                .write_all(b"GET /targets?format=json&limit=1000 HTTP/1.1\r\nHost: a\r\n\r\n")
                .await
                .ok()?;
            Some(stream)
        };
        timeout(PATIENCE, asked).await.ok()?
    });
    opened.buffer_unordered(32).filter_map(std::future::ready).collect().await
}

/// One of sixteen addresses.
fn source(number: usize) -> SocketAddr {
    ([127, 0, 0, u8::try_from(2 + number % 16).unwrap()], 0).into()
}

fn tls() -> ClientConfig {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(Anybody));
    let mut config = builder.with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    config
}

/// These clients do not care with whom they speak.
#[derive(Debug)]
struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms.supported_schemes()
    }
}

/// 250 KB: refused, unless a certificate is accepted.
const MOST_OF_A_LONG_HEAD: usize = 62;
/// 16 KB: within what strangers have, and so held.
const MOST_OF_A_SHORT_HEAD: usize = 4;
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
