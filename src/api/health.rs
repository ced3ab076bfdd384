//! `/healthz`, `/livez`, `/readyz`: named checks in the words of kube-apiserver, which probes and people know.

use std::{borrow::Cow, fmt::Write, sync::Arc};

use axum::response::Response;
use http::StatusCode;

use crate::cluster;

use super::{error::ApiError, reply::text, route::Probe};

/// A named check and how it stands now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Check {
    /// Its name, as it stands in `/readyz/NAME`.
    pub name: Cow<'static, str>,
    /// Where it counts.
    pub scope: CheckScope,
    /// Why it fails, if it does. Shown to authorised users only, at `/readyz/NAME`.
    pub failure: Option<String>,
}

/// Where a check counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CheckScope {
    /// In `/readyz` only: when it fails, a restart would not help.
    Ready,
    /// In all three.
    Live,
}

/// Every check, as it stands when asked.
#[derive(Clone)]
pub struct Checks(Arc<dyn Fn() -> Vec<Check> + Send + Sync>);

impl From<cluster::Check> for Check {
    /// What the adapter has not seen of the cluster yet does not come by a restart.
    fn from(check: cluster::Check) -> Self {
        Self { name: check.name.into(), scope: CheckScope::Ready, failure: check.failure }
    }
}

impl Checks {
    /// What `checks` says at each request, which it has to say from memory. The check `ping`, that something answers
    /// at all, is always there and need not be among them.
    pub fn new(checks: impl Fn() -> Vec<Check> + Send + Sync + 'static) -> Self {
        Self(Arc::new(checks))
    }

    /// The names that count for `probe`.
    pub(super) fn names(&self, probe: Probe) -> Vec<Cow<'static, str>> {
        self.of(probe).into_iter().map(|check| check.name).collect()
    }

    /// The answer to `probe`, or to one check of it.
    pub(super) fn answer(
        &self,
        probe: Probe,
        check: Option<&str>,
        query: &str,
    ) -> Result<Response, ApiError> {
        let Some(name) = check else { return Ok(self.answer_all(probe, query, Reasons::Withheld)) };
        let checks = self.of(probe);
        let check = checks.into_iter().find(|check| check.name == name).ok_or(ApiError::UnknownPath)?;
        Ok(match check.failure {
            None => text(StatusCode::OK, "ok"),
            Some(reason) => {
                text(StatusCode::INTERNAL_SERVER_ERROR, format!("internal server error: {reason}\n"))
            }
        })
    }

    fn answer_all(&self, probe: Probe, query: &str, reasons: Reasons) -> Response {
        let parameters = || form_urlencoded::parse(query.as_bytes());
        let excluded: Vec<_> =
            parameters().filter(|(key, _)| key == "exclude").map(|(_, name)| name).collect();
        let (listing, passed) = self.listing(probe, &excluded, reasons);
        let outcome = if passed { "passed" } else { "failed" };
        let verbose = parameters().any(|(key, _)| key == "verbose");
        match (passed, verbose) {
            (true, false) => text(StatusCode::OK, "ok"),
            (true, true) => text(StatusCode::OK, format!("{listing}{} check {outcome}\n", probe.as_str())),
            (false, _) => text(
                StatusCode::INTERNAL_SERVER_ERROR,
                format!("{listing}{} check {outcome}\n", probe.as_str()),
            ),
        }
    }

    /// One line a check, and whether all passed.
    fn listing(&self, probe: Probe, excluded: &[Cow<'_, str>], reasons: Reasons) -> (String, bool) {
        let (mut listing, mut passed) = (String::new(), true);
        let checks = self.of(probe);
        for check in &checks {
            let line = if excluded.contains(&check.name) {
                format!("[+]{} excluded: ok\n", check.name)
            } else if let Some(failure) = &check.failure {
                passed = false;
                format!("[-]{} failed: {}\n", check.name, reasons.of(failure))
            } else {
                format!("[+]{} ok\n", check.name)
            };
            listing.push_str(&line);
        }
        let unknown: Vec<String> = excluded
            .iter()
            .filter(|name| checks.iter().all(|check| check.name != **name))
            .map(|name| format!("{name:?}"))
            .collect();
        if !unknown.is_empty() {
            let names = unknown.join(",");
            // Writing to a string does not fail.
            let _ = writeln!(listing, "warn: some health checks cannot be excluded: no matches for {names}");
        }
        (listing, passed)
    }

    fn of(&self, probe: Probe) -> Vec<Check> {
        let ping = Check { name: "ping".into(), scope: CheckScope::Live, failure: None };
        let mut checks = vec![ping];
        checks.extend((self.0)());
        checks.retain(|check| check.scope == CheckScope::Live || probe == Probe::Readyz);
        checks
    }
}

/// Whether a listing says why a check fails.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Reasons {
    /// In the words of the check, on one line.
    Given,
    /// As kube-apiserver does it: anyone may see the listing.
    Withheld,
}

impl Reasons {
    fn of(self, failure: &str) -> Cow<'_, str> {
        match self {
            Self::Given => failure.split_whitespace().collect::<Vec<_>>().join(" ").into(),
            Self::Withheld => "reason withheld".into(),
        }
    }
}

/// The three probes as routes of their own, with reasons: for the operators' port, which shows all else too.
pub fn probes(checks: &Checks) -> axum::Router {
    let route = |probe: Probe| {
        let checks = checks.clone();
        axum::routing::get(move |axum::extract::RawQuery(query): axum::extract::RawQuery| async move {
            checks.answer_all(probe, query.as_deref().unwrap_or_default(), Reasons::Given)
        })
    };
    axum::Router::new()
        .route("/healthz", route(Probe::Healthz))
        .route("/livez", route(Probe::Livez))
        .route("/readyz", route(Probe::Readyz))
}

#[cfg(test)]
mod tests {
    use axum::body::HttpBody;

    use super::*;

    fn checks(synced: bool) -> Checks {
        let failure = (!synced).then(|| "pods are not listed yet".to_owned());
        Checks::new(move || {
            vec![Check { name: "pods".into(), scope: CheckScope::Ready, failure: failure.clone() }]
        })
    }

    fn answer(checks: &Checks, probe: Probe, check: Option<&str>, query: &str) -> (u16, Option<u64>) {
        let response = checks.answer(probe, check, query).unwrap();
        (response.status().as_u16(), response.body().size_hint().exact())
    }

    #[test]
    fn a_failing_readiness_check_leaves_liveness_alone() {
        let failing = checks(false);
        assert_eq!(answer(&failing, Probe::Livez, None, "").0, 200);
        assert_eq!(answer(&failing, Probe::Readyz, None, "").0, 500);
        assert_eq!(answer(&failing, Probe::Readyz, Some("ping"), "").0, 200);
        assert_eq!(answer(&failing, Probe::Readyz, Some("pods"), "").0, 500);
        assert!(failing.answer(Probe::Livez, Some("pods"), "").is_err(), "it is no check of livez");
    }

    #[test]
    fn an_excluded_check_does_not_count() {
        assert_eq!(answer(&checks(false), Probe::Readyz, None, "exclude=pods"), (200, Some(2)));
    }

    #[test]
    fn a_listing_names_each_check_and_gives_reasons_to_operators_only() {
        let (listing, passed) = checks(false).listing(Probe::Readyz, &[], Reasons::Given);
        assert_eq!(
            (listing.as_str(), passed),
            ("[+]ping ok\n[-]pods failed: pods are not listed yet\n", false)
        );
        let (listing, passed) = checks(false).listing(Probe::Readyz, &["nope".into()], Reasons::Withheld);
        assert!(!passed);
        assert_eq!(
            listing,
            "[+]ping ok\n[-]pods failed: reason withheld\n\
             warn: some health checks cannot be excluded: no matches for \"nope\"\n"
        );
    }
}
