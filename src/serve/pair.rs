//! A certificate chain with its private key, from PEM.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use jiff::Timestamp;
use rustls::sign::CertifiedKey;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use x509_parser::{
    extensions::GeneralName,
    prelude::{FromDer, X509Certificate},
};

/// A pair that can serve.
#[derive(Clone)]
pub(super) struct Pair {
    pub(super) key: Arc<CertifiedKey>,
    pub(super) leaf: LeafFacts,
}

/// What a certificate says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LeafFacts {
    /// Since when it is valid.
    pub not_before: Timestamp,
    /// Until when it is valid.
    pub not_after: Timestamp,
    /// The common name of the issuer.
    pub issuer: String,
    /// DNS names and addresses.
    pub names: Vec<String>,
}

/// A serving certificate that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file cannot be read.
    #[error("{path} cannot be read", path = .path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// A file cannot be written.
    #[error("{path} cannot be written", path = .path.display())]
    Write {
        /// Which file.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// The files are there, but make no pair.
    #[error("{certificate} and {key} cannot be used: {problem}", certificate = .certificate.display(), key = .key.display())]
    Pair {
        /// The file of the chain.
        certificate: PathBuf,
        /// The file of the private key.
        key: PathBuf,
        /// What is wrong.
        problem: PairProblem,
    },
    /// A new pair cannot be made.
    #[error("a certificate cannot be generated")]
    Generate(#[from] rcgen::Error),
}

/// Why a chain and a key make no pair.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PairProblem {
    /// The certificate file holds no certificate, or one that cannot be parsed.
    Certificate(String),
    /// The key file holds no private key.
    Key(String),
    /// The key is not the certificate's, or of a kind that cannot be used.
    Match(String),
    /// The certificate has expired.
    Expired(Timestamp),
}

impl fmt::Display for PairProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Certificate(problem) => write!(f, "no certificate: {problem}"),
            Self::Key(problem) => write!(f, "no private key: {problem}"),
            Self::Match(problem) => write!(f, "key and certificate do not fit: {problem}"),
            Self::Expired(moment) => write!(f, "the certificate has expired on {moment}"),
        }
    }
}

impl Pair {
    pub(super) fn parse(certificate: &[u8], key: &[u8]) -> Result<Self, PairProblem> {
        let chain = parse_chain(certificate)?;
        let leaf = facts_of(&chain)?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| PairProblem::Key(error.to_string()))?;
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let key =
            CertifiedKey::from_der(chain, key, &provider).map_err(|e| PairProblem::Match(e.to_string()))?;
        Ok(Self { key: Arc::new(key), leaf })
    }
}

impl LeafFacts {
    /// Of the first certificate in a PEM text.
    ///
    /// # Errors
    /// When there is none, or one that cannot be parsed.
    pub fn of(pem: &str) -> Result<Self, PairProblem> {
        leaf(pem.as_bytes())
    }

    fn parse(der: &CertificateDer<'_>) -> Result<Self, String> {
        let (_, certificate) = X509Certificate::from_der(der).map_err(|error| error.to_string())?;
        let validity = certificate.validity();
        let not_before = Timestamp::from_second(validity.not_before.timestamp());
        let not_after = Timestamp::from_second(validity.not_after.timestamp());
        let issuer = certificate.issuer().iter_common_name().next().and_then(|name| name.as_str().ok());
        let names = certificate.subject_alternative_name().map_err(|error| error.to_string())?;
        let names = names.iter().flat_map(|extension| &extension.value.general_names).filter_map(text);
        Ok(Self {
            not_before: not_before.unwrap_or(Timestamp::MIN),
            not_after: not_after.unwrap_or(Timestamp::MAX),
            issuer: issuer.unwrap_or_default().to_owned(),
            names: names.collect(),
        })
    }
}

fn text(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => match bytes.len() {
            4 => <[u8; 4]>::try_from(*bytes).ok().map(|octets| std::net::Ipv4Addr::from(octets).to_string()),
            16 => {
                <[u8; 16]>::try_from(*bytes).ok().map(|octets| std::net::Ipv6Addr::from(octets).to_string())
            }
            _ => None,
        },
        _ => None,
    }
}

/// What the leaf of a PEM chain says.
pub(super) fn leaf(certificate: &[u8]) -> Result<LeafFacts, PairProblem> {
    facts_of(&parse_chain(certificate)?)
}

fn parse_chain(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, PairProblem> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    chain.map_err(|error| PairProblem::Certificate(error.to_string()))
}

fn facts_of(chain: &[CertificateDer<'static>]) -> Result<LeafFacts, PairProblem> {
    let leaf = chain.first().ok_or(PairProblem::Certificate("the file has none".to_owned()))?;
    LeafFacts::parse(leaf).map_err(PairProblem::Certificate)
}

/// Reads a PEM file; refuses one that is absurdly large.
pub(super) async fn read(path: &Path) -> Result<Vec<u8>, CertificateError> {
    use tokio::io::AsyncReadExt;
    let failed = |source| CertificateError::Read { path: path.to_owned(), source };
    let file = tokio::fs::File::open(path).await.map_err(failed)?;
    let mut bytes = Vec::new();
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).await.map_err(failed)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > MAX_FILE_BYTES {
        return Err(failed(std::io::Error::other("the file is larger than a certificate chain ever is")));
    }
    Ok(bytes)
}

const MAX_FILE_BYTES: u64 = 1 << 20;
