//! The client certificates of a connection, and what they are worth.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use rustls::pki_types::CertificateDer;
use rustls_pki_types::UnixTime;
use x509_parser::prelude::{AttributeTypeAndValue, FromDer, X509Certificate};

use super::{Trust, User};

/// The certificates that a client presented in its handshake, the leaf first; possession of the leaf's key is proved
/// there, who issued it is judged here, for each request.
///
/// Cheap to clone; the clones of one connection share the last judgement, which holds for one state of the trusted
/// authorities (they rotate while connections live) and while the certificates are valid.
#[derive(Clone, Debug, Default)]
pub struct PeerCertificates(Option<Arc<Presented>>);

#[derive(Debug)]
struct Presented {
    chain: Vec<CertificateDer<'static>>,
    judgement: ArcSwapOption<Judgement>,
}

/// What a chain is worth.
#[derive(Debug)]
pub(super) struct Judgement {
    generation: u64,
    holds_until: UnixTime,
    /// The front proxy itself.
    pub(super) is_front_proxy: bool,
    /// An ordinary user, `None` when the certificate names nobody; or why it is not accepted.
    pub(super) user: Result<Option<User>, String>,
}

impl PeerCertificates {
    /// A connection without client certificate, or without TLS.
    #[must_use]
    pub fn none() -> Self {
        Self(None)
    }

    /// The chain that a client presented; an empty one is none.
    #[must_use]
    pub fn presented(chain: Vec<CertificateDer<'static>>) -> Self {
        if chain.is_empty() {
            return Self::none();
        }
        Self(Some(Arc::new(Presented { chain, judgement: ArcSwapOption::empty() })))
    }

    /// The chain, leaf first; empty when there is none.
    #[must_use]
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        self.0.as_deref().map_or(&[], |presented| &presented.chain)
    }

    /// What the chain is worth under `trust`; `None` when there is no chain.
    pub(super) fn judge(&self, trust: &Trust, generation: u64) -> Option<Arc<Judgement>> {
        let presented = self.0.as_ref()?;
        let now = UnixTime::now();
        if let Some(known) = presented.judgement.load_full()
            && known.generation == generation
            && now.as_secs() < known.holds_until.as_secs()
        {
            return Some(known);
        }
        let judgement = Arc::new(judge(&presented.chain, trust, generation, now));
        presented.judgement.store(Some(Arc::clone(&judgement)));
        Some(judgement)
    }
}

fn judge(chain: &[CertificateDer<'static>], trust: &Trust, generation: u64, now: UnixTime) -> Judgement {
    let leaf = chain.first().ok_or("no certificate".to_owned()).and_then(Leaf::parse);
    let is_front_proxy = trust.front_proxy.as_ref().is_some_and(|proxy| {
        let named =
            |leaf: &Leaf| proxy.allowed_names.is_empty() || proxy.allowed_names.contains(&leaf.common_name);
        proxy.authority.verify(chain, now).is_ok() && leaf.as_ref().is_ok_and(named)
    });
    let user = match &trust.client_ca {
        None if is_front_proxy => Ok(None),
        None => Err("the certificate is not the front proxy's, and no client CA is known".to_owned()),
        Some(authority) => authority
            .verify(chain, now)
            .map_err(|error| error.to_string())
            .and_then(|()| leaf.map(Leaf::into_user)),
    };
    Judgement { generation, holds_until: holds_until(chain, now), is_front_proxy, user }
}

/// Until the first of the certificates changes from or to being valid, and a minute at most: a judgement is cheap.
fn holds_until(chain: &[CertificateDer<'static>], now: UnixTime) -> UnixTime {
    let now = now.as_secs();
    let moments =
        chain.iter().filter_map(|der| X509Certificate::from_der(der).ok()).flat_map(|(_, certificate)| {
            let validity = certificate.validity();
            [validity.not_before.timestamp(), validity.not_after.timestamp().saturating_add(1)]
        });
    let changes = moments.filter_map(|moment| u64::try_from(moment).ok()).filter(|moment| *moment > now);
    let until = changes.min().unwrap_or(u64::MAX).min(now.saturating_add(JUDGEMENT_SECONDS));
    UnixTime::since_unix_epoch(std::time::Duration::from_secs(until))
}

/// What a leaf says of its owner.
struct Leaf {
    common_name: String,
    organizations: Vec<String>,
    fingerprint: String,
}

impl Leaf {
    fn parse(der: &CertificateDer<'static>) -> Result<Self, String> {
        let (_, certificate) = X509Certificate::from_der(der).map_err(|error| error.to_string())?;
        let subject = certificate.subject();
        let readable = |error| format!("the subject is not readable: {error}");
        // The last common name counts, as in Go's crypto/x509.
        let common_name = subject
            .iter_common_name()
            .last()
            .map_or(Ok(""), AttributeTypeAndValue::as_str)
            .map_err(readable)?;
        let organizations = subject
            .iter_organization()
            .map(|organization| organization.as_str().map(str::to_owned))
            .collect::<Result<_, _>>()
            .map_err(readable)?;
        Ok(Self { common_name: common_name.to_owned(), organizations, fingerprint: hex(&super::sha256(der)) })
    }

    /// CN is the user, O the groups, and the fingerprint the credential's id, as in kube-apiserver.
    fn into_user(self) -> Option<User> {
        let credential = (CREDENTIAL_ID.to_owned(), vec![format!("X509SHA256={}", self.fingerprint)]);
        (!self.common_name.is_empty()).then(|| User {
            name: self.common_name,
            uid: String::new(),
            groups: self.organizations,
            extra: [credential].into(),
        })
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

const CREDENTIAL_ID: &str = "authentication.kubernetes.io/credential-id";
const JUDGEMENT_SECONDS: u64 = 60;
