//! What goes wrong in authentication and authorization.

use std::time::Duration;

use super::{Forbidden, ReviewError, TrustError};

/// Delegated authentication cannot start.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// The ConfigMap could not be read in time.
    #[error(
        "ConfigMap kube-system/extension-apiserver-authentication could not be read within {waited:?}: {problem}{hint}"
    )]
    Load {
        /// How long was tried.
        waited: Duration,
        /// The last failure.
        problem: String,
        /// What to do about it; starts with a separator, or is empty.
        hint: &'static str,
    },
    /// The ConfigMap cannot be used.
    #[error("ConfigMap kube-system/extension-apiserver-authentication cannot be used")]
    Trust(#[from] TrustError),
    /// An always-allowed path has a `*` that is not its last character.
    #[error("always-allowed path {path:?} may have `*` as its last character only")]
    AllowedPath {
        /// The path as it was given.
        path: String,
    },
}

/// Credentials were given, and none of them counts: 401.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AuthenticationError {
    /// The client certificate is nobody's.
    #[error("client certificate not accepted: {problem}")]
    Certificate {
        /// Why.
        problem: String,
    },
    /// The bearer token is nobody's.
    #[error("bearer token not accepted: {problem}")]
    Token {
        /// The review's words; may be empty.
        problem: String,
    },
    /// Too many tokens are being reviewed to ask about another one: 429.
    #[error("{0} bearer tokens are being reviewed already")]
    Crowded(usize),
    /// Nobody could say whose the token is.
    #[error("token review failed")]
    ReviewFailed(#[from] ReviewError),
}

/// The user may not, or nobody could say.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AuthorizationError {
    /// Not allowed: 403 with this message and these details.
    #[error("{}", .0.message)]
    Forbidden(Box<Forbidden>),
    /// Too many reviews of anonymous callers are under way to ask for another one: 429.
    #[error("{0} requests without credentials are being reviewed already")]
    Crowded(usize),
    /// The review gave no verdict: 500; the source's text is what upstream prints behind the path.
    #[error("access review failed")]
    ReviewFailed(#[from] ReviewError),
}
