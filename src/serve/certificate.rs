//! The certificate that a listener shows, and its renewal while connections live.

use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use jiff::Timestamp;
use rustls::{
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use rustls_pki_types::UnixTime;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use super::{
    generated::{self, ServiceNames},
    issue::IssuedPair,
    pair::{self, CertificateError, Pair, PairProblem},
};

/// A serving certificate that follows its files.
///
/// New handshakes show the newest pair that could be used; open connections are not touched. A pair that cannot be
/// used (half written, mismatched, expired) leaves the one before in force, and is reported in [`Self::status`].
pub struct ServingCertificate {
    source: Source,
    current: ArcSwap<Current>,
    /// What was last looked at; also keeps two reloads apart.
    seen: Mutex<Seen>,
}

/// Where the pair comes from.
enum Source {
    Files {
        certificate: PathBuf,
        key: PathBuf,
        /// With these names a pair of our own is renewed before it expires.
        generated: Option<(PathBuf, ServiceNames)>,
    },
    /// Somebody hands it over. The text says who, for logs.
    Given(String),
}

/// Which certificate is shown, and what is wrong with a newer one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CertificateStatus {
    /// When the certificate that is shown expires.
    pub not_after: Timestamp,
    /// How many pairs have been shown, this one included.
    pub generation: u64,
    /// Why the files as they are now cannot be used.
    pub problem: Option<String>,
}

/// The bytes of chain and key, and why they are not shown, if they are not.
struct Seen {
    bytes: (Vec<u8>, Vec<u8>),
    problem: Option<String>,
}

struct Current {
    pair: Pair,
    generation: u64,
    problem: Option<String>,
}

impl ServingCertificate {
    /// The pair in two PEM files.
    ///
    /// # Errors
    /// When they cannot be read or make no pair. An expired one is taken: whether that matters is for clients to say.
    pub async fn from_files(certificate: PathBuf, key: PathBuf) -> Result<Arc<Self>, CertificateError> {
        Self::load(certificate, key, None).await
    }

    /// The pair in `directory` (`apiserver.crt`, `apiserver.key`, `ca.crt`), generated if there is none, and again
    /// if it is our own and does not cover `names` or is about to expire. A pair that someone else put there is used
    /// as it is, and never overwritten.
    ///
    /// A generated pair comes with a new certificate authority each time, because the authority's key is not kept:
    /// APIServices that name it in `caBundle` need the new `ca.crt`.
    ///
    /// # Errors
    /// When the directory cannot be read or written.
    pub async fn generated(directory: PathBuf, names: ServiceNames) -> Result<Arc<Self>, CertificateError> {
        let (certificate, key) = generated::ensure(&directory, &names, now()).await?;
        Self::load(certificate, key, Some((directory, names))).await
    }

    async fn load(
        certificate: PathBuf,
        key: PathBuf,
        generated: Option<(PathBuf, ServiceNames)>,
    ) -> Result<Arc<Self>, CertificateError> {
        let bytes = (pair::read(&certificate).await?, pair::read(&key).await?);
        let pair = Pair::parse(&bytes.0, &bytes.1).map_err(|problem| CertificateError::Pair {
            certificate: certificate.clone(),
            key: key.clone(),
            problem,
        })?;
        Ok(Self::new(Source::Files { certificate, key, generated }, pair, bytes))
    }

    /// A pair that is handed over, and replaced by [`Self::replace`]; `origin` says where it is kept.
    ///
    /// # Errors
    /// When chain and key make no pair.
    pub fn given(origin: String, pair: &IssuedPair) -> Result<Arc<Self>, PairProblem> {
        let parsed = Pair::parse(pair.chain.as_bytes(), pair.key.as_bytes())?;
        Ok(Self::new(Source::Given(origin), parsed, (Vec::new(), Vec::new())))
    }

    fn new(source: Source, pair: Pair, bytes: (Vec<u8>, Vec<u8>)) -> Arc<Self> {
        let problem = expired(&pair).map(|problem| problem.to_string());
        let current = ArcSwap::from_pointee(Current { pair, generation: 1, problem: problem.clone() });
        Arc::new(Self { source, current, seen: Mutex::new(Seen { bytes, problem }) })
    }

    /// Shows another pair from now on.
    ///
    /// # Errors
    /// When chain and key make no pair: the one from before stays in force.
    pub fn replace(&self, pair: &IssuedPair) -> Result<(), PairProblem> {
        self.show(Pair::parse(pair.chain.as_bytes(), pair.key.as_bytes())?);
        Ok(())
    }

    /// Which certificate is shown now.
    #[must_use]
    pub fn status(&self) -> CertificateStatus {
        let current = self.current.load();
        CertificateStatus {
            not_after: current.pair.leaf.not_after,
            generation: current.generation,
            problem: current.problem.clone(),
        }
    }

    /// Looks at the files every `period` until `shutdown` is cancelled. The bytes are compared, so that any way of
    /// replacing them is seen: a rename, a write in place, the swap of a Secret mount's `..data` link.
    pub async fn watch(self: Arc<Self>, period: Duration, shutdown: CancellationToken) {
        let follow = async {
            loop {
                tokio::time::sleep(period).await;
                self.reload().await;
            }
        };
        shutdown.run_until_cancelled(follow).await;
    }

    /// Looks at the files once, after renewing a pair of our own that is about to expire.
    pub async fn reload(&self) {
        let mut seen = self.seen.lock().await;
        let bytes = match self.source.read().await {
            Some(Ok(bytes)) => bytes,
            Some(Err(error)) => return self.report(Some(chain(&error))),
            None => return,
        };
        if seen.bytes != bytes {
            let usable = Pair::parse(&bytes.0, &bytes.1).and_then(not_expired);
            let problem = usable.map(|pair| self.show(pair)).err().map(|problem| problem.to_string());
            *seen = Seen { bytes, problem };
        }
        self.report(seen.problem.clone());
    }

    fn show(&self, pair: Pair) {
        let before = self.current.load_full();
        let generation = before.generation + 1;
        tracing::info!(not_after = %pair.leaf.not_after, generation, "serving with a new certificate");
        // The problem stays until `report` has told its end.
        self.current.store(Arc::new(Current { pair, generation, problem: before.problem.clone() }));
    }

    /// Why a newer pair cannot be used or kept, or that nothing is wrong; logged when it changes.
    pub fn report(&self, problem: Option<String>) {
        let current = self.current.load_full();
        if current.problem == problem {
            return;
        }
        if let Some(problem) = &problem {
            tracing::warn!(certificate = %self.source, problem, "keeping the serving certificate from before");
        } else {
            tracing::info!(certificate = %self.source, "the serving certificate is in order again");
        }
        let (pair, generation) = (current.pair.clone(), current.generation);
        self.current.store(Arc::new(Current { pair, generation, problem }));
    }
}

impl Source {
    /// The bytes of chain and key; `None` without files.
    async fn read(&self) -> Option<Result<(Vec<u8>, Vec<u8>), CertificateError>> {
        let Self::Files { certificate, key, generated } = self else { return None };
        let read = async {
            if let Some((directory, names)) = generated {
                generated::ensure(directory, names, now()).await?;
            }
            Ok((pair::read(certificate).await?, pair::read(key).await?))
        };
        Some(read.await)
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Files { certificate, .. } => certificate.display().fmt(f),
            Self::Given(origin) => origin.fmt(f),
        }
    }
}

impl ResolvesServerCert for ServingCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.load().pair.key))
    }
}

impl fmt::Debug for ServingCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServingCertificate").field("source", &self.source.to_string()).finish_non_exhaustive()
    }
}

fn expired(pair: &Pair) -> Option<PairProblem> {
    let not_after = pair.leaf.not_after;
    (not_after < now()).then_some(PairProblem::Expired(not_after))
}

fn not_expired(pair: Pair) -> Result<Pair, PairProblem> {
    expired(&pair).map_or(Ok(pair), Err)
}

/// The moment by the clock that TLS itself goes by.
fn now() -> Timestamp {
    let seconds = i64::try_from(UnixTime::now().as_secs()).unwrap_or(i64::MAX);
    Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX)
}

fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
