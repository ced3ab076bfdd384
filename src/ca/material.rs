//! The keys and certificates that replicas share, as the Secret holds them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::ByteString;

use super::plan::{AUTHORITY_VALIDITY, PAIR_VALIDITY, Step};
use crate::serve::{Authority, IssuedPair, LeafFacts, PairProblem, ServiceNames, ServingCertificate};

/// A CA, the pair that it has issued, and the CA that comes next, if one does.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Material {
    pub(super) authority: Authority,
    pub(super) pair: IssuedPair,
    pub(super) next: Option<Authority>,
    /// The certificate of the CA from before, which a pair that is still shown somewhere may be of.
    pub(super) former: Option<String>,
}

/// Why the Secret's data cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum MaterialError {
    /// Part of it is there.
    #[error("it has {there} and no {missing}")]
    Part {
        /// A key that it has.
        there: String,
        /// A key that it lacks.
        missing: &'static str,
    },
    /// A key holds no text.
    #[error("{0} is no text")]
    NoText(&'static str),
    /// Certificate and key of the pair do not fit.
    #[error("tls.crt and tls.key: {0}")]
    Pair(PairProblem),
    /// A CA that cannot be used.
    #[error("{0} and its key make no certificate authority")]
    Authority(&'static str),
}

impl Material {
    pub(super) fn generate(names: &ServiceNames, now: Timestamp) -> Result<Self, rcgen::Error> {
        let authority = Authority::generate(AUTHORITY_VALIDITY, now)?;
        let pair = authority.issue(names, PAIR_VALIDITY, now)?;
        Ok(Self { authority, pair, next: None, former: None })
    }

    /// `None` if there is nothing: a Secret that was applied to be filled.
    pub(super) fn parse(data: &BTreeMap<String, ByteString>) -> Result<Option<Self>, MaterialError> {
        let filled = data.iter().find(|(_, bytes)| !bytes.0.is_empty());
        let Some((there, _)) = filled else { return Ok(None) };
        let optional = |key: &'static str| match data.get(key).filter(|bytes| !bytes.0.is_empty()) {
            None => Ok(None),
            Some(bytes) => {
                String::from_utf8(bytes.0.clone()).map(Some).map_err(|_| MaterialError::NoText(key))
            }
        };
        let needed =
            |key| optional(key)?.ok_or_else(|| MaterialError::Part { there: there.clone(), missing: key });
        let authority = Authority { certificate: first_certificate(&needed(BUNDLE)?), key: needed(CA_KEY)? };
        let pair = IssuedPair { chain: needed(CHAIN)?, key: needed(KEY)? };
        let next = match (optional(NEXT)?, optional(NEXT_KEY)?) {
            (Some(certificate), Some(key)) => Some(Authority { certificate, key }),
            _ => None,
        };
        // One that is no certificate helps nobody, and would be in every bundle.
        let former = optional(FORMER)?.filter(|pem| LeafFacts::of(pem).is_ok());
        Self { authority, pair, next, former }.checked().map(Some)
    }

    fn checked(self) -> Result<Self, MaterialError> {
        ServingCertificate::given(String::new(), &self.pair).map_err(MaterialError::Pair)?;
        let authorities = [(BUNDLE, Some(&self.authority)), (NEXT, self.next.as_ref())];
        let useless =
            authorities.into_iter().find(|(_, authority)| authority.is_some_and(|ca| !can_issue(ca)));
        useless.map_or(Ok(()), |(key, _)| Err(MaterialError::Authority(key)))?;
        Ok(self)
    }

    pub(super) fn data(&self) -> BTreeMap<String, ByteString> {
        let next = self.next.as_ref();
        let texts = [
            (BUNDLE, Some(self.bundle())),
            (CA_KEY, Some(self.authority.key.clone())),
            (CHAIN, Some(self.pair.chain.clone())),
            (KEY, Some(self.pair.key.clone())),
            (NEXT, next.map(|next| next.certificate.clone())),
            (NEXT_KEY, next.map(|next| next.key.clone())),
            (FORMER, self.former.clone()),
        ];
        let texts = texts.into_iter().filter_map(|(key, text)| Some((key, text?)));
        texts.map(|(key, text)| (key.to_owned(), ByteString(text.into_bytes()))).collect()
    }

    /// Every CA that a client has to trust, in PEM, the one that issues first.
    pub(super) fn bundle(&self) -> String {
        let next = self.next.as_ref().map(|next| &next.certificate);
        let all = std::iter::once(&self.authority.certificate).chain(next).chain(&self.former);
        all.map(String::as_str).collect()
    }

    /// What it is after `step`.
    pub(super) fn after(
        &self,
        step: Step,
        names: &ServiceNames,
        now: Timestamp,
    ) -> Result<Self, rcgen::Error> {
        let mut after = self.clone();
        match step {
            Step::Pair => after.pair = self.authority.issue(names, PAIR_VALIDITY, now)?,
            Step::NextAuthority => after.next = Some(Authority::generate(AUTHORITY_VALIDITY, now)?),
            Step::Promote => {
                if let Some(next) = after.next.take() {
                    after.pair = next.issue(names, PAIR_VALIDITY, now)?;
                    after.former = Some(std::mem::replace(&mut after.authority, next).certificate);
                }
            }
            Step::Retire => after.former = None,
        }
        Ok(after)
    }

    /// The same, with another CA that a pair is still shown of.
    pub(super) fn trusting(&self, certificate: &str) -> Self {
        let former = format!("{}{certificate}", self.former.as_deref().unwrap_or_default());
        Self { former: Some(former), ..self.clone() }
    }

    /// Whether clients of the bundle accept pairs of the CA with this certificate.
    pub(super) fn trusts(&self, certificate: &str) -> bool {
        self.bundle().contains(certificate)
    }

    /// Whether the pair is of the CA and for `names`.
    pub(super) fn pair_fits(&self, names: &ServiceNames) -> bool {
        let is_of_authority = self.pair.chain.ends_with(&self.authority.certificate);
        is_of_authority && LeafFacts::of(&self.pair.chain).is_ok_and(|facts| names.stand_in(&facts))
    }
}

fn can_issue(authority: &Authority) -> bool {
    let own = IssuedPair { chain: authority.certificate.clone(), key: authority.key.clone() };
    if ServingCertificate::given(String::new(), &own).is_err() {
        return false;
    }
    let names = ServiceNames { service: "a".to_owned(), namespace: "b".to_owned() };
    authority.issue(&names, PAIR_VALIDITY, Timestamp::UNIX_EPOCH).is_ok()
}

fn first_certificate(bundle: &str) -> String {
    match bundle.find(END) {
        Some(at) => bundle.get(..at + END.len()).map(|first| format!("{first}\n")).unwrap_or_default(),
        None => bundle.to_owned(),
    }
}

const END: &str = "-----END CERTIFICATE-----";

const BUNDLE: &str = "ca.crt";
const CA_KEY: &str = "ca.key";
const CHAIN: &str = "tls.crt";
const KEY: &str = "tls.key";
const NEXT: &str = "next-ca.crt";
const NEXT_KEY: &str = "next-ca.key";
const FORMER: &str = "former-ca.crt";
