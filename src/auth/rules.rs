//! Settings become rules: which paths need no review, and how long each verdict is used.

use std::time::Duration;

use super::{
    AccessVerdict, AuthError, AuthSettings, TokenVerdict,
    paths::AllowedPaths,
    verdicts::{Lifetime, Lifetimes},
};

/// Settings that have been checked.
pub(super) struct Rules {
    pub(super) allowed_paths: AllowedPaths,
    pub(super) tokens: Lifetimes,
    pub(super) access: Lifetimes,
}

impl Rules {
    pub(super) fn of(settings: AuthSettings) -> Result<Self, AuthError> {
        let AuthSettings { token_ttl, authorized_ttl, unauthorized_ttl, outage_ttl, always_allow_paths } =
            settings;
        Ok(Self {
            allowed_paths: AllowedPaths::parse(always_allow_paths)?,
            tokens: Lifetimes { allowed: token_ttl, denied: token_ttl, outage: Duration::ZERO },
            access: Lifetimes { allowed: authorized_ttl, denied: unauthorized_ttl, outage: outage_ttl },
        })
    }
}

pub(super) fn token_lifetime(verdict: &TokenVerdict, lifetimes: &Lifetimes) -> Lifetime {
    let (fresh, is_denial) = match verdict {
        TokenVerdict::Authenticated(_) => (lifetimes.allowed, false),
        TokenVerdict::Rejected(_) => (lifetimes.denied, true),
    };
    Lifetime { fresh, outage: Duration::ZERO, is_denial }
}

pub(super) fn access_lifetime(verdict: &AccessVerdict, lifetimes: &Lifetimes) -> Lifetime {
    if verdict.allowed {
        Lifetime { fresh: lifetimes.allowed, outage: lifetimes.outage, is_denial: false }
    } else {
        Lifetime { fresh: lifetimes.denied, outage: Duration::ZERO, is_denial: true }
    }
}
