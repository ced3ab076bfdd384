//! Why a read found nothing, in words for whoever reads `kubectl describe hpa`: the HPA shows the message verbatim.
//!
//! Upstream's sentence comes first, so that people and tools recognise it; what is wrong and what to do follows.

use std::fmt;

use jiff::Timestamp;

use super::{clues::PodTarget, owned::NotOwned};
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
        /// How it is scraped, if it asks to be.
        target: Option<PodTarget>,
        /// When the adapter started, if what was written before is lost.
        started: Option<Timestamp>,
        /// What it has instead.
        others: Vec<MetricName>,
        /// A metric of the resource with a similar name.
        nearest: Option<MetricName>,
    },
    /// A value is there and may not be served.
    Absent(Box<Lack>),
    /// Nothing is written for it, and its pods have no value together.
    NotOwned(Box<NotOwned>),
    /// `*` selected no object.
    NoObjects {
        /// Where was looked.
        namespace: Option<String>,
        /// The object selector, printed.
        selector: String,
        /// Whether there is no cluster to look at.
        standalone: bool,
        /// Whether the cluster has no such namespace.
        is_namespace_absent: bool,
    },
    /// `*` selected objects, and none of them has the metric.
    NoneHasIt {
        /// How many.
        objects: usize,
        /// How they are scraped.
        scraped: Scraped,
        /// What one of them has instead.
        others: Vec<MetricName>,
        /// A metric of the resource with a similar or the same name.
        nearest: Option<MetricName>,
    },
    /// `*` selected objects, and none of those that have the metric has a usable value.
    NoneUsable {
        /// How many were selected.
        objects: usize,
        /// One that has the metric, and why it has no usable value.
        example: Box<(ObjectRef, Lack)>,
    },
    /// Objects of this resource have a namespace, and the path has none.
    NeedsNamespace,
    /// A namespace was asked for under the path of another.
    OtherNamespace(String),
    /// Not a name that a metric can have.
    BadName(MetricNameError),
}

/// How many pods are scraped or ask to be.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Scraped {
    pub(super) targets: usize,
    /// Those that ask to be scraped and cannot be.
    pub(super) refused: usize,
    /// Why one of them cannot.
    pub(super) problem: Option<String>,
}

/// Why a value is not served, with what is known of its source.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Lack {
    pub(super) absence: Absence,
    pub(super) target: Option<PodTarget>,
    /// The label sets that there are, where none meets the selector.
    pub(super) label_sets: Vec<String>,
    /// The metric selector, printed.
    pub(super) selector: String,
}

impl fmt::Display for Lack {
    /// The cause first, the way to mend it last. No text changes from sync to sync: an HPA makes an event of each.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.absence, &self.target) {
            (Absence::NotScraped { error: Some(error) }, Some(PodTarget::At { url, .. })) => {
                write!(
                    f,
                    "its target {url} was never scraped well: {error}; look at prometheus.io/port, path and scheme of the pod"
                )
            }
            (Absence::Stale { at, error: Some(error) }, Some(PodTarget::At { url, .. })) => {
                write!(
                    f,
                    "its target {url} fails: {error}; the last good scrape was at {at:.0}{}",
                    remedy(&self.absence)
                )
            }
            (Absence::Early, Some(PodTarget::At { next: Some(next), .. })) => {
                write!(
                    f,
                    "it was scraped too few times to tell how fast it grows: the next scrape is due at {next:.0}"
                )
            }
            (Absence::NoSeries, _) if !self.label_sets.is_empty() => {
                write!(
                    f,
                    "no series of it has {}: its label sets are {}",
                    self.selector,
                    self.label_sets.join(" and ")
                )?;
                f.write_str(remedy(&self.absence))
            }
            (absence, _) => write!(f, "{absence}{}", remedy(absence)),
        }
    }
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
            Why::Unwritten { target: Some(target), others, nearest, .. } => {
                unexposed(f, target)?;
                self.instead(f, ("it", others), nearest.as_ref())?;
                f.write_str("; /targets on the adapter's admin port shows its scrapes")
            }
            Why::Unwritten { object, exists, started, others, nearest, .. } => {
                self.unwritten(f, object, (*exists, *started))?;
                self.instead(f, ("it", others), nearest.as_ref())?;
                if self.is_misspelt(nearest.as_ref()) { Ok(()) } else { self.how_to_write(f, object) }
            }
            Why::Absent(lack) => write!(f, "{lack}"),
            Why::NotOwned(lack) => write!(f, "{lack}"),
            Why::NoObjects { namespace: Some(namespace), is_namespace_absent: true, .. } => {
                write!(f, "the cluster has no namespace {namespace:?}")
            }
            Why::NoObjects { namespace, selector, standalone, .. } => {
                no_objects(f, resource, namespace.as_deref(), selector, *standalone)
            }
            Why::NoneHasIt { objects, scraped: Scraped { refused, problem: Some(problem), .. }, .. }
                if refused == objects =>
            {
                write!(f, "the {objects} {resource} selected ask to be scraped and cannot be: {problem}")
            }
            Why::NoneHasIt { objects, scraped, others, nearest } => {
                write!(f, "of the {objects} {resource} selected none has it")?;
                self.none_has_it(f, (others, nearest.as_ref()), scraped)
            }
            Why::NoneUsable { objects, example } => {
                let (object, lack) = &**example;
                write!(
                    f,
                    "of the {objects} {resource} selected none has it; {resource} {}: {lack}",
                    object.name
                )
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

    fn none_has_it(
        &self,
        f: &mut fmt::Formatter<'_>,
        (others, nearest): (&[MetricName], Option<&MetricName>),
        scraped: &Scraped,
    ) -> fmt::Result {
        let resource = &self.resource;
        if let Some(problem) = &scraped.problem {
            write!(f, "; {} of them ask to be scraped and cannot be: {problem}", scraped.refused)?;
        }
        match (nearest, others.is_empty()) {
            (None, true) => write!(f, "; none of them has any metric"),
            _ => self.instead(f, ("one of them", others), nearest),
        }?;
        if scraped.targets + scraped.refused > 0 {
            return f.write_str("; /targets on the adapter's admin port shows their scrapes");
        }
        if self.is_misspelt(nearest) {
            return Ok(());
        }
        f.write_str("; it is written with POST /write-metrics/…")?;
        exposed_too(f, resource)
    }

    fn unwritten(
        &self,
        f: &mut fmt::Formatter<'_>,
        object: &ObjectRef,
        (exists, started): (Option<bool>, Option<Timestamp>),
    ) -> fmt::Result {
        let place = Place(object.namespace.as_deref());
        match exists {
            Some(true) => match started {
                Some(started) => write!(
                    f,
                    "it exists, and nothing is stored for it under this name since the adapter started at {started:.0}"
                ),
                None => f.write_str("it exists, and nothing is stored for it under this name"),
            },
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
        (owner, others): (&str, &[MetricName]),
        nearest: Option<&MetricName>,
    ) -> fmt::Result {
        if let Some(own) = nearest.filter(|nearest| others.contains(nearest)) {
            return write!(f, "; the nearest name that {owner} has is {own}");
        }
        if !others.is_empty() {
            write!(f, "; {owner} has {}", Names(others))?;
        }
        match nearest {
            Some(nearest) if self.is_misspelt(Some(nearest)) => {
                write!(f, "; the nearest metric of {} is {nearest}", self.resource)
            }
            Some(_) => write!(f, "; other {} have it", self.resource),
            None => Ok(()),
        }
    }

    /// Whether a similar name is known. Then nobody should be taught to write the one that was asked for.
    fn is_misspelt(&self, nearest: Option<&MetricName>) -> bool {
        nearest.is_some_and(|nearest| Some(nearest.as_str()) != self.metric.as_deref())
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
        exposed_too(f, resource)
    }
}

/// A pod that is scraped, or asks to be, does not have the metric.
fn unexposed(f: &mut fmt::Formatter<'_>, target: &PodTarget) -> fmt::Result {
    match target {
        PodTarget::Refused(problem) => write!(f, "it asks to be scraped and cannot be: {problem}"),
        PodTarget::At { url, .. } => write!(f, "it is scraped at {url}, which does not expose it"),
    }
}

/// Pods have a second source of values.
fn exposed_too(f: &mut fmt::Formatter<'_>, resource: &GroupResource) -> fmt::Result {
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
        Absence::NoSeries => "; without metric.selector all its label sets are summed",
        Absence::ObjectGone => "; write it again for the object that is there now",
        Absence::Expired { .. } => "; write it again, more often than its ttl or with a longer one",
        Absence::OutOfRange => "; select fewer of them with metric.selector, or write smaller values",
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
