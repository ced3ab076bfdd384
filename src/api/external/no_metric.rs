//! Why a read of an external metric found nothing, in words for whoever reads `kubectl describe hpa`.
//!
//! Upstream has no such sentence: it answers an empty list, of which the HPA says only that it was empty.

use std::fmt;

use crate::{
    api::{
        not_found::{Names, remedy},
        route::ExternalPath,
    },
    model::{MetricName, MetricNameError},
    store::Absence,
};

/// A read that found nothing.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub(in crate::api) struct NoExternalMetric {
    /// What was asked for.
    pub(super) path: ExternalPath,
    /// The label selector, printed; empty if there was none.
    pub(super) selector: String,
    /// Why there is nothing.
    pub(in crate::api) why: Why,
}

/// Why there is nothing.
#[derive(Clone, PartialEq, Debug)]
pub(in crate::api) enum Why {
    /// Nothing was written for this namespace under this name.
    Unwritten(Unwritten),
    /// It is written, and with no label set that meets the selector; some of those that there are.
    Unselected(Vec<String>),
    /// A value is there and may not be served.
    Absent(Absence),
    /// Nothing is written, and the namespace's pods have no value together.
    OfPods(Absence),
    /// Not a name that a metric can have.
    BadName(MetricNameError),
}

/// What is known around a metric that was not written.
#[derive(Clone, PartialEq, Debug)]
pub(in crate::api) struct Unwritten {
    /// Whether the cluster has the namespace; `None` if that is not known.
    pub(in crate::api) namespace_exists: Option<bool>,
    /// What the namespace has instead.
    pub(super) others: Vec<MetricName>,
    /// The one of them with a similar name.
    pub(super) nearest: Option<MetricName>,
    /// Whether another namespace has a metric of this name.
    pub(super) elsewhere: bool,
}

impl fmt::Display for NoExternalMetric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ExternalPath { namespace, metric } = &self.path;
        write!(f, "the server could not find the external metric {metric} in namespace {namespace}")?;
        if !self.selector.is_empty() {
            write!(f, " with selector {}", self.selector)?;
        }
        match &self.why {
            Why::Unwritten(unwritten) => unwritten.tell(&self.path, f),
            Why::Unselected(sets) => {
                write!(
                    f,
                    ": it is written, but with no label set that meets the selector; its label sets are "
                )?;
                f.write_str(&sets.join(" and "))
            }
            Why::Absent(absence) => write!(f, ": {}", said(absence)),
            Why::OfPods(absence) => {
                write!(f, ": computed from the pods of its namespace: {absence}{}", remedy(absence.root()))
            }
            Why::BadName(error) => write!(f, ": {error}"),
        }
    }
}

impl Unwritten {
    fn tell(&self, path: &ExternalPath, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ExternalPath { namespace, metric } = path;
        match (self.namespace_exists, &self.nearest) {
            (Some(false), _) => write!(
                f,
                ": the cluster has no namespace {namespace:?} (what is written for it is dropped after a minute)"
            ),
            (_, Some(nearest)) => write!(f, ": the nearest name that this namespace has is {nearest}"),
            _ if self.others.is_empty() => f.write_str(": no external metric is written for this namespace"),
            _ => write!(f, ": this namespace has {}", Names(&self.others)),
        }?;
        if self.elsewhere {
            f.write_str(
                "; another namespace has it: a metric is read only in the namespace that it is written for",
            )?;
        }
        // Nobody should be taught to write a name that is misspelt.
        if self.namespace_exists == Some(false) || self.nearest.is_some() {
            return Ok(());
        }
        write!(f, "; it is written with POST /write-metrics/namespaces/{namespace}/external/{metric}")
    }
}

/// Why a value may not be served, and what to do.
fn said(absence: &Absence) -> String {
    match absence {
        Absence::ObjectGone => {
            "it was written for an earlier namespace of this name; write it again for the one that is there now"
                .to_owned()
        }
        Absence::OutOfRange => format!("{absence}; select fewer of them, or write smaller values"),
        absence => format!("{absence}{}", remedy(absence)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(selector: &str, why: Why) -> String {
        let path = ExternalPath { namespace: "shop".to_owned(), metric: "depth".to_owned() };
        NoExternalMetric { path, selector: selector.to_owned(), why }.to_string()
    }

    fn unwritten(
        namespace_exists: Option<bool>,
        others: &[&str],
        nearest: Option<&str>,
        elsewhere: bool,
    ) -> Why {
        let name = |name: &str| MetricName::new(name).unwrap();
        let others = others.iter().copied().map(name).collect();
        Why::Unwritten(Unwritten { namespace_exists, others, nearest: nearest.map(name), elsewhere })
    }

    #[test]
    fn an_unknown_metric_is_told_what_there_is_and_how_to_write_it_if_it_can_be() {
        let begin = "the server could not find the external metric depth in namespace shop";
        let end = "; it is written with POST /write-metrics/namespaces/shop/external/depth";
        let absent = unwritten(Some(false), &[], None, false);
        let dropped = "(what is written for it is dropped after a minute)";
        assert_eq!(message("", absent), format!("{begin}: the cluster has no namespace \"shop\" {dropped}"));
        for (why, reason) in [
            (unwritten(Some(true), &[], None, false), ": no external metric is written for this namespace"),
            (unwritten(None, &["jobs", "orders"], None, false), ": this namespace has jobs, orders"),
            (
                unwritten(Some(true), &[], None, true),
                ": no external metric is written for this namespace; another namespace has it: a metric is read only \
                 in the namespace that it is written for",
            ),
        ] {
            assert_eq!(message("", why), format!("{begin}{reason}{end}"));
        }
        let misspelt = unwritten(None, &["dept", "orders"], Some("dept"), false);
        assert_eq!(
            message("", misspelt),
            format!("{begin}: the nearest name that this namespace has is dept")
        );
    }

    #[test]
    fn a_value_that_may_not_be_served_says_why_and_what_to_do() {
        let at = "2026-11-26T00:00:00Z".parse().unwrap();
        for (absence, reason) in [
            (
                Absence::ObjectGone,
                "it was written for an earlier namespace of this name; write it again for the one that is there now",
            ),
            (
                Absence::OutOfRange,
                "its label sets add up to more than the HPA can calculate with; select fewer of them, or write smaller \
                 values",
            ),
            (
                Absence::Expired { at },
                "its ttl ended at 2026-11-26T00:00:00Z; write it again, more often than its ttl or with a longer one",
            ),
        ] {
            let begin =
                "the server could not find the external metric depth in namespace shop with selector a=b";
            assert_eq!(message("a=b", Why::Absent(absence)), format!("{begin}: {reason}"));
        }
    }
}
