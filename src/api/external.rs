//! Reads of `external.metrics.k8s.io`: every label set of one metric of a namespace, and if there is none, why.

mod no_metric;
mod values;

use jiff::Timestamp;

use no_metric::Unwritten;
pub(super) use no_metric::{NoExternalMetric, Why};
pub(super) use values::ExternalMetricValueList;

use crate::{
    model::{ExternalValue, Labels, MetricName, MetricSelector, ObjectRef, Presence, Sample, Subject},
    owned::{self, Nothing, Rules},
    store::{Absence, Query, Store, nearest},
};

use super::{custom::LABEL_SETS, discovery::AskedFor, route::ExternalPath, view::ClusterView};

/// One read, at one moment.
pub(super) struct Read<'a> {
    pub(super) store: &'a Store,
    pub(super) cluster: &'a dyn ClusterView,
    pub(super) path: &'a ExternalPath,
    pub(super) selector: &'a MetricSelector,
    pub(super) now: Timestamp,
    pub(super) rules: Rules,
    pub(super) asked: &'a AskedFor,
}

impl Read<'_> {
    /// The values, by label set; at least one.
    ///
    /// # Errors
    /// When there is none, with the reason. An empty list would reach the HPA's user as `no metrics returned from
    /// external metrics API`; a reason reaches them verbatim.
    pub(super) fn run(&self) -> Result<Vec<ExternalValue>, NoExternalMetric> {
        let metric = MetricName::new(&self.path.metric).map_err(|error| self.nothing(Why::BadName(error)))?;
        let presence = self.cluster.presence(&ObjectRef::namespace(&*self.path.namespace));
        let query = Query { presence: &presence, selector: self.selector, now: self.now };
        let absence = match self.store.read_external(&self.path.namespace, &metric, query) {
            Ok(values) => return Ok(values),
            Err(absence) => absence,
        };
        Err(self.nothing(match absence {
            Absence::UnknownMetric => match self.of_pods(&metric) {
                Ok(sample) => return Ok(vec![ExternalValue { labels: Labels::default(), sample }]),
                Err(Some(absence)) => Why::OfPods(absence),
                Err(None) => self.unwritten(&metric, query),
            },
            Absence::NoSeries => self.unselected(&metric),
            absence => Why::Absent(absence),
        }))
    }

    /// The value of all pods of the namespace together.
    ///
    /// # Errors
    /// Why there is none; nothing where no pod has such a metric, as far as is known.
    fn of_pods(&self, metric: &MetricName) -> Result<Sample, Option<Absence>> {
        let members = self.cluster.members(&ObjectRef::namespace(&*self.path.namespace));
        let sample = owned::read(self.store, members, metric, (self.selector, self.now, self.rules));
        match sample {
            Ok(sample) => {
                self.asked.note(None, metric, self.now);
                Ok(sample)
            }
            Err(Nothing::Absent(Absence::UnknownMetric)) => Err(None),
            Err(Nothing::Absent(absence)) => Err(Some(absence)),
            Err(Nothing::Unknown(_) | Nothing::NoPods | Nothing::NoneRuns(_)) => Err(None),
        }
    }

    fn unwritten(&self, metric: &MetricName, query: Query<'_>) -> Why {
        let namespace_exists = match query.presence {
            Presence::Live(_) => Some(true),
            Presence::Absent => Some(false),
            Presence::Unknown => None,
        };
        let others = self.store.external_metrics(&self.path.namespace, query);
        Why::Unwritten(Unwritten {
            namespace_exists,
            nearest: nearest(others.iter(), metric),
            elsewhere: self.store.catalog().external.binary_search(metric).is_ok(),
            others,
        })
    }

    fn unselected(&self, metric: &MetricName) -> Why {
        let subject = Subject::external(&*self.path.namespace);
        Why::Unselected(self.store.label_sets(&subject, metric, LABEL_SETS))
    }

    fn nothing(&self, why: Why) -> NoExternalMetric {
        NoExternalMetric { path: self.path.clone(), selector: self.selector.to_string(), why }
    }
}
