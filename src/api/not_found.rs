//! Why a read found nothing, in words for whoever reads `kubectl describe hpa`: the HPA shows the message verbatim.
//!
//! Upstream's sentence comes first, so that people and tools recognise it; what is wrong and what to do follows.

use std::fmt;

use crate::{
    model::{GroupResource, MetricName, MetricNameError, ObjectRef},
    store::Absence,
};

/// A read that found nothing.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub(super) struct NotFound {
    /// The metric that was asked for; `None` is every metric of an object.
    pub(super) metric: Option<String>,
    /// Of which resource.
    pub(super) resource: GroupResource,
    /// Of which object; `None` is `*`.
    pub(super) name: Option<String>,
    /// The metric selector, printed; empty if there was none.
    pub(super) metric_selector: String,
    /// Why there is nothing.
    pub(super) why: Why,
}

/// Why there is nothing.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Why {
    /// Nothing was written for this object under this name.
    Unwritten {
        /// The object.
        object: Box<ObjectRef>,
        /// Whether the cluster has it; `None` if that is not known.
        exists: Option<bool>,
        /// What it has instead.
        others: Vec<MetricName>,
        /// A metric of the resource with a similar name.
        nearest: Option<MetricName>,
    },
    /// A value is there and may not be served.
    Absent(Absence),
    /// `*` selected no object.
    NoObjects {
        /// Where was looked.
        namespace: Option<String>,
        /// The object selector, printed.
        selector: String,
        /// Whether there is no cluster to look at.
        standalone: bool,
    },
    /// `*` selected objects, and none of them has the metric.
    NoneHasIt {
        /// How many.
        objects: usize,
        /// One of them that has the metric but no usable value, and why.
        example: Option<Box<(ObjectRef, Absence)>>,
        /// What objects of the resource have instead, if there is no example.
        others: Vec<MetricName>,
        /// A metric of the resource with a similar or the same name.
        nearest: Option<MetricName>,
    },
    /// Objects of this resource have a namespace, and the path has none.
    NeedsNamespace,
    /// A namespace was asked for under the path of another.
    OtherNamespace(String),
    /// Not a name that a metric can have.
    BadName(MetricNameError),
}

impl fmt::Display for NotFound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.metric {
            Some(metric) => write!(f, "the server could not find the metric {metric} for {}", self.resource)?,
            None => write!(f, "the server could not find any metric for {}", self.resource)?,
        }
        if let Some(name) = &self.name {
            write!(f, " {name}")?;
        }
        if !self.metric_selector.is_empty() {
            write!(f, " with selector {}", self.metric_selector)?;
        }
        f.write_str(": ")?;
        self.reason(f)
    }
}

impl NotFound {
    fn reason(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let resource = &self.resource;
        match &self.why {
            Why::Unwritten { object, exists, others, nearest } => {
                self.unwritten(f, object, *exists)?;
                self.instead(f, others, nearest.as_ref())?;
                self.how_to_write(f, object)
            }
            Why::Absent(absence) => write!(f, "{absence}{}", remedy(absence)),
            Why::NoObjects { namespace, selector, standalone } => {
                no_objects(f, resource, namespace.as_deref(), selector, *standalone)
            }
            Why::NoneHasIt { objects, example, others, nearest } => {
                write!(f, "of the {objects} {resource} selected none has it")?;
                if let Some((object, absence)) = example.as_deref() {
                    return write!(f, "; {resource} {}: {absence}{}", object.name, remedy(absence));
                }
                match (nearest, others.is_empty()) {
                    (None, true) => write!(f, "; no {resource} have any metric"),
                    (None, false) => write!(f, "; the metrics of {resource} are {}", Names(others)),
                    (nearest, _) => self.instead(f, &[], nearest.as_ref()),
                }?;
                f.write_str("; it is written with POST /write-metrics/…")?;
                scraped(f, resource)
            }
            Why::NeedsNamespace => {
                write!(f, "{resource} have a namespace: ask for namespaces/NAMESPACE/{resource}/NAME/METRIC")
            }
            Why::OtherNamespace(namespace) => {
                write!(
                    f,
                    "a namespace's metrics are at namespaces/NAME/metrics/METRIC, not under namespace {namespace}"
                )
            }
            Why::BadName(error) => write!(f, "{error}"),
        }
    }

    fn unwritten(&self, f: &mut fmt::Formatter<'_>, object: &ObjectRef, exists: Option<bool>) -> fmt::Result {
        let place = Place(object.namespace.as_deref());
        match exists {
            Some(true) => write!(f, "it exists, but has no such metric"),
            Some(false) => write!(
                f,
                "the cluster has no {} {:?}{place} (what is written for it is dropped after ten minutes)",
                object.resource, object.name
            ),
            None => write!(f, "nothing is written for it under this name"),
        }
    }

    /// What the asker may have meant.
    fn instead(
        &self,
        f: &mut fmt::Formatter<'_>,
        others: &[MetricName],
        nearest: Option<&MetricName>,
    ) -> fmt::Result {
        if !others.is_empty() {
            write!(f, "; it has {}", Names(others))?;
        }
        match nearest {
            Some(same) if Some(same.as_str()) == self.metric.as_deref() => {
                write!(f, "; other {} have it", self.resource)
            }
            Some(nearest) => write!(f, "; the nearest metric of {} is {nearest}", self.resource),
            None => Ok(()),
        }
    }

    fn how_to_write(&self, f: &mut fmt::Formatter<'_>, object: &ObjectRef) -> fmt::Result {
        let metric = self.metric.as_deref().unwrap_or("METRIC");
        let (resource, name) = (&object.resource, &object.name);
        match &object.namespace {
            _ if resource.is_namespaces() => {
                write!(f, "; it is written with POST /write-metrics/namespaces/{name}/metrics/{metric}")
            }
            Some(namespace) => {
                write!(
                    f,
                    "; it is written with POST /write-metrics/namespaces/{namespace}/{resource}/{name}/{metric}"
                )
            }
            None => write!(f, "; it is written with POST /write-metrics/{resource}/{name}/{metric}"),
        }?;
        scraped(f, resource)
    }
}

/// Pods have a second source of values.
fn scraped(f: &mut fmt::Formatter<'_>, resource: &GroupResource) -> fmt::Result {
    if *resource != GroupResource::pods() {
        return Ok(());
    }
    f.write_str(
        ", or exposed by an annotated pod: /targets on the adapter's admin port shows what is scraped",
    )
}

fn no_objects(
    f: &mut fmt::Formatter<'_>,
    resource: &GroupResource,
    namespace: Option<&str>,
    selector: &str,
    standalone: bool,
) -> fmt::Result {
    let place = Place(namespace);
    match (standalone, selector.is_empty()) {
        (true, true) => write!(f, "nothing is written for any {resource}{place}"),
        (true, false) => {
            write!(
                f,
                "without a cluster (--standalone) no object has labels, so labelSelector {selector} selects none"
            )
        }
        (false, true) => write!(f, "the cluster has no {resource}{place}"),
        (false, false) => write!(f, "labelSelector {selector} selects no {resource}{place}"),
    }
}

/// What to do about a value that may not be served.
pub(super) fn remedy(absence: &Absence) -> &'static str {
    match absence {
        Absence::Stale { .. }
        | Absence::NotScraped { .. }
        | Absence::Unreadable { .. }
        | Absence::Lacking { .. } => "; the adapter's /targets page shows its scrapes",
        Absence::NoSeries => "; without metricLabelSelector all its label sets are summed",
        Absence::ObjectGone => "; write it again for the object that is there now",
        Absence::Expired { .. } => "; write it again, more often than its ttl or with a longer one",
        Absence::OutOfRange => "; select fewer of them with metricLabelSelector, or write smaller values",
        // The others say it themselves.
        _ => "",
    }
}

/// ` in namespace "default"`, or nothing.
struct Place<'a>(Option<&'a str>);

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |namespace| write!(f, " in namespace {namespace:?}"))
    }
}

/// The first of some metrics.
pub(super) struct Names<'a>(pub(super) &'a [MetricName]);

impl fmt::Display for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named: Vec<&str> = self.0.iter().take(NAMED).map(MetricName::as_str).collect();
        let more = if self.0.len() > NAMED { ", …" } else { "" };
        write!(f, "{}{more}", named.join(", "))
    }
}

/// How many metrics an error names.
const NAMED: usize = 8;
