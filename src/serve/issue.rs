//! Certificates of our own: an authority, and the pairs that it issues.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

use super::generated::ServiceNames;

/// A certificate authority.
#[derive(Clone, PartialEq, Eq)]
pub struct Authority {
    /// In PEM, one certificate.
    pub certificate: String,
    /// In PEM.
    pub key: String,
}

/// A serving certificate with its key.
#[derive(Clone, PartialEq, Eq)]
pub struct IssuedPair {
    /// In PEM: the certificate, then its authority.
    pub chain: String,
    /// In PEM.
    pub key: String,
}

impl Authority {
    /// A new one, from an hour ago (for clients whose clock is behind) until `validity` from `now`.
    ///
    /// # Errors
    /// When no key can be made.
    pub fn generate(validity: Duration, now: Timestamp) -> Result<Self, rcgen::Error> {
        let mut params = valid_for(validity, now, CertificateParams::new(Vec::new())?);
        params.distinguished_name.push(DnType::CommonName, format!("{AUTHORITY}@{}", now.as_second()));
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let key = KeyPair::generate()?;
        let certificate = params.self_signed(&key)?.pem();
        Ok(Self { certificate, key: key.serialize_pem() })
    }

    /// A new pair for `names`, valid as an authority is.
    ///
    /// # Errors
    /// When the authority's own PEM is none.
    pub fn issue(
        &self,
        names: &ServiceNames,
        validity: Duration,
        now: Timestamp,
    ) -> Result<IssuedPair, rcgen::Error> {
        let issuer = Issuer::from_ca_cert_pem(&self.certificate, KeyPair::from_pem(&self.key)?)?;
        let mut params = valid_for(validity, now, CertificateParams::new(names.all())?);
        let name = format!("{}@{}", names.service, now.as_second());
        params.distinguished_name.push(DnType::CommonName, name);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate()?;
        let leaf = params.signed_by(&key, &issuer)?.pem();
        Ok(IssuedPair { chain: format!("{leaf}{}", self.certificate), key: key.serialize_pem() })
    }
}

fn valid_for(validity: Duration, now: Timestamp, mut params: CertificateParams) -> CertificateParams {
    let now =
        SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(now.as_second()).unwrap_or_default());
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.not_before = (now - HOUR).into();
    params.not_after = (now + validity).into();
    params
}

/// How the names of our authorities begin.
pub(super) const AUTHORITY: &str = "custom-metrics-adapter-ca";

const HOUR: Duration = Duration::from_secs(3_600);
