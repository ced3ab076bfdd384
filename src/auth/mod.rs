//! Who asks (front proxy, client certificate, bearer token) and may they (access review), with caches.
//!
//! Delegated as in every Kubernetes extension server: kube-apiserver says whose certificates count (a ConfigMap that is
//! watched), whose a token is and what a user may do (reviews, asked over the network and remembered for seconds).
//! Nothing here makes an HTTP answer: errors carry what an answer needs.
//!
//! ```text
//! authenticate: front proxy (certificate + X-Remote-*) -> client certificate -> bearer token -> anonymous
//! authorize:    system:masters -> always-allowed path -> remembered verdict -> SubjectAccessReview
//! ```
//!
//! A listener must not open before [`Auth::delegated`] has returned: without the front proxy's CA the first probes of
//! kube-apiserver would be those of an anonymous stranger, and the APIService would be marked unavailable.

mod attributes;
mod certificate;
mod error;
mod forbidden;
mod front_proxy;
mod observe;
mod options;
mod paths;
mod review;
mod rules;
mod trust;
mod user;
mod verdicts;
mod watch;
mod weight;

use std::sync::Arc;

use arc_swap::ArcSwap;
use futures::future::BoxFuture;
use http::HeaderMap;
use rustls::DistinguishedName;
use tokio::sync::Semaphore;

pub use attributes::{Attributes, ResourceAttributes, SelectorRequirement, asks_to_watch};
pub use certificate::PeerCertificates;
pub use error::{AuthError, AuthenticationError, AuthorizationError};
pub use forbidden::Forbidden;
pub use observe::{Observer, Remembered, ReviewKind};
pub use options::{AuthKube, AuthOptions, AuthSettings};
pub use review::{
    AccessVerdict, BearerToken, Question, RequestHeaders, ReviewError, ReviewFailure, Reviews, TokenVerdict,
};
pub use trust::{Trust, TrustError};
pub use user::User;

use observe::ReviewLog;
use paths::AllowedPaths;
use rules::{Rules, access_lifetime, token_lifetime};
use verdicts::{Bounds, Origin, Verdicts};
use watch::TrustWatch;

/// Authentication and authorization of requests. Cheap to clone.
#[derive(Clone)]
pub struct Auth(Option<Arc<Delegated>>);

/// What is trusted now, for a page or a check.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TrustStatus {
    /// How often the trusted authorities have changed.
    pub generation: u64,
    /// Why the latest ConfigMap, or the watch of it, could not be used; what was loaded before stays in force.
    pub problem: Option<String>,
}

struct Delegated {
    trust: ArcSwap<Trusted>,
    /// Why the ConfigMap as it is cannot be used.
    problem: ArcSwap<Option<String>>,
    trust_watch: TrustWatch,
    reviews: Arc<dyn Reviews>,
    tokens: Arc<Verdicts<TokenDigest, TokenVerdict>>,
    token_reviews: Arc<Semaphore>,
    anonymous_reviews: Arc<Semaphore>,
    access: Arc<Verdicts<Question, AccessVerdict>>,
    allowed_paths: AllowedPaths,
    observer: Arc<dyn Observer>,
    review_log: Arc<ReviewLog>,
}

struct Trusted {
    generation: u64,
    trust: Trust,
}

type TokenDigest = [u8; 32];
type TokenCall = BoxFuture<'static, Result<TokenVerdict, ReviewError>>;
type AccessCall = BoxFuture<'static, Result<AccessVerdict, ReviewError>>;

impl Auth {
    /// Lets everyone do everything, as `system:anonymous`: for the standalone mode, which binds to loopback only.
    #[must_use]
    pub fn disabled() -> Self {
        Self(None)
    }

    /// Delegates to a kube-apiserver. Returns once the front proxy's CA is loaded, and watches the ConfigMap from then
    /// on in a task of the tracker: rotated authorities take effect within a moment, on open connections too.
    ///
    /// # Errors
    /// When the ConfigMap cannot be read or used within the load deadline, or an always-allowed path is malformed.
    pub async fn delegated(options: AuthOptions) -> Result<Self, AuthError> {
        let reviews = review::KubeReviews::new(options.kube.client.clone(), options.request_headers);
        let reviews = Arc::new(reviews);
        let rules = Rules::of(options.settings)?;
        let data = watch::load(&options.kube, options.load_deadline).await?;
        let trust = Trust::parse(&data)?;
        let delegated = Arc::new(Delegated::new(trust, reviews, rules, options.observer));
        let watched = watch::follow(options.kube, Arc::clone(&delegated), data);
        let shutdown = options.shutdown;
        options.tracker.spawn(async move { shutdown.run_until_cancelled(watched).await });
        Ok(Self(Some(delegated)))
    }

    /// Delegates to `reviews` under a fixed trust: what [`Auth::delegated`] builds, without a cluster.
    ///
    /// # Errors
    /// When an always-allowed path is malformed.
    pub fn with_reviews(
        trust: Trust,
        reviews: Arc<dyn Reviews>,
        settings: AuthSettings,
        observer: Arc<dyn Observer>,
    ) -> Result<Self, AuthError> {
        let rules = Rules::of(settings)?;
        Ok(Self(Some(Arc::new(Delegated::new(trust, reviews, rules, observer)))))
    }

    /// Whether anybody is asked at all.
    #[must_use]
    pub fn is_delegated(&self) -> bool {
        self.0.is_some()
    }

    /// Who asks, in the order front proxy, client certificate, bearer token, anonymous.
    ///
    /// Certificates that nobody here trusts make the request fail unless a valid token comes with them; so does the
    /// front proxy's own certificate without a user in the headers. `X-Remote-*` without that certificate is ignored.
    ///
    /// # Errors
    /// Credentials were given and none of them counts: answer 401. [`AuthenticationError::ReviewFailed`] when nobody
    /// could say whose the token is: answer 500. [`AuthenticationError::Crowded`] when the token is
    /// not known and too many others are being asked about: answer 429.
    pub async fn authenticate(
        &self,
        headers: &HeaderMap,
        peer: &PeerCertificates,
    ) -> Result<User, AuthenticationError> {
        let Some(delegated) = &self.0 else { return Ok(User::anonymous()) };
        let refused = match delegated.by_certificate(headers, peer) {
            Ok(Some(user)) => return Ok(user.authenticated()),
            Ok(None) => None,
            Err(error) => Some(error),
        };
        match (BearerToken::of(headers), refused) {
            (Some(token), _) => delegated.by_token(token).await.map(User::authenticated),
            (None, Some(error)) => Err(error),
            (None, None) => Ok(User::anonymous()),
        }
    }

    /// Whether a certificate among these is the front proxy's or that of a client of the cluster.
    #[must_use]
    pub fn accepts(&self, peer: &PeerCertificates) -> bool {
        let Some(delegated) = &self.0 else { return false };
        let trusted = delegated.trust.load();
        let judgement = peer.judge(&trusted.trust, trusted.generation);
        judgement.is_some_and(|judgement| judgement.is_front_proxy || judgement.user.is_ok())
    }

    /// Whether `user` may do what `attributes` say.
    ///
    /// # Errors
    /// [`AuthorizationError::Forbidden`] when not: answer 403. [`AuthorizationError::ReviewFailed`] when nobody could
    /// say: answer 500, and never with data. [`AuthorizationError::Crowded`] when a caller without credentials asks
    /// what is not known and too many others do: answer 429.
    pub async fn authorize(&self, user: &User, attributes: &Attributes) -> Result<(), AuthorizationError> {
        let Some(delegated) = &self.0 else { return Ok(()) };
        if user.is_in(PRIVILEGED_GROUP) || delegated.allowed_paths.allow(attributes) {
            return Ok(());
        }
        let verdict = delegated.verdict(user, attributes).await?;
        if verdict.allowed {
            return Ok(());
        }
        let forbidden = Forbidden::new(user, attributes, &verdict.reason);
        Err(AuthorizationError::Forbidden(Box::new(forbidden)))
    }

    /// What is trusted now; `None` when authentication is disabled.
    #[must_use]
    pub fn trust_status(&self) -> Option<TrustStatus> {
        let delegated = self.0.as_ref()?;
        let unusable = delegated.problem.load().as_ref().clone();
        let problem = unusable.or_else(|| delegated.trust_watch.problem());
        Some(TrustStatus { generation: delegated.trust.load().generation, problem })
    }

    /// Which client certificates a TLS listener should ask for, with the generation that they belong to; `None` when
    /// it should ask for none.
    #[must_use]
    pub fn certificate_hints(&self) -> Option<(u64, Arc<[DistinguishedName]>)> {
        let trusted = self.0.as_ref()?.trust.load();
        Some((trusted.generation, trusted.trust.hints()))
    }
}

impl Delegated {
    fn new(trust: Trust, reviews: Arc<dyn Reviews>, rules: Rules, observer: Arc<dyn Observer>) -> Self {
        Self {
            trust: ArcSwap::from_pointee(Trusted { generation: 1, trust }),
            problem: ArcSwap::from_pointee(None),
            trust_watch: TrustWatch::default(),
            reviews,
            tokens: Verdicts::new(TOKENS, rules.tokens, token_lifetime, weight::of_token),
            token_reviews: Arc::new(Semaphore::new(TOKEN_REVIEWS)),
            anonymous_reviews: Arc::new(Semaphore::new(ANONYMOUS_REVIEWS)),
            access: Verdicts::new(ACCESS, rules.access, access_lifetime, weight::of_access),
            allowed_paths: rules.allowed_paths,
            observer,
            review_log: Arc::default(),
        }
    }

    fn by_certificate(
        &self,
        headers: &HeaderMap,
        peer: &PeerCertificates,
    ) -> Result<Option<User>, AuthenticationError> {
        let trusted = self.trust.load();
        let Some(judgement) = peer.judge(&trusted.trust, trusted.generation) else { return Ok(None) };
        if let (true, Some(proxy)) = (judgement.is_front_proxy, &trusted.trust.front_proxy)
            && let Some(user) = proxy.user(headers)
        {
            return Ok(Some(user));
        }
        judgement.user.clone().map_err(|problem| AuthenticationError::Certificate { problem })
    }

    async fn by_token(&self, token: BearerToken) -> Result<User, AuthenticationError> {
        let digest = Arc::new(sha256(token.expose().as_bytes()));
        let verdict = match self.tokens.fresh(&digest) {
            Some(verdict) => {
                self.observer.remembered(ReviewKind::Token, Remembered::Fresh);
                verdict
            }
            None => self.review_token(digest, token).await?,
        };
        match verdict {
            TokenVerdict::Authenticated(user) => Ok(user),
            TokenVerdict::Rejected(problem) => Err(AuthenticationError::Token { problem }),
        }
    }

    async fn review_token(
        &self,
        digest: Arc<TokenDigest>,
        token: BearerToken,
    ) -> Result<TokenVerdict, AuthenticationError> {
        let (verdict, _) = self.tokens.ask_if(digest, || self.token_call(token)).await?;
        self.observer.remembered(ReviewKind::Token, Remembered::Asked);
        Ok(verdict)
    }

    /// Whoever reaches the port can make up tokens, and each costs a call: only so many at once.
    fn token_call(&self, token: BearerToken) -> Result<TokenCall, AuthenticationError> {
        let permit = Arc::clone(&self.token_reviews).try_acquire_owned();
        let permit = permit.map_err(|_| AuthenticationError::Crowded(TOKEN_REVIEWS))?;
        let call =
            observe::timed(ReviewKind::Token, &self.observer, &self.review_log, self.reviews.token(token));
        Ok(Box::pin(async move {
            let _permit = permit;
            call.await
        }))
    }

    async fn verdict(
        &self,
        user: &User,
        attributes: &Attributes,
    ) -> Result<AccessVerdict, AuthorizationError> {
        let known = self.access.fresh(&QuestionRef(user, attributes));
        if let Some(verdict) = known {
            self.observer.remembered(ReviewKind::Access, Remembered::Fresh);
            return Ok(verdict);
        }
        let question = Arc::new(Question { user: user.clone(), attributes: attributes.clone() });
        let call = || self.access_call(Arc::clone(&question));
        if attributes.text_bytes() > CACHEABLE_ATTRIBUTES || user.text_bytes() > CACHEABLE_USER {
            self.observer.remembered(ReviewKind::Access, Remembered::Asked);
            return Ok(call()?.await?);
        }
        let (verdict, origin) = self.access.ask_if(Arc::clone(&question), call).await?;
        let remembered = match origin {
            Origin::Call => Remembered::Asked,
            Origin::Outage => Remembered::Outage,
        };
        self.observer.remembered(ReviewKind::Access, remembered);
        Ok(verdict)
    }

    /// Whoever reaches the port is somebody, `system:anonymous`, and each path that they make up costs a call and keeps
    /// its place among the requests in flight meanwhile: only so many at once.
    fn access_call(&self, question: Arc<Question>) -> Result<AccessCall, AuthorizationError> {
        let counted =
            question.user.is_anonymous().then(|| Arc::clone(&self.anonymous_reviews).try_acquire_owned());
        let permit = counted.transpose().map_err(|_| AuthorizationError::Crowded(ANONYMOUS_REVIEWS))?;
        let call = self.reviews.access(question);
        let call = observe::timed(ReviewKind::Access, &self.observer, &self.review_log, call);
        Ok(Box::pin(async move {
            let _permit = permit;
            call.await
        }))
    }
}

/// A question that is looked up without being copied; hashes as [`Question`] does.
#[derive(Hash)]
struct QuestionRef<'q>(&'q User, &'q Attributes);

impl moka::Equivalent<Arc<Question>> for QuestionRef<'_> {
    fn equivalent(&self, question: &Arc<Question>) -> bool {
        *self.0 == question.user && *self.1 == question.attributes
    }
}

/// SHA-256 by the TLS provider: what a cache keeps of a token, and the id of a certificate.
fn sha256(bytes: &[u8]) -> TokenDigest {
    let mut digest = [0; 32];
    if let Some(suite) = rustls::crypto::aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256.tls13() {
        digest.copy_from_slice(suite.common.hash_provider.hash(bytes).as_ref());
    }
    digest
}

const PRIVILEGED_GROUP: &str = "system:masters";
/// Our own: token reviews under way at once. kube-apiserver's requests come with a certificate and need none; a token
/// that is remembered needs none either.
const TOKEN_REVIEWS: usize = 64;
/// Our own: access reviews of callers without credentials under way at once.
const ANONYMOUS_REVIEWS: usize = 64;

/// Our own: the bytes of remembered verdicts, 16 MiB in all. Those on access are as many as upstream remembers (8,192) when
/// users and paths are of the usual length.
const ACCESS: Bounds = Bounds { allowed: 11 << 20, denied: 3 << 20 };
const TOKENS: Bounds = Bounds { allowed: 1 << 20, denied: 1 << 20 };
/// As upstream: what a caller writes into the path is remembered up to this size.
const CACHEABLE_ATTRIBUTES: usize = 10_000;
/// Our own: users with thousands of groups are asked about each time, so that one of them
/// does not drive out many others.
const CACHEABLE_USER: usize = 64 * 1024;

#[cfg(test)]
mod tests;
