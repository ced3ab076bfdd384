//! What a metrics API said in place of a value. This adapter's messages carry the reason; of another one only the status
//! says something.

use crate::{
    cluster::LookupError,
    hpa::{Lack, LackKind},
};

pub(super) fn lack(error: &LookupError) -> Lack {
    Lack { kind: kind(error), text: error.message.clone() }
}

fn kind(error: &LookupError) -> LackKind {
    let says = |parts: &[&str]| parts.iter().any(|part| error.message.contains(part));
    match error.code {
        403 => LackKind::Denied,
        404 if says(&["could not find the requested resource"]) => LackKind::NoApi,
        404 => SAID.iter().find(|(_, parts)| says(parts)).map_or(LackKind::NoMetric, |(kind, _)| *kind),
        500 if says(&["is forbidden", "subjectaccessreviews"]) => LackKind::Denied,
        0 | 502.. => LackKind::NoApi,
        _ => LackKind::Other,
    }
}

/// The name that a message offers in place of the one that was asked for.
pub(super) fn nearest(message: &str) -> Option<String> {
    let (_, after) = message.split_once("the nearest")?;
    let (_, name) = after.split_once(" is ")?;
    let name = name.split([';', ',', ' ']).next()?;
    Some(name.to_owned()).filter(|name| !name.is_empty())
}

/// Words of this adapter's reasons, the most telling first.
const SAID: &[(LackKind, &[&str])] = &[
    (LackKind::NoObject, &["the cluster has no deployments", "the cluster has no namespace \""]),
    (
        LackKind::NoPods,
        &[
            "selects no pods",
            "the cluster has no pods in namespace",
            "it has no pods to compute it from",
            "none of them is running",
            "no EndpointSlice of it names a pod",
            "it leads to no Service",
            "none of the Services that it leads to is there",
        ],
    ),
    (LackKind::NoObject, &["the cluster has no "]),
    (LackKind::Expired, &["its ttl"]),
    (LackKind::TargetRefused, &["cannot be scraped", "ask to be scraped", "asks to be scraped"]),
    (LackKind::TargetDown, &["fails with", " fails: ", "last good scrape", "was never scraped well"]),
    (
        LackKind::TooEarly,
        &[
            "not scraped yet",
            "too few times",
            "next scrape",
            "not full yet",
            "younger than two scrape intervals",
            "still being read",
        ],
    ),
    (LackKind::Coverage, &[" pods have it, and "]),
    (LackKind::NoSeries, &["meets the selector", "no series of it has"]),
    (LackKind::ObjectGone, &["that is gone", "for an earlier"]),
    (
        LackKind::Unusable,
        &[
            "NaN",
            "can calculate with",
            "a total only grows",
            "is not one counter",
            "a rate needs a counter",
            "could not be read",
            "was good but lacks it",
            "does not keep it",
            "a counter began",
            "do not add up",
            "exposed with the timestamp",
            "its quantiles are not known",
        ],
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn said(code: u16, message: &str) -> LackKind {
        kind(&LookupError { code, message: message.to_owned() })
    }

    #[test]
    fn a_reason_of_this_adapter_is_recognised() {
        let begin = "the server could not find the metric depth for deployments.apps web: ";
        for (reason, kind) in [
            ("it exists, and nothing is stored for it under this name; it has load", LackKind::NoMetric),
            ("the cluster has no deployments.apps \"web\" in namespace \"shop\"", LackKind::NoObject),
            ("its ttl ended at 2026-11-26T00:00:00Z; write it again", LackKind::Expired),
            (
                "the last good scrape was at 2026-11-26T00:00:00Z; it fails with: the status is 404",
                LackKind::TargetDown,
            ),
            ("the scrape of 2026-11-26T00:00:00Z was good but lacks it", LackKind::Unusable),
            ("it is a counter, and a total only grows: ask for x_per_second", LackKind::Unusable),
            (
                "its target http://127.0.0.1:80/ fails: the certificate has expired; the last good scrape was at 2026-11-26T00:00:00Z",
                LackKind::TargetDown,
            ),
            (
                "its target http://127.0.0.1:80/ was never scraped well: connection refused",
                LackKind::TargetDown,
            ),
            ("its target was not scraped yet", LackKind::TooEarly),
            ("it is scraped at http://127.0.0.1:80/, which does not expose it", LackKind::NoMetric),
            ("it asks to be scraped and cannot be: prometheus.io/port is no port", LackKind::TargetRefused),
            ("no series of it has method=GET: its label sets are code=200", LackKind::NoSeries),
            ("no series of this metric meets the selector", LackKind::NoSeries),
            ("the value was written for an object of this name that is gone", LackKind::ObjectGone),
            (
                "computed from its pods: 7 of 10 pods have it, and 90 % of them have to; web-3: it is scraped and does not expose it",
                LackKind::Coverage,
            ),
            (
                "computed from its pods: none of 3 pods has it; web-0: it is scraped and does not expose it",
                LackKind::NoMetric,
            ),
            (
                "nothing is written for it under this name, and it has no pods to compute it from; to scale",
                LackKind::NoPods,
            ),
            ("it is exposed as NaN or infinity", LackKind::Unusable),
        ] {
            assert_eq!(said(404, &format!("{begin}{reason}")), kind, "{reason}");
        }
        assert_eq!(
            said(404, "labelSelector app=web selects no pods in namespace \"shop\""),
            LackKind::NoPods
        );
    }

    #[test]
    fn of_another_adapter_the_status_says_something() {
        for (code, message, kind) in [
            (404, "the server could not find the metric depth for pods", LackKind::NoMetric),
            (404, "the server could not find the requested resource", LackKind::NoApi),
            (403, "forbidden", LackKind::Denied),
            (503, "the server is currently unable to handle the request", LackKind::NoApi),
            (500, "subjectaccessreviews is forbidden", LackKind::Denied),
            (500, "panic", LackKind::Other),
            (0, "connection refused", LackKind::NoApi),
        ] {
            assert_eq!(said(code, message), kind, "{code} {message}");
        }
    }

    #[test]
    fn the_nearest_name_is_taken_from_a_message() {
        for (message, name) in [
            ("…; the nearest metric of pods is rps; it is written with POST", Some("rps")),
            ("…; the nearest name that one of them has is rps; /targets on", Some("rps")),
            ("…: the nearest name that this namespace has is b", Some("b")),
            ("…: it exists, and nothing is stored for it under this name", None),
        ] {
            assert_eq!(nearest(message).as_deref(), name, "{message}");
        }
    }
}
