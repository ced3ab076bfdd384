//! HTTP clients that trust one authority and may have a certificate.

use std::{net::SocketAddr, sync::Arc};

use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::pki::{Authority, Identity};

/// A TLS configuration that trusts `authority` and shows `identity`.
pub(crate) fn tls(authority: &Authority, identity: Option<&Identity>) -> ClientConfig {
    tls_of_versions(authority, identity, rustls::ALL_VERSIONS)
}

pub(crate) fn tls_of_versions(
    authority: &Authority,
    identity: Option<&Identity>,
    versions: &[&'static SupportedProtocolVersion],
) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(authority.der.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(versions).unwrap();
    let builder = builder.with_root_certificates(roots);
    match identity {
        Some(identity) => {
            builder.with_client_auth_cert(identity.chain.clone(), identity.key.clone_key()).unwrap()
        }
        None => builder.with_no_client_auth(),
    }
}

/// A client of HTTP/2 (by ALPN) that resolves `localhost` to `address`.
pub(crate) fn https(authority: &Authority, identity: Option<&Identity>) -> reqwest::Client {
    let builder = reqwest::Client::builder().no_proxy().tls_backend_preconfigured(tls(authority, identity));
    builder.build().unwrap()
}

/// The same, speaking HTTP/1.1.
pub(crate) fn https1(authority: &Authority, identity: Option<&Identity>) -> reqwest::Client {
    let builder = reqwest::Client::builder().no_proxy().http1_only();
    builder.tls_backend_preconfigured(tls(authority, identity)).build().unwrap()
}

/// A bare TLS connection to `localhost` at `address`.
pub(crate) async fn handshake(
    config: ClientConfig,
    address: SocketAddr,
) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(address).await?;
    TlsConnector::from(Arc::new(config)).connect("localhost".try_into().unwrap(), stream).await
}

/// The whole body of an answer.
pub(crate) async fn text(mut answer: reqwest::Response) -> String {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.unwrap() {
        body.extend_from_slice(&chunk);
    }
    String::from_utf8(body).unwrap()
}
