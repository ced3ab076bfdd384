//! The server's side of TLS.

use std::{io, sync::Arc};

use arc_swap::ArcSwapOption;
use rustls::{
    DigitallySignedStruct, DistinguishedName, ServerConfig, SignatureScheme,
    client::danger::HandshakeSignatureValid,
    crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, UnixTime},
    server::danger::{ClientCertVerified, ClientCertVerifier},
    version::{TLS12, TLS13},
};
use tokio_rustls::TlsAcceptor;

use super::ServingCertificate;
use crate::auth::{Auth, PeerCertificates};

/// TLS 1.2 and 1.3, HTTP/2 and HTTP/1.1 by ALPN, with a certificate that may change while it serves, and with client
/// certificates asked for (never required) by the authorities that [`Auth`] trusts at that moment. Cheap to clone.
#[derive(Clone)]
pub struct Tls(Arc<Inner>);

/// TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
#[error("TLS cannot be set up")]
pub struct TlsError(#[from] rustls::Error);

struct Inner {
    certificate: Arc<ServingCertificate>,
    auth: Auth,
    provider: Arc<CryptoProvider>,
    /// For one generation of trusted authorities.
    config: ArcSwapOption<(u64, Arc<ServerConfig>)>,
}

impl Tls {
    /// Serves with `certificate`, and asks clients for certificates that `auth` knows.
    ///
    /// # Errors
    /// When the provider of cryptography has no usable TLS version.
    pub fn new(certificate: Arc<ServingCertificate>, auth: Auth) -> Result<Self, TlsError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = Self(Arc::new(Inner { certificate, auth, provider, config: ArcSwapOption::empty() }));
        tls.config()?;
        Ok(tls)
    }

    /// Whether these certificates are accepted, as the front proxy's or a client's.
    pub(super) fn accepts(&self, certificates: &PeerCertificates) -> bool {
        self.0.auth.accepts(certificates)
    }

    pub(super) fn acceptor(&self) -> io::Result<TlsAcceptor> {
        self.config().map(TlsAcceptor::from).map_err(io::Error::other)
    }

    /// The configuration for the authorities that are trusted now. The list of hints is fixed in a configuration,
    /// so that a new generation needs a new one; connections keep theirs.
    fn config(&self) -> Result<Arc<ServerConfig>, TlsError> {
        let hints = self.0.auth.certificate_hints();
        let generation = hints.as_ref().map_or(0, |(generation, _)| *generation);
        if let Some(current) = self.0.config.load_full()
            && current.0 == generation
        {
            return Ok(Arc::clone(&current.1));
        }
        let config = Arc::new(self.0.build(hints.map(|(_, hints)| hints))?);
        self.0.config.store(Some(Arc::new((generation, Arc::clone(&config)))));
        Ok(config)
    }
}

impl Inner {
    fn build(&self, hints: Option<Arc<[DistinguishedName]>>) -> Result<ServerConfig, TlsError> {
        let builder = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(&[&TLS13, &TLS12])?;
        let builder = match hints {
            None => builder.with_no_client_auth(),
            Some(hints) => {
                let algorithms = self.provider.signature_verification_algorithms;
                builder.with_client_cert_verifier(Arc::new(ProvenCertificate { hints, algorithms }))
            }
        };
        let mut config = builder.with_cert_resolver(Arc::clone(&self.certificate) as _);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }
}

/// Takes any client certificate whose owner proves to have its key. Whose it is, and whether that counts, is judged
/// for each request: authorities rotate while connections live, and an unknown certificate with a valid bearer token
/// is let in by Kubernetes' API servers.
#[derive(Debug)]
struct ProvenCertificate {
    hints: Arc<[DistinguishedName]>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ClientCertVerifier for ProvenCertificate {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.hints
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        if intermediates.len() > MAX_INTERMEDIATES {
            return Err(rustls::Error::General("too many intermediate certificates".to_owned()));
        }
        let bytes = intermediates.iter().map(|der| der.len()).sum::<usize>() + end_entity.len();
        if bytes > MAX_CHAIN_BYTES {
            return Err(rustls::Error::General("the chain of certificates is too long".to_owned()));
        }
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// More than any real chain has; each is kept with its connection.
const MAX_INTERMEDIATES: usize = 8;
const MAX_CHAIN_BYTES: usize = 16 << 10;
