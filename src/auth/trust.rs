//! What ConfigMap `kube-system/extension-apiserver-authentication` says: whose certificates count, and how the front
//! proxy passes users on.

use std::{collections::BTreeMap, sync::Arc};

use http::HeaderName;
use rustls::{
    DistinguishedName, RootCertStore, crypto::CryptoProvider, pki_types::CertificateDer,
    server::WebPkiClientVerifier, server::danger::ClientCertVerifier,
};
use rustls_pki_types::{UnixTime, pem::PemObject};

/// Whose client certificates count, and as what. The default trusts nobody's.
#[derive(Debug, Default)]
pub struct Trust {
    /// `None` in the default only.
    pub(super) front_proxy: Option<FrontProxy>,
    /// Issues the certificates of ordinary users (CN is the user, O the groups).
    pub(super) client_ca: Option<Authority>,
    hints: Arc<[DistinguishedName]>,
}

/// The front proxy: which certificates it has, and the headers in which it names the user.
#[derive(Debug)]
pub(super) struct FrontProxy {
    pub(super) authority: Authority,
    /// Any common name of that authority when empty.
    pub(super) allowed_names: Vec<String>,
    pub(super) username_headers: Vec<HeaderName>,
    pub(super) group_headers: Vec<HeaderName>,
    pub(super) uid_headers: Vec<HeaderName>,
    /// In lower case.
    pub(super) extra_prefixes: Vec<String>,
}

/// Why the ConfigMap cannot be used.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("key {key:?} {problem}")]
pub struct TrustError {
    /// The key of the ConfigMap.
    pub key: &'static str,
    /// What is wrong with its value.
    pub problem: String,
}

impl Trust {
    /// Reads the ConfigMap's data. A missing header key means the default of kube-apiserver's flags; a missing
    /// front-proxy bundle is an error, because nobody could use an adapter without one.
    ///
    /// # Errors
    /// When a bundle holds no usable certificate or a list is not a JSON array of texts; names the key.
    pub fn parse(data: &BTreeMap<String, String>) -> Result<Self, TrustError> {
        let authority = Authority::parse(data, FRONT_PROXY_CA)?
            .ok_or(TrustError { key: FRONT_PROXY_CA, problem: "is missing".to_owned() })?;
        let client_ca = Authority::parse(data, CLIENT_CA)?;
        let front_proxy = FrontProxy {
            authority,
            allowed_names: texts(data, ALLOWED_NAMES)?.unwrap_or_default(),
            username_headers: headers(data, USERNAME_HEADERS, &["x-remote-user"])?,
            group_headers: headers(data, GROUP_HEADERS, &["x-remote-group"])?,
            uid_headers: headers(data, UID_HEADERS, &[])?,
            extra_prefixes: texts(data, EXTRA_PREFIXES)?
                .unwrap_or_else(|| vec!["x-remote-extra-".to_owned()])
                .iter()
                .map(|prefix| prefix.to_ascii_lowercase())
                .collect(),
        };
        let authorities = std::iter::once(&front_proxy.authority).chain(&client_ca);
        let hints = authorities.flat_map(|authority| authority.subjects.iter().cloned()).collect();
        Ok(Self { front_proxy: Some(front_proxy), client_ca, hints })
    }

    /// The subjects of both bundles: which certificates a TLS listener should ask for.
    pub(super) fn hints(&self) -> Arc<[DistinguishedName]> {
        Arc::clone(&self.hints)
    }
}

/// A bundle of certificate authorities.
#[derive(Clone, Debug)]
pub(super) struct Authority {
    verifier: Arc<dyn ClientCertVerifier>,
    subjects: Vec<DistinguishedName>,
}

impl Authority {
    fn parse(data: &BTreeMap<String, String>, key: &'static str) -> Result<Option<Self>, TrustError> {
        let Some(pem) = data.get(key).filter(|pem| !pem.trim().is_empty()) else { return Ok(None) };
        let wrong = |problem: String| TrustError { key, problem };
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
            let certificate = certificate.map_err(|error| wrong(format!("is not PEM: {error}")))?;
            roots
                .add(certificate)
                .map_err(|error| wrong(format!("has a certificate that cannot be used: {error}")))?;
        }
        if roots.is_empty() {
            return Err(wrong("has no certificate".to_owned()));
        }
        let subjects = roots.subjects();
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider())
            .build()
            .map_err(|error| wrong(format!("cannot be used: {error}")))?;
        Ok(Some(Self { verifier, subjects }))
    }

    /// Whether this authority issued the certificate, for use as a client's, and it is valid now.
    pub(super) fn verify(
        &self,
        chain: &[CertificateDer<'static>],
        now: UnixTime,
    ) -> Result<(), rustls::Error> {
        let (end_entity, intermediates) =
            chain.split_first().ok_or(rustls::Error::NoCertificatesPresented)?;
        self.verifier.verify_client_cert(end_entity, intermediates, now).map(drop)
    }
}

/// The one provider of cryptography, passed explicitly: no process-wide default decides.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

fn texts(data: &BTreeMap<String, String>, key: &'static str) -> Result<Option<Vec<String>>, TrustError> {
    let Some(json) = data.get(key).filter(|json| !json.is_empty()) else { return Ok(None) };
    let texts = serde_json::from_str(json);
    texts
        .map(Some)
        .map_err(|error| TrustError { key, problem: format!("is no JSON array of texts: {error}") })
}

fn headers(
    data: &BTreeMap<String, String>,
    key: &'static str,
    default: &[&str],
) -> Result<Vec<HeaderName>, TrustError> {
    let names = texts(data, key)?.unwrap_or_else(|| default.iter().map(ToString::to_string).collect());
    let name = |name: &String| {
        HeaderName::try_from(name)
            .map_err(|_| TrustError { key, problem: format!("has no header name: {name:?}") })
    };
    names.iter().map(name).collect()
}

const CLIENT_CA: &str = "client-ca-file";
const FRONT_PROXY_CA: &str = "requestheader-client-ca-file";
const ALLOWED_NAMES: &str = "requestheader-allowed-names";
const USERNAME_HEADERS: &str = "requestheader-username-headers";
const GROUP_HEADERS: &str = "requestheader-group-headers";
const UID_HEADERS: &str = "requestheader-uid-headers";
const EXTRA_PREFIXES: &str = "requestheader-extra-headers-prefix";

#[cfg(test)]
mod tests {
    use super::*;

    fn authority() -> String {
        let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().pem()
    }

    fn data(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
    }

    #[test]
    fn missing_header_keys_mean_the_defaults_of_kube_apiserver() {
        let trust = Trust::parse(&data(&[(FRONT_PROXY_CA, &authority())])).unwrap();
        let proxy = trust.front_proxy.unwrap();
        assert_eq!(proxy.username_headers, ["x-remote-user"]);
        assert_eq!(proxy.group_headers, ["x-remote-group"]);
        assert!(proxy.uid_headers.is_empty() && proxy.allowed_names.is_empty());
        assert_eq!(proxy.extra_prefixes, ["x-remote-extra-"]);
        assert!(trust.client_ca.is_none());
    }

    #[test]
    fn nobody_is_trusted_by_default() {
        let trust = Trust::default();
        assert!(trust.front_proxy.is_none() && trust.client_ca.is_none() && trust.hints().is_empty());
    }

    #[test]
    fn both_bundles_are_hinted_at() {
        let two = [authority(), authority()].concat();
        let trust = Trust::parse(&data(&[(FRONT_PROXY_CA, &two), (CLIENT_CA, &authority())])).unwrap();
        assert_eq!(trust.hints().len(), 3);
    }

    #[test]
    fn an_unusable_config_map_is_refused_with_its_key() {
        let good = authority();
        for (pairs, key) in [
            (vec![], FRONT_PROXY_CA),
            (vec![(FRONT_PROXY_CA, "")], FRONT_PROXY_CA),
            (vec![(FRONT_PROXY_CA, "no pem")], FRONT_PROXY_CA),
            (
                vec![(FRONT_PROXY_CA, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")],
                FRONT_PROXY_CA,
            ),
            (vec![(FRONT_PROXY_CA, &*good), (CLIENT_CA, "no pem")], CLIENT_CA),
            (vec![(FRONT_PROXY_CA, &*good), (ALLOWED_NAMES, "a,b")], ALLOWED_NAMES),
            (vec![(FRONT_PROXY_CA, &*good), (GROUP_HEADERS, r#"["a b"]"#)], GROUP_HEADERS),
        ] {
            assert_eq!(Trust::parse(&data(&pairs)).unwrap_err().key, key);
        }
    }
}
